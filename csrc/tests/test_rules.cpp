// Every rule, variant and dtype: the same bits on every instruction set, for every length and
// alignment, and nothing is written outside of the span.
#include <doctest.h>

#include <limits>

#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t longest = 67;
constexpr std::size_t offsets[] = {0, 1, 3};
constexpr std::size_t room = longest + 5;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Preprocess preprocesses[] = {{},
                                       {.scale = -0.5, .bound = 0.75, .keep = 0.999},
                                       {.scale = 2, .bound = 1e30, .l2 = 0.01},
                                       {.scale = 0x1p-30, .rest = 0x1p-100}};

/// The arrays that an update reads and writes.
struct Problem {
  Array param, grad;
  std::vector<Array> states;

  Problem(DType dtype, std::size_t state_count)
      : param(random_array(dtype, room, 1)), grad(random_array(dtype, room, 2)) {
    for (std::size_t k = 0; k < state_count; ++k) {
      states.push_back(random_array(state_dtype(dtype), room, 3 + k));
      for (std::size_t i = 0; i < room; ++i) states[k].set(i, std::fabs(states[k][i]));
    }
    const double special[] = {0.0, -0.0, infinity, -infinity, std::nan(""), 1e-310, 1e-40, 1e30};
    for (std::size_t i = 0; i < std::size(special); ++i) {
      grad.set(5 * i, special[i]);
      param.set(5 * i + 2, special[i]);
    }
  }

  void update(Update kernel, const std::vector<double>& hyper, const Step& step,
              const Preprocess& preprocess, std::size_t first, std::size_t size) {
    Span span{param.at(first), grad.at(first), {}, size};
    for (std::size_t k = 0; k < states.size(); ++k) span.state[k] = states[k].at(first);
    kernel(hyper.data(), step, preprocess, &span, 1, nullptr);
  }
};

/// Compares with `updated` inside of the span and with `before` outside.
std::string difference(const Problem& got, const Problem& updated, const Problem& before,
                       std::size_t first, std::size_t size) {
  const auto compare = [&](const Array& a, const Array& inside, const Array& outside) {
    std::string text = difference(a, 0, outside, 0, first);
    if (text.empty()) text = difference(a, first, inside, first, size);
    if (text.empty())
      text = difference(a, first + size, outside, first + size, room - first - size);
    return text;
  };
  std::string text = compare(got.param, updated.param, before.param);
  for (std::size_t k = 0; k < got.states.size() && text.empty(); ++k) {
    text = compare(got.states[k], updated.states[k], before.states[k]);
    if (!text.empty()) text = "state " + std::to_string(k) + ": " + text;
  }
  return text;
}

/// The first difference between updates of single elements on the baseline and of whole spans on
/// `isa`.
std::string try_rule(const RuleInfo& baseline, const RuleInfo& isa, DType dtype,
                     const std::vector<double>& hyper, const Preprocess& preprocess,
                     const Step& step) {
  const int general = preprocess.l2 != 0 || preprocess.rest != 1 ? 1 : 0;
  const Update one = baseline.update[int(dtype)][general];
  const Update many = isa.update[int(dtype)][general];
  const Problem before(dtype, baseline.state_count);
  Problem updated = before;
  for (std::size_t i = 0; i < room; ++i) updated.update(one, hyper, step, preprocess, i, 1);
  for (std::size_t size = 0; size <= longest; ++size)
    for (const std::size_t first : offsets) {
      Problem got = before;
      got.update(many, hyper, step, preprocess, first, size);
      const std::string text = difference(got, updated, before, first, size);
      if (!text.empty())
        return "size " + std::to_string(size) + " from " + std::to_string(first) + ": " + text;
    }
  return "";
}

}  // namespace

TEST_CASE("every instruction set lists the same rules") {
  const auto rules = all_rules();
  for (const Isa isa : available_isas()) {
    CAPTURE(isa_name(isa));
    const std::vector<const RuleInfo*>& of_isa = pyoptim::all_rules(isa);
    REQUIRE(of_isa.size() == rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
      CHECK(std::string(of_isa[i]->name) == rules[i]->name);
      CHECK(of_isa[i]->field_count == rules[i]->field_count);
      CHECK(of_isa[i]->state_count == rules[i]->state_count);
    }
  }
}

TEST_CASE("every variant can be chosen, and by one set of hyperparameters only") {
  const auto rules = all_rules();
  for (const RuleInfo* rule : rules) {
    CAPTURE(rule->name);
    const auto choices = choices_of_hyper(*rule);
    CHECK_FALSE(choices.empty());
    for (const auto& hyper : choices) {
      int serving = 0;
      for (const RuleInfo* other : rules)
        if (std::string(other->name) == rule->name) serving += other->applies(hyper.data());
      CHECK(serving == 1);
    }
  }
}

TEST_CASE("every rule gives the same bits on every instruction set, length and alignment") {
  const auto rules = all_rules();
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (const auto& hyper : choices_of_hyper(*rules[i])) {
      if (rules[i]->factored != nullptr) continue;  // test_factored.cpp
      double scalars[max_scalars] = {};
      rules[i]->initial_scalars(hyper.data(), 0.1, scalars);
      for (const std::int64_t count : {1, 2, 9}) {
        const double sums[max_sums] = {3, 2};
        const Step step{count, 0.1, scalars, 0.01, sums, 100};
        for (const Isa isa : available_isas())
          for (const DType dtype : all_dtypes)
            for (const Preprocess& preprocess : preprocesses) {
              CAPTURE(rules[i]->name);
              CAPTURE(i);
              CAPTURE(count);
              CAPTURE(isa_name(isa));
              CAPTURE(name_of(dtype));
              CAPTURE(preprocess.scale);
              CHECK(try_rule(*rules[i], *pyoptim::all_rules(isa)[i], dtype, hyper, preprocess,
                             step) == "");
            }
        rules[i]->advance(hyper.data(), step, scalars);
      }
    }
}

TEST_CASE("an optimizer gives the same bits on every instruction set, denormals included") {
  constexpr std::size_t size = 1000;
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : all_dtypes) {
      std::vector<Array> states_of_first;
      Array first(dtype, 0);
      for (const Isa isa : available_isas()) {
        CAPTURE(rule->name);
        CAPTURE(name_of(dtype));
        CAPTURE(isa_name(isa));
        use_isa(isa_name(isa));
        Array param = random_array(dtype, size, 1), grad = random_array(dtype, size, 2);
        const double tiny = dtype == DType::float64 ? 1e-308 : 1e-38;
        for (std::size_t i = 0; i < size; i += 2) grad.set(i, tiny * grad[i]);
        const auto hyper = choices_of_hyper(*rule).front();
        auto settings = settings_of(*rule, hyper);
        settings.emplace_back("lr", 0.5);  // LARS makes steps of a small fraction of it
        Optimizer optimizer(rule->name, {{settings, {{"p", param.at(0), size, dtype}}}}, {});
        const void* grads[] = {grad.at(0)};
        for (int step = 0; step < 5; ++step) optimizer.step(grads);
        if (first.size() == 0) {
          first = param;
          for (std::size_t k = 0; k < rule->state_count; ++k)
            states_of_first.push_back(copy_of_state(optimizer.tensor(0), k));
          CHECK(test::difference(param, random_array(dtype, size, 1)) != "");
        }
        CHECK(test::difference(param, first) == "");
        for (std::size_t k = 0; k < rule->state_count; ++k)
          CHECK(test::difference(copy_of_state(optimizer.tensor(0), k), states_of_first[k]) == "");
      }
    }
}
