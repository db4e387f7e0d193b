// The one way parallel regions are opened, for files compiled with OpenMP.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>

#include "engine/threads.hpp"

namespace pyoptim {

/// Calls work(begin, end) on pieces that together are [0, total), on up to `threads` threads at
/// once, each in a FloatEnvironment. Pieces are cut at multiples of `grain`, and are of `chunk`
/// at most, a multiple of it. Every thread has a share of its own, the same each time, so that it
/// finds memory where it left it; one that is done helps the others.
template <class Work>
void parallel_for(int threads, std::size_t total, std::size_t grain, std::size_t chunk,
                  const Work& work) {
  if (threads <= 1) {
    const FloatEnvironment environment;
    if (total > 0) work(std::size_t{0}, total);
    return;
  }
  struct alignas(64) Share {
    std::atomic<std::size_t> next;
    std::size_t end;
  };
  const auto shares = std::make_unique<Share[]>(std::size_t(threads));
  const std::size_t grains = (total + grain - 1) / grain;
  const auto cut = [&](int thread) {
    const std::size_t at = grains * std::size_t(thread) / std::size_t(threads);
    return std::min(at * grain, total);
  };
  for (int i = 0; i < threads; ++i) {
    shares[i].next.store(cut(i), std::memory_order_relaxed);
    shares[i].end = cut(i + 1);
  }
#pragma omp parallel num_threads(threads)
  {
    const FloatEnvironment environment;
    for (int i = 0; i < threads; ++i) {
      Share& share = shares[(omp_get_thread_num() + i) % threads];
      while (true) {
        const std::size_t begin = share.next.fetch_add(chunk, std::memory_order_relaxed);
        if (begin >= share.end) break;
        work(begin, std::min(begin + chunk, share.end));
      }
    }
  }
}

}  // namespace pyoptim
