#include "solvers/hessian_product.hpp"

#include <algorithm>
#include <cmath>

namespace pyoptim {

QuadraticModel::QuadraticModel(std::size_t size) : size_(size), buffers_(size, 3) {}

void QuadraticModel::set_point(Point& point) {
  Objective& objective = *point.objective;
  if (objective.has_hess_vec() || !objective.has_hessian()) return;
  if (hessian_.empty()) hessian_.resize(size_ * size_);
  objective.hessian(point.x, hessian_.data());
}

void QuadraticModel::multiply(Point& point, const double* v, double* out) {
  Objective& objective = *point.objective;
  Vectors& vectors = point.vectors;
  if (objective.has_hess_vec()) return objective.hess_vec(point.x, v, out);
  if (objective.has_hessian()) {
    const FloatEnvironment environment;
    for (std::size_t i = 0; i < size_; ++i)
      out[i] = vectors.kernels().dot(&hessian_[i * size_], v, size_);
    return;
  }
  // The difference of gradients along v.
  const double norm = vectors.norm(v);
  const double step = 2 * std::sqrt(2.220446049250313e-16) * (1 + point.x_norm) / norm;
  vectors.move(point.x, v, step, point.trial_x);
  objective.value_and_grad(point.trial_x, point.trial_grad);
  vectors.move(point.trial_grad, point.grad, -1, out);
  vectors.scale(out, 1 / step, out);
}

InnerEnd QuadraticModel::solve(Point& point, double radius, double tolerance) {
  Vectors& vectors = point.vectors;
  double *const p = point.direction, *const residual = buffers_[0], *const d = buffers_[1],
                *const hd = buffers_[2];
  const std::size_t limit = point.options.max_inner > 0 ? std::size_t(point.options.max_inner)
                                                        : 10 * std::max<std::size_t>(size_, 2);
  const bool unbounded = std::isinf(radius);
  vectors.scale(point.grad, 0, p);
  vectors.copy(point.grad, residual);
  vectors.scale(residual, -1, d);
  double squares = point.grad_norm * point.grad_norm;
  double p_squares = 0, pd = 0, d_squares = squares;
  decrease_ = 0;
  // A step along d to the boundary, of which the model's change is known.
  const auto to_boundary = [&](double curvature, double rate) {
    const double room = radius * radius - p_squares;
    const double root = std::sqrt(std::max(0.0, pd * pd + d_squares * room));
    const double step = pd > 0 ? room / (pd + root) : (root - pd) / d_squares;
    vectors.add(d, step, p);
    decrease_ -= step * rate + 0.5 * step * step * curvature;
  };
  for (std::size_t i = 0; i < limit; ++i) {
    multiply(point, d, hd);
    const double curvature = vectors.dot(d, hd);
    const double rate = -squares;  // of the model along d
    if (!(curvature > 3e-16 * d_squares)) {
      if (!unbounded) {
        to_boundary(curvature, rate);
      } else if (const double size = -curvature; size > 1e-10 * d_squares) {
        // The model has no minimum along d. A step as if it curved the other way leads on, where
        // the p so far may be much too short.
        vectors.add(d, squares / size, p);
      } else if (i == 0) {
        vectors.copy(d, p);
      }
      return InnerEnd::negative_curvature;
    }
    const double step = squares / curvature;
    const double next_p = p_squares + 2 * step * pd + step * step * d_squares;
    if (!unbounded && next_p >= radius * radius) {
      to_boundary(curvature, rate);
      return InnerEnd::boundary;
    }
    decrease_ += 0.5 * step * squares;
    vectors.add(d, step, p);
    vectors.add(hd, step, residual);
    const double next = vectors.dot(residual, residual);
    if (std::sqrt(next) <= tolerance) return InnerEnd::converged;
    const double ratio = next / squares;
    p_squares = next_p;
    pd = ratio * (pd + step * d_squares);
    d_squares = next + ratio * ratio * d_squares;
    squares = next;
    vectors.over_blocks(3, [&](std::size_t begin, std::size_t end) {
      vectors.kernels().scale(d + begin, ratio, d + begin, end - begin);
      vectors.kernels().add(residual + begin, -1, d + begin, end - begin);
    });
  }
  return InnerEnd::limit;
}

}  // namespace pyoptim
