#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Constant : Schedule {
  static constexpr const char* name = "constant";
  static constexpr const char* doc = "The same rate at every step.";
  double lr;

  explicit Constant(Arguments& a) : lr(a.rate("lr")) {}

  double operator()(std::int64_t /*step*/) const override { return lr; }
};

}  // namespace pyoptim::schedules
