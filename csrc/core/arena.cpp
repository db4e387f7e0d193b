#include "core/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/parallel.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t line = 64;
constexpr std::size_t page = 4096;
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t huge_from = std::size_t{4} << 20;
constexpr std::size_t spread = huge_page;  // the period over which very large buffers are spread
constexpr std::size_t spread_from = 16 * spread;

constexpr std::size_t round_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

}  // namespace

Arena::Arena(std::size_t bytes) : bytes_(bytes) {
  const std::size_t alignment = bytes >= huge_from ? huge_page : bytes >= page ? page : line;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  const std::size_t rounded = round_up(std::max(bytes, line), alignment);
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (memory_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (alignment == huge_page) madvise(memory_.get(), rounded, MADV_HUGEPAGE);
#endif
  const int threads = threads_for(rounded / sizeof(float), 0);
  parallel_for(threads, rounded, page, huge_page, [&](std::size_t begin, std::size_t end) {
    std::memset(memory_.get() + begin, 0, end - begin);
  });
}

void Arena::Free::operator()(std::byte* memory) const { std::free(memory); }

/// The candidate among start, start + unit, ... below start + period that is farthest from all
/// neighbours, modulo the period.
std::size_t Layout::farthest(std::size_t start, std::size_t period, std::size_t unit) const {
  std::size_t best = start, best_gap = 0;
  for (std::size_t candidate = start; candidate < start + period; candidate += unit) {
    std::size_t gap = period;
    for (const std::size_t other : taken_) {
      const std::size_t ahead = (candidate % period + period - other % period) % period;
      gap = std::min({gap, ahead, period - ahead});
    }
    if (gap > best_gap) {
      best_gap = gap;
      best = candidate;
    }
  }
  return best;
}

std::size_t Layout::place(std::size_t bytes) {
  std::size_t offset = round_up(end_, line);
  if (!taken_.empty()) {
    if (bytes >= spread_from) offset = farthest(offset, spread, spread / 32);
    if (bytes >= 4 * page) offset = farthest(offset, page, line);
  }
  if (bytes > SIZE_MAX / 2 - offset) throw std::bad_alloc();
  taken_.push_back(offset);
  end_ = offset + bytes;
  return offset;
}

}  // namespace pyoptim
