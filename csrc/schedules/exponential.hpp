#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Exponential : Schedule {
  static constexpr const char* name = "exponential";
  static constexpr const char* doc = "The rate is multiplied by factor at every step.";
  double lr;
  double factor;

  explicit Exponential(Arguments& a) : lr(a.rate("lr")), factor(a.positive("factor")) {}

  double operator()(std::int64_t step) const override {
    return lr * std::pow(factor, double(step));
  }
};

}  // namespace pyoptim::schedules
