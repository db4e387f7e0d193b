#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Squared {
  static constexpr const char* name = "squared";
  static constexpr const char* doc =
      "The squared error.\n\n"
      "    l = (z - y)^2\n\n"
      "Its mean is scikit-learn's mean_squared_error and torch's MSELoss: there is no factor 1/2.";
  static constexpr auto fields = fields_of<Squared>();
  static constexpr Range targets = any_number;
  static constexpr Link link = Link::identity;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F r = z - y;
      return Point<F>{double(r) * double(r), 2 * r, F(2)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
