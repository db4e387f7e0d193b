// The floor: what any update of this many states costs at least. A plain loop that reads p, g and
// every state, adds the gradient to each, and writes p and every state back.
#include <cstddef>

namespace {

template <int States>
void walk(float* const* buffers, const float* g, std::ptrdiff_t size, int threads) {
  float* to[States + 1];  // p, then the states
  for (int k = 0; k <= States; ++k) to[k] = buffers[k];
  const int used = size < 32768 ? 1 : threads;
#pragma omp parallel for simd schedule(static) num_threads(used) firstprivate(to)
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    const float gradient = g[i];
    float local[States + 1];
    for (int k = 0; k <= States; ++k) local[k] = to[k][i];
    for (int k = 0; k <= States; ++k) to[k][i] = local[k] + gradient;
  }
}

}  // namespace

extern "C" int floor_step(int states, float* const* buffers, const float* g, std::ptrdiff_t size,
                          int threads) {
  using Walk = void (*)(float* const*, const float*, std::ptrdiff_t, int);
  constexpr Walk walks[] = {walk<0>, walk<1>, walk<2>, walk<3>, walk<4>};
  if (states < 0 || states > 4) return 1;
  walks[states](buffers, g, size, threads);
  return 0;
}
