#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Cyclic : Cycle {
  static constexpr const char* name = "cyclic";
  static constexpr const char* doc = "Up and down between two rates along lines, over and over.";
  double base_lr;
  double max_lr;
  std::int64_t up;
  std::int64_t down;
  std::size_t mode;
  double gamma;

  explicit Cyclic(Arguments& a)
      : base_lr(a.rate("base_lr")),
        max_lr(a.rate("max_lr")),
        up(a.count("step_size_up", 2000)),
        down(a.count("step_size_down", up)),
        mode(a.choice("mode", {"triangular", "triangular2", "exp_range"})),
        gamma(a.positive("gamma", 1)) {}

  double operator()(std::int64_t step) const override {
    return between(max_lr, base_lr, height(step));
  }

  [[nodiscard]] double height(std::int64_t step) const override {
    const std::int64_t cycle = step / (up + down), at = step % (up + down);
    const double height = at <= up ? ratio(at, up) : ratio(up + down - at, down);
    if (mode == 1) return std::ldexp(height, -int(std::min<std::int64_t>(cycle, 10000)));
    return mode == 2 ? height * std::pow(gamma, double(step)) : height;
  }
};

}  // namespace pyoptim::schedules
