// Memory for parameters, gradients and states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/export.hpp"

namespace pyoptim {

/// One zeroed allocation, aligned to 64 bytes and, from 4 MiB on, laid on huge pages. It is first
/// touched by the threads that will use it.
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

/// Where to put buffers that one loop walks side by side. A load that follows a store to the same
/// address modulo 4096 waits for it, and streams that agree modulo larger powers of two share cache
/// sets and memory banks: large buffers start at offsets that differ in both senses.
class PYOPTIM_API Layout {
 public:
  /// Tells of a buffer that lies elsewhere and is walked beside those placed next.
  void beside(std::uintptr_t address) { taken_.push_back(address); }
  /// Forgets the neighbours: what is placed next belongs to another loop.
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
