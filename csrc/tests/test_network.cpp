// Networks: bit-identical to their layers one by one, for every number of threads and instruction
// set. Nothing is written if a batch is rejected or memory runs out.
#include "nn/network.hpp"

#include <limits>
#include <string>
#include <thread>

#include "core/threads.hpp"
#include "failing_memory.hpp"
#include "nn/norm.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr double eps = 1e-5;

/// The memory of a layer: weight, bias, norm weight and running statistics, with their gradients.
struct LayerMemory {
  LayerMemory(DType dtype, DType weight_dtype, std::size_t inputs, std::size_t outputs,
              std::uint64_t seed)
      : inputs(inputs),
        outputs(outputs),
        weight(random_array(weight_dtype, inputs * outputs, seed)),
        weight_grad(weight_dtype, inputs * outputs),
        bias(random_array(dtype, outputs, seed + 1)),
        bias_grad(dtype, outputs),
        norm_weight(random_array(dtype, outputs, seed + 2)),
        norm_weight_grad(dtype, outputs),
        mean(random_array(dtype, outputs, seed + 3)),
        variance(dtype, outputs) {
    for (std::size_t i = 0; i < outputs; ++i) variance.set(i, 0.5 + double(i) / 8);
  }
  std::size_t inputs, outputs;
  Array weight, weight_grad, bias, bias_grad, norm_weight, norm_weight_grad, mean, variance;

  [[nodiscard]] std::vector<Array> results() const {
    return {weight_grad, bias_grad, norm_weight_grad, mean, variance};
  }
};

struct Setup {
  Norm norm = Norm::none;
  double dropout = 0;
  DType dtype = DType::float32;
  DType weight_dtype = DType::float32;
};

/// Six inputs, two hidden layers, the second of which is residual, and three outputs.
struct TestNetwork {
  static constexpr std::size_t inputs = 6, outputs = 3;

  explicit TestNetwork(const Setup& setup) : setup(setup) {
    layers.emplace_back(setup.dtype, setup.weight_dtype, inputs, 37, 10);
    layers.emplace_back(setup.dtype, setup.weight_dtype, 37, 37, 20);
    layers.emplace_back(setup.dtype, setup.weight_dtype, 37, outputs, 30);
  }
  std::vector<DenseLayer> specifications() {
    std::vector<DenseLayer> all;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      LayerMemory& memory = layers[i];
      const bool hidden = i + 1 < layers.size();
      all.push_back(
          {.activation = hidden ? Activation::gelu : Activation::identity,
           .norm = hidden ? setup.norm : Norm::none,
           .dropout = hidden ? setup.dropout : 0,
           .residual = i == 1,
           .weight = {memory.weight.at(0), memory.inputs, memory.outputs, setup.weight_dtype},
           .weight_grad = memory.weight_grad.at(0),
           .bias = memory.bias.at(0),
           .bias_grad = memory.bias_grad.at(0),
           .norm_weight = memory.norm_weight.at(0),
           .norm_weight_grad = memory.norm_weight_grad.at(0),
           .running_mean = memory.mean.at(0),
           .running_variance = memory.variance.at(0)});
    }
    return all;
  }
  [[nodiscard]] std::vector<Array> results() const {
    std::vector<Array> all;
    for (const LayerMemory& memory : layers)
      for (Array& each : memory.results()) all.push_back(std::move(each));
    return all;
  }

  Setup setup;
  std::vector<LayerMemory> layers;
};

std::string difference(const std::vector<Array>& got, const std::vector<Array>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (const std::string text = test::difference(got[i], expected[i]); !text.empty())
      return "array " + std::to_string(i) + ", " + text;
  return "";
}

/// Rows with labels, and their softmax loss.
struct Batch {
  Batch(DType dtype, std::size_t rows, std::uint64_t seed = 1)
      : rows(rows), x(random_array(dtype, rows * TestNetwork::inputs, seed)), labels(rows) {
    for (std::size_t i = 0; i < rows; ++i) labels[i] = std::int64_t(i * 7 % TestNetwork::outputs);
  }
  [[nodiscard]] Inputs inputs() const {
    return StridedMatrix{x.at(0), rows, TestNetwork::inputs, TestNetwork::inputs, 1};
  }
  [[nodiscard]] LossCall loss() const {
    static constexpr double parameters[] = {0.1};  // label smoothing
    return {.loss = find_loss("softmax"),
            .parameters = parameters,
            .scores = {},
            .labels = labels.data()};
  }
  std::size_t rows;
  Array x;
  std::vector<std::int64_t> labels;
};

