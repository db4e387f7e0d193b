// Layers: correct compared with naive loops, and the same bits for every instruction set and number
// of threads.
#include <doctest.h>

#include "core/threads.hpp"
#include "nn/layers.hpp"
#include "nn/norm.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, columns;
};
constexpr Shape shapes[] = {{0, 3},  {1, 1},   {7, 1},    {3, 17},
                            {5, 16}, {33, 67}, {2, 9000}, {65, 257}};
// Enough work for several threads even on a busy machine.
constexpr Shape long_shape{2049, 1025};
static_assert(long_shape.rows * long_shape.columns > BusyWatch::short_below);

constexpr Activation activations[] = {
    Activation::identity, Activation::relu, Activation::leaky_relu, Activation::tanh,
    Activation::sigmoid,  Activation::gelu, Activation::silu};
static_assert(std::size(activations) == activation_count);

double naive_value(Activation activation, double z) {
  switch (activation) {
    case Activation::identity:
      return z;
    case Activation::relu:
      return z > 0 ? z : 0;
    case Activation::leaky_relu:
      return z > 0 ? z : 0.01 * z;
    case Activation::tanh:
      return std::tanh(z);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-z));
    case Activation::gelu:
      return 0.5 * z * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (z + 0.044715 * z * z * z)));
    case Activation::silu:
      return z / (1 + std::exp(-z));
  }
  return 0;
}

/// A finite difference of 4th order.
double naive_grad(Activation activation, double z) {
  if (activation == Activation::relu) return z > 0 ? 1 : 0;
  if (activation == Activation::leaky_relu) return z > 0 ? 1 : 0.01;
  constexpr double h = 1e-3;
  const auto f = [=](double x) { return naive_value(activation, x); };
  return (8 * (f(z + h) - f(z - h)) - (f(z + 2 * h) - f(z - 2 * h))) / (12 * h);
}

double tolerance(DType dtype) { return dtype == DType::float64 ? 1e-13 : 3e-6; }

/// The outputs of the layer functions.
struct Outcome {
  Array grad, a, in_place, by_z, bias_grad, probabilities, dropped, by_rows, by_columns,
      norm_weight_grad;
};

Outcome run(Activation activation, DType dtype, Shape shape) {
  const std::size_t size = shape.rows * shape.columns;
  const Array z = random_array(dtype, size, 1), bias = random_array(dtype, shape.columns, 2);
  Array d = random_array(dtype, size, 3);
  const auto matrix = [&](Array& array) {
    return Matrix{array.at(0), shape.rows, shape.columns, dtype};
  };
  Outcome out{z,
              Array(dtype, size),
              z,
              z,
              Array(dtype, shape.columns),
              z,
              z,
              d,
              d,
              Array(dtype, 2 * shape.columns)};
  layer_forward(activation, matrix(out.grad), bias.at(0), out.a.at(0));
  layer_forward(activation, matrix(out.in_place), bias.at(0), out.in_place.at(0));
  out.by_z = out.grad;
  layer_backward(matrix(d), out.by_z.at(0), out.bias_grad.at(0));
  softmax(matrix(out.probabilities));
  Array with_factors = z;
  layer_forward(activation, matrix(with_factors), bias.at(0), out.dropped.at(0), d.at(0),
                {0.5, 3, 4});

  Array normal = z, scaled = z, running(dtype, 2 * shape.columns);
  std::vector<double> factors(std::max(shape.rows, shape.columns));
  layer_norm(matrix(normal), bias.at(0), scaled.at(0), factors.data(), 1e-5);
  layer_norm_backward(matrix(out.by_rows), normal.at(0), bias.at(0), factors.data(),
                      out.norm_weight_grad.at(0));
  if (shape.rows < 2) return out;
  normal = z;
  batch_norm(matrix(normal), bias.at(0), scaled.at(0), factors.data(), 1e-5,
             {running.at(0), running.at(shape.columns), 0.1});
  batch_norm_backward(matrix(out.by_columns), normal.at(0), bias.at(0), factors.data(),
                      out.norm_weight_grad.at(shape.columns));
  return out;
}

std::string difference(const Outcome& got, const Outcome& expected) {
  constexpr std::pair<const char*, Array Outcome::*> parts[] = {
      {"slope", &Outcome::grad},
      {"a", &Outcome::a},
      {"in place", &Outcome::in_place},
      {"by z", &Outcome::by_z},
      {"bias", &Outcome::bias_grad},
      {"probabilities", &Outcome::probabilities},
      {"dropped", &Outcome::dropped},
      {"layer norm", &Outcome::by_rows},
      {"batch norm", &Outcome::by_columns},
      {"weight", &Outcome::norm_weight_grad}};
  for (const auto& [name, part] : parts)
    if (const std::string text = difference(got.*part, expected.*part); !text.empty())
      return std::string(name) + ": " + text;
  return "";
}

