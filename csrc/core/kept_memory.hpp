// Memory that stays from call to call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace pyoptim {

/// Bytes that grow only. They are not touched here, so that each part is near the thread that
/// writes it first.
class KeptMemory {
 public:
  /// So many bytes, from a line of cache on; what was in them may be gone. Throws std::bad_alloc,
  /// and has none then.
  std::byte* take(std::size_t bytes) {
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
