#include "solvers/objective.hpp"

#include <stdexcept>

namespace pyoptim {

Objective::~Objective() = default;  // here, so that one library has its type

void Objective::hess_vec(const double* /*x*/, const double* /*v*/, double* /*out*/) {
  throw std::logic_error("the objective has no Hessian product");
}

void Objective::hessian(const double* /*x*/, double* /*out*/) {
  throw std::logic_error("the objective has no Hessian");
}

}  // namespace pyoptim
