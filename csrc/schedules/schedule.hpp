// How a schedule is written down: a struct with a name, one sentence, a constructor that takes its
// arguments by name, checked, and the formula. See cosine.hpp for one; all.hpp is the list.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numbers>
#include <string_view>
#include <vector>

namespace pyoptim::schedules {

/// A function of the step, counted from 0.
class Schedule {
 public:
  Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  virtual ~Schedule() = default;
  virtual double operator()(std::int64_t step) const = 0;
};

using SchedulePointer = std::shared_ptr<const Schedule>;

/// One that goes up and down, and that momentum can go against.
class Cycle : public Schedule {
 public:
  /// How far up a step is: 0 at the bottom, 1 at the top.
  [[nodiscard]] virtual double height(std::int64_t step) const = 0;
};

/// An argument by name: a number, or a word, or several numbers, or schedules.
struct Argument {
  enum class Kind { number, word, numbers, schedules };

  std::string_view name;
  Kind kind = Kind::number;
  double number = 0;
  std::string_view word = {};
  std::vector<double> numbers = {};
  std::vector<SchedulePointer> schedules = {};
};

/// Makes a schedule. Throws std::invalid_argument for an unknown name, or an argument that is
/// missing, unknown or out of range.
SchedulePointer make_schedule(std::string_view name, std::vector<Argument> arguments);

struct ScheduleInfo {
  const char* name;
  const char* doc;
};

/// All that make_schedule() takes.
const std::vector<ScheduleInfo>& schedule_list();

/// `start` where all is left (1), `end` where nothing is (0): both exactly.
inline double between(double start, double end, double left) {
  return start * left + end * (1 - left);
}

/// What is left after this share of a way along half a cosine.
inline double half_cosine(double share) { return 0.5 * (1 + std::cos(std::numbers::pi * share)); }

/// a / b for whole numbers, and the same rounded down.
inline double ratio(std::int64_t a, std::int64_t b) { return double(a) / double(b); }
inline std::int64_t quotient(std::int64_t a, std::int64_t b) { return a / b; }

}  // namespace pyoptim::schedules
