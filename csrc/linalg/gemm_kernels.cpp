// Multiplication of dense matrices, tile by tile, with the sums of a tile in registers. Sums are in
// the order of their terms, without fused multiply-add, so that all instruction sets give the same
// bits. Compiled once for each instruction set.
#include <cstddef>
#include <utility>

#include "linalg/kernel_table.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class F, std::size_t Bytes>
struct VectorOf {
  using type [[gnu::vector_size(Bytes)]] = F;
};

// As many sums as registers allow, besides the operands.
#if defined(__AVX512F__)
constexpr std::size_t tile_rows = 8, tile_vectors = 3;
#else
constexpr std::size_t tile_rows = 4, tile_vectors = 2;
#endif

template <class F>
constexpr std::size_t tile_columns = (register_bytes / sizeof(F)) * tile_vectors;

/// A number times a vector.
template <class Vector, class F>
[[gnu::always_inline]] inline Vector times(const F& x, const Vector& v) {
#if defined(__AVX512F__)
  // Compilers spread a number that is used more than once over a register by an instruction of its
  // own. That takes the slot of an addition, and a quarter of the time.
  if constexpr (sizeof(Vector) == 64) {
    Vector product;
    if constexpr (sizeof(F) == sizeof(float))
      asm("vmulps %2%{1to16%}, %1, %0" : "=v"(product) : "v"(v), "m"(x));
    else
      asm("vmulpd %2%{1to8%}, %1, %0" : "=v"(product) : "v"(v), "m"(x));
    return product;
  }
#endif
  return x * v;
}

/// The operands of a tile: `depth` terms of each sum; c <- sums, or c + sums.
template <class F>
struct Tile {
  const F* a;
  std::ptrdiff_t a_row, a_step;
  const F* b;
  std::ptrdiff_t b_step;
  F* c;
  std::ptrdiff_t c_row;
  std::size_t depth;
  bool adds;
};

/// Multiplies a tile of rows by vectors. All loops except the one over terms are unrolled, so that
/// every sum is in a register.
template <class F, std::size_t Bytes, std::size_t... V, std::size_t... S>
[[gnu::noinline]] void multiply_tile(const Tile<F> tile, std::index_sequence<V...> /*vectors*/,
                                     std::index_sequence<S...> /*sums*/) {
  using Vector = typename VectorOf<F, Bytes>::type;
  constexpr std::size_t width = Bytes / sizeof(F), vectors = sizeof...(V);
  const auto at = [&](std::size_t s) {
    return tile.c + std::ptrdiff_t(s / vectors) * tile.c_row + s % vectors * width;
  };
  Vector sum[sizeof...(S)] = {};
  const F* a = tile.a;
  const F* b = tile.b;
  const std::ptrdiff_t a_row = tile.a_row;
  for (std::size_t k = 0; k < tile.depth; ++k, a += tile.a_step, b += tile.b_step) {
    Vector row[vectors];
    (__builtin_memcpy(&row[V], b + V * width, sizeof(Vector)), ...);
    ((sum[S] += times(a[std::ptrdiff_t(S / vectors) * a_row], row[S % vectors])), ...);
  }
  if (tile.adds) {
    Vector before;
    ((__builtin_memcpy(&before, at(S), sizeof before), sum[S] = before + sum[S]), ...);
  }
  (__builtin_memcpy(at(S), &sum[S], sizeof(Vector)), ...);
}

/// All rows, in tiles of `Rows` rows, then half as many, and so on.
template <class F, std::size_t Bytes, std::size_t Vectors, std::size_t Rows = tile_rows>
void multiply_rows(Tile<F> tile, std::size_t rows) {
  for (; rows >= Rows; rows -= Rows) {
    multiply_tile<F, Bytes>(tile, std::make_index_sequence<Vectors>(),
                            std::make_index_sequence<Rows * Vectors>());
    tile.a += std::ptrdiff_t(Rows) * tile.a_row;
    tile.c += std::ptrdiff_t(Rows) * tile.c_row;
  }
  if constexpr (Rows > 1)
    if (rows > 0) multiply_rows<F, Bytes, Vectors, Rows / 2>(tile, rows);
}

/// Fewer columns than a vector has, with the shortest vector that is long enough. The columns of b
/// are copied and padded with zeros, and those of c are copied back.
template <class F, std::size_t Bytes>
void multiply_narrow(const Tile<F>& tile, std::size_t rows, std::size_t columns) {
  constexpr std::size_t width = Bytes / sizeof(F);
  if constexpr (Bytes / 2 >= 16)
    if (columns <= width / 2) return multiply_narrow<F, Bytes / 2>(tile, rows, columns);
  if (columns == width) return multiply_rows<F, Bytes, 1>(tile, rows);
  F terms[gemm_depth * width], sums[tile_rows * width];
  for (std::size_t k = 0; k < tile.depth; ++k)
    for (std::size_t j = 0; j < width; ++j)
      terms[k * width + j] = j < columns ? tile.b[std::ptrdiff_t(k) * tile.b_step + j] : F(0);
  for (std::size_t i = 0; i < rows; i += tile_rows) {
    const std::size_t height = rows - i < tile_rows ? rows - i : tile_rows;
    F* const c = tile.c + std::ptrdiff_t(i) * tile.c_row;
    const auto each = [&](const auto& work) {
      for (std::size_t r = 0; r < height; ++r)
        for (std::size_t j = 0; j < columns; ++j)
          work(sums[r * width + j], c[std::ptrdiff_t(r) * tile.c_row + j]);
    };
    if (tile.adds) each([](F& sum, const F& value) { sum = value; });
    multiply_rows<F, Bytes, 1>({tile.a + std::ptrdiff_t(i) * tile.a_row, tile.a_row, tile.a_step,
                                terms, width, sums, width, tile.depth, tile.adds},
                               height);
    each([](const F& sum, F& value) { value = sum; });
  }
}

template <class F>
void multiply(const GemmPart& part) {
  constexpr std::size_t width = register_bytes / sizeof(F);
  const auto from = [&](std::size_t column) {
    return Tile<F>{static_cast<const F*>(part.a),
                   part.a_row,
                   part.a_step,
                   static_cast<const F*>(part.b) + column,
                   part.b_step,
                   static_cast<F*>(part.c) + column,
                   part.c_row,
                   part.depth,
                   part.adds};
  };
  std::size_t j = 0;
  for (; j + tile_columns<F> <= part.columns; j += tile_columns<F>)
    multiply_rows<F, register_bytes, tile_vectors>(from(j), part.rows);
  for (; j + width <= part.columns; j += width)
    multiply_rows<F, register_bytes, 1>(from(j), part.rows);
  if (j < part.columns) multiply_narrow<F, register_bytes>(from(j), part.rows, part.columns - j);
}

template <class F>
constexpr GemmKernels table = {
    .tile_rows = tile_rows, .tile_columns = tile_columns<F>, .multiply = multiply<F>};

}  // namespace

extern const GemmTable gemm_table;
constinit const GemmTable gemm_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
