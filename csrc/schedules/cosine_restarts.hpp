#pragma once

#include <limits>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct CosineRestarts : Schedule {
  static constexpr const char* name = "cosine_restarts";
  static constexpr const char* doc =
      "Half a cosine over and over, each cycle T_mult times as long as the one before.";
  double lr;
  std::int64_t first;
  std::int64_t growth;
  double end;

  explicit CosineRestarts(Arguments& a)
      : lr(a.rate("lr")),
        first(a.count("T0")),
        growth(a.count("T_mult", 1)),
        end(a.rate("end", 0)) {}

  double operator()(std::int64_t step) const override {
    std::int64_t length = first;
    if (growth == 1) step %= length;
    while (step >= length) {
      step -= length;
      // A cycle longer than any number of steps is cut to the longest.
      if (__builtin_mul_overflow(length, growth, &length))
        length = std::numeric_limits<std::int64_t>::max();
    }
    return between(lr, end, half_cosine(ratio(step, length)));
  }
};

}  // namespace pyoptim::schedules
