// The arena, and the offsets of buffers in it.
#include <doctest.h>

#include <algorithm>
#include <new>

#include "core/arena.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t mebibyte = std::size_t{1} << 20;

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// The distance of two addresses modulo a period.
std::size_t gap(std::uintptr_t a, std::uintptr_t b, std::size_t period = page) {
  const std::size_t ahead = (a % period + period - b % period) % period;
  return std::min(ahead, period - ahead);
}

}  // namespace

TEST_CASE("an arena is aligned and zeroed, also where memory is used again") {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{1000}, page - 1, page,
        page + 1, 100 * page + 17, 4 * mebibyte - 1, 4 * mebibyte, 9 * mebibyte + 5})
    for (int turn = 0; turn < 2; ++turn) {
      CAPTURE(bytes);
      const Arena arena(bytes);
      CHECK(arena.size() == bytes);
      const std::size_t alignment = bytes >= 4 * mebibyte ? 2 * mebibyte
                                    : bytes >= page       ? page
                                                          : 64;
      CHECK(address(arena.data()) % alignment == 0);
      CHECK(std::all_of(arena.data(), arena.data() + bytes,
                        [](std::byte value) { return value == std::byte{0}; }));
      std::memset(arena.data(), 0xFF, bytes);
    }
}

TEST_CASE("an arena that cannot be allocated is an exception") {
  CHECK_THROWS_AS(Arena{SIZE_MAX}, std::bad_alloc);
  CHECK_THROWS_AS(Arena{SIZE_MAX - mebibyte}, std::bad_alloc);
  CHECK_THROWS_AS(Arena{SIZE_MAX / 4}, std::bad_alloc);
}

TEST_CASE("buffers of a layout are aligned, lie one after the other, and waste little") {
  std::mt19937_64 source(1);
  Layout layout;
  std::size_t end = 0, bytes = 0, count = 0;
  for (; count < 500; ++count) {
    if (count % 5 == 0) layout.next_loop();
    const std::size_t size = source() % 3 == 0 ? source() % 100'000 : source() % 300;
    const std::size_t offset = layout.place(size);
    CHECK(offset % 64 == 0);
    CHECK(offset >= end);
    end = offset + size;
    bytes += size;
    CHECK(layout.size() == end);
  }
  CHECK(layout.size() <= bytes + count * (page + 64));
}

TEST_CASE("small buffers are packed") {
  Layout layout;
  CHECK(layout.place(100) == 0);
  CHECK(layout.place(100) == 128);
  CHECK(layout.place(0) == 256);
  CHECK(layout.place(1) == 256);
}

TEST_CASE("large buffers of one loop start far apart modulo a page") {
  for (const std::size_t elsewhere : {0U, 64U, 2048U, 4000U}) {
    Layout layout;
    for (int loop = 0; loop < 3; ++loop) {
      layout.next_loop();
      layout.add_neighbour(elsewhere);
      std::vector<std::size_t> starts{elsewhere};
      for (std::size_t k = 0; k < max_states; ++k) starts.push_back(layout.place(100'000));
      for (std::size_t i = 0; i < starts.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) CHECK(gap(starts[i], starts[j]) >= 384);
    }
  }
}

TEST_CASE("very large buffers of one loop start far apart modulo a huge page, too") {
  Layout layout;
  layout.add_neighbour(12345 * 64);
  std::vector<std::size_t> starts{12345 * 64};
  for (std::size_t k = 0; k < max_states; ++k) starts.push_back(layout.place(64 * mebibyte));
  for (std::size_t i = 0; i < starts.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(gap(starts[i], starts[j]) >= 384);
      CHECK(gap(starts[i], starts[j], 2 * mebibyte) >= mebibyte / 8);
    }
}

TEST_CASE("an optimizer's states start apart from each other and from the parameter") {
  constexpr std::size_t size = 3 << 20;  // 12 MiB: on huge pages
  Array param(DType::float32, size);
  for (const RuleInfo* rule : all_rules()) {
    CAPTURE(rule->name);
    const auto settings = settings_of(*rule, choices_of_hyper(*rule).front());
    const Optimizer optimizer(rule->name, {{settings, {{"p", param.at(0), size, DType::float32}}}},
                              {});
    std::vector<std::uintptr_t> starts{address(param.at(0))};
    for (std::size_t k = 0; k < rule->state_count; ++k) {
      if (optimizer.tensor(0).state[k] == nullptr) continue;
      starts.push_back(address(optimizer.tensor(0).state[k]));
      CHECK(starts.back() % 64 == 0);
    }
    for (std::size_t i = 0; i < starts.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) CHECK(gap(starts[i], starts[j]) >= 384);
  }
}

TEST_CASE("tensors that follow each other in memory have states that do so too") {
  Array param(DType::float32, 3000);
  GroupSpec group;
  for (std::size_t i = 0; i < 3; ++i)
    group.tensors.push_back({"p", param.at(i * 1000), 1000, DType::float32});
  const Optimizer optimizer("Adam", {group}, {});
  for (std::size_t i = 1; i < 3; ++i)
    for (std::size_t k = 0; k < 2; ++k)
      CHECK(address(optimizer.tensor(i).state[k]) ==
            address(optimizer.tensor(i - 1).state[k]) + 4000);
}
