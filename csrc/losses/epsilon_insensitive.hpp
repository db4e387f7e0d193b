#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct EpsilonInsensitive {
  double epsilon = 0.1;

  static constexpr const char* name = "epsilon_insensitive";
  static constexpr const char* doc =
      "The absolute error beyond a tolerance of epsilon, as in support vector "
      "regression.\n\n"
      "    l = max(0, |z - y| - epsilon)\n\n"
      "Vapnik, The Nature of Statistical Learning Theory, 1995.";
  static constexpr auto fields = fields_of<EpsilonInsensitive>(Field<EpsilonInsensitive>{
      "epsilon", &EpsilonInsensitive::epsilon, non_negative, "Largest error without loss."});
  static constexpr Range targets = any_number;
  static constexpr Link link = Link::identity;

  template <class F>
  auto at() const {
    return [margin = F(epsilon)](F z, F y) {
      const F r = z - y, size = magnitude(r);
      return Point<F>{larger(F(0), size - margin), size <= margin ? F(0) : sign(r), F(0)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
