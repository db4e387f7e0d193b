// Row-sparse gradients of embedding tables. Rows without a gradient are neither stored nor visited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/export.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

struct Run;

/// The gradient of a tensor. With `rows` it is row-sparse: `values` are those of the given rows of
/// the first axis. Without `values` and `rows` there is no gradient.
struct Gradient {
  const void* values = nullptr;
  const std::int64_t* rows = nullptr;
  std::size_t row_count = 0;
};

/// The rows of a row-sparse gradient, each once and in ascending order. Values of duplicate rows
/// are summed in the order given, in the dtype of arithmetic, and rounded once.
class PYOPTIM_API CoalescedRows {
 public:
  /// Reads a gradient, whose memory must stay valid. Its row numbers must be below `limit`.
  void coalesce(const Gradient& gradient, std::size_t limit, std::size_t row_length, DType dtype);
  /// Copies all values, sorted by row, into one array and returns it.
  const void* gather(int threads);

  /// The number of distinct rows, and of rows in the gradient.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t row_count() const { return gradient_.row_count; }
  [[nodiscard]] std::size_t row_length() const { return row_length_; }
  /// The row number of the distinct row `index`.
  [[nodiscard]] std::size_t row(std::size_t index) const {
    return in_order_ ? std::size_t(gradient_.rows[index]) : entries_[starts_[index]].row;
  }
  /// Whether the row's values still have to be summed.
  [[nodiscard]] bool is_sum(std::size_t index) const {
    return !in_order_ && !gathered_ && starts_[index + 1] - starts_[index] > 1;
  }
  /// The elements of a row, starting at `begin`. Not for rows with is_sum().
  [[nodiscard]] const std::byte* values(std::size_t index, std::size_t begin) const;
  /// Writes `size` elements of a row, starting at `begin`; sums them if needed.
  void write(std::size_t index, std::size_t begin, std::size_t size, void* to) const;

 private:
  struct Entry {
    std::size_t row;
    std::size_t position;  // in the gradient
  };

  void sort(std::size_t limit);
  template <class T>
  void add(std::size_t index, std::size_t begin, std::size_t size, T* to) const;

  Gradient gradient_;
  std::size_t row_length_ = 0;
  std::size_t item_ = 0;
  DType dtype_ = DType::float32;
  std::size_t size_ = 0;
  bool in_order_ = true;   // whether the rows were given in order and without duplicates
  bool gathered_ = false;  // whether memory_ has the sorted values
  // Reused in every step.
  std::vector<Entry> entries_;       // sorted by row, stable
  std::vector<Entry> other_;         // memory for sorting
  std::vector<std::size_t> starts_;  // the first entry of each distinct row, and the end
  std::unique_ptr<std::byte[]> memory_;
  std::size_t memory_size_ = 0;
};

/// Updates the elements [begin, end) of a run's rows, counted over these rows only.
void update_rows(const Run& run, std::size_t begin, std::size_t end);

}  // namespace pyoptim
