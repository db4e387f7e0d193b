#include "schedules/arguments.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/text.hpp"

namespace pyoptim::schedules {
namespace {

constexpr double largest_count =
    0x1p53;  // the largest count; up to it a double holds all whole numbers

std::string named(Argument::Kind kind) {
  constexpr const char* names[] = {"a number", "a word", "a list of numbers", "schedules"};
  return names[int(kind)];
}

}  // namespace

void Arguments::refuse(const std::string& what) const {
  throw std::invalid_argument(schedule_ + ": " + what);
}

const Argument* Arguments::take(const char* name, Argument::Kind kind) {
  known_.emplace_back(name);
  const Argument* result = nullptr;
  for (std::size_t i = 0; i < given_.size(); ++i) {
    if (given_[i].name != name) continue;
    if (result != nullptr) refuse(std::string(name) + " is given twice");
    if (given_[i].kind != kind) refuse(std::string(name) + " must be " + named(kind));
    taken_[i] = true;
    result = &given_[i];
  }
  return result;
}

const Argument& Arguments::need(const char* name, Argument::Kind kind) {
  const Argument* const result = take(name, kind);
  if (result == nullptr) refuse("the argument " + std::string(name) + " is missing");
  return *result;
}

bool Arguments::has(const char* name) const {
  return std::any_of(given_.begin(), given_.end(),
                     [&](const Argument& argument) { return argument.name == name; });
}

double Arguments::number(const char* name, std::optional<double> initial) {
  if (!initial) return need(name, Argument::Kind::number).number;
  const Argument* const result = take(name, Argument::Kind::number);
  return result == nullptr ? *initial : result->number;
}

double Arguments::checked_rate(const std::string& name, double value) const {
  if (!(std::isfinite(value) && value >= 0))
    refuse(name + " must be at least 0 and finite, got " + text(value));
  return value;
}

std::int64_t Arguments::checked_count(const std::string& name, double value,
                                      std::int64_t min) const {
  if (!(value >= double(min) && value < largest_count && value == std::floor(value)))
    refuse(
        name + " must be a whole number " +
        (value >= largest_count ? "below 9007199254740992" : "of at least " + std::to_string(min)) +
        ", got " + text(value));
  return static_cast<std::int64_t>(value);
}

double Arguments::rate(const char* name, std::optional<double> initial) {
  return checked_rate(name, number(name, initial));
}

double Arguments::positive(const char* name, std::optional<double> initial) {
  const double value = number(name, initial);
  if (!(std::isfinite(value) && value > 0))
    refuse(std::string(name) + " must be above 0 and finite, got " + text(value));
  return value;
}

double Arguments::fraction(const char* name, double max, std::optional<double> initial) {
  const double value = number(name, initial);
  if (!(value >= 0 && value <= max))
    refuse(std::string(name) + " must be from 0 to " + text(max) + ", got " + text(value));
  return value;
}

bool Arguments::flag(const char* name, bool initial) {
  const double value = number(name, initial ? 1 : 0);
  if (value != 0 && value != 1) refuse(std::string(name) + " must be 0 or 1, got " + text(value));
  return value == 1;
}

std::int64_t Arguments::count(const char* name, std::optional<std::int64_t> initial,
                              std::int64_t min) {
  const auto wanted = initial ? std::optional<double>(double(*initial)) : std::nullopt;
  return checked_count(name, number(name, wanted), min);
}

std::size_t Arguments::choice(const char* name, std::initializer_list<const char*> words) {
  const Argument* const result = take(name, Argument::Kind::word);
  if (result == nullptr) return 0;
  std::string listed;
  std::size_t index = 0;
  for (const char* const word : words) {
    if (result->word == word) return index;
    listed += (index++ == 0 ? "'" : ", '") + std::string(word) + "'";
  }
  refuse(std::string(name) + " must be one of " + listed + ", got '" + std::string(result->word) +
         "'");
}

std::vector<std::int64_t> Arguments::counts(const char* name, bool rising) {
  std::vector<std::int64_t> result;
  for (const double value : need(name, Argument::Kind::numbers).numbers) {
    const std::int64_t next = checked_count(name, value, 1);
    if (!result.empty() && (rising ? next <= result.back() : next < result.back()))
      refuse(std::string(name) + (rising ? " must rise" : " must not fall"));
    result.push_back(next);
  }
  return result;
}

std::vector<std::pair<std::int64_t, double>> Arguments::pairs(const char* name) {
  const std::vector<double>& numbers = need(name, Argument::Kind::numbers).numbers;
  if (numbers.size() % 2 != 0)
    refuse(std::string(name) + " must be pairs of a boundary and a scale");
  std::vector<std::pair<std::int64_t, double>> result;
  for (std::size_t i = 0; i < numbers.size(); i += 2)
    result.emplace_back(checked_count(name, numbers[i], 1), checked_rate(name, numbers[i + 1]));
  std::sort(result.begin(), result.end());
  for (std::size_t i = 1; i < result.size(); ++i)
    if (result[i].first == result[i - 1].first)
      refuse(std::string(name) + " must not have a boundary twice");
  return result;
}

SchedulePointer Arguments::schedule(const char* name) {
  const std::vector<SchedulePointer> result = schedules(name);
  if (result.size() != 1) refuse(std::string(name) + " must be one schedule");
  return result.front();
}

std::vector<SchedulePointer> Arguments::schedules(const char* name) {
  std::vector<SchedulePointer> result = need(name, Argument::Kind::schedules).schedules;
  if (result.empty()) refuse(std::string(name) + " must have at least one schedule");
  return result;
}

void Arguments::check_all_taken() const {
  for (std::size_t i = 0; i < given_.size(); ++i) {
    if (taken_[i]) continue;
    std::string list;
    for (const std::string& name : known_) list += (list.empty() ? "" : ", ") + name;
    refuse("there is no argument '" + std::string(given_[i].name) + "'; it has " + list);
  }
}

}  // namespace pyoptim::schedules
