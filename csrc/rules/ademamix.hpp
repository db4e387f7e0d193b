#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct AdEMAMix {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double beta3 = 0.9999;
  double alpha = 5;
  double warmup_steps = 0;

  static constexpr const char* name = "AdEMAMix";
  static constexpr const char* doc =
      "AdEMAMix: Adam with a second, much slower mean of gradients added to the first.\n\n"
      "    m = beta1 m + (1 - beta1) g,  s = beta3_t s + (1 - beta3_t) g\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    p = p - lr (m / (1 - beta1^t) + alpha_t s) / (sqrt(v / (1 - beta2^t)) + eps)\n\n"
      "With warmup_steps T, alpha_t = min(t / T, 1) alpha, and beta3_t goes from beta1 to beta3 "
      "in\n"
      "T steps so that the half-life of the slow mean grows linearly:\n\n"
      "    log beta3_t = log beta1 log beta3 / ((1 - t / T) log beta3 + (t / T) log beta1)\n\n"
      "Pagliardini, Ablin and Grangier, The AdEMAMix Optimizer: Better, Faster, Older, 2024,\n"
      "arXiv:2409.03137.";
  static constexpr Defaults defaults{.lr = 1e-3, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_slow", "exp_avg_sq");
  static constexpr auto fields =
      moment_fields(&AdEMAMix::beta1, &AdEMAMix::beta2, &AdEMAMix::eps) +
      fields_of<AdEMAMix>(
          Field<AdEMAMix>{"beta3", &AdEMAMix::beta3, fraction, "Decay of the slow mean."},
          Field<AdEMAMix>{"alpha", &AdEMAMix::alpha, non_negative,
                          "Weight of the slow mean of gradients."},
          Field<AdEMAMix>{
              "warmup_steps", &AdEMAMix::warmup_steps, non_negative,
              "Number of steps until beta3 and alpha reach their values; 0 for no warm-up.", false,
              true});

  static constexpr const char* conflict(const AdEMAMix& h) {
    return h.warmup_steps > 0 && (h.beta1 == 0 || h.beta3 == 0)
               ? "warmup_steps needs beta1 and beta3 above 0"
               : nullptr;
  }

  [[nodiscard]] double slow_decay(double done) const {
    const double fast = natural_logarithm(beta1), slow = natural_logarithm(beta3);
    return done < 1 ? power(beta1, slow / ((1 - done) * slow + done * fast)) : beta3;
  }

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), done = now < warmup_steps ? now / warmup_steps : 1;
    const double decay = slow_decay(done), root = square_root(1 - power(beta2, now));
    const F rate_m = narrow<F>(t.lr * root / (1 - power(beta1, now)));
    const F rate_s = narrow<F>(t.lr * root * (done * alpha)), tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    const F b3 = narrow<F>(decay), a3 = narrow<F>(1 - decay);
    return [=](F& p, F g, F& m, F& s, F& v) {
      m = b1 * m + a1 * g;
      s = b3 * s + a3 * g;
      v = b2 * v + a2 * g * g;
      p -= (rate_m * m + rate_s * s) / (square_root(v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
