// Helpers of the native tests: arrays of any dtype, bitwise comparison, and hyperparameters to
// test a rule with.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/dispatch.hpp"
#include "optim/optimizer.hpp"
#include "rules/registry.hpp"

namespace pyoptim::test {

inline constexpr DType all_dtypes[] = {DType::float32, DType::float64, DType::bfloat16};
inline constexpr DType layer_dtypes[] = {DType::float32, DType::float64};

inline const char* name_of(DType dtype) {
  constexpr const char* names[] = {"float32", "float64", "bfloat16"};
  return names[int(dtype)];
}

/// An array whose dtype is known at run time.
class Array {
 public:
  Array(DType dtype, std::size_t size)
      : dtype_(dtype), size_(size), bytes_(size * item_size(dtype)) {}

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] void* at(std::size_t index) { return bytes_.data() + index * item_size(dtype_); }
  [[nodiscard]] const void* at(std::size_t index) const {
    return bytes_.data() + index * item_size(dtype_);
  }

  [[nodiscard]] double operator[](std::size_t index) const {
    if (dtype_ == DType::float64) return read<double>(index);
    if (dtype_ == DType::float32) return read<float>(index);
    return std::bit_cast<float>(std::uint32_t{read<std::uint16_t>(index)} << 16);
  }
  /// Stores the value, truncated to the dtype.
  void set(std::size_t index, double value) {
    if (dtype_ == DType::float64) return write(index, value);
    if (dtype_ == DType::float32) return write(index, float(value));
    write(index, std::uint16_t(std::bit_cast<std::uint32_t>(float(value)) >> 16));
  }

 private:
  template <class T>
  [[nodiscard]] T read(std::size_t index) const {
    T value;
    std::memcpy(&value, at(index), sizeof(T));
    return value;
  }
  template <class T>
  void write(std::size_t index, T value) {
    std::memcpy(at(index), &value, sizeof(T));
  }

  DType dtype_;
  std::size_t size_;
  std::vector<std::byte> bytes_;
};

/// An array of `size` normally distributed numbers.
inline Array random_array(DType dtype, std::size_t size, std::uint64_t seed) {
  std::mt19937_64 source(seed);
  std::normal_distribution<double> normal;
  Array array(dtype, size);
  for (std::size_t i = 0; i < size; ++i) array.set(i, normal(source));
  return array;
}

/// Whether two numbers agree up to a relative error. Infinity equals only itself.
inline bool close(double a, double b, double tolerance) {
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return a == b || std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

/// The first difference in a bit, or "". All NaN are equal.
inline std::string difference(const Array& got, std::size_t got_at, const Array& expected,
                              std::size_t expected_at, std::size_t size) {
  const std::size_t item = item_size(expected.dtype());
  for (std::size_t i = 0; i < size; ++i) {
    if (std::memcmp(got.at(got_at + i), expected.at(expected_at + i), item) == 0) continue;
    const double a = got[got_at + i], b = expected[expected_at + i];
    if (std::isnan(a) && std::isnan(b)) continue;
    std::ostringstream text;
    text.precision(17);
    text << "element " << i << " is " << a << " instead of " << b;
    return text.str();
  }
  return "";
}

inline std::string difference(const Array& got, const Array& expected) {
  if (got.size() != expected.size() || got.dtype() != expected.dtype()) return "not alike";
  return difference(got, 0, expected, 0, expected.size());
}

/// A copy of a state of a one-axis array; empty if such arrays do not have it.
inline Array copy_of_state(const Tensor& tensor, std::size_t state) {
  const std::size_t size = tensor.state[state] == nullptr ? 0 : tensor.size;
  Array copy(state_dtype(tensor.dtype), size);
  if (size > 0) std::memcpy(copy.at(0), tensor.state[state], tensor.size * item_size(copy.dtype()));
  return copy;
}

/// Whether the variant is the one for these hyperparameters, and they go together.
inline bool serves(const RuleInfo& rule, const std::vector<double>& hyper) {
  return rule.applies(hyper.data()) && rule.conflict(hyper.data()) == nullptr;
}

/// Hyperparameters to test a variant with: its defaults, both values of its flags, and 1/2 for
/// defaults of 0, as far as the variant is the one for them. If there are none, the defaults with
/// one of them 0 or a power of 1/2.
inline std::vector<std::vector<double>> choices_of_hyper(const RuleInfo& rule) {
  std::vector<std::vector<double>> choices{{}};
  for (std::size_t i = 0; i < rule.field_count; ++i) {
    const FieldInfo& field = rule.fields[i];
    // Learning-rate-free rules start so small that bfloat16 would not move.
    const std::string name = field.name;
    std::vector<double> values{name == "d0" || name == "reps_rel" ? 0.1 : field.initial};
    if (field.range.flag)
      values = {0, 1};
    else if (field.initial == 0 && field.range.contains(0.5))
      values.push_back(0.5);
    std::vector<std::vector<double>> longer;
    for (const auto& choice : choices)
      for (const double value : values) {
        longer.push_back(choice);
        longer.back().push_back(value);
      }
    choices = std::move(longer);
  }
  const std::vector<double> defaults = choices.front();
  std::erase_if(choices, [&](const std::vector<double>& hyper) { return !serves(rule, hyper); });
  for (std::size_t i = 0; i < rule.field_count && choices.empty(); ++i)
    for (const double value : {0.0, 0.5, 0.25, 0.125, 0.0625}) {
      std::vector<double> hyper = defaults;
      hyper[i] = value;
      if (serves(rule, hyper)) choices.push_back(hyper);
    }
  return choices;
}

/// The same as named hyperparameters.
inline std::vector<std::pair<std::string, double>> settings_of(const RuleInfo& rule,
                                                               const std::vector<double>& hyper) {
  std::vector<std::pair<std::string, double>> settings;
  for (std::size_t i = 0; i < rule.field_count; ++i)
    settings.emplace_back(rule.fields[i].name, hyper[i]);
  return settings;
}

/// The variants of all rules.
inline std::vector<const RuleInfo*> all_rules() { return pyoptim::all_rules(Isa::baseline); }

/// The message of the exception that an action throws, or "nothing was thrown".
template <class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace pyoptim::test
