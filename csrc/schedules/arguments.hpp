// The arguments of schedules, by name and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schedules/schedule.hpp"

namespace pyoptim::schedules {

/// The arguments of one schedule. An argument without a default is required. All functions throw
/// std::invalid_argument, and the message names the argument.
class Arguments {
 public:
  Arguments(std::string_view schedule, std::vector<Argument> arguments)
      : schedule_(schedule), given_(std::move(arguments)), taken_(given_.size()) {}

  /// Numbers with a range: at least 0; above 0; from 0 to `max`.
  double rate(const char* name, std::optional<double> initial = {});
  double positive(const char* name, std::optional<double> initial = {});
  double fraction(const char* name, double max, std::optional<double> initial);
  bool flag(const char* name, bool initial);

  /// A whole number of at least `min` and below 2^53.
  std::int64_t count(const char* name, std::optional<std::int64_t> initial = {},
                     std::int64_t min = 1);
  [[nodiscard]] bool has(const char* name) const;

  /// The index of the word; the first word is the default.
  std::size_t choice(const char* name, std::initializer_list<const char*> words);

  /// Whole numbers of at least 1. Each is above the previous one if `rising`, else not below it.
  std::vector<std::int64_t> counts(const char* name, bool rising);
  /// Boundaries and their scales, sorted by boundary.
  std::vector<std::pair<std::int64_t, double>> pairs(const char* name);

  SchedulePointer schedule(const char* name);
  std::vector<SchedulePointer> schedules(const char* name);

  /// Throws if an argument was not used.
  void check_all_taken() const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const Argument* take(const char* name, Argument::Kind kind);
  const Argument& need(const char* name, Argument::Kind kind);
  double number(const char* name, std::optional<double> initial);
  [[nodiscard]] double checked_rate(const std::string& name, double value) const;
  [[nodiscard]] std::int64_t checked_count(const std::string& name, double value,
                                           std::int64_t min) const;

  std::string schedule_;
  std::vector<Argument> given_;
  std::vector<bool> taken_;
  std::vector<std::string> known_;
};

}  // namespace pyoptim::schedules
