#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct GeometricRestarts : Schedule {
  static constexpr const char* name = "geometric_restarts";
  static constexpr const char* doc = "The rate changes by the ratio lr / lr_max every T steps.";
  double lr;
  double lr_max;
  std::int64_t every;

  explicit GeometricRestarts(Arguments& a)
      : lr(a.rate("lr")), lr_max(a.positive("lr_max")), every(a.count("T")) {}

  double operator()(std::int64_t step) const override {
    return lr * std::pow(lr / lr_max, double(quotient(step, every)));
  }
};

}  // namespace pyoptim::schedules
