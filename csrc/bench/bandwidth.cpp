#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <utility>

#include "bench/bench.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"
#include "optim/optimizer.hpp"

extern "C" {
int bandwidth_pass_baseline(int, int, int, void* const*, std::ptrdiff_t, int, float*);
#if defined(PYOPTIM_X86) && !defined(PYOPTIM_BASELINE_ONLY)
int bandwidth_pass_avx2(int, int, int, void* const*, std::ptrdiff_t, int, float*);
int bandwidth_pass_avx512(int, int, int, void* const*, std::ptrdiff_t, int, float*);
#endif
}

namespace pyoptim::bench {
namespace {

constexpr std::size_t alignment = 64;

auto pass_of(Isa isa) {
#if defined(PYOPTIM_X86) && !defined(PYOPTIM_BASELINE_ONLY)
  if (isa == Isa::avx512) return bandwidth_pass_avx512;
  if (isa == Isa::avx2) return bandwidth_pass_avx2;
#endif
  if (isa == Isa::baseline) return bandwidth_pass_baseline;
  throw std::logic_error("no bandwidth loop is compiled for " + std::string(isa_name(isa)));
}

std::size_t array_count(const std::vector<Traffic>& passes) {
  std::size_t max = 0;
  for (const Traffic& pass : passes) max = std::max(max, pass.reads);
  return max;
}

/// The offset from one array to the next: evenly spread modulo 4096, plus 64 KiB, which is fastest
/// for the loop.
std::size_t stride(std::size_t size, DType dtype, std::size_t arrays) {
  const std::size_t bytes = size * item_size(state_dtype(dtype));
  return (bytes + alignment - 1) / alignment * alignment + (std::size_t{1} << 16) +
         4096 / arrays / alignment * alignment;
}

}  // namespace

const char* name_of(DType dtype) {
  constexpr const char* names[] = {"float32", "float64", "bfloat16"};
  return names[int(dtype)];
}

std::vector<int> thread_counts(std::size_t elements) {
  std::vector<int> counts{1};
  const int max = thread_count();
  if (elements < serial_below || max == 1) return counts;
  for (int count = 2; count < max; count *= 2) counts.push_back(count);
  counts.push_back(max);
  return counts;
}

void fill(void* data, DType dtype, std::size_t size) {
  constexpr std::size_t length = 1 << 12;
  std::mt19937 source(0);
  std::normal_distribution<float> normal;
  std::vector<std::byte> block(length * item_size(dtype));
  for (std::size_t i = 0; i < length; ++i) {
    const float value = normal(source);
    std::byte* const to = block.data() + i * item_size(dtype);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const double wide = value;
    const auto high = static_cast<std::uint16_t>(bits >> 16);
    if (dtype == DType::float64)
      std::memcpy(to, &wide, sizeof wide);
    else if (dtype == DType::bfloat16)
      std::memcpy(to, &high, sizeof high);
    else
      std::memcpy(to, &value, sizeof value);
  }
  for (std::size_t i = 0; i < size; i += length)
    std::memcpy(static_cast<std::byte*>(data) + i * item_size(dtype), block.data(),
                std::min(length, size - i) * item_size(dtype));
}

BandwidthLoop::BandwidthLoop(Isa isa, DType dtype, std::vector<Traffic> passes, std::size_t size,
                             int threads)
    : pass_(pass_of(isa)),
      dtype_(dtype),
      passes_(std::move(passes)),
      size_(size),
      threads_(threads),
      memory_(array_count(passes_) * stride(size, dtype, array_count(passes_))) {
  const std::size_t count = array_count(passes_);
  for (std::size_t k = 0; k < count; ++k) {
    arrays_.push_back(memory_.data() + k * stride(size, dtype, count));
    fill(arrays_.back(), k == 0 || k == count - 1 ? dtype : state_dtype(dtype), size);
  }
}

void BandwidthLoop::run() {
  for (const Traffic& pass : passes_)
    if (pass_(int(dtype_), int(pass.reads), int(pass.writes), arrays_.data(), std::ptrdiff_t(size_),
              threads_, &total_) != 0)
      throw std::logic_error("benchmarks/bandwidth.cpp has no loop for so many arrays");
  benchmark::DoNotOptimize(total_);
}

double BandwidthLoop::bytes() const {
  const std::size_t item = item_size(dtype_), state = item_size(state_dtype(dtype_));
  std::size_t bytes = 0;
  for (const auto [reads, writes] : passes_) {
    // Two of the arrays that are read, and one of those written, have the dtype of parameters.
    bytes += reads > 1 ? 2 * item + (reads - 2) * state : reads * item;
    bytes += writes > 0 ? item + (writes - 1) * state : 0;
  }
  return double(bytes) * double(size_);
}

}  // namespace pyoptim::bench
