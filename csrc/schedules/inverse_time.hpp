#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct InverseTime : Schedule {
  static constexpr const char* name = "inverse_time";
  static constexpr const char* doc = "A rate that falls as 1 / step in the long run.";
  double lr;
  double rate;

  explicit InverseTime(Arguments& a) : lr(a.rate("lr")), rate(a.rate("rate")) {}

  double operator()(std::int64_t step) const override { return lr / (1 + rate * double(step)); }
};

}  // namespace pyoptim::schedules
