// The step, and other functions that read gradients or change parameters.
#include <algorithm>
#include <limits>
#include <string>

#include "capi/handle.hpp"

namespace pyoptim::capi {
namespace {

/// Throws unless an array of a buffer's size is readable.
void check_array(const Optimizer& engine, const Tensor& tensor, const void* values,
                 std::size_t size, std::size_t index) {
  const std::size_t item = item_size(tensor.dtype);
  if (reinterpret_cast<std::uintptr_t>(values) % item != 0)
    throw std::invalid_argument("gradient " + std::to_string(index) +
                                " is not aligned to its type");
  if (!has_addresses(values, size, item))
    check_addresses("gradient " + std::to_string(index), values, size, item);
  if (engine.overlaps(values, size * item))
    throw std::invalid_argument("gradient " + std::to_string(index) +
                                " overlaps a parameter or a state in memory");
}

/// Throws unless the loaded step counters of all buffers are valid.
void check_loaded(const Optimizer& engine) {
  for (std::size_t i = 0; i < engine.tensor_count(); ++i)
    if (const std::int64_t steps = engine.tensor(i).steps; steps < 0 || steps > max_steps)
      check_steps(("the state 'step' of buffer " + std::to_string(i)).c_str(), steps);
}

void check_arrays(const Optimizer& engine, const void* const* values) {
  for (std::size_t i = 0; i < engine.tensor_count(); ++i)
    if (values[i] != nullptr)
      check_array(engine, engine.tensor(i), values[i], engine.tensor(i).size, i);
}

/// Throws unless the rows of a gradient are readable.
void check_rows(const pyoptim_optimizer& handle, const pyoptim_gradient& grad, std::size_t index) {
  const std::string name = "gradient " + std::to_string(index);
  const std::vector<std::size_t>& shape = handle.shapes[index];
  if (shape.empty()) throw std::invalid_argument(name + ": a buffer of one number has no rows");
  if (grad.values == nullptr && grad.row_count > 0)
    throw std::invalid_argument(name + ": values is NULL");
  if (reinterpret_cast<std::uintptr_t>(grad.rows) % alignof(std::int64_t) != 0)
    throw std::invalid_argument(name + ": rows are not aligned to their type");
  check_addresses(name + ": rows", grad.rows, grad.row_count, sizeof *grad.rows);
  for (std::size_t i = 0; i < grad.row_count; ++i)
    if (grad.rows[i] < 0 || std::uint64_t(grad.rows[i]) >= shape[0])
      throw std::invalid_argument(name + ": there is no row " + std::to_string(grad.rows[i]) +
                                  "; there are " + std::to_string(shape[0]));
}

void check_gradients_of_rows(pyoptim_optimizer& handle, const pyoptim_gradient* grads) {
  const Optimizer& engine = *handle.engine;
  for (std::size_t i = 0; i < engine.tensor_count(); ++i) {
    const pyoptim_gradient& grad = grads[i];
    std::size_t size = engine.tensor(i).size;
    if (grad.rows != nullptr) {
      if (!engine.supports_row_grad())
        throw std::invalid_argument(std::string(engine.rule_name()) +
                                    " takes no gradients of rows with these options");
      check_rows(handle, grad, i);
      size = size_of_rows(size, handle.shapes[i][0], grad.row_count);
    }
    if (grad.values != nullptr) check_array(engine, engine.tensor(i), grad.values, size, i);
    handle.by_rows[i] = {grad.values, grad.rows, grad.row_count};
  }
}

const void* const* bound_gradients(const pyoptim_optimizer& handle) {
  const auto& bound = handle.bound;
  if (!bound.empty() && std::count(bound.begin(), bound.end(), nullptr) == std::ssize(bound))
    throw std::invalid_argument("grads is NULL, and no gradient is bound to a buffer");
  return bound.data();
}

void write_info(const StepInfo& result, pyoptim_step_info* info) {
  if (info == nullptr) return;
  info->step = result.step;
  info->grad_norm = result.measured ? result.grad_norm : std::numeric_limits<double>::quiet_NaN();
  info->skipped = result.skipped ? 1 : 0;
}

}  // namespace

void follow_schedules(pyoptim_optimizer& handle) {
  if (handle.scheduled.empty()) return;
  std::vector<Settings> by_group(handle.engine->group_count());
  for (const Scheduled& scheduled : handle.scheduled)
    by_group[scheduled.group].emplace_back(scheduled.name,
                                           (*scheduled.value)(handle.engine->steps()));
  handle.engine->set(by_group);
}

}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

pyoptim_status pyoptim_step(pyoptim_optimizer* optimizer, const void* const* grads,
                            double grad_scale, pyoptim_step_info* info) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    if (info != nullptr) check_struct(info);
    const void* const* const gradients = grads == nullptr ? bound_gradients(handle) : grads;
    check_loaded(engine);
    check_arrays(engine, gradients);
    follow_schedules(handle);
    write_info(engine.step(gradients, grad_scale), info);
  });
}

pyoptim_status pyoptim_step_rows(pyoptim_optimizer* optimizer, const pyoptim_gradient* grads,
                                 double grad_scale, pyoptim_step_info* info) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    if (info != nullptr) check_struct(info);
    if (engine.tensor_count() > 0) at(grads, "grads");
    check_loaded(engine);
    check_gradients_of_rows(handle, grads);
    follow_schedules(handle);
    write_info(engine.step(handle.by_rows.data(), grad_scale), info);
  });
}

pyoptim_status pyoptim_update_hessian(pyoptim_optimizer* optimizer, const void* const* estimates) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    if (engine.rule(0).update_hessian[0] == nullptr)
      throw std::invalid_argument(std::string(engine.rule_name()) +
                                  " uses no estimates of the Hessian");
    if (engine.tensor_count() > 0) at(estimates, "estimates");
    check_arrays(engine, estimates);
    engine.update_hessian(estimates);
  });
}

pyoptim_status pyoptim_eval(pyoptim_optimizer* optimizer) {
  return built(optimizer, [](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    if (engine.rule(0).eval_params[0] != nullptr) engine.set_evaluating(true);
  });
}

pyoptim_status pyoptim_evaluating(pyoptim_optimizer* optimizer, int32_t* evaluating) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    at(evaluating, "evaluating") = engine.evaluating() ? 1 : 0;
  });
}

pyoptim_status pyoptim_train(pyoptim_optimizer* optimizer) {
  return built(optimizer, [](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    engine.set_evaluating(false);
  });
}
