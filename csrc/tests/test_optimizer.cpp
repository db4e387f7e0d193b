// Errors of an optimizer, and the engine's part of every rule: clipping, weight decay, scale,
// skipped steps and hyperparameters.
#include <doctest.h>

#include <limits>

#include "core/check_range.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t size = 100;

/// A rule over one float64 tensor of random numbers.
struct Training {
  Array param = random_array(DType::float64, size, 1);
  Array grad = random_array(DType::float64, size, 2);
  Optimizer optimizer;

  explicit Training(const char* rule, std::vector<std::pair<std::string, double>> settings = {},
                    const Options& options = {})
      : optimizer(rule, {{std::move(settings), {{"p", param.at(0), size, DType::float64}}}},
                  options) {}

  StepInfo step(double grad_scale = 1) {
    const void* grads[] = {grad.at(0)};
    return optimizer.step(grads, grad_scale);
  }
};

/// The error of a constructor call.
std::string refusal(std::string_view rule, const std::vector<GroupSpec>& groups,
                    const Options& options = {}) {
  return message_of([&] { const Optimizer result(rule, groups, options); });
}

}  // namespace

TEST_CASE("errors name what is wrong, what was expected and what came") {
  const std::vector<GroupSpec> one(1);
  CHECK(refusal("Adamw", one).starts_with("there is no optimizer 'Adamw'; there are SGD, "));
  CHECK(refusal("Adam", {}) == "an optimizer needs at least one group");
  CHECK(refusal("Adam", {{{{"beta1", 1.5}}, {}}}) == "Adam: beta1 must be in [0, 1), got 1.5");
  CHECK(refusal("Adam", {{{{"beta1", 1}}, {}}}) == "Adam: beta1 must be in [0, 1), got 1");
  CHECK(refusal("Adam", {{{{"lr", -1e-3}}, {}}}) ==
        "Adam: lr must be at least 0 and finite, got -0.001");
  CHECK(refusal("Adam", {{{{"eps", std::nan("")}}, {}}}) ==
        "Adam: eps must be at least 0 and finite, got nan");
  CHECK(refusal("Adam", {{{{"amsgrad", 0.5}}, {}}}) ==
        "Adam: amsgrad must be True or False, got 0.5");
  CHECK(refusal("Adam", {{{{"maximize", 2}}, {}}}) ==
        "Adam: maximize must be True or False, got 2");
  CHECK(refusal("Rprop", {{{{"eta_plus", 1}}, {}}}) ==
        "Rprop: eta_plus must be above 1 and finite, got 1");
  CHECK(refusal("Lion", {{{{"momentum", 0.5}}, {}}}) ==
        "Lion has no setting 'momentum'; it has lr, weight_decay, decoupled_weight_decay, "
        "maximize, beta1, beta2");
  CHECK(refusal("SGD", {{{{"nesterov", 1}}, {}}}) ==
        "SGD: nesterov needs momentum above 0 and dampening 0");
  CHECK(refusal("SGD", one, {.clip_norm = -1}) ==
        "clip_norm must be at least 0 and finite, got -1");
  CHECK(refusal("SGD", one, {.clip_value = HUGE_VAL}) ==
        "clip_value must be at least 0 and finite, got inf");
  CHECK(refusal("SGD", one, {.threads = -1}) == "num_threads must be in [0, 512], got -1");
}

TEST_CASE("every field of every rule refuses what is out of its range") {
  for (const RuleInfo* rule : all_rules())
    for (std::size_t i = 0; i < rule->field_count; ++i) {
      const FieldInfo& field = rule->fields[i];
      CAPTURE(rule->name);
      CAPTURE(field.name);
      CHECK(field.range.contains(field.initial));
      for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL, -1.0, 2.0}) {
        if (field.range.contains(value)) continue;
        const std::string message = refusal(rule->name, {{{{field.name, value}}, {}}});
        CHECK(message.starts_with(std::string(rule->name) + ": " + field.name + " must be " +
                                  describe(field.range) + ", got "));
      }
    }
}

