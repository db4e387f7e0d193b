// The one way parallel regions are opened, for files compiled with OpenMP.
#pragma once

#include <omp.h>

#include <cstddef>

#include "engine/threads.hpp"

namespace pyoptim {

/// A thread's part of [0, total): even shares, cut at multiples of `grain`.
struct Share {
  std::size_t begin;
  std::size_t end;
};
constexpr Share share_of(std::size_t total, std::size_t grain, int thread, int threads) {
  const std::size_t grains = (total + grain - 1) / grain;
  const auto cut = [&](int k) {
    const std::size_t at = grains * std::size_t(k) / std::size_t(threads) * grain;
    return at < total ? at : total;
  };
  return {cut(thread), cut(thread + 1)};
}

/// Calls body(thread, threads) on up to `threads` threads at once, each in a FloatEnvironment.
template <class Body>
void parallel(int threads, const Body& body) {
  if (threads <= 1) {
    const FloatEnvironment environment;
    body(0, 1);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const FloatEnvironment environment;
    body(omp_get_thread_num(), omp_get_num_threads());
  }
}

}  // namespace pyoptim
