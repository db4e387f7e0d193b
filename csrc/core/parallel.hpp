// Parallel loops, for files compiled with OpenMP.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <new>
#include <type_traits>

#include "core/threads.hpp"

namespace pyoptim {

/// Calls work(begin, end) or work(thread, begin, end), depending on its parameters.
template <class Work>
void call_with_piece(const Work& work, int thread, std::size_t begin, std::size_t end) {
  if constexpr (std::is_invocable_v<const Work&, int, std::size_t, std::size_t>)
    work(thread, begin, end);
  else
    work(begin, end);
}

/// Calls work(begin, end), or work(thread, begin, end), on pieces that cover [0, total), on up to
/// `threads` threads, each in a FloatEnvironment. `thread` is the number of the thread in its team.
/// Pieces begin at multiples of `grain` and have at most `max_piece` elements, which is a multiple
/// of `grain` too. All threads take pieces from one queue, in order. That uses memory better than
/// one stretch for each thread, and does not wait for a thread without a processor. On machines
/// with several memory nodes, each thread first takes pieces from its own queue, so that it finds
/// memory where it left it.
///
/// Nothing is allocated, here and below. `work` must not throw, so it has to allocate its memory
/// before.
template <class Work>
void parallel_for(int threads, std::size_t total, std::size_t grain, std::size_t max_piece,
                  const Work& work) {
  if (threads > 1) threads = startable_threads(std::min(threads, max_threads));
  if (threads <= 1) {
    const FloatEnvironment environment;
    if (total > 0) call_with_piece(work, 0, 0, total);
    return;
  }
  struct alignas(64) Queue {
    std::atomic<std::size_t> next;
    std::size_t end;
  };
  const int count = memory_nodes() > 1 ? threads : 1;
  alignas(Queue) std::byte memory[max_threads * sizeof(Queue)];
  auto* const queues = reinterpret_cast<Queue*>(memory);
  const std::size_t grains = (total + grain - 1) / grain;
  const auto cut = [&](int i) {
    return std::min(grains * std::size_t(i) / std::size_t(count) * grain, total);
  };
  for (int i = 0; i < count; ++i) new (&queues[i]) Queue{cut(i), cut(i + 1)};
  // A few pieces for each thread, or one if there is little to do.
  const std::size_t pieces =
      std::size_t(threads) * (total >= std::size_t(threads) * max_piece ? 4 : 1);
  const std::size_t piece = std::min((grains + pieces - 1) / pieces * grain, max_piece);
#pragma omp parallel num_threads(threads)
  {
    const FloatEnvironment environment;
    const int thread = omp_get_thread_num();
    for (int i = 0; i < count; ++i) {
      Queue& queue = queues[(thread + i) % count];
      while (true) {
        const std::size_t begin = queue.next.fetch_add(piece, std::memory_order_relaxed);
        if (begin >= queue.end) break;
        call_with_piece(work, thread, begin, std::min(begin + piece, queue.end));
      }
    }
  }
}

/// Calls work(pass, wave, piece, thread) for all pieces of several passes over several waves, in
/// one team. Between two passes of a wave, one thread calls between(pass, wave). A thread starts
/// the next wave as soon as it can, and the data of a wave is still in cache in its later passes.
template <class Pieces, class Work, class Between>
void parallel_waves(int threads, std::size_t waves, std::size_t passes, const Pieces& pieces,
                    const Work& work, const Between& between) {
  constexpr std::size_t max_passes = 4;
  if (threads > 1 && passes <= max_passes)
    threads = startable_threads(std::min(threads, max_threads));
  else
    threads = 1;
  if (threads <= 1) {
    const FloatEnvironment environment;
    for (std::size_t wave = 0; wave < waves; ++wave)
      for (std::size_t pass = 0; pass < passes; ++pass) {
        for (std::size_t piece = 0; piece < pieces(wave); ++piece) work(pass, wave, piece, 0);
        if (pass + 1 < passes) between(pass, wave);
      }
    return;
  }
  // All threads are in the same wave or in two consecutive ones, because each wave has a barrier.
  std::atomic<std::size_t> queues[2][max_passes] = {};
#pragma omp parallel num_threads(threads)
  {
    const FloatEnvironment environment;
    const int thread = omp_get_thread_num();
    for (std::size_t wave = 0; wave < waves; ++wave)
      for (std::size_t pass = 0; pass < passes; ++pass) {
        std::atomic<std::size_t>& queue = queues[wave % 2][pass];
        std::size_t piece = 0;
        while ((piece = queue.fetch_add(1, std::memory_order_relaxed)) < pieces(wave))
          work(pass, wave, piece, thread);
        if (pass + 1 == passes && (passes > 1 || wave + 1 == waves)) continue;
#pragma omp barrier
#pragma omp single
        {
          if (pass == 0)
            for (auto& next : queues[(wave + 1) % 2]) next.store(0, std::memory_order_relaxed);
          if (pass + 1 < passes) between(pass, wave);
        }
      }
  }
}

}  // namespace pyoptim