TEST_CASE("ranges in words") {
  CHECK(describe({0, 1, false, true, false}) == "in [0, 1)");
  CHECK(describe({0.25, 1, true, false, false}) == "in (0.25, 1]");
  CHECK(describe({0, HUGE_VAL, true, true, false}) == "above 0 and finite");
  CHECK(describe({-HUGE_VAL, HUGE_VAL, true, true, false}) == "a finite number");
  CHECK(describe({0, 1, false, false, true}) == "True or False");
}

TEST_CASE("tensors that overlap are refused by name, neighbours are not") {
  Array memory(DType::float64, 30);
  const auto at = [&](const char* name, std::size_t first, std::size_t count) {
    return TensorSpec{name, memory.at(first), count, DType::float64};
  };
  CHECK(refusal("SGD", {{{}, {at("a", 0, 10), at("b", 9, 10)}}}) ==
        "a and b overlap in memory; every parameter must have its own");
  CHECK(refusal("SGD", {{{}, {at("a", 20, 5)}}, {{}, {at("b", 0, 21)}}}).starts_with("a and b "));
  CHECK(refusal("SGD", {{{}, {at("a", 3, 4), at("b", 3, 4)}}}).starts_with("a and b overlap"));
  CHECK(refusal("SGD", {{{}, {at("a", 0, 30), at("b", 7, 1), at("c", 9, 1)}}}) !=  //
        "nothing was thrown");
  CHECK(refusal("SGD", {{{}, {at("a", 10, 10), at("b", 0, 10), at("c", 20, 10)}}}) ==
        "nothing was thrown");
  CHECK(refusal("SGD", {{{}, {at("a", 0, 10), at("b", 5, 0)}}}) == "nothing was thrown");
}

TEST_CASE("memory that overlaps a parameter or a state is known") {
  Array memory(DType::float64, 30);
  const Optimizer optimizer("Adam", {{{}, {{"p", memory.at(10), 10, DType::float64}}}}, {});
  CHECK_FALSE(optimizer.overlaps(memory.at(0), 80));
  CHECK(optimizer.overlaps(memory.at(0), 81));
  CHECK(optimizer.overlaps(memory.at(19), 8));
  CHECK(optimizer.overlaps(memory.at(0), 240));
  CHECK_FALSE(optimizer.overlaps(memory.at(20), 80));
  CHECK_FALSE(optimizer.overlaps(memory.at(15), 0));
  CHECK(optimizer.overlaps(optimizer.tensor(0).state[1], 1));
}

TEST_CASE("settings can be read and changed, but not to another variant") {
  Training training("Adam", {{"beta1", 0.8}});
  Optimizer& optimizer = training.optimizer;
  CHECK(optimizer.get(0, "beta1") == 0.8);
  CHECK(optimizer.get(0, "lr") == 1e-3);
  optimizer.set(0, "lr", 0.5);
  CHECK(optimizer.get(0, "lr") == 0.5);
  CHECK(message_of([&] { optimizer.set(0, "lr", -1); }) ==
        "Adam: lr must be at least 0 and finite, got -1");
  CHECK(optimizer.get(0, "lr") == 0.5);
  CHECK(message_of([&] { optimizer.set(0, "amsgrad", 1); }) ==
        "Adam: changing amsgrad from 0 to 1 changes which states are kept; make a new optimizer");
  CHECK(optimizer.get(0, "amsgrad") == 0);
  CHECK(message_of([&] {
          optimizer.set(0, {{"lr", 0.25}, {"beta2", 7}});
        }) == "Adam: beta2 must be in [0, 1), got 7");
  CHECK(optimizer.get(0, "lr") == 0.5);
  optimizer.set(0, {{"lr", 0.25}, {"beta2", 0.75}});
  CHECK(optimizer.get(0, "lr") == 0.25);
  CHECK(optimizer.get(0, "beta2") == 0.75);
  CHECK(message_of([&] {
          static_cast<void>(optimizer.get(0, "rho"));
        }).starts_with("Adam has no setting 'rho'; it has lr, "));
}

