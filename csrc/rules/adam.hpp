#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Amsgrad>
struct Adam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;

  using Formula = Adam;  // AdamW and AMSGrad share the compiled updates of Adam

  static constexpr const char* name = "Adam";
  static constexpr const char* doc =
      "Adam: the step is the mean of past gradients over the root of their mean square, both\n"
      "corrected for having started from zero.\n\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)\n\n"
      "amsgrad replaces v by the largest v so far.\n\n"
      "Kingma and Ba, Adam: A Method for Stochastic Optimization, 2014, arXiv:1412.6980.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool supports_row_grad = true;
  static constexpr auto states =
      names("exp_avg", "exp_avg_sq") + name_if<Amsgrad>("max_exp_avg_sq");
  static constexpr auto numbers = moment_fields(&Adam::beta1, &Adam::beta2, &Adam::eps);
  static constexpr auto fields =
      numbers +
      variant_flag<Adam>("amsgrad", Amsgrad, "Whether to divide by the largest v so far.");

  template <class F>
  auto step(const Step& t) const {
    // lr / c1 * m / (sqrt(v / c2) + eps), with the two corrections folded into scalars.
    const double root = square_root(1 - power(beta2, double(t.count)));
    const F rate = narrow<F>(t.lr * root / (1 - power(beta1, double(t.count)))),
            tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v, Same<F> auto&... largest) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      F second = v;
      ((second = largest = larger(largest, v)), ...);
      p -= rate * m / (square_root(second) + tiny);
    };
  }
};

template <bool Amsgrad>
struct AdamW : Adam<Amsgrad> {
  static constexpr const char* name = "AdamW";
  static constexpr const char* doc =
      "AdamW: Adam with decoupled weight decay, which acts on the parameters directly instead of\n"
      "through the gradient.\n\n"
      "    p = p (1 - lr weight_decay), then Adam's step\n\n"
      "Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, arXiv:1711.05101.";
  static constexpr Defaults defaults{
      .lr = 1e-3, .weight_decay = 1e-2, .decoupled_weight_decay = true};
};

struct AMSGrad : Adam<true> {
  static constexpr const char* name = "AMSGrad";
  static constexpr const char* doc =
      "AMSGrad: Adam divided by the root of the largest v so far, so that the rate of an element\n"
      "never grows.\n\n"
      "    m, v as in Adam;  u = max(u, v)\n"
      "    p = p - lr (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + eps)\n\n"
      "Reddi, Kale and Kumar, On the Convergence of Adam and Beyond, 2018, arXiv:1904.09237.";
  static constexpr auto fields = Adam::numbers;
};

}  // namespace pyoptim::PYOPTIM_ISA
