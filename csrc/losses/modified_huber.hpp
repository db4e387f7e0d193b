#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct ModifiedHuber {
  static constexpr const char* name = "modified_huber";
  static constexpr const char* doc =
      "The modified Huber loss for classes: the squared hinge loss, but linear for large "
      "errors.\n\n"
      "    t = 2 y - 1\n"
      "    l = max(0, 1 - t z)^2    where t z >= -1\n"
      "    l = -4 t z               elsewhere\n\n"
      "Targets are classes 0 and 1, which t turns to -1 and 1. It is the loss of scikit-learn's\n"
      "SGDClassifier.\n\n"
      "Zhang, Solving Large Scale Linear Prediction Problems Using Stochastic Gradient Descent\n"
      "Algorithms, 2004, doi:10.1145/1015330.1015332.";
  static constexpr auto fields = fields_of<ModifiedHuber>();
  static constexpr Range targets = flag;
  static constexpr Link link = Link::sign;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F t = 2 * y - 1, margin = t * z, lacking = larger(F(0), 1 - margin);
      const bool is_wrong = margin < -1;
      return Point<F>{is_wrong ? -4 * double(margin) : double(lacking) * double(lacking),
                      is_wrong ? -4 * t : -2 * t * lacking,
                      is_wrong || !(lacking > 0) ? F(0) : F(2)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
