// The floor: what a pass that reads so many arrays and writes the first of them costs at least. A
// plain loop that adds up what it reads, and writes it back. The first array is of the parameters'
// type, the last of the gradients', which is the same; others are of the type of arithmetic.
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

template <class T, int Reads, int Writes, int... K>
float walk(void* const* arrays, std::ptrdiff_t size, int threads,
           std::integer_sequence<int, K...> /*arrays*/) {
  using F = decltype(load(T()));
  void* to[Reads] = {arrays[K]...};
  const int used = size < 32768 ? 1 : threads;
  F total = 0;
#pragma omp parallel for simd schedule(static) num_threads(used) firstprivate(to) \
    reduction(+ : total)
  for (std::ptrdiff_t i = 0; i < size; ++i) {
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

using Walk = float (*)(void* const*, std::ptrdiff_t, int);

template <class T, int Index>
float walk_at(void* const* arrays, std::ptrdiff_t size, int threads) {
  constexpr int reads = Index / (most_writes + 1) + 1, writes = Index % (most_writes + 1);
  return walk<T, reads, (writes < reads ? writes : reads)>(
      arrays, size, threads, std::make_integer_sequence<int, reads>());
}

template <class T, int... Index>
float call(int index, void* const* arrays, std::ptrdiff_t size, int threads,
           std::integer_sequence<int, Index...> /*all*/) {
  constexpr Walk walks[] = {walk_at<T, Index>...};
  return walks[index](arrays, size, threads);
}

}  // namespace

/// 0 if there is such a loop. `dtype` is 0, 1, 2 for parameters of float32, float64, bfloat16.
/// `total` keeps a pass that writes nothing from being left out.
extern "C" int floor_pass(int dtype, int reads, int writes, void* const* arrays,
                          std::ptrdiff_t size, int threads, float* total) {
  if (reads < 1 || reads > most_reads || writes < 0 || writes > most_writes || writes > reads)
    return 1;
  constexpr auto all = std::make_integer_sequence<int, most_reads*(most_writes + 1)>();
  const int index = (reads - 1) * (most_writes + 1) + writes;
  if (dtype == 0)
    *total += call<float>(index, arrays, size, threads, all);
  else if (dtype == 1)
    *total += call<double>(index, arrays, size, threads, all);
  else
    *total += call<bfloat16>(index, arrays, size, threads, all);
  return 0;
}