StridedMatrix by_rows(Array& values, std::size_t rows, std::size_t columns) {
  return {values.at(0), rows, columns, std::ptrdiff_t(columns), 1};
}
StridedMatrix transposed(const StridedMatrix& m) {
  return {m.data, m.columns, m.rows, m.column_stride, m.row_stride};
}

Array widened(const Array& values, DType dtype) {
  Array wide(dtype, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) wide.set(i, values[i]);
  return wide;
}

/// The loss and gradient by separate calls of the library, written to the network's memory.
double layer_by_layer(TestNetwork& network, const Batch& batch, const Draws& draws,
                      Array& input_grad) {
  const DType dtype = network.setup.dtype;
  const std::size_t rows = batch.rows, count = network.layers.size();
  const auto layers = network.specifications();
  std::vector<Array> a{batch.x}, z, normal, weights;
  std::vector<std::vector<double>> factors(count);
  std::uint64_t draw = draws.first;
  for (std::size_t i = 0; i < count; ++i) {
    LayerMemory& memory = network.layers[i];
    const std::size_t columns = memory.outputs;
    weights.push_back(widened(memory.weight, dtype));
    Array product(dtype, rows * columns), out(dtype, rows * columns);
    gemm(by_rows(a[i], rows, memory.inputs), by_rows(weights[i], memory.inputs, columns),
         product.at(0), std::ptrdiff_t(columns), dtype);
    Array before = product;
    factors[i].resize(std::max(rows, columns));
    if (layers[i].norm == Norm::layer)
      layer_norm({product.at(0), rows, columns, dtype}, memory.norm_weight.at(0), before.at(0),
                 factors[i].data(), eps);
    if (layers[i].norm == Norm::batch)
      batch_norm({product.at(0), rows, columns, dtype}, memory.norm_weight.at(0), before.at(0),
                 factors[i].data(), eps, {memory.mean.at(0), memory.variance.at(0), 0.1});
    layer_forward(layers[i].activation, {before.at(0), rows, columns, dtype}, memory.bias.at(0),
                  out.at(0), layers[i].residual ? a[i].at(0) : nullptr,
                  {layers[i].dropout, draws.seed, draw});
    draw += layers[i].dropout > 0 ? 1 : 0;
    normal.push_back(product);
    z.push_back(before);
    a.push_back(out);
  }
  LossCall call = batch.loss();
  call.scores = {a[count].at(0), rows, TestNetwork::outputs, dtype};
  Array d(dtype, rows * TestNetwork::outputs);
  call.grad = d.at(0);
  const double value = mean_loss(call);
  for (std::size_t i = count; i-- > 0;) {
    LayerMemory& memory = network.layers[i];
    const std::size_t columns = memory.outputs;
    const Matrix gradient{d.at(0), rows, columns, dtype};
    Array by_z = d;
    const bool is_identity = layers[i].activation == Activation::identity;
    if (!is_identity) by_z = z[i];
    layer_backward(gradient, is_identity ? nullptr : by_z.at(0), memory.bias_grad.at(0));
    const Matrix from{by_z.at(0), rows, columns, dtype};
    if (layers[i].norm == Norm::layer)
      layer_norm_backward(from, normal[i].at(0), memory.norm_weight.at(0), factors[i].data(),
                          memory.norm_weight_grad.at(0));
    if (layers[i].norm == Norm::batch)
      batch_norm_backward(from, normal[i].at(0), memory.norm_weight.at(0), factors[i].data(),
                          memory.norm_weight_grad.at(0));
    Array weight_grad(dtype, memory.weight.size());
    gemm(transposed(by_rows(a[i], rows, memory.inputs)), by_rows(by_z, rows, columns),
         weight_grad.at(0), std::ptrdiff_t(columns), dtype);
    for (std::size_t k = 0; k < weight_grad.size(); ++k) {
      if (network.setup.weight_dtype != DType::bfloat16) {
        memory.weight_grad.set(k, weight_grad[k]);
        continue;
      }
      // Rounds to the nearest bfloat16, ties to even.
      const auto bits = std::bit_cast<std::uint32_t>(float(weight_grad[k]));
      const std::uint32_t rounded = bits + 0x7FFF + ((bits >> 16) & 1);
      memory.weight_grad.set(k, std::bit_cast<float>(rounded & 0xFFFF0000));
    }
    Array next(dtype, rows * memory.inputs);
    gemm(by_rows(by_z, rows, columns), transposed(by_rows(weights[i], memory.inputs, columns)),
         next.at(0), std::ptrdiff_t(memory.inputs), dtype);
    if (layers[i].residual)
      for (std::size_t k = 0; k < next.size(); ++k)
        next.set(k, dtype == DType::float64 ? next[k] + d[k] : float(next[k]) + float(d[k]));
    d = next;
  }
  input_grad = d;
  return value;
}

