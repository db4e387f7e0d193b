#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Adagrad {
  double lr_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;

  static constexpr const char* name = "Adagrad";
  static constexpr const char* doc =
      "Adagrad: every element has its own rate, which falls with the squares of its gradients.\n\n"
      "    G = G + g^2\n"
      "    p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(G) + eps)\n\n"
      "Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic\n"
      "Optimization, JMLR 12, 2011. As in torch, eps stands outside the root and G starts from 0.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squares_summed;
  static constexpr bool supports_row_grad = true;
  static constexpr auto states = names("sum");
  static constexpr auto fields = fields_of<Adagrad>(
      Field<Adagrad>{"lr_decay", &Adagrad::lr_decay, non_negative, "Decay of the rate per step."},
      Field<Adagrad>{"initial_accumulator_value", &Adagrad::initial_accumulator_value, non_negative,
                     "Initial value of G."},
      Field<Adagrad>{"eps", &Adagrad::eps, non_negative, "Added to the root of G."});

  [[nodiscard]] constexpr double initial(double /*lr*/, std::size_t /*state*/) const {
    return initial_accumulator_value;
  }

  template <class F>
  auto step(const Step& t) const {
    const F rate = narrow<F>(t.lr / (1 + double(t.count - 1) * lr_decay)), tiny = narrow<F>(eps);
    return [=](F& p, F g, F& sum) {
      sum += g * g;
      p -= rate * g / (square_root(sum) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
