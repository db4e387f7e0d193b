// How many threads a piece of work gets, and what they do to the floating-point environment.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/export.hpp"

namespace pyoptim {

/// Work on fewer elements than this stays on the calling thread.
inline constexpr std::size_t serial_below = std::size_t{32} * 1024;

/// The largest number of threads that can be asked for.
inline constexpr int most_threads = 512;

/// The library's default: set_thread_count() if called, else OMP_NUM_THREADS up to thread_limit(),
/// else the processors this process may use (affinity and cgroup quota).
PYOPTIM_API int thread_count();

/// The largest number of threads that the environment can ask for: 8 for each processor, at least
/// 64 and at most most_threads, and no more than OMP_THREAD_LIMIT.
PYOPTIM_API int thread_limit();

/// Whether a value of OMP_NUM_THREADS sets the number of threads: positive whole numbers separated
/// by commas. OpenMP ignores all others.
PYOPTIM_API bool sets_thread_count(const char* value);

/// Sets the default of the process; 0 goes back to the automatic choice.
PYOPTIM_API void set_thread_count(int count);

/// The processors that affinity and cgroup quota leave to this process.
PYOPTIM_API int usable_processors();

/// The memory nodes (NUMA) of the machine.
PYOPTIM_API int memory_nodes();

/// Whether this process was forked: OpenMP's threads do not survive a fork, so it stays serial.
PYOPTIM_API bool in_forked_child();

/// The threads that `elements` of work get: 1 if it is small, inside a parallel region, or in a
/// forked child; else `wanted`, or the default if that is 0.
PYOPTIM_API int threads_for(std::size_t elements, int wanted);

/// The threads that a parallel region of the calling thread can have: `wanted`, or 1 if the system
/// does not give it that many. OpenMP ends the process where it cannot start a thread, so those
/// that are new to the calling thread are started once before, and ended.
PYOPTIM_API int startable_threads(int wanted);

/// Remembers whether the processors are busy with other work. Threads of OpenMP wait for each other
/// by spinning; where one of them does not get a processor, a region of microseconds takes
/// milliseconds. After one that did, the next short ones stay serial for a while, twice as long
/// each time. Results do not depend on it: they are the same for every number of threads.
class PYOPTIM_API BusyWatch {
 public:
  /// Longer work is worth its threads on a busy machine too.
  static constexpr std::size_t short_below = std::size_t{1} << 21;

  /// Tells how many seconds a region over so many elements took, and when it ended.
  void report(std::size_t elements, double seconds, double now);
  [[nodiscard]] bool is_busy(double now) const;

 private:
  std::atomic<double> busy_until_ = 0;
  std::atomic<double> pause_ = 0;
};

/// The threads for a piece of work: threads_for(), but 1 for short work on a busy machine, unless
/// the caller wants a number. Lives as long as the work takes.
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
