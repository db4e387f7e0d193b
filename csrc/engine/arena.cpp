#include "engine/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/parallel.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t line = 64;
constexpr std::size_t page = 4096;
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t huge_from = std::size_t{4} << 20;

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
  parallel(threads_for(rounded / sizeof(float), 0), [&](int thread, int threads) {
    const Share part = share_of(rounded, page, thread, threads);
    std::memset(memory_.get() + part.begin, 0, part.end - part.begin);
  });
}

void Arena::Free::operator()(std::byte* memory) const { std::free(memory); }

std::size_t Layout::place(std::size_t bytes) {
  std::size_t offset = round_up(end_, line);
  if (bytes >= 4 * page && !taken_.empty()) {
    // Of the lines of a page, the one farthest from every neighbour, counted around the page.
    std::size_t best_gap = 0;
    const std::size_t start = offset;
    for (std::size_t candidate = start; candidate < start + page; candidate += line) {
      std::size_t gap = page;
      for (const std::size_t other : taken_) {
        const std::size_t ahead = (candidate % page + page - other) % page;
        gap = std::min({gap, ahead, page - ahead});
      }
      if (gap > best_gap) {
        best_gap = gap;
        offset = candidate;
      }
    }
  }
  taken_.push_back(offset % page);
  end_ = offset + bytes;
  return offset;
}

}  // namespace pyoptim
