// Steps of an optimizer of the registry, with the gradient of the whole objective.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "optim/optimizer.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

// Names in a state, apart from those of methods.
const std::string prefix = "optimizer.";

class OptimizerSteps final : public Method {
 public:
  OptimizerSteps(std::size_t size, const SolverOptions& options)
      : size_(size),
        param_(size, 1),
        optimizer_(options.rule,
                   {{options.hyperparameters, {{"x", param_[0], size, DType::float64}}}},
                   Options{.threads = options.threads}) {
    if (options.low != nullptr)
      throw std::invalid_argument("bounds: not supported by " + options.rule);
  }

  void start(Point& point) override { point.vectors.copy(point.x, param_[0]); }

  bool step(Point& point) override {
    const void* const grad = point.grad;
    optimizer_.step(&grad);
    point.vectors.copy(param_[0], point.trial_x);
    point.evaluate_trial();
    if (!std::isfinite(point.trial_value)) return false;
    point.accept_trial();
    return true;
  }

  [[nodiscard]] bool may_rise() const override { return true; }

  void save(SolverState& state) const override {
    optimizer_.begin(0);
    const Tensor& tensor = optimizer_.tensor(0);
    state.numbers.emplace_back(prefix + "steps", tensor.steps);
    const RuleInfo& rule = optimizer_.rule(0);
    for (std::size_t k = 0; k < rule.scalar_count; ++k)
      state.numbers.emplace_back(prefix + rule.scalars[k], tensor.scalars[k]);
    state.arrays.push_back({prefix + "x", {size_}, {param_[0], param_[0] + size_}});
    for (const StoredArray& stored : optimizer_.stored(0)) {
      const auto* const data = static_cast<const double*>(checked(stored).data);
      state.arrays.push_back({prefix + stored.name, {stored.size}, {data, data + stored.size}});
    }
  }

  void load(const SolverState& state) override {
    const std::int64_t steps = state.count(prefix + "steps");
    const auto& x = state.array(prefix + "x", size_);
    std::copy(x.begin(), x.end(), param_[0]);
    for (const StoredArray& stored : optimizer_.stored(0)) {
      const auto& values = state.array(prefix + stored.name, stored.size);
      std::copy(values.begin(), values.end(), static_cast<double*>(checked(stored).data));
    }
    Tensor& tensor = optimizer_.tensor(0);
    const RuleInfo& rule = optimizer_.rule(0);
    for (std::size_t k = 0; k < rule.scalar_count; ++k)
      tensor.scalars[k] = state.number(prefix + rule.scalars[k]);
    tensor.steps = steps;
    optimizer_.set_steps(steps);
    if (steps == 0) optimizer_.keep_written(0);
  }

 private:
  static const StoredArray& checked(const StoredArray& stored) {
    if (stored.type != StoredType::float64)
      throw std::logic_error("states of float64 parameters are float64");
    return stored;
  }

  std::size_t size_;
  Buffers param_;
  mutable Optimizer optimizer_;  // writes what states begin with before they are read
};

}  // namespace

std::unique_ptr<Method> make_optimizer_steps(std::size_t size, const SolverOptions& options) {
  return std::make_unique<OptimizerSteps>(size, options);
}

}  // namespace pyoptim
