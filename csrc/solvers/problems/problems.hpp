// Test problems as native objectives.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/export.hpp"
#include "solvers/objective.hpp"

namespace pyoptim {

/// An objective with a start.
class PYOPTIM_API Problem : public Objective {
 public:
  ~Problem() override;
  virtual void start(double* x) const = 0;
};

/// The 35 problems of Moré, Garbow and Hillstrom, in the order of their paper.
PYOPTIM_API const std::vector<std::string>& problem_names();
/// The sum of squares of a problem's residuals, with exact gradient and Hessian. Throws
/// std::invalid_argument for an unknown name.
PYOPTIM_API std::unique_ptr<Problem> make_problem(const std::string& name);

/// The sum over i of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2: the Rosenbrock function of any number
/// of variables, evaluated by up to `threads` threads (0: the default).
PYOPTIM_API std::unique_ptr<Problem> make_rosenbrock(std::size_t size, int threads);

}  // namespace pyoptim
