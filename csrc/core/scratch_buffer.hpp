// Memory that is reused from call to call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace pyoptim {

/// Uninitialized bytes that only grow. They are not touched here, so that each part is allocated
/// near the thread that writes it first.
class ScratchBuffer {
 public:
  /// Returns at least so many bytes, aligned to a cache line. Their contents may be lost. Throws
  /// std::bad_alloc, and is empty then.
  std::byte* allocate(std::size_t bytes) {
    if (size_ < bytes) {
      size_ = 0;
      memory_.reset();
      memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes + line);
      size_ = bytes;
    }
    return data();
  }
  [[nodiscard]] std::byte* data() const {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    return memory_.get() + (line - address % line) % line;
  }

 private:
  static constexpr std::size_t line = 64;

  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0;
};

}  // namespace pyoptim
