#pragma once

#include <algorithm>

#include "schedules/arguments.hpp"

namespace pyoptim::schedules {

struct Sequence : Schedule {
  static constexpr const char* name = "sequence";
  static constexpr const char* doc =
      "One schedule after another: the next takes over at each of the boundaries.";
  std::vector<SchedulePointer> parts;
  std::vector<std::int64_t> boundaries;

  explicit Sequence(Arguments& a)
      : parts(a.schedules("schedules")), boundaries(a.counts("boundaries", true)) {
    if (boundaries.size() + 1 != parts.size())
      a.refuse(std::to_string(parts.size()) + " schedules need " +
               std::to_string(parts.size() - 1) + " boundaries, got " +
               std::to_string(boundaries.size()));
  }

  double operator()(std::int64_t step) const override {
    const auto next = std::upper_bound(boundaries.begin(), boundaries.end(), step);
    const std::int64_t start = next == boundaries.begin() ? 0 : *(next - 1);
    return (*parts[std::size_t(next - boundaries.begin())])(step - start);
  }
};

}  // namespace pyoptim::schedules
