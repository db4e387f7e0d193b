// The floor: what a pass that reads so many arrays and writes the first of them costs at least. A
// plain loop that adds up what it reads, and writes it back.
#include <cstddef>
#include <utility>

namespace {

constexpr int most_reads = 6, most_writes = 5;

template <int Reads, int Writes>
float walk(float* const* arrays, std::ptrdiff_t size, int threads) {
  float* to[Reads];
  for (int k = 0; k < Reads; ++k) to[k] = arrays[k];
  const int used = size < 32768 ? 1 : threads;
  float total = 0;
#pragma omp parallel for simd schedule(static) num_threads(used) firstprivate(to) \
    reduction(+ : total)
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    float local[Reads], sum = 0;
    for (int k = 0; k < Reads; ++k) local[k] = to[k][i];
    for (int k = Writes > 0 ? Writes : 0; k < Reads; ++k) sum += local[k];
    for (int k = 0; k < Writes; ++k) to[k][i] = local[k] + sum;
    if (Writes == 0) total += sum;
  }
  return total;
}

using Walk = float (*)(float* const*, std::ptrdiff_t, int);

template <int Index>
constexpr Walk walk_at() {
  constexpr int reads = Index / (most_writes + 1) + 1, writes = Index % (most_writes + 1);
  return walk<reads, (writes < reads ? writes : reads)>;
}

template <int... Index>
float call(int index, float* const* arrays, std::ptrdiff_t size, int threads,
           std::integer_sequence<int, Index...>) {
  constexpr Walk walks[] = {walk_at<Index>()...};
  return walks[index](arrays, size, threads);
}

}  // namespace

/// 0 if there is such a loop. `total` keeps a pass that writes nothing from being left out.
extern "C" int floor_pass(int reads, int writes, float* const* arrays, std::ptrdiff_t size,
                          int threads, float* total) {
  if (reads < 1 || reads > most_reads || writes < 0 || writes > most_writes || writes > reads)
    return 1;
  *total += call((reads - 1) * (most_writes + 1) + writes, arrays, size, threads,
                 std::make_integer_sequence<int, most_reads*(most_writes + 1)>());
  return 0;
}
