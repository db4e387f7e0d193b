// Written by tools/generate from the engine's list of rules; do not edit.
// A struct for each rule: pyoptim::AdamW{.lr = 3e-4}. A Setting is a number or a schedule.
// Include pyoptim/pyoptim.hpp. Members that are named in braces stand in the order of the struct.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pyoptim/schedule.hpp"

// clang-format off
namespace pyoptim {
inline namespace v1 {

/// Stochastic gradient descent, optionally with momentum.
///
///     b = momentum b + (1 - dampening) g        (b = g at the first step)
///     p = p - lr b                              (nesterov: p - lr (g + momentum b))
///
/// Robbins and Monro, A Stochastic Approximation Method, 1951; Sutskever et al., On the
/// importance of initialization and momentum in deep learning, 2013.
struct SGD {
  Setting lr = 0.001;  ///< At least 0.
  Setting momentum = 0.0;  ///< Momentum: fraction of the previous step that is kept. At least 0 and finite.
  Setting dampening = 0.0;  ///< Fraction of the gradient that momentum leaves out. A finite number.
  bool nesterov = false;  ///< Whether to use Nesterov momentum.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "SGD";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("dampening", dampening);
    visit("nesterov", nesterov);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Sign descent: every element moves by lr, against the sign of its gradient.
///
///     p = p - lr sign(g)        (sign(0) = 0)
///
/// Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,
/// arXiv:1802.04434.
struct SignSGD {
  Setting lr = 0.0001;  ///< At least 0.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "SignSGD";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Sign descent along the mean of past gradients.
///
///     m = momentum m + (1 - momentum) g
///     p = p - lr sign(m)        (sign(0) = 0)
///
/// Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,
/// arXiv:1802.04434.
struct Signum {
  Setting lr = 0.0001;  ///< At least 0.
  Setting momentum = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Signum";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Lion: the sign of a mix of momentum and gradient; one state, steps of even size, so a rate
/// three to ten times below Adam's. Weight decay acts on the parameters.
///
///     p = p - lr sign(beta1 m + (1 - beta1) g)        (sign(0) = 0)
///     m = beta2 m + (1 - beta2) g
///
/// Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, arXiv:2302.06675.
struct Lion {
  Setting lr = 0.0001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Weight of the momentum in the step; the gradient has the rest. In [0, 1).
  Setting beta2 = 0.99;  ///< Decay of the momentum. In [0, 1).
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Lion";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adagrad: every element has its own rate, which falls with the squares of its gradients.
///
///     G = G + g^2
///     p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(G) + eps)
///
/// Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
/// Optimization, JMLR 12, 2011. As in torch, eps stands outside the root and G starts from 0.
struct Adagrad {
  Setting lr = 0.01;  ///< At least 0.
  Setting lr_decay = 0.0;  ///< Decay of the rate per step. At least 0 and finite.
  Setting initial_accumulator_value = 0.0;  ///< Initial value of G. At least 0 and finite.
  Setting eps = 1e-10;  ///< Added to the root of G. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adagrad";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("lr_decay", lr_decay);
    visit("initial_accumulator_value", initial_accumulator_value);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// RMSprop: the gradient over the root of its mean square.
///
///     v = alpha v + (1 - alpha) g^2
///     d = g / (sqrt(v) + eps)         (centered: sqrt(v - a^2), a the mean of g)
///     p = p - lr d                    (momentum: b = momentum b + d, p - lr b)
///
/// Hinton, Neural Networks for Machine Learning, lecture 6, 2012; centered: Graves,
/// arXiv:1308.0850. As in torch, eps stands outside the root.
struct RMSprop {
  Setting lr = 0.01;  ///< At least 0.
  Setting alpha = 0.99;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root. At least 0 and finite.
  Setting momentum = 0.0;  ///< Momentum: fraction of the previous step that is kept. At least 0 and finite.
  bool centered = false;  ///< Whether to divide by the standard deviation of gradients instead.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "RMSprop";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("alpha", alpha);
    visit("eps", eps);
    visit("momentum", momentum);
    visit("centered", centered);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adadelta: the gradient scaled by the ratio of past steps' size to past gradients' size, so
/// that steps have the units of the parameters.
///
///     v = rho v + (1 - rho) g^2
///     d = sqrt(u + eps) / sqrt(v + eps) g
///     u = rho u + (1 - rho) d^2
///     p = p - lr d
///
/// Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, arXiv:1212.5701.
struct Adadelta {
  Setting lr = 1.0;  ///< At least 0.
  Setting rho = 0.9;  ///< Decay of both mean squares. In [0, 1].
  Setting eps = 1e-06;  ///< Constant added to both mean squares. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adadelta";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("rho", rho);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adam: the step is the mean of past gradients over the root of their mean square, both
/// corrected for having started from zero.
///
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) g^2
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
///
/// amsgrad replaces v by the largest v so far.
///
/// Kingma and Ba, Adam: A Method for Stochastic Optimization, 2014, arXiv:1412.6980.
struct Adam {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  bool amsgrad = false;  ///< Whether to divide by the largest v so far.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("amsgrad", amsgrad);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// AdamW: Adam with decoupled weight decay, which acts on the parameters directly instead of
/// through the gradient.
///
///     p = p (1 - lr weight_decay), then Adam's step
///
/// Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, arXiv:1711.05101.
struct AdamW {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  bool amsgrad = false;  ///< Whether to divide by the largest v so far.
  Setting weight_decay = 0.01;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "AdamW";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("amsgrad", amsgrad);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// AMSGrad: Adam divided by the root of the largest v so far, so that the rate of an element
/// never grows.
///
///     m, v as in Adam;  u = max(u, v)
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + eps)
///
/// Reddi, Kale and Kumar, On the Convergence of Adam and Beyond, 2018, arXiv:1904.09237.
struct AMSGrad {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "AMSGrad";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adamax: Adam with the decayed maximum of gradients in place of their mean square.
///
///     m = beta1 m + (1 - beta1) g
///     u = max(beta2 u, |g| + eps)
///     p = p - lr / (1 - beta1^t) m / u
///
/// Kingma and Ba, Adam: A Method for Stochastic Optimization, section 7.1, 2014,
/// arXiv:1412.6980.
struct Adamax {
  Setting lr = 0.002;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the maximum of gradient magnitudes. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the magnitude of each gradient. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adamax";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// NAdam: Adam with Nesterov momentum, whose weight mu_t grows with the steps.
///
///     mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),  M_t = mu_1 mu_2 ... mu_t
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) g^2
///     n = (1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m
///     p = p - lr n / (sqrt(v / (1 - beta2^t)) + eps)
///
/// Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop, 2016.
struct NAdam {
  Setting lr = 0.002;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting momentum_decay = 0.004;  ///< Speed at which the momentum grows to beta1. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "NAdam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("momentum_decay", momentum_decay);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// RAdam: Adam whose rate is rectified by the variance of v, and plain momentum in the first
/// steps, where that variance is unbounded.
///
///     m, v as in Adam;  r_inf = 2 / (1 - beta2) - 1
///     r = r_inf - 2 t beta2^t / (1 - beta2^t)
///     r > 5:  p = p - lr m^ sqrt(1 - beta2^t) / (sqrt(v) + eps)
///                   sqrt((r - 4)(r - 2) r_inf / ((r_inf - 4)(r_inf - 2) r))
///     else:   p = p - lr m^,  m^ = m / (1 - beta1^t)
///
/// Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2019,
/// arXiv:1908.03265.
struct RAdam {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "RAdam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Resilient propagation: every element has a step size of its own, which grows while the
/// gradient keeps its sign and shrinks when the sign turns. For full batches.
///
///     c = g g_before;  s = clamp(s (eta_plus if c > 0, eta_minus if c < 0, else 1))
///     g = 0 where c < 0
///     p = p - s sign(g);  g_before = g        (s = lr before the first step)
///
/// Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The
/// RPROP Algorithm, 1993.
struct Rprop {
  Setting lr = 0.01;  ///< At least 0.
  Setting eta_minus = 0.5;  ///< Factor that shrinks a step size, below 1. In (0, 1).
  Setting eta_plus = 1.2;  ///< Factor that enlarges a step size, above 1. Above 1 and finite.
  Setting step_size_min = 1e-06;  ///< Smallest step size. At least 0 and finite.
  Setting step_size_max = 50.0;  ///< Largest step size. Above 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Rprop";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("eta_minus", eta_minus);
    visit("eta_plus", eta_plus);
    visit("step_size_min", step_size_min);
    visit("step_size_max", step_size_max);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Averaged stochastic gradient descent. The state `ax` is the running average of the
/// parameters from step t0 on.
///
///     p = p (1 - lambd eta) - eta g
///     ax = ax + mu (p - ax)
///     then eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)
///
/// Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
struct ASGD {
  Setting lr = 0.01;  ///< At least 0.
  Setting lambd = 0.0001;  ///< Decay of the parameters and of the rate. At least 0 and finite.
  Setting alpha = 0.75;  ///< Exponent of the decay of the rate. At least 0 and finite.
  Setting t0 = 1000000.0;  ///< Number of the step at which averaging starts. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "ASGD";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("lambd", lambd);
    visit("alpha", alpha);
    visit("t0", t0);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// AdaBelief: Adam divided by the deviation of the gradient from its mean, not by its size.
///
///     m = beta1 m + (1 - beta1) g
///     s = beta2 s + (1 - beta2) (g - m)^2 + eps_root
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)
///
/// Zhuang et al., AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients,
/// 2020, arXiv:2010.07468. As in optax, eps_root is added at every step.
struct AdaBelief {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean squared deviation from m. In [0, 1).
  Setting eps = 1e-16;  ///< Constant added to the root. At least 0 and finite.
  Setting eps_root = 1e-16;  ///< Constant added to the variance. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "AdaBelief";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("eps_root", eps_root);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Yogi: Adam whose v moves towards g^2 by a step that does not grow with v, so that the rate
/// never jumps up when gradients become sparse.
///
///     m = beta1 m + (1 - beta1) g
///     v = v - (1 - beta2) sign(v - g^2) g^2
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
///
/// Zaheer et al., Adaptive Methods for Nonconvex Optimization, NeurIPS 2018. As in optax, m and
/// v start from initial_accumulator_value.
struct Yogi {
  Setting lr = 0.01;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of v. In [0, 1).
  Setting eps = 0.001;  ///< Constant added to the root. At least 0 and finite.
  Setting initial_accumulator_value = 1e-06;  ///< Initial value of m and v. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Yogi";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("initial_accumulator_value", initial_accumulator_value);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adan: Nesterov momentum from the differences of consecutive gradients.
///
///     d = g - (the last g)                      (0 at the first step)
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) d
///     n = beta3 n + (1 - beta3) (g + beta2 d)^2
///     p = p - lr (m^ + beta2 v^) / (sqrt(n^) + eps)
///     m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t),  n^ = n / (1 - beta3^t)
///
/// The betas are decay factors, as in the authors' code. The paper writes 1 - beta, and optax
/// weights d and v^ by 1 - beta2, although its b2 is a decay factor.
///
/// Xie et al., Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models,
/// 2022, arXiv:2208.06677.
struct Adan {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.98;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.92;  ///< Decay of the mean of gradient differences. In [0, 1).
  Setting beta3 = 0.99;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adan";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("beta3", beta3);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// AdEMAMix: Adam with a second, much slower mean of gradients added to the first.
///
///     m = beta1 m + (1 - beta1) g,  s = beta3_t s + (1 - beta3_t) g
///     v = beta2 v + (1 - beta2) g^2
///     p = p - lr (m / (1 - beta1^t) + alpha_t s) / (sqrt(v / (1 - beta2^t)) + eps)
///
/// With warmup_steps T, alpha_t = min(t / T, 1) alpha, and beta3_t goes from beta1 to beta3 in
/// T steps so that the half-life of the slow mean grows linearly:
///
///     log beta3_t = log beta1 log beta3 / ((1 - t / T) log beta3 + (t / T) log beta1)
///
/// Pagliardini, Ablin and Grangier, The AdEMAMix Optimizer: Better, Faster, Older, 2024,
/// arXiv:2409.03137.
struct AdEMAMix {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting beta3 = 0.9999;  ///< Decay of the slow mean. In [0, 1).
  Setting alpha = 5.0;  ///< Weight of the slow mean of gradients. At least 0 and finite.
  Setting warmup_steps = 0.0;  ///< Number of steps until beta3 and alpha reach their values; 0 for no warm-up. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "AdEMAMix";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("beta3", beta3);
    visit("alpha", alpha);
    visit("warmup_steps", warmup_steps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// ADOPT: Adam that divides by the v of the steps before, and takes the mean after dividing;
/// it converges with every beta2.
///
///     first step:  v = g^2, and the parameters stay
///     then:        n = clip(g / max(sqrt(v), eps), -c, c),  c = (t - 1)^(1/4)
///                  m = beta1 m + (1 - beta1) n
///                  p = p - lr m
///                  v = beta2 v + (1 - beta2) g^2
///
/// Taniguchi et al., ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate,
/// 2024, arXiv:2411.02853.
struct ADOPT {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.9999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-06;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "ADOPT";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// LaProp: Adam that divides gradients before it averages them, so that momentum and
/// adaptivity are independent.
///
///     v = beta2 v + (1 - beta2) g^2
///     m = beta1 m + (1 - beta1) g / (sqrt(v / (1 - beta2^t)) + eps)
///     p = p - lr m / (1 - beta1^t)
///
/// Ziyin, Wang and Ueda, LaProp: Separating Momentum and Adaptivity in Adam, 2020,
/// arXiv:2002.04839.
struct LaProp {
  Setting lr = 0.0004;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-15;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "LaProp";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// QHAdam: Adam that mixes its means with the gradient and the square of the current step.
///
///     m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
///     p = p - lr ((1 - nu1) g + nu1 m^) / (sqrt((1 - nu2) g^2 + nu2 v^) + eps)
///
/// nu1 = nu2 = 1 is Adam; the authors recommend nu1 = 0.7 with beta1 = 0.995.
///
/// Ma and Yarats, Quasi-hyperbolic Momentum and Adam for Deep Learning, 2018,
/// arXiv:1810.06801.
struct QHAdam {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting nu1 = 1.0;  ///< Weight of the mean gradient; the current gradient has the rest. At least 0 and finite.
  Setting nu2 = 1.0;  ///< Weight of the mean square; the current square has the rest. In [0, 1].
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "QHAdam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("nu1", nu1);
    visit("nu2", nu2);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// AdaBound: Adam whose rate for each element is kept between two bounds that close around
/// that of SGD.
///
///     m, v as in Adam;  f = final_lr lr / max(base_lr, the largest lr so far)
///     rate = lr sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)
///     p = p - m clip(rate, f (1 - 1 / (gamma t + 1)), f (1 + 1 / (gamma t)))
///
/// With amsbound, the largest v so far takes the place of v. Where lr changes, final_lr is the
/// rate at base_lr, as in the authors' code; but f is never above final_lr. A schedule with a
/// warm-up needs base_lr only to follow that code from its first step on.
///
/// Luo et al., Adaptive Gradient Methods with Dynamic Bound of Learning Rate, 2019,
/// arXiv:1902.09843.
struct AdaBound {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting final_lr = 0.1;  ///< Rate that the bounds converge to. At least 0 and finite.
  Setting gamma = 0.001;  ///< Speed at which the bounds close, per step. Above 0 and finite.
  Setting base_lr = 0.0;  ///< Value of lr that final_lr refers to; 0 for the lr at construction. At least 0 and finite.
  bool amsbound = false;  ///< Whether to divide by the largest v so far.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "AdaBound";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("final_lr", final_lr);
    visit("gamma", gamma);
    visit("base_lr", base_lr);
    visit("amsbound", amsbound);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// diffGrad: Adam that moves less where the gradient changes little from step to step.
///
///     m, v as in Adam;  f = 1 / (1 + e^-|g - (the last g)|)      (the last g is 0 at first)
///     p = p - lr f m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)
///
/// Dubey et al., diffGrad: An Optimization Method for Convolutional Neural Networks, 2019,
/// arXiv:1909.11015.
struct DiffGrad {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "DiffGrad";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Padam: Adam that divides by a smaller power of v, between Adam (1/2) and SGD (0).
///
///     m, v as in Adam
///     p = p - lr m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)^(2 partial)
///
/// Chen et al., Closing the Generalization Gap of Adaptive Gradient Methods in Training Deep
/// Neural Networks, 2018, arXiv:1806.06763.
struct PAdam {
  Setting lr = 0.1;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting partial = 0.25;  ///< Exponent of v: 0.5, 0.25, 0.125 or 0.0625. In (0, 1).
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "PAdam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("partial", partial);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Tiger: sign descent along the mean of gradients, with decoupled weight decay; Lion with
/// one beta.
///
///     m = momentum m + (1 - momentum) g
///     p = p (1 - lr weight_decay) - lr sign(m)        (sign(0) = 0)
///
/// Su, Tiger: A Tight-fisted Optimizer, 2023, github.com/bojone/tiger.
struct Tiger {
  Setting lr = 0.001;  ///< At least 0.
  Setting momentum = 0.965;  ///< Decay of the mean of gradients. In [0, 1).
  Setting weight_decay = 0.01;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Tiger";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// FTML: follow the moving leader, between RMSprop and Adam.
///
///     v = beta2 v + (1 - beta2) g^2
///     d_t = (1 - beta1^t) / lr (sqrt(v / (1 - beta2^t)) + eps)
///     z = beta1 z + (1 - beta1) g - (d_t - beta1 d_(t-1)) p
///     p = -z / d_t
///
/// Parameters stay where they are while lr is below 1e-18, whose inverse float32 cannot square.
///
/// Zheng and Kwok, Follow the Moving Leader in Deep Learning, ICML 2017.
struct FTML {
  Setting lr = 0.0025;  ///< At least 0.
  Setting beta1 = 0.6;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "FTML";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// MADGRAD: dual averaging with momentum, divided by a cube root.
///
///     c = (lr + eps) sqrt(t)                    (c = 0 where lr is 0)
///     n = n + c g^2,  s = s + c g
///     z = x0 - s / (cbrt(n) + eps)              (x0: the parameters at the start)
///     p = momentum p + (1 - momentum) z
///
/// Without momentum, x0 is not stored but computed from p, s and n.
///
/// Defazio and Jelassi, Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged
/// Gradient Method for Stochastic Optimization, 2021, arXiv:2101.11075.
struct MADGRAD {
  Setting lr = 0.01;  ///< At least 0.
  Setting momentum = 0.9;  ///< Momentum: fraction of the previous parameters that is kept. In [0, 1).
  Setting eps = 1e-06;  ///< Constant added to the root. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "MADGRAD";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// FTRL-proximal: follow the regularized leader, the classic for sparse linear models; with
/// l1 above 0, weights that do not matter are exactly 0.
///
///     n = n + g^2,  d_t = (beta + sqrt(n)) / lr      (d_0 = beta / lr)
///     z = z + g - (d_t - d_(t-1)) p
///     p = 0                                         where |z| <= l1
///     p = -(z - sign(z) l1) / (d_t + l2)            elsewhere
///
/// Nothing moves while lr is below 1e-18, whose inverse float32 cannot square.
///
/// McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.
struct FTRL {
  Setting lr = 0.1;  ///< At least 0.
  Setting beta = 1.0;  ///< Constant added to the root, which limits the first steps. At least 0 and finite.
  Setting l1 = 0.0;  ///< Weight of the L1 penalty. At least 0 and finite.
  Setting l2 = 0.0;  ///< Weight of the L2 penalty. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "FTRL";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta", beta);
    visit("l1", l1);
    visit("l2", l2);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Schedule-free SGD: averages its iterates instead of lowering its rate. In train mode the
/// parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,
/// `train()` back to y.
///
///     d = g + weight_decay y
///     y = (1 - c) y + c z + lr (momentum (1 - c) - 1) d
///     z = z - lr d
///     c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power
///     x = (y - (1 - momentum) z) / momentum
///
/// Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.
struct ScheduleFreeSGD {
  Setting lr = 1.0;  ///< At least 0.
  Setting momentum = 0.9;  ///< Weight of the average x in the point y where gradients are taken. In (0, 1).
  Setting r = 0.0;  ///< Exponent of t in the weight of step t; above 0, later steps weigh more. At least 0 and finite.
  Setting weight_lr_power = 2.0;  ///< Exponent of the rate in the weight of a step. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "ScheduleFreeSGD";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("r", r);
    visit("weight_lr_power", weight_lr_power);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Schedule-free AdamW: averages its iterates instead of lowering its rate. In train mode the
/// parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,
/// `train()` back to y.
///
///     v = beta2 v + (1 - beta2) g^2
///     d = g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y
///     y = (1 - c) y + c z + lr (beta1 (1 - c) - 1) d
///     z = z - lr d
///     c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power
///     x = (y - (1 - beta1) z) / beta1
///
/// Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.
struct ScheduleFreeAdamW {
  Setting lr = 0.0025;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Weight of the average x in the point y where gradients are taken. In (0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting r = 0.0;  ///< Exponent of t in the weight of step t; above 0, later steps weigh more. At least 0 and finite.
  Setting weight_lr_power = 2.0;  ///< Exponent of the rate in the weight of a step. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "ScheduleFreeAdamW";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("r", r);
    visit("weight_lr_power", weight_lr_power);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Sophia: momentum divided by a running estimate h of the Hessian's diagonal, and clipped.
///
///     m = beta1 m + (1 - beta1) g
///     p = p - lr clip(m / (1 - beta1^t) / max(gamma h, eps), -clip_threshold, clip_threshold)
///
/// Call `update_hessian(estimates)` every ten steps or so, with estimates e of the
/// diagonal (Hutchinson's, or batch size times the squared gradient at sampled labels):
///
///     h = beta2 h + (1 - beta2) e
///
/// Liu et al., Sophia: A Scalable Stochastic Second-order Optimizer for Language Model
/// Pre-training, 2023, arXiv:2305.14342.
struct Sophia {
  Setting lr = 0.0001;  ///< At least 0.
  Setting beta1 = 0.965;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.99;  ///< Decay of the mean of Hessian estimates. In [0, 1).
  Setting gamma = 0.01;  ///< Factor of h in the divisor; a smaller one clips more elements. Above 0 and finite.
  Setting eps = 1e-08;  ///< Lower bound of the divisor. Above 0 and finite.
  Setting clip_threshold = 1.0;  ///< Largest update of an element, before lr. Above 0 and finite.
  Setting weight_decay = 0.0001;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Sophia";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("gamma", gamma);
    visit("eps", eps);
    visit("clip_threshold", clip_threshold);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// LAMB: Adam's direction, scaled for each array to the norm of its parameters. Made for large
/// batches.
///
///     m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
///     u = m^ / (sqrt(v^) + eps) + weight_decay p
///     p = p - lr |p| / |u| u                 (the ratio is 1 where a norm is 0)
///
/// Weight decay is part of u, unless decoupled_weight_decay is False.
///
/// You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, 2019,
/// arXiv:1904.00962.
struct LAMB {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-06;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "LAMB";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// LARS: momentum whose rate for each array is proportional to the norm of its parameters.
///
///     r = trust_coefficient |p| / (|g| + eps)      (1 where a norm is 0)
///     b = momentum b + lr r g
///     p = p - b                                    (nesterov: p - (lr r g + momentum b))
///
/// Coupled weight decay is part of g.
///
/// You, Gitman and Ginsburg, Large Batch Training of Convolutional Networks, 2017,
/// arXiv:1708.03888.
struct LARS {
  Setting lr = 0.001;  ///< At least 0.
  Setting momentum = 0.9;  ///< Momentum: fraction of the previous step that is kept. In [0, 1).
  Setting trust_coefficient = 0.001;  ///< Ratio of a step's norm to the norm of the parameters, before lr. Above 0 and finite.
  Setting eps = 0.0;  ///< Constant added to the norm of the gradient. At least 0 and finite.
  bool nesterov = false;  ///< Whether to use Nesterov momentum.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "LARS";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("trust_coefficient", trust_coefficient);
    visit("eps", eps);
    visit("nesterov", nesterov);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// NovoGrad: momentum of gradients that are divided by a mean of their array's norm.
///
///     v = beta2 v + (1 - beta2) |g|^2        (v = |g|^2 at the first step; one an array)
///     d = g / (sqrt(v) + eps) + weight_decay p
///     m = beta1 m + d
///     p = p - lr m
///
/// Ginsburg et al., Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training
/// of Deep Networks, 2019, arXiv:1905.11286.
struct NovoGrad {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.95;  ///< Decay of the sum of normalized gradients. In [0, 1).
  Setting beta2 = 0.98;  ///< Decay of the mean of squared gradient norms. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "NovoGrad";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// StableAdamW: AdamW that moves an array less where its gradients are larger than v expects,
/// as Adafactor does; instead of clipping gradients.
///
///     b1 = beta1 (1 - beta1^(t-1)) / (1 - beta1^t), b2 likewise
///     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
///     r = max(1, sqrt(mean(g^2 / max(v, eps^2))))
///     p = p (1 - lr / r weight_decay) - lr / r m / (sqrt(v) + eps)
///
/// Wortsman et al., Stable and Low-precision Training for Large-scale Vision-language Models,
/// 2023, arXiv:2304.13013.
struct StableAdamW {
  Setting lr = 0.001;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.99;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.01;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "StableAdamW";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Prodigy: Adam that finds its own rate from an estimate d of the distance to the solution.
/// lr multiplies this rate: use 1, or a schedule that decays from 1.
///
///     m = beta1 m + (1 - beta1) d g,  v = beta2 v + (1 - beta2) d^2 g^2
///     s = beta3 s + d^2 / d0 lr g,  r = beta3 r + d^2 / d0 lr <g, p0 - p>,
///     beta3 = sqrt(beta2)                    (p0: the parameters at the start)
///     d' = max(d, d_coef r / |s|_1)          (sums over all parameters together)
///     p = p (1 - d lr weight_decay) - d lr m / (sqrt(v) + d' eps)
///
/// As in the authors' code with its defaults; optax multiplies lr by Adam's bias corrections,
/// sqrt(1 - beta2^t) / (1 - beta1^t).
///
/// Mishchenko and Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner, 2023,
/// arXiv:2306.06101.
struct Prodigy {
  Setting lr = 1.0;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting d0 = 1e-06;  ///< Initial estimate of the distance to the solution. Above 0 and finite.
  Setting d_coef = 1.0;  ///< Factor that multiplies the estimated distance. Above 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Prodigy";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("d0", d0);
    visit("d_coef", d_coef);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// D-Adaptation: Adam that finds its own rate from a lower bound d of the distance to the
/// solution. lr multiplies this rate: use 1, or a schedule that decays from 1.
///
///     r = b3 r + (1 - b3) d lr <g, s / (sqrt(v) + eps)>,  b3 = sqrt(beta2)
///     m = beta1 m + (1 - beta1) d lr g,  v = beta2 v + (1 - beta2) g^2
///     s = b3 s + (1 - b3) d lr g
///     p = p (1 - d lr weight_decay) - m / (sqrt(v) + eps)
///     d = max(d, r / ((1 - b3) |s|_1))       (sums over all parameters together)
///
/// Defazio and Mishchenko, Learning-Rate-Free Learning by D-Adaptation, 2023,
/// arXiv:2301.07733.
struct DAdaptAdam {
  Setting lr = 1.0;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of gradients. In [0, 1).
  Setting beta2 = 0.999;  ///< Decay of the mean of squared gradients. In [0, 1).
  Setting eps = 1e-08;  ///< Constant added to the root, which prevents a division by 0. At least 0 and finite.
  Setting d0 = 1e-06;  ///< Initial estimate of the distance to the solution. Above 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "DAdaptAdam";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("d0", d0);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// DoG: SGD whose rate is the distance from the start over the root of all squared gradients.
/// lr multiplies this rate and is usually 1.
///
///     r = max(r, |p - p0|)                    (r = reps_rel (1 + |p0|) at first)
///     G = G + |g|^2                           (norms over all parameters together)
///     p = p - lr r / sqrt(G + eps) g
///
/// The authors recommend averaging the parameters.
///
/// Ivgi, Hinder and Carmon, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size
/// Schedule, 2023, arXiv:2302.12022.
struct DoG {
  Setting lr = 1.0;  ///< At least 0.
  Setting eps = 1e-08;  ///< Constant added to the sum of squares. At least 0 and finite.
  Setting reps_rel = 1e-06;  ///< Length of the first step, relative to 1 + |p0|. Above 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "DoG";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("eps", eps);
    visit("reps_rel", reps_rel);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Adafactor: RMSprop whose mean squares are kept by row and column of each matrix only.
///
///     w = t^beta2_decay,  a = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))
///     R = R + w (row means of g^2 - R),  C = C + w (column means of g^2 - C)
///     u = g / max(sqrt(R C / max(mean(R), eps1)), eps1)
///     p = p - lr weight_decay p - a u / max(1, RMS(u) / d)
///
/// Matrices are over the last two axes of an array; one with fewer axes keeps all mean
/// squares. As in torch, except that a NaN in RMS(u) reaches the whole array. optax decays
/// in another order, adds eps to g^2, and divides by RMS(u) per block.
///
/// Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018,
/// arXiv:1804.04235.
struct Adafactor {
  Setting lr = 0.01;  ///< At least 0.
  Setting beta2_decay = -0.8;  ///< Exponent of t in the weight of new squares, at most 0. In (-inf, 0].
  Setting eps1 = 0.0;  ///< Lower bound of the root of mean squares; 0 for the machine epsilon. At least 0 and finite.
  Setting eps2 = 0.001;  ///< Lower bound of the parameters' root mean square, which scales the rate. At least 0 and finite.
  Setting d = 1.0;  ///< Largest root mean square of an update, before the rate. At least 1 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = true;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "Adafactor";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta2_decay", beta2_decay);
    visit("eps1", eps1);
    visit("eps2", eps2);
    visit("d", d);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// SM3: Adagrad whose sums of squares are bounded by one number per row and one per column.
///
///     v = beta2 min(R, C) + w g^2                (w = 1 - beta2, or 1 where beta2 is 1)
///     R = largest v of the row,  C = largest v of the column
///     m = beta1 m + (1 - beta1) g / sqrt(v + eps)        (0 / 0 is 0)
///     p = p - lr m
///
/// An array of more than two axes is a matrix with a row for each index of the first; one
/// with fewer keeps all sums of squares. As in optax, which treats every axis separately,
/// except that R and C ignore NaN.
///
/// Anil et al., Memory-Efficient Adaptive Optimization, 2019, arXiv:1901.11150.
struct SM3 {
  Setting lr = 0.01;  ///< At least 0.
  Setting beta1 = 0.9;  ///< Decay of the mean of updates; 0 for no momentum. In [0, 1).
  Setting beta2 = 1.0;  ///< Decay of the squared gradients; 1 sums them up. In (0, 1].
  Setting eps = 1e-08;  ///< Constant added to the squares, which prevents a division by 0. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "SM3";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

/// Row-wise Adagrad: one sum of mean squares for each row, as of an embedding table.
///
///     s = s + mean(g^2)                          (over the row)
///     p = p - lr g / (sqrt(s) + eps)
///
/// A row is the part of an array with the same index of the first axis.
///
/// Mudigere et al., Software-Hardware Co-design for Fast and Scalable Training of Deep Learning
/// Recommendation Models, 2021, arXiv:2104.05158.
struct RowwiseAdagrad {
  Setting lr = 0.01;  ///< At least 0.
  Setting eps = 1e-10;  ///< Constant added to the root. At least 0 and finite.
  Setting initial_accumulator_value = 0.0;  ///< Initial value of the sums. At least 0 and finite.
  Setting weight_decay = 0.0;  ///< At least 0.
  bool decoupled_weight_decay = false;
  bool maximize = false;  ///< Go up the gradient.

  static constexpr const char* rule_name = "RowwiseAdagrad";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("eps", eps);
    visit("initial_accumulator_value", initial_accumulator_value);
    visit("weight_decay", weight_decay);
    visit("decoupled_weight_decay", decoupled_weight_decay);
    visit("maximize", maximize);
  }
};

}  // namespace v1
}  // namespace pyoptim
