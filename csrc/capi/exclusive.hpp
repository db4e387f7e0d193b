// A mutex that rejects a thread that holds it already, which would wait for itself.
#pragma once

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace pyoptim::capi {

class Exclusive {
 public:
  /// `message` is a literal for the exception.
  explicit Exclusive(const char* message) : message_(message) {}
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

  /// Throws std::runtime_error if the calling thread holds the mutex.
  void lock() {
    const std::thread::id self = std::this_thread::get_id();
    if (owner_.load(std::memory_order_relaxed) == self) throw std::runtime_error(message_);
    mutex_.lock();
    owner_.store(self, std::memory_order_relaxed);
  }
  void unlock() {
    owner_.store({}, std::memory_order_relaxed);
    mutex_.unlock();
  }

 private:
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_;
  const char* message_;
};

}  // namespace pyoptim::capi
