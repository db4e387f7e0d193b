#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct WarmupStableDecay : Schedule {
  static constexpr const char* name = "warmup_stable_decay";
  static constexpr const char* doc = "A warm-up, then a constant rate, then a decay at the end.";
  double lr;
  std::int64_t warmup_steps;
  std::int64_t stable_steps;
  std::int64_t decay_steps;
  std::size_t shape;
  double end;
  double start;

  explicit WarmupStableDecay(Arguments& a)
      : lr(a.rate("lr")),
        warmup_steps(a.count("warmup_steps", {}, 0)),
        stable_steps(a.count("stable_steps", {}, 0)),
        decay_steps(a.count("decay_steps")),
        shape(a.choice("shape", {"1-sqrt", "linear", "cosine"})),
        end(a.rate("end", 0)),
        start(a.rate("start", 0)) {}

  double operator()(std::int64_t step) const override {
    if (step < warmup_steps) return between(lr, start, ratio(step, warmup_steps));
    const std::int64_t decayed =
        std::clamp<std::int64_t>(step - warmup_steps - stable_steps, 0, decay_steps);
    const double fraction = ratio(decayed, decay_steps);
    if (shape == 0) return between(lr, end, 1 - std::sqrt(fraction));
    return between(lr, end, shape == 2 ? half_cosine(fraction) : 1 - fraction);
  }
};

}  // namespace pyoptim::schedules
