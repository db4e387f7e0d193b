#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Chain : Schedule {
  static constexpr const char* name = "chain";
  static constexpr const char* doc = "All schedules at once, multiplied.";
  std::vector<SchedulePointer> factors;

  explicit Chain(Arguments& a) : factors(a.schedules("schedules")) {}

  double operator()(std::int64_t step) const override {
    double product = 1;
    for (const SchedulePointer& factor : factors) product *= (*factor)(step);
    return product;
  }
};

}  // namespace pyoptim::schedules