TEST_CASE("no number of steps and settings leads a rule to another variant's states") {
  for (const RuleInfo* rule : all_rules())
    for (const auto& hyper : choices_of_hyper(*rule)) {
      CAPTURE(rule->name);
      Training training(rule->name, settings_of(*rule, hyper));
      training.step();
      for (std::size_t k = 0; k < max_states; ++k)
        if (rule->factored == nullptr)
          CHECK((training.optimizer.tensor(0).state[k] != nullptr) == (k < rule->state_count));
    }
}

TEST_CASE("a gradient that is not finite is skipped if asked, and changes nothing") {
  for (const RuleInfo* rule : all_rules())
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      CAPTURE(rule->name);
      const auto settings = settings_of(*rule, choices_of_hyper(*rule).front());
      Training training(rule->name, settings, {.skip_nonfinite = true});
      Training undisturbed(rule->name, settings);
      CHECK_FALSE(training.step().skipped);
      undisturbed.step();

      training.grad.set(size - 1, bad);
      const StepInfo info = training.step();
      CHECK(info.skipped);
      CHECK(info.measured);
      CHECK(info.step == 1);
      CHECK(training.optimizer.tensor(0).steps == 1);
      CHECK(difference(training.param, undisturbed.param) == "");

      training.grad = undisturbed.grad;
      CHECK(training.step().step == 2);
      undisturbed.step();
      CHECK(difference(training.param, undisturbed.param) == "");
      for (std::size_t k = 0; k < rule->state_count; ++k)
        CHECK(difference(copy_of_state(training.optimizer.tensor(0), k),
                         copy_of_state(undisturbed.optimizer.tensor(0), k)) == "");
    }
}

TEST_CASE("a gradient that is not finite spreads if not asked to skip it") {
  Training training("SGD");
  training.grad.set(3, std::nan(""));
  CHECK_FALSE(training.step().skipped);
  CHECK(std::isnan(training.param[3]));
  CHECK_FALSE(std::isnan(training.param[4]));
}

TEST_CASE("gradients are scaled, clipped by norm, clipped by value, turned, and never written") {
  constexpr double lr = 0.5;
  const Array start = random_array(DType::float64, size, 1);
  const auto moved = [&](std::vector<std::pair<std::string, double>> settings,
                         const Options& options, double scale, std::size_t i) {
    settings.emplace_back("lr", lr);
    Training training("SGD", std::move(settings), options);
    const Array grad = training.grad;
    const StepInfo info = training.step(scale);
    CHECK(difference(training.grad, grad) == "");
    CHECK(info.measured == (options.clip_norm > 0));
    return (start[i] - training.param[i]) / lr;
  };
  const Array grad = random_array(DType::float64, size, 2);
  double squares = 0;
  for (std::size_t i = 0; i < size; ++i) squares += grad[i] * grad[i];
  const double norm = std::sqrt(squares);

  for (std::size_t i = 0; i < size; ++i) {
    CAPTURE(i);
    const double g = grad[i];
    CHECK(close(moved({}, {}, 1, i), g, 1e-12));
    CHECK(close(moved({}, {}, 0.25, i), 0.25 * g, 1e-12));
    CHECK(close(moved({{"maximize", 1}}, {}, 1, i), -g, 1e-12));
    CHECK(close(moved({}, {.clip_norm = 2}, 1, i), g * 2 / (norm + 1e-6), 1e-12));
    CHECK(close(moved({}, {.clip_norm = 2}, -3, i), -g * 2 / (norm + 1e-6 / 3), 1e-12));
    CHECK(close(moved({}, {.clip_norm = 1000}, 1, i), g, 1e-12));
    CHECK(close(moved({}, {.clip_value = 0.7}, 2, i), std::clamp(2 * g, -0.7, 0.7), 1e-12));
    const double l2 = moved({{"weight_decay", 0.1}}, {}, 1, i);
    CHECK(close(l2, g + 0.1 * start[i], 1e-11));
    const double decoupled =
        moved({{"weight_decay", 0.1}, {"decoupled_weight_decay", 1}}, {}, 1, i);
    CHECK(close(decoupled, g + 0.1 * start[i], 1e-11));
  }
}

