#pragma once

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct CycleMomentum : Schedule {
  static constexpr const char* name = "cycle_momentum";
  static constexpr const char* doc =
      "The momentum that goes against a cycle, which is one_cycle or cyclic.";
  std::shared_ptr<const Cycle> cycle;
  double base_momentum;
  double max_momentum;

  explicit CycleMomentum(Arguments& a)
      : cycle(std::dynamic_pointer_cast<const Cycle>(a.schedule("cycle"))),
        base_momentum(a.rate("base_momentum")),
        max_momentum(a.rate("max_momentum")) {
    if (cycle == nullptr) a.refuse("cycle must be one_cycle or cyclic");
  }

  double operator()(std::int64_t step) const override {
    return between(base_momentum, max_momentum, cycle->height(step));
  }
};

}  // namespace pyoptim::schedules
