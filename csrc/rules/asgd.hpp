#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct ASGD {
  double lambd = 1e-4;
  double alpha = 0.75;
  double t0 = 1e6;

  static constexpr const char* name = "ASGD";
  static constexpr const char* doc =
      "Averaged stochastic gradient descent. The state `ax` is the running average of the\n"
      "parameters from step t0 on.\n\n"
      "    p = p (1 - lambd eta) - eta g\n"
      "    ax = ax + mu (p - ax)\n"
      "    then eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)\n\n"
      "Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr auto states = names("ax");
  static constexpr std::size_t mean_state = 0;
  static constexpr auto scalars = names("eta", "mu");
  static constexpr auto fields = fields_of<ASGD>(
      Field<ASGD>{"lambd", &ASGD::lambd, non_negative, "Decay of the parameters and of the rate."},
      Field<ASGD>{"alpha", &ASGD::alpha, non_negative, "Exponent of the decay of the rate."},
      Field<ASGD>{"t0", &ASGD::t0, non_negative, "Number of the step at which averaging starts.",
                  false, true});

  static constexpr void initial_scalars(double lr, double* scalars) {
    scalars[0] = lr;
    scalars[1] = 1;
  }
  void advance(const Step& t, double* scalars) const {
    const auto now = double(t.count);
    scalars[0] = t.lr / power(1 + lambd * t.lr * now, alpha);
    scalars[1] = 1 / larger(1.0, now - t0);
  }

  template <class F>
  auto step(const Step& t) const {
    const F eta = narrow<F>(t.scalars[0]), keep = narrow<F>(1 - lambd * t.scalars[0]),
            mu = narrow<F>(t.scalars[1]);
    const bool averaging = t.scalars[1] != 1;
    return [=](F& p, F g, F& mean) {
      p = p * keep - eta * g;
      mean = averaging ? mean + (p - mean) * mu : p;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