std::vector<Setup> setups() {
  std::vector<Setup> all;
  for (const Norm norm : {Norm::none, Norm::layer, Norm::batch})
    for (const double dropout : {0.0, 0.3})
      for (const auto& [dtype, weight] :
           {std::pair{DType::float32, DType::float32}, std::pair{DType::float64, DType::float64},
            std::pair{DType::float32, DType::bfloat16}})
        all.push_back({norm, dropout, dtype, weight});
  return all;
}

/// A CSR matrix with all values of a batch.
struct SparseBatch {
  explicit SparseBatch(const Batch& batch) : batch(batch) {
    for (std::size_t i = 0; i <= batch.rows; ++i)
      starts.push_back(std::int64_t(i * TestNetwork::inputs));
    for (std::size_t i = 0; i < batch.x.size(); ++i)
      indices.push_back(std::int64_t(i % TestNetwork::inputs));
  }
  [[nodiscard]] Inputs inputs() const {
    return CsrMatrix{batch.x.at(0),       indices.data(), starts.data(),   batch.rows,
                     TestNetwork::inputs, indices.size(), batch.x.dtype(), true};
  }
  const Batch& batch;
  std::vector<std::int64_t> starts, indices;
};

}  // namespace

TEST_CASE("loss and gradient have the bits of the layers one by one") {
  for (const Setup& setup : setups()) {
    TestNetwork expected(setup), network(setup);
    Network native(network.specifications(), setup.dtype);
    Draws draws{5, 1};
    for (const std::size_t rows : {40U, 7U, 300U}) {
      const Batch batch(setup.dtype, rows, rows);
      Array input_grad(setup.dtype, batch.x.size()), expected_input_grad = input_grad;
      const double value = layer_by_layer(expected, batch, draws, expected_input_grad);
      CHECK(native.loss_and_grad(batch.inputs(), batch.loss(), draws, input_grad.at(0)) == value);
      CHECK(difference(network.results(), expected.results()) == "");
      CHECK(test::difference(input_grad, expected_input_grad) == "");
      draws.first += 2;
    }
  }
}

TEST_CASE("inputs may be overwritten with their gradient") {
  TestNetwork network({});
  Network native(network.specifications(), DType::float32);
  Batch batch(DType::float32, 20);
  Array expected(DType::float32, batch.x.size());
  native.loss_and_grad(batch.inputs(), batch.loss(), {}, expected.at(0));
  native.loss_and_grad(batch.inputs(), batch.loss(), {}, batch.x.at(0));
  CHECK(test::difference(batch.x, expected) == "");
}

TEST_CASE("the same bits for every instruction set and number of threads") {
  const std::string before = isa_name(active_isa());
  for (const Norm norm : {Norm::none, Norm::layer, Norm::batch}) {
    std::vector<Array> expected;
    for (const Isa isa : available_isas()) {
      use_isa(isa_name(isa));
      for (const int threads : {1, 3}) {
        set_thread_count(threads);
        TestNetwork network({.norm = norm, .dropout = 0.2});
        Network native(network.specifications(), DType::float32);
        const Batch batch(DType::float32, 9000);
        native.loss_and_grad(batch.inputs(), batch.loss());
        std::vector<Array> results = network.results();
        results.emplace_back(DType::float32, batch.rows * TestNetwork::outputs);
        native.scores(batch.inputs(), results.back().at(0));
        if (expected.empty()) expected = results;
        CHECK(difference(results, expected) == "");
      }
    }
  }
  set_thread_count(0);
  use_isa(before);
}

TEST_CASE("the scores of a row do not depend on other rows") {
  for (const Setup& setup : setups()) {
    TestNetwork network(setup);
    const Network native(network.specifications(), setup.dtype);
    const Batch batch(setup.dtype, 4100);  // more rows than are computed at a time
    Array all(setup.dtype, batch.rows * TestNetwork::outputs);
    native.scores(batch.inputs(), all.at(0));
    for (const std::size_t row : {std::size_t{0}, std::size_t{4095}, std::size_t{4096}}) {
      Array one(setup.dtype, TestNetwork::outputs);
      native.scores(
          StridedMatrix{batch.x.at(row * TestNetwork::inputs), 1, TestNetwork::inputs, 1, 1},
          one.at(0));
      CHECK(test::difference(one, 0, all, row * TestNetwork::outputs, one.size()) == "");
    }
  }
}

