// Helpers of the benchmarks: arrays, the bandwidth loop, and side-by-side measurement.
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
void add_gemm();

inline constexpr DType all_dtypes[] = {DType::float32, DType::float64, DType::bfloat16};
const char* name_of(DType dtype);

/// Numbers of elements: two that fit caches, one at their limit, one in memory. All are squares,
/// for matrices.
inline constexpr int exponents[] = {12, 16, 20, 24};

/// 1, 2, 4 ... up to the number of processors; only 1 for small work.
std::vector<int> thread_counts(std::size_t elements);

/// Fills an array with repeated normally distributed numbers.
void fill(void* data, DType dtype, std::size_t size);

/// A plain loop for the same instruction set that reads and writes as much as a step.
class BandwidthLoop {
 public:
  BandwidthLoop(Isa isa, DType dtype, std::vector<Traffic> passes, std::size_t size, int threads);

  void run();
  /// The bytes that one run reads and writes.
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

/// Measures `work` and `reference` in turns. Returns the median ratio of the time of `reference` to
/// that of `work`. A round repeats short work.
template <class Work, class Reference>
double in_turns(benchmark::State& state, const Work& work, const Reference& reference) {
  constexpr double round = 50e-6;
  benchmark::IterationCount batch = 1;
  while (seconds(work, batch) < round) batch *= 2;
  reference();
  std::vector<double> ratios;
  while (state.KeepRunningBatch(batch)) {
    const double time = seconds(work, batch);
    ratios.push_back(seconds(reference, batch) / time);
    state.SetIterationTime(time);
  }
  const auto middle = ratios.begin() + std::ptrdiff_t(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

/// Compares work with the bandwidth loop: the bytes per second of both, the time per element, and
/// the ratio, where 1 is the speed of the loop.
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

/// Registers a benchmark that reports the time of the work alone.
template <class Function>
void add(const std::string& name, const Function& function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime();
}

}  // namespace pyoptim::bench
