// Layers, losses, matrix multiplication and elementwise operations without memory: whichever
// allocation fails, no result is written, and the next call is correct.
#include <thread>

#include "core/arena.hpp"
#include "core/threads.hpp"
#include "failing_memory.hpp"
#include "foreach/foreach.hpp"
#include "linalg/gemm.hpp"
#include "linalg/spmm.hpp"
#include "losses/mean_loss.hpp"
#include "nn/norm.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t rows = 600, columns = 500;  // enough for several threads

/// Calls work(output) with failing memory, each time on a new thread, which has no reusable memory
/// yet.
template <class Work>
void check(Array& output, const Work& work) {
  const Array before = output;
  Array expected = output;
  work(expected);
  CHECK(difference(expected, before) != "");
  exhaust(
      [&] {
        const long left = allocations_left.exchange(-1);
        bool failed = false;
        output = before;
        std::thread([&] {
          allocations_left = left;
          try {
            work(output);
          } catch (const std::bad_alloc&) {
            failed = true;
          }
          allocations_left = -1;
        }).join();
        if (failed) throw std::bad_alloc();
        CHECK(difference(output, expected) == "");
      },
      [&] { CHECK(difference(output, before) == ""); });
}

Matrix matrix(Array& array) { return {array.at(0), rows, columns, array.dtype()}; }

struct Threads {
  explicit Threads(int count) { set_thread_count(count); }
  ~Threads() { set_thread_count(0); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
};

}  // namespace

TEST_CASE("matrix multiplication") {
  const Threads three(3);
  struct Shape {
    std::size_t rows, terms, columns;
  };
  for (const Shape& shape : {Shape{300, 1500, 500}, Shape{30, 3000, 700}, Shape{512, 1024, 512}})
    for (const DType dtype : layer_dtypes) {
      const Array a = random_array(dtype, shape.rows * shape.terms, 1);
      const Array b = random_array(dtype, shape.terms * shape.columns, 2);
      const auto stride = std::ptrdiff_t(shape.columns);
      Array c(dtype, shape.rows * shape.columns);
      check(c, [&](Array& out) {
        // The second operand is transposed, so that it is packed.
        gemm({a.at(0), shape.rows, shape.terms, std::ptrdiff_t(shape.terms), 1},
             {b.at(0), shape.terms, shape.columns, 1, std::ptrdiff_t(shape.terms)}, out.at(0),
             stride, dtype);
      });
    }
  CHECK(failed_allocations > 0);
}

TEST_CASE("losses, with weights and targets that are checked") {
  const Threads three(3);
  const std::vector<double> weights(rows, 0.5);
  for (const char* const name : {"squared", "logistic", "softmax", "poisson"})
    for (const DType dtype : layer_dtypes) {
      const LossInfo* const loss = find_loss(name);
      REQUIRE(loss != nullptr);
      CAPTURE(name);
      std::vector<double> parameters;
      for (std::size_t i = 0; i < loss->field_count; ++i)
        parameters.push_back(loss->fields[i].initial);
      Array scores = random_array(dtype, rows * columns, 1);
      Array targets(dtype, rows * columns);
      for (std::size_t i = 0; i < targets.size(); ++i) targets.set(i, double(i % 2));
      Array grad(dtype, rows * columns);
      check(grad, [&](Array& out) {
        mean_loss({.loss = loss,
                   .parameters = parameters.data(),
                   .scores = matrix(scores),
                   .targets = targets.at(0),
                   .weights = weights.data(),
                   .grad = out.at(0)});
      });
    }
}

TEST_CASE("layers") {
  const Threads three(3);
  for (const DType dtype : layer_dtypes) {
    Array z = random_array(dtype, rows * columns, 1);
    Array grad = random_array(dtype, rows * columns, 2);
    Array norm_weight = random_array(dtype, columns, 3);
    // Every call gets inputs that previous calls have not written.
    const auto check_output = [&](std::size_t size, const auto& work) {
      Array out(dtype, size);
      check(out, [&](Array& to) {
        Array d = z, by = grad;
        std::vector<double> factors(std::max(rows, columns), 1);
        work(matrix(d), by.at(0), factors.data(), to.at(0));
      });
    };
    check_output(rows * columns, [&](const Matrix& d, void*, double*, void* to) {
      layer_forward(Activation::relu, d, norm_weight.at(0), to);
    });
    check_output(columns,
                 [&](const Matrix& d, void* by, double*, void* to) { layer_backward(d, by, to); });
    check_output(columns, [&](const Matrix& d, void* by, double* factors, void* to) {
      layer_norm_backward(d, by, norm_weight.at(0), factors, to);
    });
    check_output(columns, [&](const Matrix& d, void* by, double* factors, void* to) {
      batch_norm_backward(d, by, norm_weight.at(0), factors, to);
    });
    check_output(columns, [&](const Matrix& d, void* by, double* factors, void* to) {
      Array variance(dtype, columns);
      batch_norm(d, norm_weight.at(0), by, factors, 1e-5, {to, variance.at(0), 0.5});
    });
  }
}

TEST_CASE("sparse matrix multiplication") {
  const Threads three(3);
  for (const DType dtype : layer_dtypes) {
    const Array values = random_array(dtype, rows * 10, 1);
    Array dense = random_array(dtype, std::max(rows, columns) * 100, 2);
    std::vector<std::int64_t> starts(rows + 1), indices(rows * 10);
    for (std::size_t i = 0; i <= rows; ++i) starts[i] = std::int64_t(10 * i);
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = std::int64_t(i * 7 % columns);
    const CsrMatrix x{values.at(0), indices.data(), starts.data(), rows,
                      columns,      indices.size(), dtype,         true};
    Array out(dtype, rows * 100), transposed(dtype, columns * 100);
    check(out, [&](Array& to) { spmm(x, {dense.at(0), columns, 100, dtype}, to.at(0)); });
    check(transposed, [&](Array& to) {
      spmm_transposed(x, {dense.at(0), rows, 100, dtype}, to.at(0));
    });
  }
}

TEST_CASE("elementwise operations") {
  for (const DType dtype : all_dtypes) {
    Array grad = random_array(dtype, rows * columns, 2);
    Array wide = random_array(state_dtype(dtype), rows * columns, 3);
    Array param = random_array(dtype, rows * columns, 4);
    const auto tensor = [&](Array& copy) {
      return ForeachTensor{{param.at(0), grad.at(0), wide.at(0), copy.at(0), rows * columns},
                           dtype};
    };
    Array out(dtype, rows * columns);
    check(out, [&](Array& copy) {
      foreach_update(&ForeachKernels::scale, {tensor(copy), tensor(copy)}, 0.5, 0, 3);
    });
    for (const bool by_columns : {false, true}) {
      check(out, [&](Array& copy) {
        clip_units({{tensor(copy), rows, columns, by_columns}}, 0.01, 1e-3, 1, 3);
      });
      Array large = random_array(dtype, rows * columns, 5);
      check(large, [&](Array& values) {
        limit_norms({{{{values.at(0), nullptr, nullptr, nullptr, rows * columns}, dtype},
                      rows,
                      columns,
                      by_columns}},
                    0.5, 3);
      });
    }
    check(grad, [&](Array& to) {
      Array copy(dtype, rows * columns);
      penalize({tensor(copy)}, {to.at(0)}, 0.5, 0.5, 3);
    });
  }
}

TEST_CASE("arenas") {
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{5} << 20})
    exhaust(
        [=] {
          const Arena arena(bytes);
          CHECK(arena.data()[bytes - 1] == std::byte{0});
        },
        [] {});
}
