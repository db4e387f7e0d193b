#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Linear : Schedule {
  static constexpr const char* name = "linear";
  static constexpr const char* doc = "A straight line from lr to end in so many steps, then end.";
  double lr;
  std::int64_t steps;
  double end;

  explicit Linear(Arguments& a)
      : lr(a.rate("lr")), steps(a.count("steps")), end(a.rate("end", 0)) {}

  double operator()(std::int64_t step) const override {
    return between(lr, end, ratio(std::max<std::int64_t>(steps - step, 0), steps));
  }
};

}  // namespace pyoptim::schedules
