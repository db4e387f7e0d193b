#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Hinge {
  static constexpr const char* name = "hinge";
  static constexpr const char* doc =
      "The hinge loss of linear support vector machines: the shortfall from a margin of 1.\n\n"
      "    t = 2 y - 1\n"
      "    l = max(0, 1 - t z)\n\n"
      "Targets are classes 0 and 1, which t turns to -1 and 1. The gradient at t z = 1 is 0.\n\n"
      "Cortes and Vapnik, Support-Vector Networks, 1995, doi:10.1007/BF00994018.";
  static constexpr auto fields = fields_of<Hinge>();
  static constexpr Range targets = flag;
  static constexpr Link link = Link::sign;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F t = 2 * y - 1, lacking = 1 - t * z;
      return Point<F>{larger(F(0), lacking),
                      lacking > 0    ? -t
                      : lacking <= 0 ? F(0)
                                     : lacking,
                      F(0)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
