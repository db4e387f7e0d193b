#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Cosine : Schedule {
  static constexpr const char* name = "cosine";
  static constexpr const char* doc = "Half a cosine from lr to end in so many steps, then end.";
  double lr;
  std::int64_t steps;
  double end;

  explicit Cosine(Arguments& a)
      : lr(a.rate("lr")), steps(a.count("steps")), end(a.rate("end", 0)) {}

  double operator()(std::int64_t step) const override {
    return between(lr, end, half_cosine(ratio(std::min(step, steps), steps)));
  }
};

}  // namespace pyoptim::schedules
