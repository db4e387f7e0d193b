// Gradients of some rows of a tensor, as embedding tables have them: the rest is 0, and is neither
// kept nor passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/export.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

struct Run;

/// A tensor's gradient: of all its elements, or, if it has `rows`, of these rows of its first
/// axis, which follow each other in `values`. There is none without both.
struct Gradient {
  const void* values = nullptr;
  const std::int64_t* rows = nullptr;
  std::size_t row_count = 0;
};

/// The rows that a gradient touches: each once, in rising order. Values of a row that came several
/// times are added in the order they came, in the type of arithmetic, and rounded once.
class PYOPTIM_API CoalescedRows {
 public:
  /// Reads a gradient, whose memory must stay; its row numbers are below `limit`.
  void coalesce(const Gradient& gradient, std::size_t limit, std::size_t row_length, DType dtype);
  /// Brings all values into memory of its own, each row's behind the one's before, and returns it.
  const void* gather(int threads);

  /// The touched rows, and how many came.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t given() const { return gradient_.row_count; }
  [[nodiscard]] std::size_t row_length() const { return row_length_; }
  /// The number of the touched row `index` in its tensor.
  [[nodiscard]] std::size_t row(std::size_t index) const {
    return in_order_ ? std::size_t(gradient_.rows[index]) : entries_[starts_[index]].row;
  }
  /// Whether the values of a touched row are still to be added.
  [[nodiscard]] bool is_sum(std::size_t index) const {
    return !in_order_ && !gathered_ && starts_[index + 1] - starts_[index] > 1;
  }
  /// The elements of a touched row from `begin` on, where they lie; not for one that is a sum.
  [[nodiscard]] const std::byte* values(std::size_t index, std::size_t begin) const;
  /// Writes `size` elements of a touched row from `begin` on, added where it is a sum.
  void write(std::size_t index, std::size_t begin, std::size_t size, void* to) const;

 private:
  struct Entry {
    std::size_t row;
    std::size_t position;  // among the rows that came
  };

  void sort(std::size_t limit);
  template <class T>
  void add(std::size_t index, std::size_t begin, std::size_t size, T* to) const;

  Gradient gradient_;
  std::size_t row_length_ = 0;
  std::size_t item_ = 0;
  DType dtype_ = DType::float32;
  std::size_t size_ = 0;
  bool in_order_ = true;   // as they came, each row once
  bool gathered_ = false;  // into memory_
  // Kept from step to step, so that they are not allocated anew.
  std::vector<Entry> entries_;       // by row, those of a row as they came
  std::vector<Entry> other_;         // what sorting needs
  std::vector<std::size_t> starts_;  // of each touched row among them, and the end
  std::unique_ptr<std::byte[]> memory_;
  std::size_t memory_size_ = 0;
};

/// Updates the elements [begin, end) of a run's touched rows, counted over these rows only.
void update_rows(const Run& run, std::size_t begin, std::size_t end);

}  // namespace pyoptim
