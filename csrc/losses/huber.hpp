#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Huber {
  double delta = 1;

  static constexpr const char* name = "huber";
  static constexpr const char* doc =
      "Huber's loss: quadratic near the target, linear far from it, so that outliers pull less.\n\n"
      "    l = (z - y)^2 / 2                  where |z - y| <= delta\n"
      "    l = delta (|z - y| - delta / 2)    elsewhere\n\n"
      "The scale is that of torch's HuberLoss: near the target it is half the squared error.\n\n"
      "Huber, Robust Estimation of a Location Parameter, 1964, doi:10.1214/aoms/1177703732.";
  static constexpr auto fields = fields_of<Huber>(
      Field<Huber>{"delta", &Huber::delta, positive, "Error above which the loss is linear."});
  static constexpr Range targets = any_number;
  static constexpr Link link = Link::identity;

  template <class F>
  auto at() const {
    return [delta = delta, bound = F(delta)](F z, F y) {
      const F r = z - y, size = magnitude(r);
      const double near = 0.5 * double(r) * double(r);
      const double far = delta * (double(size) - 0.5 * delta);
      const bool is_far = size > bound;
      return Point<F>{is_far ? far : near, is_far ? (r > 0 ? bound : -bound) : r,
                      is_far ? F(0) : F(1)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
