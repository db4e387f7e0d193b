#pragma once

#include <algorithm>
#include <array>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct OneCycle : Cycle {
  static constexpr const char* name = "one_cycle";
  static constexpr const char* doc = "Up to a large rate, then down far below the first.";
  double max_lr;
  std::int64_t steps;
  bool three_phase;
  double pct_start;
  bool cosine;
  double div_factor;
  double final_div_factor;

  explicit OneCycle(Arguments& a)
      : max_lr(a.rate("max_lr")),
        steps(a.count("steps")),
        three_phase(a.flag("three_phase", false)),
        pct_start(a.fraction("pct_start", three_phase ? 0.5 : 1, 0.3)),
        cosine(a.choice("anneal_strategy", {"cosine", "linear"}) == 0),
        div_factor(a.positive("div_factor", 25)),
        final_div_factor(a.positive("final_div_factor", 1e4)) {}

  double operator()(std::int64_t step) const override {
    const double initial = max_lr / div_factor, last = initial / final_div_factor;
    if (three_phase) return on_the_way(step, {initial, max_lr, initial, last});
    return on_the_way(step, {initial, max_lr, last, last});
  }

  [[nodiscard]] double height(std::int64_t step) const override {
    return on_the_way(step, {0, 1, 0, 0});
  }

 private:
  /// The value between the corners at a step.
  [[nodiscard]] double on_the_way(std::int64_t step, const std::array<double, 4>& corner) const {
    const double last = double(steps - 1), top = pct_start * double(steps) - 1;
    const double ends[] = {top, three_phase ? 2 * top : last, last};
    const double at = std::min(double(step), last);
    std::size_t phase = 0;
    while (at > ends[phase]) ++phase;
    const double start = phase == 0 ? 0 : ends[phase - 1];
    const double fraction = ends[phase] > start ? (at - start) / (ends[phase] - start) : 1;
    return between(corner[phase], corner[phase + 1], cosine ? half_cosine(fraction) : 1 - fraction);
  }
};

}  // namespace pyoptim::schedules
