// Matrix multiplication: the batches of a small network, and square matrices.
#include "linalg/gemm.hpp"
#include "bench/bench.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bench {
namespace {

struct Shape {
  std::size_t rows, terms, columns;
};
constexpr Shape shapes[] = {{32, 784, 100}, {784, 200, 100}, {512, 512, 512}, {1024, 1024, 1024}};

std::vector<std::byte> filled(DType dtype, std::size_t size) {
  std::vector<std::byte> memory(size * item_size(dtype));
  fill(memory.data(), dtype, size);
  return memory;
}

void run(benchmark::State& state, const Shape& shape, DType dtype, int threads) {
  const std::size_t rows = shape.rows, terms = shape.terms, columns = shape.columns;
  const auto a = filled(dtype, rows * terms), b = filled(dtype, terms * columns);
  auto c = filled(dtype, rows * columns);
  set_thread_count(threads);
  while (state.KeepRunningBatch(1))
    state.SetIterationTime(seconds(
        [&] {
          gemm({a.data(), rows, terms, std::ptrdiff_t(terms), 1},
               {b.data(), terms, columns, std::ptrdiff_t(columns), 1}, c.data(),
               std::ptrdiff_t(columns), dtype);
        },
        1));
  set_thread_count(0);
  state.counters["multiplications_per_second"] = benchmark::Counter(
      double(rows * terms * columns) * double(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace

void add_gemm() {
  for (const Shape& shape : shapes)
    for (const DType dtype : {DType::float32, DType::float64})
      for (const Isa isa : available_isas())
        for (const int threads : thread_counts(shape.rows * shape.terms * shape.columns / 16))
          add("gemm/" + std::string(name_of(dtype)) + "/" + std::to_string(shape.rows) + "x" +
                  std::to_string(shape.terms) + "x" + std::to_string(shape.columns) + "/" +
                  isa_name(isa) + "/threads:" + std::to_string(threads),
              [=](benchmark::State& state) {
                use_isa(isa_name(isa));
                run(state, shape, dtype, threads);
              });
}

}  // namespace pyoptim::bench
