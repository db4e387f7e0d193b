// Arrays of the C++ interface: parameters and gradients. Include pyoptim/pyoptim.hpp.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "pyoptim/pyoptim.h"

namespace pyoptim {
inline namespace v1 {

/// The upper half of a float's bits.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  /// Rounds to the nearest, ties to even.
  explicit bfloat16(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = wide + 0x7FFFU + ((wide >> 16U) & 1U);
    bits = std::uint16_t((value != value ? wide | 0x400000U : rounded) >> 16U);
  }
  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }
};

namespace detail {

template <class T>
inline constexpr pyoptim_type type_of = -1;
template <>
inline constexpr pyoptim_type type_of<float> = PYOPTIM_FLOAT32;
template <>
inline constexpr pyoptim_type type_of<double> = PYOPTIM_FLOAT64;
template <>
inline constexpr pyoptim_type type_of<bfloat16> = PYOPTIM_BFLOAT16;
template <>
inline constexpr pyoptim_type type_of<std::uint8_t> = PYOPTIM_UINT8;
template <>
inline constexpr pyoptim_type type_of<std::uint16_t> = PYOPTIM_UINT16;
template <>
inline constexpr pyoptim_type type_of<std::int64_t> = PYOPTIM_INT64;

template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, bfloat16>;

/// Consecutive floats, doubles or bfloat16: a vector, array or span.
template <class R>
concept Values = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    Element<std::ranges::range_value_t<R>>;

/// Values that outlive the expression, unlike a temporary vector.
template <class R>
concept LastingValues = Values<R> && std::ranges::borrowed_range<R>;

template <class R>
inline constexpr bool is_writable =
    !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

template <class R>
concept WritableValues = LastingValues<R> && is_writable<R>;

/// Row numbers that outlive the expression.
template <class R>
concept LastingRows = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    std::ranges::borrowed_range<R> && std::same_as<std::ranges::range_value_t<R>, std::int64_t>;

/// The target of empty arrays, so that nullptr only means no gradient.
inline constexpr std::int64_t nowhere = 0;

template <class T>
const void* address(const T* data) {
  return data == nullptr ? static_cast<const void*>(&nowhere) : data;
}

}  // namespace detail

/// An array that an optimizer updates. It must outlive the optimizer's last step. Rules with
/// factored second moments and row-sparse gradients need a shape.
class Buffer {
 public:
  template <detail::WritableValues R>
    requires(!std::same_as<std::remove_cvref_t<R>, Buffer>)
  Buffer(R&& values) : Buffer("", values) {}  // NOLINT(bugprone-forwarding-reference-overload)

  template <detail::WritableValues R>
  Buffer(std::string name, R&& values, std::vector<std::size_t> shape = {})
      : name_(std::move(name)),
        type_(detail::type_of<std::ranges::range_value_t<R>>),
        data_(std::ranges::data(values)),
        size_(std::ranges::size(values)),
        shape_(std::move(shape)) {
    if (shape_.empty()) shape_ = {size_};
  }

  /// Attaches the memory of the gradient, so that step() needs no arguments. Assigning to a vector
  /// may move its memory. A temporary does not compile.
  template <detail::LastingValues R>
  Buffer& bind(R&& values) {
    gradient_ = detail::address(std::ranges::data(values));
    gradient_is_writable_ = detail::is_writable<R>;
    gradient_type_ = detail::type_of<std::ranges::range_value_t<R>>;
    gradient_size_ = std::ranges::size(values);
    return *this;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pyoptim_type type() const { return type_; }
  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::vector<std::size_t>& shape() const { return shape_; }
  [[nodiscard]] const void* gradient() const { return gradient_; }
  [[nodiscard]] bool gradient_fits() const {
    return gradient_ == nullptr || (gradient_type_ == type_ && gradient_size_ == size_);
  }
  [[nodiscard]] bool gradient_is_writable() const { return gradient_is_writable_; }

 private:
  std::string name_;
  pyoptim_type type_;
  void* data_;
  std::size_t size_;
  std::vector<std::size_t> shape_;
  const void* gradient_ = nullptr;
  pyoptim_type gradient_type_ = 0;
  std::size_t gradient_size_ = 0;
  bool gradient_is_writable_ = true;
};

/// A gradient of all elements of a buffer, or a row-sparse gradient of its first axis. Only nullptr
/// means no gradient. It points to the values, so a temporary vector does not compile.
class Gradient {
 public:
  Gradient(std::nullptr_t /*none*/) {}
  template <detail::LastingValues R>
    requires(!std::same_as<std::remove_cvref_t<R>, Gradient>)
  Gradient(R&& values)  // NOLINT(bugprone-forwarding-reference-overload)
      : type_(detail::type_of<std::ranges::range_value_t<R>>),
        values_(detail::address(std::ranges::data(values))),
        size_(std::ranges::size(values)),
        is_writable_(detail::is_writable<R>) {}
  /// A row-sparse gradient with contiguous values. Values of duplicate rows are summed.
  template <detail::LastingRows Rows, detail::LastingValues R>
  Gradient(Rows&& rows, R&& values) : Gradient(values) {
    row_count_ = std::ranges::size(rows);
    rows_ = row_count_ == 0 ? &detail::nowhere : std::ranges::data(rows);
  }

  [[nodiscard]] bool is_none() const { return values_ == nullptr; }
  /// Returns whether the memory is not const, as zero_grads requires.
  [[nodiscard]] bool is_writable() const { return is_writable_; }
  [[nodiscard]] pyoptim_type type() const { return type_; }
  [[nodiscard]] const void* values() const { return values_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::int64_t* rows() const { return rows_; }
  [[nodiscard]] std::size_t row_count() const { return row_count_; }

 private:
  pyoptim_type type_ = 0;
  const void* values_ = nullptr;
  std::size_t size_ = 0;
  const std::int64_t* rows_ = nullptr;
  std::size_t row_count_ = 0;
  bool is_writable_ = true;
};

namespace detail {

/// A gradient that is used only during one call, and so may point to a temporary.
class GivenGradient : public Gradient {
 public:
  GivenGradient(std::nullptr_t /*none*/) : Gradient(nullptr) {}
  GivenGradient(const Gradient& gradient) : Gradient(gradient) {}
  template <Values R>
  GivenGradient(R&& values)  // NOLINT(bugprone-forwarding-reference-overload)
      : Gradient(std::span(std::ranges::data(values), std::ranges::size(values))) {}
};

}  // namespace detail

}  // namespace v1
}  // namespace pyoptim
