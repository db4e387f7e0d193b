// The overhead of a step through the C interface: AdamW over four arrays of 100 floats, in turns
// with bare calls of the kernel, as the median of many repeats.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "pyoptim/pyoptim.h"
#include "rules/registry.hpp"

namespace {

constexpr std::size_t arrays = 4, size = 100, apart = 128;
constexpr int steps = 2000, repeats = 201;

struct Model {
  std::vector<float> param = std::vector<float>(arrays * apart, 1.0F);
  std::vector<float> grad = std::vector<float>(arrays * apart, 0.25F);
};

template <class Step>
double nanoseconds(const Step& step) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) step();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / steps;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + repeats / 2, values.end());
  return values[repeats / 2];
}

/// The arrays are apart in memory, as in a program.
float* array(std::vector<float>& all, std::size_t index) { return all.data() + index * apart; }

}  // namespace

int main() {
  const auto& rules = pyoptim::all_rules(pyoptim::active_isa());
  const pyoptim::RuleInfo* const rule = *std::find_if(
      rules.begin(), rules.end(),
      [](const pyoptim::RuleInfo* info) { return std::string(info->name) == "AdamW"; });
  std::vector<double> hyper;
  for (std::size_t i = 0; i < rule->field_count; ++i) hyper.push_back(rule->fields[i].initial);

  // Bare calls: one for each array, or one for all.
  Model bare, together;
  std::vector<float> states(4 * arrays * size);
  std::vector<pyoptim::Span> each, all;
  for (std::size_t i = 0; i < arrays; ++i) {
    float* const state = states.data() + 4 * i * size;
    each.push_back({array(bare.param, i), array(bare.grad, i), {state, state + size}, size});
    all.push_back({array(together.param, i),
                   array(together.grad, i),
                   {state + 2 * size, state + 3 * size},
                   size});
  }
  const pyoptim::Preprocess preprocess{.keep = 1 - 1e-3 * 1e-2};
  const pyoptim::Update update = rule->update[int(pyoptim::DType::float32)][0];
  std::int64_t count = 0;
  const auto step_each = [&] {
    ++count;
    for (const pyoptim::Span& span : each)
      update(hyper.data(), {count, 1e-3, nullptr}, preprocess, &span, 1, nullptr);
  };
  std::int64_t count_of_all = 0;
  const auto step_all = [&] {
    update(hyper.data(), {++count_of_all, 1e-3, nullptr}, preprocess, all.data(), arrays, nullptr);
  };

  Model model;
  pyoptim_optimizer* opt = nullptr;
  std::vector<const void*> grads;
  pyoptim_create("AdamW", nullptr, 0, &opt);
  for (std::size_t i = 0; i < arrays; ++i) {
    pyoptim_add_buffer(opt, nullptr, PYOPTIM_FLOAT32, array(model.param, i), 1, &size);
    grads.push_back(array(model.grad, i));
  }
  if (pyoptim_build(opt) != PYOPTIM_OK) {
    std::fprintf(stderr, "%s\n", pyoptim_last_error());
    return 1;
  }
  const auto step_c = [&] { pyoptim_step(opt, grads.data(), 1, nullptr); };

  std::vector<double> of_each, of_all, of_c;
  for (int i = 0; i < repeats; ++i) {
    of_each.push_back(nanoseconds(step_each));
    of_all.push_back(nanoseconds(step_all));
    of_c.push_back(nanoseconds(step_c));
  }
  pyoptim_destroy(opt);
  if (model.param != bare.param || model.param != together.param) {
    std::fprintf(stderr, "the steps differ\n");
    return 1;
  }
  const double c = median(of_c), four = median(of_each), one = median(of_all);
  std::printf("AdamW, 4 arrays of 100 float32, %s, one step in ns\n",
              pyoptim::isa_name(pyoptim::active_isa()));
  std::printf("kernel, a call for each array   %6.0f\n", four);
  std::printf("kernel, one call for all        %6.0f\n", one);
  std::printf("C interface                     %6.0f   %.2f and %.2f times\n", c, c / four,
              c / one);
}
