#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Quantile {
  double quantile = 0.5;

  static constexpr const char* name = "quantile";
  static constexpr const char* doc =
      "The quantile (pinball) loss: its best constant is a quantile of the targets.\n\n"
      "    l = (1 - quantile) (z - y)    where z > y\n"
      "    l = quantile (y - z)          elsewhere\n\n"
      "The gradient at z = y is 0. Its mean is scikit-learn's mean_pinball_loss.\n\n"
      "Koenker and Bassett, Regression Quantiles, 1978, doi:10.2307/1913643.";
  static constexpr auto fields = fields_of<Quantile>(
      Field<Quantile>{"quantile", &Quantile::quantile, between_zero_and_one,
                      "Fraction of the targets that should be below the scores."});
  static constexpr Range targets = any_number;
  static constexpr Link link = Link::identity;

  template <class F>
  auto at() const {
    return [below = F(quantile), above = F(1 - quantile)](F z, F y) {
      const F r = z - y;
      return Point<F>{larger(-below * r, above * r), r > 0 ? above : r < 0 ? -below : r, F(0)};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
