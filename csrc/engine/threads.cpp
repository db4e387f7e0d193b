#include "engine/threads.hpp"

#include <omp.h>
#include <pthread.h>
#ifdef PYOPTIM_X86
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace pyoptim {
namespace {

std::atomic<int> set_count = 0;
std::atomic<bool> forked = false;

/// Processors that so much time a period amounts to, rounded up; 0 if there is no limit.
int whole_processors(double quota, double period) {
  return quota > 0 && period > 0 ? int(std::ceil(quota / period)) : 0;
}

/// The processors that the quota of this process's control group, or of one above it, amounts to;
/// 0 if there is none.
int quota_processors() {
  std::string group;
  for (std::ifstream lines("/proc/self/cgroup"); std::getline(lines, group);)
    if (group.starts_with("0::")) break;
  std::string path = group.starts_with("0::") ? group.substr(3) : "";
  int least = 0;
  while (true) {
    std::ifstream limit("/sys/fs/cgroup" + path + "/cpu.max");  // "max 100000" or "150000 100000"
    double quota = 0, period = 0;
    if (limit >> quota >> period) {
      const int here = whole_processors(quota, period);
      if (here > 0 && (least == 0 || here < least)) least = here;
    }
    if (path.empty()) break;
    path.resize(path.find_last_of('/'));
  }
  std::ifstream quota_v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period_v1("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (least == 0 && quota_v1 >> quota && period_v1 >> period)
    least = whole_processors(quota, period);
  return least;
}

BusyWatch busy_watch;

struct ForkWatch {
  ForkWatch() {
    pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
  }
};
const ForkWatch fork_watch;

}  // namespace

int usable_processors() {
  static const int quota = quota_processors();
  const int allowed = omp_get_num_procs();
  return quota > 0 ? std::min(quota, allowed) : allowed;
}

int memory_nodes() {
  static const int nodes = [] {
    // "0", "0-3" or "0,2": nodes are counted by their highest number.
    std::string online;
    std::ifstream("/sys/devices/system/node/online") >> online;
    const std::size_t last = online.find_last_of(",-");
    return 1 + std::atoi(online.substr(last == std::string::npos ? 0 : last + 1).c_str());
  }();
  return nodes;
}

int thread_count() {
  const int count = set_count.load(std::memory_order_relaxed);
  if (count > 0) return std::min(count, most_threads);
  // OMP_NUM_THREADS, omp_set_num_threads and threadpoolctl all speak through the same setting.
  const int wanted = omp_get_max_threads();
  static const bool set_outside = std::getenv("OMP_NUM_THREADS") != nullptr;
  return set_outside ? wanted : std::min(wanted, usable_processors());
}

void set_thread_count(int count) { set_count.store(count, std::memory_order_relaxed); }

bool in_forked_child() { return forked.load(std::memory_order_relaxed); }

int threads_for(std::size_t elements, int wanted) {
  if (elements < serial_below || in_forked_child() || omp_in_parallel() != 0) return 1;
  return wanted > 0 ? wanted : thread_count();
}

void BusyWatch::report(std::size_t elements, double seconds, double now) {
  // No processor is this slow at any rule.
  constexpr double least = 200e-6, each = 4e-9;
  constexpr double first_pause = 0.05, longest_pause = 1.6;
  if (seconds <= least + each * double(elements)) {
    pause_.store(0, std::memory_order_relaxed);
    return;
  }
  const double before = pause_.load(std::memory_order_relaxed);
  const double pause = std::clamp(2 * before, first_pause, longest_pause);
  pause_.store(pause, std::memory_order_relaxed);
  busy_until_.store(now + pause, std::memory_order_relaxed);
}

bool BusyWatch::is_busy(double now) const {
  return now < busy_until_.load(std::memory_order_relaxed);
}

Team::Team(std::size_t elements, int wanted)
    : elements_(elements), threads_(threads_for(elements, wanted)) {
  watched_ = threads_ > 1 && wanted == 0 && elements < BusyWatch::short_below;
  if (!watched_) return;
  start_ = omp_get_wtime();
  if (busy_watch.is_busy(start_)) {
    threads_ = 1;
    watched_ = false;
  }
}

Team::~Team() {
  if (!watched_) return;
  const double now = omp_get_wtime();
  busy_watch.report(elements_, now - start_, now);
}

#if defined(PYOPTIM_X86)

FloatEnvironment::FloatEnvironment() : before_(_mm_getcsr()) {
  constexpr unsigned masked = 0x1F80, flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
  _mm_setcsr(masked | flush_to_zero | denormals_are_zero);
}
FloatEnvironment::~FloatEnvironment() { _mm_setcsr(unsigned(before_)); }

#elif defined(__aarch64__)

FloatEnvironment::FloatEnvironment() : before_(0) {
  constexpr unsigned long flush_to_zero = 1UL << 24;
  asm volatile("mrs %0, fpcr" : "=r"(before_));
  asm volatile("msr fpcr, %0" : : "r"(flush_to_zero));
}
FloatEnvironment::~FloatEnvironment() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

#else

FloatEnvironment::FloatEnvironment() : before_(0) {}
FloatEnvironment::~FloatEnvironment() = default;

#endif

}  // namespace pyoptim
