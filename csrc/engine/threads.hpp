// How many threads a piece of work gets, and what they do to the floating-point environment.
#pragma once

#include <cstddef>

#include "engine/export.hpp"

namespace pyoptim {

/// Work on fewer elements than this stays on the calling thread.
inline constexpr std::size_t serial_below = 32 * 1024;

/// The library's default: set_thread_count() if called, else OMP_NUM_THREADS, else the processors
/// this process may use (affinity and cgroup quota).
PYOPTIM_API int thread_count();

/// Sets the default of the process; 0 goes back to the automatic choice.
PYOPTIM_API void set_thread_count(int count);

/// The processors that affinity and cgroup quota leave to this process.
PYOPTIM_API int usable_processors();

/// Whether this process was forked: OpenMP's threads do not survive a fork, so it stays serial.
PYOPTIM_API bool in_forked_child();

/// The threads that `elements` of work get: 1 if it is small, inside a parallel region, or in a
/// forked child; else `wanted`, or the default if that is 0.
PYOPTIM_API int threads_for(std::size_t elements, int wanted);

/// The default floating-point environment with denormals read and written as zero, so that
/// decaying states do not slow down; the caller's is restored.
class PYOPTIM_API FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned long before_;
};

}  // namespace pyoptim
