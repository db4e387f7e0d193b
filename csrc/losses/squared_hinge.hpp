#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct SquaredHinge {
  static constexpr const char* name = "squared_hinge";
  static constexpr const char* doc =
      "The square of the hinge loss, which is differentiable everywhere.\n\n"
      "    t = 2 y - 1\n"
      "    l = max(0, 1 - t z)^2\n\n"
      "Targets are classes 0 and 1, which t turns to -1 and 1. It is the default of "
      "scikit-learn's\nLinearSVC.";
  static constexpr auto fields = fields_of<SquaredHinge>();
  static constexpr Range targets = flag;
  static constexpr Link link = Link::sign;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F t = 2 * y - 1, lacking = larger(F(0), 1 - t * z);
      return Point<F>{double(lacking) * double(lacking), -2 * t * lacking,
                      lacking > 0 ? F(2) : F(0)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
