#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Momentum>
struct SGD {
  double momentum = 0;
  double dampening = 0;
  double nesterov = 0;

  static constexpr const char* name = "SGD";
  static constexpr const char* doc =
      "Stochastic gradient descent, optionally with momentum.\n\n"
      "    b = momentum b + (1 - dampening) g        (b = g at the first step)\n"
      "    p = p - lr b                              (nesterov: p - lr (g + momentum b))\n\n"
      "Robbins and Monro, A Stochastic Approximation Method, 1951; Sutskever et al., On the\n"
      "importance of initialization and momentum in deep learning, 2013.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr bool supports_row_grad = true;
  static constexpr auto states = name_if<Momentum>("momentum_buffer");
  static constexpr auto fields = fields_of<SGD>(
      Field<SGD>{"momentum", &SGD::momentum, non_negative,
                 "Momentum: fraction of the previous step that is kept."},
      Field<SGD>{"dampening", &SGD::dampening, any_number,
                 "Fraction of the gradient that momentum leaves out."},
      Field<SGD>{"nesterov", &SGD::nesterov, flag, "Whether to use Nesterov momentum."});

  static constexpr bool applies(const SGD& h) { return (h.momentum != 0) == Momentum; }
  static constexpr const char* conflict(const SGD& h) {
    return h.nesterov != 0 && (h.momentum == 0 || h.dampening != 0)
               ? "nesterov needs momentum above 0 and dampening 0"
               : nullptr;
  }

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), mu = narrow<F>(momentum),
            rate = narrow<F>(begins(t, 0) ? 1 : 1 - dampening);
    if constexpr (Momentum) {
      const bool ahead = nesterov != 0;
      return [=](F& p, F g, F& b) {
        b = mu * b + rate * g;
        p -= lr * (ahead ? g + mu * b : b);
      };
    } else {
      return [=](F& p, F g) { p -= lr * g; };
    }
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
