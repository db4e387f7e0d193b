#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct PiecewiseConstant : Schedule {
  static constexpr const char* name = "piecewise_constant";
  static constexpr const char* doc = "At each boundary the rate is multiplied by its scale.";
  double lr;
  std::vector<std::pair<std::int64_t, double>> scales;

  explicit PiecewiseConstant(Arguments& a)
      : lr(a.rate("lr")), scales(a.pairs("boundaries_and_scales")) {}

  double operator()(std::int64_t step) const override {
    double value = lr;
    for (const auto& [boundary, scale] : scales)
      if (step >= boundary) value *= scale;
    return value;
  }
};

}  // namespace pyoptim::schedules