TEST_CASE("sparse rows give what dense rows give, but for rounding") {
  TestNetwork dense({.dtype = DType::float64, .weight_dtype = DType::float64});
  TestNetwork sparse(dense.setup);
  Network from_dense(dense.specifications(), DType::float64);
  Network from_sparse(sparse.specifications(), DType::float64);
  const Batch batch(DType::float64, 50);
  const SparseBatch same(batch);
  const double value = from_dense.loss_and_grad(batch.inputs(), batch.loss());
  CHECK(close(from_sparse.loss_and_grad(same.inputs(), batch.loss()), value, 1e-13));
  const std::vector<Array> got = sparse.results(), expected = dense.results();
  for (std::size_t i = 0; i < got.size(); ++i)
    for (std::size_t j = 0; j < got[i].size(); ++j)
      CHECK(std::fabs(got[i][j] - expected[i][j]) <= 1e-12);
}

TEST_CASE("refused batches and losses that are not finite leave the statistics as they are") {
  TestNetwork network({.norm = Norm::batch});
  Network native(network.specifications(), DType::float32);
  Batch batch(DType::float32, 10);
  native.loss_and_grad(batch.inputs(), batch.loss());
  const std::vector<Array> before = network.results();
  batch.labels[3] = 3;
  CHECK(message_of([&] { native.loss_and_grad(batch.inputs(), batch.loss()); }) ==
        "targets: expected labels from 0 to 2, got 3 at row 3");
  CHECK(difference(network.results(), before) == "");
  CHECK(message_of([&] {
          native.loss_and_grad(StridedMatrix{batch.x.at(0), 1, 6, 6, 1}, batch.loss());
        }) == "x: expected at least two rows, as batch norm needs, got 1");
  batch.labels[3] = 0;
  batch.x.set(0, std::numeric_limits<double>::quiet_NaN());
  CHECK(std::isnan(native.loss_and_grad(batch.inputs(), batch.loss())));
  const auto statistics = [&](const std::vector<Array>& all) {
    return std::vector<Array>{all[3], all[4], all[8], all[9]};
  };
  CHECK(difference(statistics(network.results()), statistics(before)) == "");
}

TEST_CASE("layers that do not fit are refused") {
  TestNetwork network({});
  const auto message = [&](const auto& change) {
    std::vector<DenseLayer> layers = network.specifications();
    change(layers);
    return message_of([&] { const Network native(layers, DType::float32); });
  };
  CHECK(message([](auto& layers) { layers.clear(); }) == "layers: expected at least one, got none");
  CHECK(message([](auto& layers) { layers.erase(layers.begin()); }) == "nothing was thrown");
  CHECK(message([](auto& layers) { layers[1].weight.rows = 5; }) ==
        "layers[1]: expected 37 inputs, got 5");
  CHECK(message([](auto& layers) { layers[0].residual = true; }) ==
        "layers[0]: a residual layer needs as many inputs as outputs, got 6 and 37");
  CHECK(message([](auto& layers) { layers[0].dropout = 1; }) ==
        "layers[0]: dropout must be in [0, 1), got 1");
  CHECK(message([](auto& layers) { layers[2].dropout = 0.5; }) ==
        "layers[2]: norm and dropout need an activation, got identity");
}

TEST_CASE("whichever allocation fails, nothing is written, and the next call is right") {
  set_thread_count(3);
  for (const Norm norm : {Norm::none, Norm::layer, Norm::batch})
    for (const bool is_sparse : {false, true}) {
      const Setup setup{.norm = norm, .dropout = 0.2, .weight_dtype = DType::bfloat16};
      const Batch batch(DType::float32, 8000);
      const SparseBatch same(batch);
      const Inputs inputs = is_sparse ? same.inputs() : batch.inputs();
      TestNetwork expected(setup);
      const std::vector<Array> before = expected.results();
      Network(expected.specifications(), DType::float32).loss_and_grad(inputs, batch.loss());
      CHECK(difference(expected.results(), before) != "");
      TestNetwork network(setup);
      Network native(network.specifications(), DType::float32);
      exhaust(
          [&] {
            // On a new thread, which has no reusable memory yet.
            const long left = allocations_left.exchange(-1);
            bool failed = false;
            std::thread([&] {
              allocations_left = left;
              try {
                native.loss_and_grad(inputs, batch.loss());
              } catch (const std::bad_alloc&) {
                failed = true;
              }
              allocations_left = -1;
            }).join();
            if (failed) throw std::bad_alloc();
            CHECK(difference(network.results(), expected.results()) == "");
          },
          [&] { CHECK(difference(network.results(), before) == ""); });
    }
  CHECK(failed_allocations > 0);
  set_thread_count(0);
}
