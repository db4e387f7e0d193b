#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Absolute {
  static constexpr const char* name = "absolute";
  static constexpr const char* doc =
      "The absolute error, whose best constant is the median.\n\n"
      "    l = |z - y|\n\n"
      "The gradient at z = y is 0. Its mean is torch's L1Loss.";
  static constexpr auto fields = fields_of<Absolute>();
  static constexpr Range targets = any_number;
  static constexpr Link link = Link::identity;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F r = z - y;
      return Point<F>{magnitude(r), sign(r), F(0)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
