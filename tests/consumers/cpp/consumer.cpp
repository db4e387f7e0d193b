// A program in C++ that trains with pyoptim: momentum that goes against a one-cycle rate, a
// checkpoint, an embedding table with gradients of rows, points of evaluation, errors. It prints
// the bits of the results.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "pyoptim/pyoptim.hpp"

namespace {

namespace schedules = pyoptim::schedules;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s: this must hold\n", what);
  std::exit(1);
}

double optimum(std::size_t i) { return 0.25 * double(i) - 1; }

std::vector<double> gradient(const std::vector<double>& at) {
  std::vector<double> grad;
  for (std::size_t i = 0; i < at.size(); ++i) grad.push_back(2 * (at[i] - optimum(i)));
  return grad;
}

void print(const char* name, const auto& values) {
  std::printf("%s", name);
  for (const auto value : values) {
    if constexpr (sizeof(value) == 4)
      std::printf(" %08lx", static_cast<unsigned long>(std::bit_cast<std::uint32_t>(value)));
    else
      std::printf(" %016llx", static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(value)));
  }
  std::printf("\n");
}

void check_optimum(const std::vector<double>& at) {
  for (std::size_t i = 0; i < at.size(); ++i)
    require(std::fabs(at[i] - optimum(i)) < 1e-3, "the optimum");
}

pyoptim::Optimizer momentum_over(std::vector<double>& w) {
  const schedules::one_cycle cycle{.max_lr = 0.1, .steps = 200};
  const pyoptim::SGD rule{.lr = cycle,
                          .momentum = schedules::cycle_momentum{
                              .cycle = cycle, .base_momentum = 0.85, .max_momentum = 0.95}};
  return {rule, {{"w", w}}, {.clip_norm = 10}};
}

/// The bytes of all states, and where they go back to.
std::vector<std::vector<std::byte>> saved(const pyoptim::Optimizer& opt) {
  std::vector<std::vector<std::byte>> all;
  for (std::size_t i = 0; i < opt.buffer_count(); ++i)
    for (const pyoptim::State& state : opt.states(i))
      all.emplace_back(state.bytes.begin(), state.bytes.end());
  return all;
}

void load(pyoptim::Optimizer& opt, const std::vector<std::vector<std::byte>>& all) {
  auto next = all.begin();
  for (std::size_t i = 0; i < opt.buffer_count(); ++i)
    for (const pyoptim::State& state : opt.states(i))
      std::memcpy(state.bytes.data(), (next++)->data(), state.bytes.size());
}

void train_with_momentum() {
  std::vector<double> w(7), again(7);
  pyoptim::Optimizer opt = momentum_over(w);
  for (int i = 0; i < 100; ++i)
    require(opt.step({gradient(w)}).grad_norm.has_value(), "a measured step");

  pyoptim::Optimizer other = momentum_over(again);
  again = w;
  load(other, saved(opt));
  other.set_steps(opt.steps());
  pyoptim::Optimizer moved = std::move(opt);
  opt = std::move(moved);
  while (opt.steps() < 400) opt.step({gradient(w)});
  while (other.steps() < 400) other.step({gradient(again)});
  require(w == again, "what was resumed is the same");
  check_optimum(w);
  print("momentum", w);
}

void train_an_embedding() {
  std::vector<float> table(10 * 3, 1.0F);
  pyoptim::Optimizer opt(pyoptim::Adagrad{.lr = 0.5}, {pyoptim::Buffer("table", table, {10, 3})});
  const std::vector<std::int64_t> rows = {7, 2, 7};
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, -0.5F, 0.25F, 1};
  for (int i = 0; i < 5; ++i) {
    const pyoptim::StepInfo info = opt.step({pyoptim::Gradient(rows, values)});
    require(!info.skipped && !info.grad_norm, "what the step tells");
  }
  require(table[0] == 1 && table[6] != 1 && table[21] != 1, "touched rows only");
  print("embedding", table);
}

void train_and_evaluate() {
  std::vector<double> w(5), grad(5);
  pyoptim::Buffer buffer("w", w);
  pyoptim::Optimizer opt(pyoptim::ScheduleFreeSGD{.lr = 0.4}, {buffer.bind(grad)});
  for (int i = 0; i < 1500; ++i) {
    std::ranges::copy(gradient(w), grad.begin());  // the memory that is bound
    opt.step();
  }
  const std::vector<double> before = w;
  {
    const pyoptim::Evaluation evaluation(opt);
    check_optimum(w);
    print("averaged", w);
    bool refused = false;
    try {
      opt.step();
    } catch (const pyoptim::Error& error) {
      refused = error.status() == PYOPTIM_ERROR_STATE;
    }
    require(refused, "no step at points of evaluation");
  }
  require(w == before, "back at the points of training");
}

void train_in_groups_by_a_function() {
  std::vector<float> a(3, 1.0F), b(3, 1.0F);
  const std::vector<float> ones(3, 1.0F);
  const double first = 0.5;  // kept by the function, which the optimizer keeps
  pyoptim::Optimizer opt(
      {{pyoptim::SGD{.lr = [first](std::int64_t step) { return first / double(1 + step); }}, {a}},
       {pyoptim::SGD{.lr = 0.125}, {b}}},
      {.num_threads = 1});
  opt.step({ones, nullptr});
  opt.step({ones, ones}, 2.0);
  require(a[0] == 0 && b[0] == 0.75F, "two groups");
  require(opt.get(0, "lr") == 0.25 && opt.get(1, "lr") == 0.125, "their rates");
  opt.set(1, "lr", 1);
  require(opt.get(1, "lr") == 1, "a rate that was set");
}

void check_errors() {
  std::vector<float> w(3);
  const std::vector<float> short_one(2);
  const std::vector<double> doubles(3);
  pyoptim::Optimizer opt(pyoptim::Rule("Lion", {{"lr", 0.1}}), {w});
  const auto message = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const pyoptim::Error& error) {
      return error.what();
    }
    return "";
  };
  require(message([&] { opt.step({short_one}); }) == "gradient 0: expected 3 elements, got 2",
          "a gradient of another size");
  require(message([&] { opt.step({doubles}); }) == "gradient 0 has another type than its buffer",
          "a gradient of another type");
  require(message([&] { opt.step({w, w}); }) == "expected 1 gradients, got 2", "too many");
  require(message([&] { opt.step({w}); }).find("overlaps") != std::string::npos, "overlap");
  require(message([&] {
            pyoptim::Optimizer(pyoptim::Lion{.beta1 = 2}, {w});
          }).find("Lion: beta1 must be in [0, 1)") == 0,
          "out of range");
  require(message([&] {
            pyoptim::Schedule(schedules::linear{.lr = 1, .steps = 0});
          }).find("linear: steps must be") == 0,
          "a wrong schedule");
  opt.set(0, "lr", [](std::int64_t step) -> double {
    if (step > 0) throw std::runtime_error("no more");
    return 0.5;
  });
  opt.step({std::vector<float>(3)});
  require(message([&] { opt.step({nullptr}); }).find("lr must be") != std::string::npos,
          "a function that throws");
}

}  // namespace

int main() {
  train_with_momentum();
  train_an_embedding();
  train_and_evaluate();
  train_in_groups_by_a_function();
  check_errors();
  require(pyoptim::rules().size() > 30 && pyoptim::get_num_threads() > 0, "the lists");
}
