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
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
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

// Gradients point to memory: that of a temporary would be gone. Only a step may be given one.
using Vector = std::vector<float>;
using Rows = std::vector<std::int64_t>;
template <class V>
concept Bindable = requires(pyoptim::Buffer& buffer, V&& values) {
  buffer.bind(std::forward<V>(values));
};
static_assert(std::is_convertible_v<Vector&, pyoptim::Gradient>);
static_assert(std::is_convertible_v<const Vector&, pyoptim::Gradient>);
static_assert(std::is_convertible_v<std::span<float>, pyoptim::Gradient>);
static_assert(!std::is_constructible_v<pyoptim::Gradient, Vector>);
static_assert(std::is_constructible_v<pyoptim::Gradient, const Rows&, Vector&>);
static_assert(!std::is_constructible_v<pyoptim::Gradient, Rows, Vector&>);
static_assert(!std::is_constructible_v<pyoptim::Gradient, const Rows&, Vector>);
static_assert(Bindable<Vector&> && Bindable<std::span<const float>> && !Bindable<Vector>);

template <class E>
std::string message_of(const auto& work) {
  try {
    work();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

void check_gradients() {
  Vector w(3, 1.0F), none, nothing;
  pyoptim::Optimizer opt(pyoptim::SGD{.lr = 1}, {w, nothing});
  const auto message = [](const auto& work) { return message_of<pyoptim::Error>(work); };
  require(message([&] {
            opt.step({none, nullptr});
          }) == "gradient 0: expected 3 elements, got 0",
          "an empty gradient is not none");
  const std::vector<pyoptim::Gradient> gradients = {none, nullptr};
  require(message([&] { opt.step(gradients); }).find("got 0") != std::string::npos, "in a vector");
  pyoptim::Buffer bound(w);
  bound.bind(none);
  require(message([&] { pyoptim::Optimizer(pyoptim::SGD{}, {bound}); }).find("does not fit") !=
              std::string::npos,
          "an empty gradient that is bound");
  require(opt.steps() == 0, "no step was made");
  opt.step({nullptr, none});  // of a buffer without elements: there it is a gradient
  require(opt.states(0)[0].values<std::int64_t>()[0] == 0, "none is no step of a buffer");
  require(opt.states(1)[0].values<std::int64_t>()[0] == 1, "one that is empty is a step");

  pyoptim::Optimizer zeroing(pyoptim::SGD{.lr = 1}, {w}, {.zero_grads = true});
  const Vector constant(3, 1.0F);
  Vector own(3, 1.0F);
  require(message([&] { zeroing.step({constant}); }) ==
              "gradient 0: zero_grads writes to gradients, and this one is const",
          "const memory is not written");
  require(constant[0] == 1 && w[0] == 1, "nothing changed");
  require(message([&] {
            pyoptim::Optimizer(pyoptim::SGD{}, {pyoptim::Buffer("w", w).bind(constant)},
                               {.zero_grads = true});
          }).find("the gradient of w: zero_grads") == 0,
          "the same, bound");
  zeroing.step({own});
  require(own[0] == 0 && w[0] == 0, "what is not const is set to 0");
  require(
      message([&] { zeroing.step({own}, std::nan("")); }) == "grad_scale must be finite, got nan",
      "a scale that is no number");
}

void check_schedules() {
  Vector w(3, 1.0F);
  const Vector ones(3, 1.0F);
  pyoptim::Optimizer opt(
      pyoptim::Rprop{.step_size_min = schedules::linear{.lr = 1e-3, .steps = 10, .end = 10},
                     .step_size_max = schedules::linear{.lr = 5e-3, .steps = 10, .end = 50}},
      {w});
  for (int i = 0; i < 11; ++i) opt.step({ones});
  require(opt.get(0, "step_size_min") == 10 && opt.get(0, "step_size_max") == 50, "both moved");
  opt.set(0, {{"step_size_min", 100}, {"step_size_max", schedules::constant{.lr = 200}}});
  require(opt.get(0, "step_size_min") == 100 && opt.get(0, "step_size_max") == 200, "both set");
  require(!message_of<pyoptim::Error>([&] {
             opt.set(0, {{"step_size_max", 300}, {"step_size_min", 400}});
           }).empty() &&
              opt.get(0, "step_size_max") == 200,
          "all or none");

  std::vector<std::int64_t> calls;
  pyoptim::Optimizer other(pyoptim::SGD{.lr =
                                            [&calls](std::int64_t step) {
                                              calls.push_back(step);
                                              if (step == 2) throw std::out_of_range("no more");
                                              return 0.5;
                                            }},
                           {w});
  for (int i = 0; i < 2; ++i) other.step({ones});
  require(calls == std::vector<std::int64_t>{0, 1}, "called once a step");
  const Vector before = w;
  require(message_of<std::out_of_range>([&] { other.step({ones}); }) == "no more",
          "what a function throws arrives as it is");
  require(w == before && other.steps() == 2, "and nothing is changed");
  other.set(0, "lr", 0.5);
  other.step({ones});
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
  opt.set(0, "lr", [](std::int64_t step) -> double { return step > 0 ? std::nan("") : 0.5; });
  opt.step({std::vector<float>(3)});
  require(message([&] { opt.step({nullptr}); }).find("lr must be") != std::string::npos,
          "a function that gives no number");
}

/// Names that the C interface would cut off, and whole numbers that its doubles cannot hold.
void check_names_and_numbers() {
  using namespace std::string_literals;
  Vector w(3, 1.0F);
  const auto message = [](const auto& work) { return message_of<pyoptim::Error>(work); };
  require(message([&] { pyoptim::Optimizer(pyoptim::Rule("SGD\0x"s), {w}); }) ==
              "the rule 'SGD...' has a NUL at position 3",
          "the name of a rule");
  require(message([&] {
            pyoptim::Optimizer(pyoptim::Rule("SGD", {{"lr\0x"s, 0.1}}), {w});
          }).find("the setting 'lr...' has a NUL") == 0,
          "the name of a setting");
  require(message([&] {
            pyoptim::Optimizer(pyoptim::SGD{}, {pyoptim::Buffer("w\0x"s, w)});
          }).find("the buffer 'w...' has a NUL") == 0,
          "the name of a buffer");
  pyoptim::Optimizer opt(pyoptim::SGD{}, {w}, {.seed = ~std::uint64_t{0}});
  require(message([&] { return opt.get(0, "lr\0x"s); }).find("has a NUL") != std::string::npos,
          "get");
  require(message([&] { opt.set(0, "lr\0x"s, 1); }).find("has a NUL") != std::string::npos, "set");

  constexpr std::int64_t most = std::int64_t{1} << 53;
  opt.set_steps(most);
  require(opt.steps() == most, "as many steps as doubles count");
  require(
      message([&] { opt.set_steps(most + 1); }).find("got 9007199254740993") != std::string::npos,
      "too many steps");
  for (const std::int64_t steps : {most + 1, -most - 1})
    require(message([&] {
              pyoptim::Schedule(schedules::linear{.lr = 1, .steps = steps});
            }).find("steps must be a whole number") != std::string::npos,
            "a count of a schedule");
  require(message([&] {
            pyoptim::Schedule(schedules::multi_step{.lr = 1, .milestones = {1, most + 1}});
          }).find("milestones must be a whole number of at most 2^53, got 9007199254740993") == 0,
          "a list of counts");
  require(message([&] {
            pyoptim::Schedule(
                schedules::piecewise_constant{.lr = 1, .boundaries_and_scales = {{most + 1, 0.5}}});
          }).find("got 9007199254740993") != std::string::npos,
          "a boundary");
  require(message([&] { opt.step({nullptr}); }).find("expected a count below 2^53") !=
              std::string::npos,
          "a step past the largest count");
  require(message([&] { opt.set(0, "l\x1b[31mr", 1); }).find("'l\\x1b[31mr'") != std::string::npos,
          "an escaped name of a setting");
  std::vector<float> v(2);
  const pyoptim::Buffer odd("v\u202e", v, {3});
  require(message([&] { pyoptim::Optimizer(pyoptim::SGD{}, {odd}); }).find("v\\u202e: ") == 0,
          "an escaped name of a buffer");
  require(message([&] { opt.set(0, "lr", most + 1); }).find("a setting must be") == 0, "a setting");
  require(message([&] { opt.set(0, "lr", ~std::uint64_t{0}); }).find("a setting must be") == 0,
          "one without a sign");
}

void check_evaluations() {
  std::vector<double> w(5), other(5);
  const auto made = [](std::vector<double>& over) {
    pyoptim::Optimizer opt(pyoptim::ScheduleFreeSGD{.lr = 0.4}, {over});
    for (int i = 0; i < 10; ++i) opt.step({gradient(over)});
    return opt;
  };
  pyoptim::Optimizer opt = made(w);
  const std::vector<double> training = w;
  std::optional<pyoptim::Evaluation> outer(opt);
  const std::vector<double> averaged = w;
  require(opt.evaluating() && averaged != training, "points of evaluation");
  { const pyoptim::Evaluation inner(opt); }
  require(opt.evaluating() && w == averaged, "the outer one goes on");
  std::optional<pyoptim::Evaluation> later(opt);
  outer.reset();
  require(w == averaged, "the last one that ends brings back");
  pyoptim::Optimizer moved = std::move(opt);
  later.reset();
  require(!moved.evaluating() && w == training, "of an optimizer that moved");
  moved.eval();
  { const pyoptim::Evaluation inner(moved); }
  require(moved.evaluating() && w == averaged, "they were there before");
  moved.train();
  {
    std::optional<pyoptim::Optimizer> gone(made(other));
    const pyoptim::Evaluation evaluation(*gone);
    gone.reset();
  }

  const auto message = [](const auto& work) { return message_of<pyoptim::Error>(work); };
  for (const std::string& refused :
       {message([&] { pyoptim::Evaluation{opt}; }), message([&] { opt.step({w}); }),
        message([&] { opt.step({nullptr}); }), message([&] { return opt.steps(); }),
        message([&] { opt.set(0, "lr", 1); }), message([&] { return opt.states(0); })})
    require(refused == "the optimizer was moved from; use the one it moved to", "moved from");
  require(opt.handle() == nullptr && opt.buffer_count() == 0, "it has nothing");
}

void check_functions() {
  Vector w(3, 1.0F), other(3, 1.0F);
  const Vector ones(3, 1.0F), twos(3, 2.0F);
  pyoptim::Optimizer* own = nullptr;
  std::string refused;
  pyoptim::Optimizer opt(
      pyoptim::SGD{.lr =
                       [&](std::int64_t step) {
                         if (step > 0)
                           refused = message_of<pyoptim::Error>([&] { own->step({twos}); });
                         if (step > 1) return double(own->steps());
                         return 0.25;
                       }},
      {w});
  own = &opt;
  opt.step({ones});
  opt.step({ones});
  require(refused.find("its own schedule must not use it") != std::string::npos, "refused");
  require(w[0] == 0.5F, "the step is on its own gradients");
  require(message_of<pyoptim::Error>([&] { opt.step({ones}); }).find("must not use it") !=
              std::string::npos,
          "an error that the function lets through");

  std::optional<pyoptim::Schedule> itself;
  itself.emplace([&](std::int64_t step) { return (*itself)(step); });
  require(message_of<pyoptim::Error>([&] { return (*itself)(0); }).find("must not ask it") !=
              std::string::npos,
          "a schedule that asks itself");

  // One schedule fails inside of the other's function: each call throws what it failed of itself.
  const pyoptim::Schedule fails([](std::int64_t) -> double { throw std::domain_error("inner"); });
  const pyoptim::Schedule uses([&](std::int64_t step) {
    require(message_of<std::domain_error>([&] { return fails(step); }) == "inner",
            "the inner call");
    if (step == 0) return 0.5;
    if (step == 1) throw std::overflow_error("outer");
    return fails(step);
  });
  require(uses(0) == 0.5, "what was caught is over");
  pyoptim::set_num_threads(0);
  require(message_of<std::overflow_error>([&] { return uses(1); }) == "outer", "the outer one");
  require(message_of<std::domain_error>([&] { return uses(2); }) == "inner", "through both");
  const schedules::warmup warm{.steps = 1, .then = fails};
  require(message_of<std::domain_error>([&] {
            pyoptim::Optimizer(pyoptim::SGD{.lr = schedules::chain{{warm}}}, {other});
          }) == "inner",
          "through schedules of schedules");
  bool caught = false;
  try {
    const double value = pyoptim::Schedule([](std::int64_t) -> double { throw 7; })(0);
    require(value < 0, "never here");
  } catch (int number) {
    caught = number == 7;
  }
  require(caught, "what is no std::exception");
}

}  // namespace

int main() {
  train_with_momentum();
  train_an_embedding();
  train_and_evaluate();
  train_in_groups_by_a_function();
  check_gradients();
  check_schedules();
  check_errors();
  check_names_and_numbers();
  check_evaluations();
  check_functions();
  require(pyoptim::rules().size() > 30 && pyoptim::get_num_threads() > 0, "the lists");
}
