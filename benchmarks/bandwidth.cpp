// The bandwidth loop: what a pass that reads so many arrays and writes the first of them costs at
// least. A plain loop that adds up what it reads, and writes it back. The first array is of the
// parameters' type, the last of the gradients', which is the same; others are of the type of
// arithmetic.
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace {

constexpr int most_reads = 6, most_writes = 5;

using bfloat16 = std::uint16_t;

inline float load(float x) { return x; }
inline double load(double x) { return x; }
inline float load(bfloat16 x) { return __builtin_bit_cast(float, std::uint32_t{x} << 16); }

inline void store(float& to, float x) { to = x; }
inline void store(double& to, double x) { to = x; }
inline void store(bfloat16& to, float x) {
  to = static_cast<bfloat16>(__builtin_bit_cast(std::uint32_t, x) >> 16);
}

/// The elements [begin, end).
template <class T, int Reads, int Writes, int... K>
float walk(void* const* arrays, std::ptrdiff_t begin, std::ptrdiff_t end,
           std::integer_sequence<int, K...> /*arrays*/) {
  using F = decltype(load(T()));
  void* const to[Reads] = {arrays[K]...};
  F total = 0;
#pragma omp simd reduction(+ : total)
  for (std::ptrdiff_t i = begin; i < end; ++i) {
    const F local[Reads] = {
        load(static_cast<std::conditional_t<K == 0 || K == Reads - 1, T, F>*>(to[K])[i])...};
    F sum = 0;
    for (int k = Writes > 0 ? Writes : 0; k < Reads; ++k) sum += local[k];
    const auto write = [&]<int J>(std::integral_constant<int, J>) {
      using E = std::conditional_t<J == 0 || J == Reads - 1, T, F>;
      if constexpr (J < Writes) store(static_cast<E*>(to[J])[i], local[J] + sum);
    };
    (write(std::integral_constant<int, K>()), ...);
    if (Writes == 0) total += sum;
  }
  return static_cast<float>(total);
}

using Walk = float (*)(void* const*, std::ptrdiff_t, std::ptrdiff_t);

template <class T, int Index>
float walk_at(void* const* arrays, std::ptrdiff_t begin, std::ptrdiff_t end) {
  constexpr int reads = Index / (most_writes + 1) + 1, writes = Index % (most_writes + 1);
  return walk<T, reads, (writes < reads ? writes : reads)>(
      arrays, begin, end, std::make_integer_sequence<int, reads>());
}

template <class T, int... Index>
Walk find(int index, std::integer_sequence<int, Index...> /*all*/) {
  constexpr Walk walks[] = {walk_at<T, Index>...};
  return walks[index];
}

/// A part for each thread, cut at whole vectors; small arrays stay on this one.
float in_parts(Walk walk, void* const* arrays, std::ptrdiff_t size, int threads) {
  if (threads == 1 || size < 32768) return walk(arrays, 0, size);
  const std::ptrdiff_t part = (size / threads + 63) / 64 * 64;
  float total = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : total)
  for (int i = 0; i < threads; ++i) {
    const std::ptrdiff_t begin = part * i, end = begin + part;
    if (begin < size) total += walk(arrays, begin, end < size ? end : size);
  }
  return total;
}

}  // namespace

/// 0 if there is such a loop. `dtype` is 0, 1, 2 for parameters of float32, float64, bfloat16.
/// `total` keeps a pass that writes nothing from being left out.
extern "C" int bandwidth_pass(int dtype, int reads, int writes, void* const* arrays,
                              std::ptrdiff_t size, int threads, float* total) {
  if (reads < 1 || reads > most_reads || writes < 0 || writes > most_writes || writes > reads)
    return 1;
  constexpr auto all = std::make_integer_sequence<int, most_reads*(most_writes + 1)>();
  const int index = (reads - 1) * (most_writes + 1) + writes;
  const Walk walk = dtype == 0   ? find<float>(index, all)
                    : dtype == 1 ? find<double>(index, all)
                                 : find<bfloat16>(index, all);
  *total += in_parts(walk, arrays, size, threads);
  return 0;
}
