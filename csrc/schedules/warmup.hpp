#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Warmup : Schedule {
  static constexpr const char* name = "warmup";
  static constexpr const char* doc =
      "A straight line from start to the first rate of `then`, then that from its step 0 on.";
  std::int64_t steps;
  SchedulePointer then;
  double start;

  explicit Warmup(Arguments& a)
      : steps(a.count("steps")), then(a.schedule("then")), start(a.rate("start", 0)) {}

  double operator()(std::int64_t step) const override {
    if (step >= steps) return (*then)(step - steps);
    return between((*then)(0), start, ratio(step, steps));
  }
};

}  // namespace pyoptim::schedules
