#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct MultiStep : Schedule {
  static constexpr const char* name = "multi_step";
  static constexpr const char* doc = "The rate is multiplied by factor at each of the milestones.";
  double lr;
  std::vector<std::int64_t> milestones;
  double factor;

  explicit MultiStep(Arguments& a)
      : lr(a.rate("lr")),
        milestones(a.counts("milestones", false)),
        factor(a.positive("factor", 0.1)) {}

  double operator()(std::int64_t step) const override {
    const auto after = std::upper_bound(milestones.begin(), milestones.end(), step);
    return lr * std::pow(factor, double(after - milestones.begin()));
  }
};

}  // namespace pyoptim::schedules
