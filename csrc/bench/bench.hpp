// What the benchmarks share: arrays to work on, the bandwidth loop, and measuring one thing beside
// another.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "core/arena.hpp"
#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "optim/memory_traffic.hpp"

namespace pyoptim::bench {

void add_rules();
void add_small();
void add_kernels();
void add_products();

inline constexpr DType all_dtypes[] = {DType::float32, DType::float64, DType::bfloat16};
const char* name_of(DType dtype);

/// Elements: two sizes for the caches, one at their border, one in memory. Squares, so that rules
/// for matrices have such.
inline constexpr int exponents[] = {12, 16, 20, 24};

/// 1, 2, 4 ... and as many as there are; 1 for what is too small for more.
std::vector<int> thread_counts(std::size_t elements);

/// Writes normally distributed numbers, which repeat.
void fill(void* data, DType dtype, std::size_t size);

/// A plain loop, compiled for the same instruction set, that reads and writes as much as a step.
class BandwidthLoop {
 public:
  BandwidthLoop(Isa isa, DType dtype, std::vector<Traffic> passes, std::size_t size, int threads);

  void run();
  /// The bytes that it moves.
  [[nodiscard]] double bytes() const;

 private:
  using Pass = int (*)(int, int, int, void* const*, std::ptrdiff_t, int, float*);

  Pass pass_;
  DType dtype_;
  std::vector<Traffic> passes_;
  std::size_t size_;
  int threads_;
  Arena memory_;
  std::vector<void*> arrays_;
  float total_ = 0;
};

template <class Work>
double seconds(const Work& work, benchmark::IterationCount times) {
  const auto start = std::chrono::steady_clock::now();
  for (benchmark::IterationCount i = 0; i < times; ++i) work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Measures `work`, in turns with `beside`, and returns the median of the rounds' times of `beside`
/// over those of `work`. Rounds of short work are of many calls.
template <class Work, class Beside>
double in_turns(benchmark::State& state, const Work& work, const Beside& beside) {
  constexpr double round = 50e-6;
  benchmark::IterationCount batch = 1;
  while (seconds(work, batch) < round) batch *= 2;
  beside();
  std::vector<double> ratios;
  while (state.KeepRunningBatch(batch)) {
    const double time = seconds(work, batch);
    ratios.push_back(seconds(beside, batch) / time);
    state.SetIterationTime(time);
  }
  const auto middle = ratios.begin() + std::ptrdiff_t(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

/// The same beside the bandwidth loop: bytes/s of both, time an element, and the ratio: 1 is the
/// bandwidth loop's speed.
template <class Work>
void compare_with_bandwidth(benchmark::State& state, BandwidthLoop& loop, std::size_t elements,
                            const Work& work) {
  const double ratio = in_turns(state, work, [&] { loop.run(); });
  using benchmark::Counter;
  const double moved = loop.bytes() * double(state.iterations());
  state.counters["bytes_per_second"] = Counter(moved, Counter::kIsRate, Counter::kIs1024);
  state.counters["bandwidth_bytes_per_second"] =
      Counter(moved / ratio, Counter::kIsRate, Counter::kIs1024);
  state.counters["time_per_element"] =
      Counter(double(elements) * double(state.iterations()), Counter::kIsRate | Counter::kInvert);
  state.counters["bandwidth_ratio"] = ratio;
}

/// Registers a benchmark whose time is that of the work alone.
template <class Function>
void add(const std::string& name, const Function& function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime();
}

}  // namespace pyoptim::bench
