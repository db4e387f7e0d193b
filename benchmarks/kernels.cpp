// Steps without an engine, for benchmarks/kernels.py: linked to the installed library.
#include <cstring>

#include "bench/bare.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"

/// Makes so many steps of a rule with its defaults over float32 arrays of one size; `states` has
/// all of the first array, then all of the second. 0 if there is such a rule.
extern "C" int bare_steps(const char* name, double lr, std::size_t arrays, std::size_t size,
                          void* const* params, const void* const* grads, void* const* states,
                          std::size_t steps) {
  const pyoptim::Backend& backend = pyoptim::active_backend();
  const pyoptim::RuleInfo* rule = backend.rules;
  while (rule != backend.rules + backend.rule_count && std::strcmp(rule->name, name) != 0) ++rule;
  if (rule == backend.rules + backend.rule_count) return 1;
  std::vector<double> hyper;
  for (std::size_t i = 0; i < rule->field_count; ++i) hyper.push_back(rule->fields[i].initial);
  std::vector<pyoptim::Span> spans;
  for (std::size_t i = 0; i < arrays; ++i) {
    pyoptim::Span& span = spans.emplace_back(pyoptim::Span{params[i], grads[i], {}, size});
    for (std::size_t k = 0; k < rule->state_count; ++k)
      span.state[k] = states[i * rule->state_count + k];
  }
  const pyoptim::FloatEnvironment environment;
  pyoptim::bench::BareKernels kernels(*rule, hyper, lr, spans);
  for (std::size_t i = 0; i < steps; ++i) kernels.step();
  return 0;
}
