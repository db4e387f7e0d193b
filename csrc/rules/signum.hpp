#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct SignSGD {
  static constexpr const char* name = "SignSGD";
  static constexpr const char* doc =
      "Sign descent: every element moves by lr, against the sign of its gradient.\n\n"
      "    p = p - lr sign(g)        (sign(0) = 0)\n\n"
      "Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,\n"
      "arXiv:1802.04434.";
  static constexpr Defaults defaults{.lr = 1e-4};
  static constexpr auto states = names();
  static constexpr auto fields = fields_of<SignSGD>();

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr);
    return [=](F& p, F g) { p -= lr * sign(g); };
  }
};

struct Signum {
  double momentum = 0.9;

  static constexpr const char* name = "Signum";
  static constexpr const char* doc =
      "Sign descent along the mean of past gradients.\n\n"
      "    m = momentum m + (1 - momentum) g\n"
      "    p = p - lr sign(m)        (sign(0) = 0)\n\n"
      "Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,\n"
      "arXiv:1802.04434.";
  static constexpr Defaults defaults{.lr = 1e-4};
  static constexpr auto states = names("exp_avg");
  static constexpr auto fields = fields_of<Signum>(
      Field<Signum>{"momentum", &Signum::momentum, fraction, "Decay of the mean of gradients."});

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), mu = narrow<F>(momentum), rate = narrow<F>(1 - momentum);
    return [=](F& p, F g, F& m) {
      m = mu * m + rate * g;
      p -= lr * sign(m);
    };
  }
};

struct Tiger : Signum {
  using Formula = Signum;
  constexpr Tiger() { momentum = 0.965; }

  static constexpr const char* name = "Tiger";
  static constexpr const char* doc =
      "Tiger: sign descent along the mean of gradients, with decoupled weight decay; Lion with\n"
      "one beta.\n\n"
      "    m = momentum m + (1 - momentum) g\n"
      "    p = p (1 - lr weight_decay) - lr sign(m)        (sign(0) = 0)\n\n"
      "Su, Tiger: A Tight-fisted Optimizer, 2023, github.com/bojone/tiger.";
  static constexpr Defaults defaults{
      .lr = 1e-3, .weight_decay = 1e-2, .decoupled_weight_decay = true};
};

}  // namespace pyoptim::PYOPTIM_ISA
