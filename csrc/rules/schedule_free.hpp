#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The weights of the iterates in the average, for both schedule-free rules.
struct ScheduleFreeAverage {
  double r = 0;
  double weight_lr_power = 2;

  /// The weight of iterate t in the average, and the scalars after step t.
  struct AverageWeight {
    double now;
    double weight_sum;
    double lr_max;
  };
  [[nodiscard]] AverageWeight average_weight(const Step& t) const {
    const double lr_max = t.lr > t.scalars[1] ? t.lr : t.scalars[1];
    const double weight = power(double(t.count), r) * power(lr_max, weight_lr_power);
    const double sum = t.scalars[0] + weight;
    return {sum > 0 ? weight / sum : 0, sum, lr_max};
  }
};

struct ScheduleFreeSGD {
  double momentum = 0.9;
  double r = 0;
  double weight_lr_power = 2;

  static constexpr const char* name = "ScheduleFreeSGD";
  static constexpr const char* doc =
      "Schedule-free SGD: averages its iterates instead of lowering its rate. In train mode the\n"
      "parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,\n"
      "`train()` back to y.\n\n"
      "    d = g + weight_decay y\n"
      "    y = (1 - c) y + c z + lr (momentum (1 - c) - 1) d\n"
      "    z = z - lr d\n"
      "    c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power\n"
      "    x = (y - (1 - momentum) z) / momentum\n\n"
      "Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.";
  static constexpr Defaults defaults{.lr = 1, .decoupled_weight_decay = true};
  static constexpr bool fused_weight_decay = true;
  static constexpr auto states = names("z");
  static constexpr std::size_t copied_state = 0;
  static constexpr auto scalars = names("weight_sum", "lr_max");
  static constexpr auto fields = fields_of<ScheduleFreeSGD>(
      Field<ScheduleFreeSGD>{"momentum", &ScheduleFreeSGD::momentum, between_zero_and_one,
                             "Weight of the average x in the point y where gradients are taken."},
      Field<ScheduleFreeSGD>{
          "r", &ScheduleFreeSGD::r, non_negative,
          "Exponent of t in the weight of step t; above 0, later steps weigh more."},
      Field<ScheduleFreeSGD>{"weight_lr_power", &ScheduleFreeSGD::weight_lr_power, non_negative,
                             "Exponent of the rate in the weight of a step."});

  [[nodiscard]] auto average_weight(const Step& t) const {
    return ScheduleFreeAverage{r, weight_lr_power}.average_weight(t);
  }
  void advance(const Step& t, double* scalars) const {
    const auto weight = average_weight(t);
    scalars[0] = weight.weight_sum;
    scalars[1] = weight.lr_max;
  }

  template <class F>
  auto step(const Step& t) const {
    const double c = average_weight(t).now;
    const F part = narrow<F>(c), lr = narrow<F>(t.lr),
            rate = narrow<F>(t.lr * (1 - momentum * (1 - c)));
    const F decay = narrow<F>(t.weight_decay);
    return [=](F& p, F g, F& z) {
      const F d = g + decay * p;
      p = p + part * (z - p) - rate * d;
      z -= lr * d;
    };
  }

  template <class F>
  auto eval_params() const {
    const F away = narrow<F>(1 / momentum - 1);
    return [=](F y, F z) { return y + away * (y - z); };
  }
};

struct ScheduleFreeAdamW {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double r = 0;
  double weight_lr_power = 2;

  static constexpr const char* name = "ScheduleFreeAdamW";
  static constexpr const char* doc =
      "Schedule-free AdamW: averages its iterates instead of lowering its rate. In train mode the\n"
      "parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,\n"
      "`train()` back to y.\n\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    d = g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y\n"
      "    y = (1 - c) y + c z + lr (beta1 (1 - c) - 1) d\n"
      "    z = z - lr d\n"
      "    c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power\n"
      "    x = (y - (1 - beta1) z) / beta1\n\n"
      "Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.";
  static constexpr Defaults defaults{.lr = 2.5e-3, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool fused_weight_decay = true;
  static constexpr auto states = names("z", "exp_avg_sq");
  static constexpr std::size_t copied_state = 0;
  static constexpr auto scalars = names("weight_sum", "lr_max");
  static constexpr auto fields = fields_of<ScheduleFreeAdamW>(
      Field<ScheduleFreeAdamW>{"beta1", &ScheduleFreeAdamW::beta1, between_zero_and_one,
                               "Weight of the average x in the point y where gradients are taken."},
      Field<ScheduleFreeAdamW>{"beta2", &ScheduleFreeAdamW::beta2, fraction,
                               "Decay of the mean of squared gradients."},
      Field<ScheduleFreeAdamW>{"eps", &ScheduleFreeAdamW::eps, non_negative,
                               "Constant added to the root, which prevents a division by 0."},
      Field<ScheduleFreeAdamW>{
          "r", &ScheduleFreeAdamW::r, non_negative,
          "Exponent of t in the weight of step t; above 0, later steps weigh more."},
      Field<ScheduleFreeAdamW>{"weight_lr_power", &ScheduleFreeAdamW::weight_lr_power, non_negative,
                               "Exponent of the rate in the weight of a step."});

  [[nodiscard]] auto average_weight(const Step& t) const {
    return ScheduleFreeAverage{r, weight_lr_power}.average_weight(t);
  }
  void advance(const Step& t, double* scalars) const {
    const auto weight = average_weight(t);
    scalars[0] = weight.weight_sum;
    scalars[1] = weight.lr_max;
  }

  template <class F>
  auto step(const Step& t) const {
    const double c = average_weight(t).now, root = square_root(1 - power(beta2, double(t.count)));
    const F part = narrow<F>(c), lr = narrow<F>(t.lr),
            rate = narrow<F>(t.lr * (1 - beta1 * (1 - c)));
    const F decay = narrow<F>(t.weight_decay), scale = narrow<F>(root),
            tiny = narrow<F>(eps * root);
    const F b2 = narrow<F>(beta2), a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& z, F& v) {
      v = b2 * v + a2 * g * g;
      const F d = scale * g / (square_root(v) + tiny) + decay * p;
      p = p + part * (z - p) - rate * d;
      z -= lr * d;
    };
  }

  template <class F>
  auto eval_params() const {
    const F away = narrow<F>(1 / beta1 - 1);
    return [=](F y, F z) { return y + away * (y - z); };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
