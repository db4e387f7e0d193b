#include "core/threads.hpp"

#include <omp.h>
#include <pthread.h>
#include <sys/stat.h>
#ifdef PYOPTIM_X86
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/text.hpp"

namespace pyoptim {
namespace {

std::atomic<int> set_count = 0;
std::atomic<bool> forked = false;

/// The number of processors that a CPU quota per period corresponds to, rounded up; 0 without a
/// limit.
int whole_processors(std::optional<double> quota, std::optional<double> period) {
  return quota && period && *quota > 0 && *period > 0 ? int(std::ceil(*quota / *period)) : 0;
}

/// The first two numbers of a file.
std::pair<std::optional<double>, std::optional<double>> numbers_in(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  std::string_view rest = line;
  const auto first = parse_number(rest), second = parse_number(rest);
  return {first, second};
}

/// The smallest CPU quota of this process's control group and the groups above it, in processors; 0
/// if there is none.
int quota_processors() {
  std::string group;
  for (std::ifstream lines("/proc/self/cgroup"); std::getline(lines, group);)
    if (group.starts_with("0::")) break;
  std::string path = group.starts_with("0::") ? group.substr(3) : "";
  int min_quota = 0;
  while (true) {
    // "max 100000" or "150000 100000"
    const auto [quota, period] = numbers_in("/sys/fs/cgroup" + path + "/cpu.max");
    const int here = whole_processors(quota, period);
    if (here > 0 && (min_quota == 0 || here < min_quota)) min_quota = here;
    if (path.empty()) break;
    path.resize(path.find_last_of('/'));
  }
  if (min_quota > 0) return min_quota;
  return whole_processors(numbers_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").first,
                          numbers_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us").first);
}

BusyWatch busy_watch;

// OpenMP reads the variable when it is loaded. It is read at the same time here, because os.environ
// may change later.
const bool set_outside = sets_thread_count(std::getenv("OMP_NUM_THREADS"));

/// The number of threads of this process; 0 if the system does not report it.
std::size_t threads_of_process() {
  struct stat tasks {};
  return stat("/proc/self/task", &tasks) == 0 ? std::size_t(tasks.st_nlink) : 0;
}

/// The function of a trial thread, which ends when the lock is free.
void* wait_for(void* lock) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(lock));
  pthread_mutex_unlock(static_cast<pthread_mutex_t*>(lock));
  return nullptr;
}

/// Whether `count` threads with the stacks of OpenMP can be started besides the calling one. They
/// are started together, and end again.
bool can_start(std::size_t count) {
  constexpr std::size_t memory_of_each = 4096;
  const std::unique_ptr<pthread_t[]> threads(new (std::nothrow) pthread_t[count]);
  if (threads == nullptr) return false;
  const std::size_t before = threads_of_process();
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  std::size_t started = 0;
  while (started < count && pthread_create(&threads[started], nullptr, &wait_for, &lock) == 0)
    ++started;
  const bool has_memory =
      std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[count * memory_of_each]) != nullptr;
  pthread_mutex_unlock(&lock);
  for (std::size_t i = 0; i < started; ++i) pthread_join(threads[i], nullptr);
  pthread_mutex_destroy(&lock);
  // A joined thread may still count against the limit of the system for a moment.
  for (int i = 0; i < 100 && threads_of_process() > before; ++i)
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  return started == count && has_memory;
}

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
    // "0", "0-3" or "0,2": the highest number gives the number of nodes.
    std::string online;
    std::ifstream file("/sys/devices/system/node/online");
    std::getline(file, online);
    const std::size_t last = online.find_last_of(",-");
    std::string_view highest = online;
    highest.remove_prefix(last == std::string::npos ? 0 : last + 1);
    return 1 + int(parse_number(highest).value_or(0));
  }();
  return nodes;
}

bool sets_thread_count(const char* value) {
  if (value == nullptr) return false;
  const auto skip_space = [&] {
    while (std::isspace(static_cast<unsigned char>(*value)) != 0) ++value;
  };
  while (true) {
    skip_space();
    if (std::isdigit(static_cast<unsigned char>(*value)) == 0 && *value != '+') return false;
    char* end = nullptr;
    errno = 0;
    if (std::strtol(value, &end, 10) <= 0 || errno != 0) return false;
    value = end;
    skip_space();
    if (*value == '\0') return true;
    if (*value++ != ',') return false;
  }
}

int thread_limit() {
  constexpr int for_each_processor = 8, at_least = 64;
  const int limit = std::clamp(for_each_processor * omp_get_num_procs(), at_least, max_threads);
  return std::max(1, std::min(limit, omp_get_thread_limit()));
}

int thread_count() {
  const int count = set_count.load(std::memory_order_relaxed);
  if (count > 0) return std::min(count, max_threads);
  // OMP_NUM_THREADS, omp_set_num_threads and threadpoolctl all change the same setting. A value
  // that does not fit into an int is negative here.
  const int wanted = omp_get_max_threads(), limit = thread_limit();
  const int within = wanted < 1 ? limit : std::min(wanted, limit);
  return set_outside ? within : std::min(within, usable_processors());
}

void set_thread_count(int count) { set_count.store(count, std::memory_order_relaxed); }

bool in_forked_child() { return forked.load(std::memory_order_relaxed); }

int threads_for(std::size_t elements, int wanted) {
  if (elements < serial_below || in_forked_child() || omp_in_parallel() != 0) return 1;
  return wanted > 0 ? wanted : thread_count();
}

int startable_threads(int wanted) {
  // OpenMP keeps the threads of a region for the next region of the same calling thread, and ends
  // those that the next region does not need.
  thread_local int running = 1;
  if (wanted > running && !can_start(std::size_t(wanted - running))) return 1;
  return running = wanted;
}

void BusyWatch::report(std::size_t elements, double seconds, double now) {
  // No processor needs longer than this for any rule.
  constexpr double min_quota = 200e-6, each = 4e-9;
  constexpr double first_pause = 0.05, longest_pause = 1.6;
  if (seconds <= min_quota + each * double(elements)) {
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
