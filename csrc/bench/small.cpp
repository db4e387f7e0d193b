// The overhead of the engine: a step over 4 arrays of 100, compared with a call of the rule's
// kernel for each of them.
#include <cmath>

#include "bench/bare.hpp"
#include "bench/bench.hpp"
#include "bench/variants.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"
#include "optim/optimizer.hpp"
#include "rules/registry.hpp"

namespace pyoptim::bench {
namespace {

constexpr std::size_t count = 4, size = 100;

/// Four float32 parameters with their gradients and states.
struct Arrays {
  std::vector<test::Array> all;
  std::vector<Span> spans;

  explicit Arrays(const RuleInfo& rule) {
    const std::size_t each = 2 + rule.state_count;
    for (std::size_t i = 0; i < count * each; ++i)
      all.push_back(test::random_array(DType::float32, size, i));
    for (std::size_t i = 0; i < count; ++i) {
      test::Array* const arrays = &all[i * each];
      Span span{arrays[0].at(0), arrays[1].at(0), {}, size};
      for (std::size_t k = 0; k < rule.state_count; ++k) {
        test::Array& values = arrays[2 + k];
        for (std::size_t j = 0; j < size; ++j) values.set(j, std::fabs(values[j]));
        span.state[k] = values.at(0);
      }
      spans.push_back(span);
    }
  }
};

void run(benchmark::State& state, const Variant& variant, const RuleInfo& rule) {
  const Arrays by_kernel(rule), by_engine(rule);
  BareKernels kernels(rule, variant.hyper, variant.settings.back().second, by_kernel.spans);
  GroupSpec group{variant.settings, {}};
  std::vector<const void*> grads;
  for (const Span& span : by_engine.spans) {
    group.tensors.push_back({"p", span.param, size, DType::float32});
    grads.push_back(span.grad);
  }
  Optimizer optimizer(rule.name, {group}, {});
  const FloatEnvironment environment;  // for the bare calls; the engine sets its own
  const double ratio = in_turns(
      state, [&] { optimizer.step(grads.data()); }, [&] { kernels.step(); });
  state.counters["times_kernels"] = 1 / ratio;
}

}  // namespace

void add_small() {
  const std::vector<Variant> all = variants();
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const Isa isa : available_isas()) {
      const RuleInfo& rule = *all_rules(isa)[i];
      if (rule.factored != nullptr || rule.sum_count > 0) continue;  // more than one call each
      add(all[i].name + "/float32/4x100/" + isa_name(isa),
          [variant = all[i], &rule, isa](benchmark::State& state) {
            use_isa(isa_name(isa));
            run(state, variant, rule);
          });
    }
}

}  // namespace pyoptim::bench
