#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct PiecewiseInterpolate : Schedule {
  static constexpr const char* name = "piecewise_interpolate";
  static constexpr const char* doc = "From value to value along lines or half cosines.";
  double lr;
  std::vector<std::pair<std::int64_t, double>> scales;
  bool cosine;

  explicit PiecewiseInterpolate(Arguments& a)
      : lr(a.rate("lr")),
        scales(a.pairs("boundaries_and_scales")),
        cosine(a.choice("interpolate_type", {"linear", "cosine"}) == 1) {}

  double operator()(std::int64_t step) const override {
    std::int64_t start = 0;
    double value = lr;
    for (const auto& [boundary, scale] : scales) {
      const double next = value * scale;
      if (step < boundary) {
        const double fraction = ratio(step - start, boundary - start);
        return between(value, next, cosine ? half_cosine(fraction) : 1 - fraction);
      }
      start = boundary;
      value = next;
    }
    return value;
  }
};

}  // namespace pyoptim::schedules
