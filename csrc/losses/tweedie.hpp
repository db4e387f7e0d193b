#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Tweedie {
  double power = 1.5;

  static constexpr const char* name = "tweedie";
  static constexpr const char* doc =
      "Half the deviance of Tweedie distributions, whose variance is the mean to some power; the\n"
      "score is the logarithm of the mean.\n\n"
      "    l = e^((2 - power) z) / (2 - power) - y e^((1 - power) z) / (1 - power)\n\n"
      "With e^(0 z) / 0 read as z, power 1 is the Poisson loss and power 2 the gamma loss;\n"
      "between them are sums of a Poisson number of gamma variables, which may be 0. Terms of y\n"
      "alone are left out, as in scikit-learn.\n\n"
      "Jorgensen, Exponential Dispersion Models, 1987, doi:10.1111/j.2517-6161.1987.tb01685.x.";
  static constexpr auto fields = fields_of<Tweedie>(Field<Tweedie>{
      "power", &Tweedie::power, one_or_more, "Exponent of the mean in the variance."});
  static constexpr Range targets = non_negative;
  static constexpr Link link = Link::exponential;

  template <class F>
  auto at() const {
    return [a = F(2 - power), b = F(1 - power)](F z, F y) {
      const F second = y == 0 ? F(0) : y * exponential(b * z);
      // If both overflow, at a power above 2, the second is larger.
      const F first = second < F(unlimited) ? exponential(a * z) : F(0);
      const F value = a == 0 ? z : first / a, of_target = b == 0 ? weighted_term(y, z) : second / b;
      return Point<F>{value - of_target, first - second, a * first - b * second};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
