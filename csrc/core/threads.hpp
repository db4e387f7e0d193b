// The number of threads of a piece of work, and their floating-point environment.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/export.hpp"

namespace pyoptim {

/// Work on fewer elements than this stays on the calling thread.
inline constexpr std::size_t serial_below = std::size_t{32} * 1024;

/// The largest number of threads that can be requested.
inline constexpr int max_threads = 512;

/// The default number of threads: the last set_thread_count(), else OMP_NUM_THREADS up to
/// thread_limit(), else the processors that this process may use (affinity and cgroup quota).
PYOPTIM_API int thread_count();

/// The largest number of threads that the environment can request: 8 for each processor, at least
/// 64 and at most max_threads, and at most OMP_THREAD_LIMIT.
PYOPTIM_API int thread_limit();

/// Whether a value of OMP_NUM_THREADS is valid: positive whole numbers separated by commas. OpenMP
/// ignores all other values.
PYOPTIM_API bool sets_thread_count(const char* value);

/// Sets the default number of threads of the process. 0 restores the automatic choice.
PYOPTIM_API void set_thread_count(int count);

/// The processors that affinity and cgroup quota leave to this process.
PYOPTIM_API int usable_processors();

/// The number of memory nodes (NUMA) of the machine.
PYOPTIM_API int memory_nodes();

/// Whether this process was forked. It stays serial then, because OpenMP's threads do not survive a
/// fork.
PYOPTIM_API bool in_forked_child();

/// The number of threads for work on `elements` elements: 1 for little work, inside a parallel
/// region, and in a forked child; else `wanted`, or the default if `wanted` is 0.
PYOPTIM_API int threads_for(std::size_t elements, int wanted);

/// The number of threads that a parallel region of the calling thread can have: `wanted`, or 1 if
/// the system cannot start that many. OpenMP ends the process if it cannot start a thread, so new
/// threads are started once as a trial before.
PYOPTIM_API int startable_threads(int wanted);

/// Detects that other work keeps the processors busy. OpenMP's threads wait by spinning. If one of
/// them has no processor, a region that should take microseconds takes milliseconds. After such a
/// region, short regions stay serial for a while, which doubles each time. Results do not depend on
/// it, as they are the same for every number of threads.
class PYOPTIM_API BusyWatch {
 public:
  /// Longer work is worth several threads even on a busy machine.
  static constexpr std::size_t short_below = std::size_t{1} << 21;

  /// Reports the duration in seconds of a region over `elements` elements, and the time of its end.
  void report(std::size_t elements, double seconds, double now);
  [[nodiscard]] bool is_busy(double now) const;

 private:
  std::atomic<double> busy_until_ = 0;
  std::atomic<double> pause_ = 0;
};

/// The threads for a piece of work: threads_for(), but 1 for short work on a busy machine unless
/// the caller asked for a number. The object lives as long as the work.
class PYOPTIM_API Team {
 public:
  Team(std::size_t elements, int wanted);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  [[nodiscard]] int threads() const { return threads_; }

 private:
  std::size_t elements_;
  int threads_;
  bool watched_;
  double start_ = 0;
};

/// The default floating-point environment, with denormals flushed to zero, so that decaying states
/// do not slow down. The destructor restores the caller's environment.
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
