#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Step : Schedule {
  static constexpr const char* name = "step";
  static constexpr const char* doc =
      "A staircase: the rate is multiplied by factor every so many steps.";
  double lr;
  std::int64_t every;
  double factor;

  explicit Step(Arguments& a)
      : lr(a.rate("lr")), every(a.count("every")), factor(a.positive("factor", 0.1)) {}

  double operator()(std::int64_t step) const override {
    return lr * std::pow(factor, double(quotient(step, every)));
  }
};

}  // namespace pyoptim::schedules
