// Memory that runs out: in a program that includes this file, any C++ allocation can fail.
#pragma once

#include <doctest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace pyoptim::test {

inline std::atomic<long> allocations_left =
    -1;  // the number of allocations until one fails; -1: none fails
inline std::atomic<long> failed_allocations = 0;

/// Whether the next allocation fails.
inline bool runs_out() {
  if (allocations_left.load() < 0 || allocations_left.fetch_sub(1) != 0) return false;
  ++failed_allocations;
  return true;
}

/// Calls attempt() until it succeeds without a failed allocation. First its first allocation fails,
/// then the second, and so on. After each failure, unchanged() checks that it changed nothing.
/// Returns the number of successes, some of which did without optional memory.
template <class Attempt, class Unchanged>
int exhaust(const Attempt& attempt, const Unchanged& unchanged) {
  constexpr long max = 5000;
  int successes = 0;
  for (long n = 0; n < max; ++n) {
    const long before = failed_allocations;
    bool failed = false;
    allocations_left = n;
    try {
      attempt();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    allocations_left = -1;
    if (failed) {
      unchanged();
      continue;
    }
    ++successes;
    if (failed_allocations == before) return successes;
  }
  FAIL("it never succeeds");
  return successes;
}

}  // namespace pyoptim::test

// Not inlined, so that compilers do not match them with the functions of the standard library.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const memory = pyoptim::test::runs_out() ? nullptr : std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return pyoptim::test::runs_out() ? nullptr : std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  void* const memory =
      pyoptim::test::runs_out() ? nullptr : memalign(std::size_t(alignment), size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/,
                                       std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t /*size*/,
                                         std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}

// The allocation function of the arena.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return pyoptim::test::runs_out() ? nullptr : memalign(alignment, size);
}