template <class Check>
void for_every_layer(const Check& check) {
  for (const Activation activation : activations)
    for (const DType dtype : layer_dtypes)
      for (const Shape shape : shapes) {
        CAPTURE(int(activation));
        CAPTURE(name_of(dtype));
        CAPTURE(shape.rows);
        CAPTURE(shape.columns);
        check(activation, dtype, shape);
      }
}

}  // namespace

TEST_CASE("layers have the same bits for every instruction set") {
  for_every_layer([](Activation activation, DType dtype, Shape shape) {
    use_isa("baseline");
    const Outcome expected = run(activation, dtype, shape);
    for (const Isa isa : available_isas()) {
      use_isa(isa_name(isa));
      CHECK(difference(run(activation, dtype, shape), expected) == "");
    }
  });
}

TEST_CASE("layers have the same bits for every number of threads") {
  for (const DType dtype : layer_dtypes) {
    set_thread_count(1);
    const Outcome expected = run(Activation::gelu, dtype, long_shape);
    for (const int threads : {2, 3, 8}) {
      CAPTURE(threads);
      set_thread_count(threads);
      CHECK(difference(run(Activation::gelu, dtype, long_shape), expected) == "");
    }
    set_thread_count(0);
  }
}

TEST_CASE("layers are right") {
  for_every_layer([](Activation activation, DType dtype, Shape shape) {
    const std::size_t size = shape.rows * shape.columns;
    const Array z = random_array(dtype, size, 1), bias = random_array(dtype, shape.columns, 2),
                d = random_array(dtype, size, 3);
    const Outcome out = run(activation, dtype, shape);
    const double near = tolerance(dtype);
    double worst_value = 0, worst_grad = 0, worst_bias = 0;
    bool is_product = true;
    std::vector<double> sums(shape.columns);
    for (std::size_t i = 0; i < size; ++i) {
      const double x = dtype == DType::float64 ? z[i] + bias[i % shape.columns]
                                               : float(z[i]) + float(bias[i % shape.columns]);
      const auto off = [](double got, double expected) {
        return std::fabs(got - expected) / (1 + std::fabs(expected));
      };
      worst_value = std::max(worst_value, off(out.a[i], naive_value(activation, x)));
      worst_grad = std::max(worst_grad, off(out.grad[i], naive_grad(activation, x)));
      is_product = is_product && off(out.by_z[i], out.grad[i] * d[i]) <= near;
      sums[i % shape.columns] += out.by_z[i];
    }
    for (std::size_t j = 0; j < shape.columns; ++j)
      worst_bias = std::max(worst_bias, std::fabs(out.bias_grad[j] - sums[j]));
    CHECK(worst_value <= near);
    CHECK(worst_grad <= std::max(near, 1e-11));
    CHECK(is_product);
    CHECK(worst_bias <= 10 * near);
    CHECK(difference(out.in_place, out.a) == "");
  });
}

TEST_CASE("softmax is right, also for scores that are far apart") {
  for (const DType dtype : layer_dtypes)
    for (const double spread : {1.0, 50.0, 1e30}) {
      CAPTURE(name_of(dtype));
      CAPTURE(spread);
      constexpr std::size_t rows = 40, columns = 23;
      Array scores = random_array(dtype, rows * columns, 1);
      for (std::size_t i = 0; i < scores.size(); ++i) scores.set(i, spread * scores[i]);
      Array got = scores;
      softmax({got.at(0), rows, columns, dtype});
      for (std::size_t i = 0; i < rows; ++i) {
        double top = scores[i * columns], sum = 0, total = 0;
        for (std::size_t j = 0; j < columns; ++j) top = std::max(top, scores[i * columns + j]);
        for (std::size_t j = 0; j < columns; ++j) sum += std::exp(scores[i * columns + j] - top);
        for (std::size_t j = 0; j < columns; ++j) {
          const double expected = std::exp(scores[i * columns + j] - top) / sum;
          CHECK(std::fabs(got[i * columns + j] - expected) <= tolerance(dtype));
          total += got[i * columns + j];
        }
        CHECK(std::fabs(total - 1) <= tolerance(dtype));
      }
    }
}

TEST_CASE("NaN and infinity go through layers") {
  for (const DType dtype : layer_dtypes)
    for (const Activation activation : activations) {
      CAPTURE(int(activation));
      Array z(dtype, 3), a(dtype, 3);
      const Array bias(dtype, 3);
      z.set(0, std::nan(""));
      z.set(1, HUGE_VAL);
      z.set(2, 1);
      Array scores = z;
      layer_forward(activation, {z.at(0), 1, 3, dtype}, bias.at(0), a.at(0));
      CHECK(std::isnan(a[0]));
      CHECK(a[1] == naive_value(activation, HUGE_VAL));
      CHECK(std::isfinite(a[2]));
      softmax({scores.at(0), 1, 3, dtype});
      for (std::size_t j = 0; j < 3; ++j) CHECK(std::isnan(scores[j]));
    }
}
