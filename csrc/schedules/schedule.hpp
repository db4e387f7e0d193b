// How a schedule is written: a struct with a name, one sentence of documentation, a constructor
// that takes checked arguments by name, and the formula. An example is cosine.hpp. all.hpp is the
// list.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numbers>
#include <string_view>
#include <vector>

namespace pyoptim::schedules {

/// A function of the step, which counts from 0.
class Schedule {
 public:
  Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  virtual ~Schedule() = default;
  virtual double operator()(std::int64_t step) const = 0;
};

using SchedulePointer = std::shared_ptr<const Schedule>;

/// A schedule that goes up and down, for cycle_momentum.
class Cycle : public Schedule {
 public:
  /// The height at a step: 0 at the bottom, 1 at the top.
  [[nodiscard]] virtual double height(std::int64_t step) const = 0;
};

/// A named argument: a number, a word, several numbers, or schedules.
struct Argument {
  enum class Kind { number, word, numbers, schedules };

  std::string_view name;
  Kind kind = Kind::number;
  double number = 0;
  std::string_view word = {};
  std::vector<double> numbers = {};
  std::vector<SchedulePointer> schedules = {};
};

/// Creates a schedule. Throws std::invalid_argument for an unknown name and for an argument that is
/// missing, unknown or out of range.
SchedulePointer make_schedule(std::string_view name, std::vector<Argument> arguments);

struct ScheduleInfo {
  const char* name;
  const char* doc;
};

/// All schedules.
const std::vector<ScheduleInfo>& schedule_list();

/// Interpolates: exactly `start` for left = 1, and exactly `end` for left = 0.
inline double between(double start, double end, double left) {
  return start * left + end * (1 - left);
}

/// The height of a half cosine that falls from 1 to 0, at a fraction of its length.
inline double half_cosine(double fraction) {
  return 0.5 * (1 + std::cos(std::numbers::pi * fraction));
}

/// a / b of whole numbers, and the quotient rounded down.
inline double ratio(std::int64_t a, std::int64_t b) { return double(a) / double(b); }
inline std::int64_t quotient(std::int64_t a, std::int64_t b) { return a / b; }

}  // namespace pyoptim::schedules
