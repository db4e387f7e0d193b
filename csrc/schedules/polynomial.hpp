#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Polynomial : Schedule {
  static constexpr const char* name = "polynomial";
  static constexpr const char* doc = "From lr to end as a power of the steps left, then end.";
  double lr;
  std::int64_t steps;
  double power;
  double end;

  explicit Polynomial(Arguments& a)
      : lr(a.rate("lr")),
        steps(a.count("steps")),
        power(a.positive("power", 1)),
        end(a.rate("end", 0)) {}

  double operator()(std::int64_t step) const override {
    const double left = ratio(std::max<std::int64_t>(steps - step, 0), steps);
    return between(lr, end, std::pow(left, power));
  }
};

}  // namespace pyoptim::schedules
