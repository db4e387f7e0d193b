// Memory for parameters, gradients and states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/export.hpp"

namespace pyoptim {

/// One zeroed allocation, aligned to 64 bytes. From 4 MiB on it uses huge pages. The threads that
/// will use the memory touch it first.
class PYOPTIM_API Arena {
 public:
  explicit Arena(std::size_t bytes);

  [[nodiscard]] std::byte* data() const { return memory_.get(); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

/// Chooses offsets for buffers that one loop reads and writes together. A load that follows a store
/// to the same address modulo 4096 is delayed, and streams with equal addresses modulo larger
/// powers of two compete for cache sets and memory banks. Large buffers get offsets that avoid
/// both.
class PYOPTIM_API Layout {
 public:
  /// Adds a buffer outside of the arena that the loop uses together with the next ones.
  void add_neighbour(std::uintptr_t address) { taken_.push_back(address); }
  /// Starts another loop, which uses none of the buffers placed so far.
  void next_loop() { taken_.clear(); }
  /// Reserves `bytes` and returns their offset in an arena.
  std::size_t place(std::size_t bytes);
  [[nodiscard]] std::size_t size() const { return end_; }

 private:
  [[nodiscard]] std::size_t farthest(std::size_t start, std::size_t period, std::size_t unit) const;

  std::vector<std::size_t> taken_;
  std::size_t end_ = 0;
};

}  // namespace pyoptim