TEST_CASE("a scale may be smaller than the parameters' type can hold") {
  Array param(DType::float32, 1), grad(DType::float32, 1);
  grad.set(0, 1e30);
  Optimizer optimizer("SGD", {{{{"lr", 1}}, {{"p", param.at(0), 1, DType::float32}}}}, {});
  const void* grads[] = {grad.at(0)};
  optimizer.step(grads, 1e-60);
  CHECK(close(param[0], -1e-30, 1e-6));
}

TEST_CASE("a gradient that its scale takes past the type's range is not finite") {
  Array param(DType::float32, 1), grad(DType::float32, 1);
  grad.set(0, 1e30);
  Optimizer optimizer("SGD", {{{}, {{"p", param.at(0), 1, DType::float32}}}},
                      {.skip_nonfinite = true});
  const void* grads[] = {grad.at(0)};
  CHECK(optimizer.step(grads, 1e10).skipped);
  CHECK_FALSE(optimizer.step(grads, 1e-10).skipped);
}

TEST_CASE("a float64 gradient beyond the range of float32 is finite beside float32 parameters") {
  Array narrow(DType::float32, 1), wide(DType::float64, 1), small(DType::float32, 1),
      large(DType::float64, 1);
  large.set(0, 1e200);
  Optimizer optimizer(
      "SGD",
      {{{{"lr", 1}},
        {{"narrow", narrow.at(0), 1, DType::float32}, {"wide", wide.at(0), 1, DType::float64}}}},
      {.skip_nonfinite = true});
  const void* grads[] = {small.at(0), large.at(0)};
  CHECK_FALSE(optimizer.step(grads).skipped);
  CHECK(wide[0] == -1e200);
  small.set(0, 1e30);
  CHECK(optimizer.step(grads, 1e10).skipped);
  CHECK(optimizer.step(grads, 1e200).skipped);
}

TEST_CASE("a null gradient leaves its tensor and its count as they are") {
  Array a = random_array(DType::float32, size, 1), b = random_array(DType::float32, size, 2);
  const Array untouched = b, grad = random_array(DType::float32, size, 3);
  Optimizer optimizer("Adam",
                      {{{}, {{"a", a.at(0), size, DType::float32}}},
                       {{{"lr", 0.1}}, {{"b", b.at(0), size, DType::float32}}}},
                      {});
  const void* grads[] = {grad.at(0), nullptr};
  CHECK(optimizer.step(grads).step == 1);
  CHECK(difference(b, untouched) == "");
  CHECK(optimizer.tensor(1).steps == 0);
  grads[1] = grad.at(0);
  CHECK(optimizer.step(grads).step == 2);
  CHECK(difference(b, untouched) != "");
  CHECK(optimizer.tensor(0).steps == 2);
  CHECK(optimizer.tensor(1).steps == 1);
}

TEST_CASE("groups and dtypes of one optimizer step as if each were alone") {
  std::vector<Array> together, alone;
  std::vector<GroupSpec> groups;
  std::vector<const void*> grads;
  std::vector<Array> grad_arrays;
  grad_arrays.reserve(6);
  together.reserve(6);
  for (std::uint64_t i = 0; i < 6; ++i) {
    const DType dtype = all_dtypes[i / 2];
    grad_arrays.push_back(random_array(dtype, size + i, 10 + i));
    Array& param = together.emplace_back(random_array(dtype, size + i, i));
    alone.push_back(param);
    grads.push_back(grad_arrays.back().at(0));
    groups.push_back({{{"lr", 0.01 * double(i + 1)}}, {{"p", param.at(0), size + i, dtype}}});
  }
  Optimizer optimizer("NAdam", groups, {});
  for (int step = 0; step < 3; ++step) optimizer.step(grads.data());
  for (std::size_t i = 0; i < 6; ++i) {
    GroupSpec group = groups[i];
    group.tensors[0].data = alone[i].at(0);
    Optimizer single("NAdam", {group}, {});
    for (int step = 0; step < 3; ++step) single.step(&grads[i]);
    CHECK(difference(together[i], alone[i]) == "");
  }
}
