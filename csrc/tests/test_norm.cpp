// The norm of all gradients: correct if squares overflow or underflow, and with a fixed order of
// additions.
#include <doctest.h>

#include <limits>

#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

/// The norm that a step reports.
double norm_of(const std::vector<const Array*>& grads, int threads = 0, double scale = 1) {
  std::vector<Array> params;
  params.reserve(grads.size());
  GroupSpec group;
  std::vector<const void*> pointers;
  for (const Array* grad : grads) {
    Array& param = params.emplace_back(grad->dtype(), grad->size());
    group.tensors.push_back({"p", param.at(0), param.size(), param.dtype()});
    pointers.push_back(grad->at(0));
  }
  Optimizer optimizer("SGD", {group}, {.clip_norm = 1, .threads = threads});
  const StepInfo info = optimizer.step(pointers.data(), scale);
  CHECK(info.measured);
  return info.grad_norm;
}

double norm_of(std::initializer_list<double> values, DType dtype = DType::float64) {
  Array grad(dtype, values.size());
  std::size_t i = 0;
  for (const double value : values) grad.set(i++, value);
  return norm_of({&grad});
}

double naive_norm(const std::vector<const Array*>& grads) {
  long double sum = 0;
  for (const Array* grad : grads)
    for (std::size_t i = 0; i < grad->size(); ++i)
      sum += static_cast<long double>((*grad)[i]) * (*grad)[i];
  return double(std::sqrt(sum));
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double largest = std::numeric_limits<double>::max();
constexpr double smallest = std::numeric_limits<double>::min();

}  // namespace

TEST_CASE("the norm is right, of all tensors together") {
  const Array a = random_array(DType::float32, 50'001, 1), b = random_array(DType::float64, 777, 2),
              c = random_array(DType::bfloat16, 33, 3), empty(DType::float32, 0);
  CHECK(close(norm_of({&a, &b, &empty, &c}), naive_norm({&a, &b, &c}), 1e-14));
  CHECK(close(norm_of({&b}, 0, -2.0), 2 * naive_norm({&b}), 1e-14));
  CHECK(norm_of({&empty}) == 0);
  CHECK(norm_of({3, 4}) == 5);
}

TEST_CASE("the norm has the same bits for every number of threads and instruction set") {
  for (const DType dtype : all_dtypes) {
    const Array grad = random_array(dtype, 100'003, 1), more = random_array(dtype, 40'000, 2);
    const double expected = norm_of({&grad, &more}, 1);
    for (const Isa isa : available_isas()) {
      use_isa(isa_name(isa));
      for (int threads = 1; threads <= 8; ++threads)
        CHECK(norm_of({&grad, &more}, threads) == expected);
    }
  }
}

TEST_CASE("the norm is added in 16 lanes, blocks of 2^14, tensor by tensor") {
  const Array grad = random_array(DType::float64, 40'000, 1);
  double sum = 0;
  for (std::size_t begin = 0; begin < grad.size(); begin += 1 << 14) {
    const std::size_t end = std::min<std::size_t>(begin + (1 << 14), grad.size());
    double lane[16] = {}, block = 0;
    for (std::size_t i = begin; i < end; ++i) lane[(i - begin) % 16] += grad[i] * grad[i];
    for (const double part : lane) block += part;
    sum += block;
  }
  CHECK(norm_of({&grad}, 2) == std::sqrt(sum));
}

TEST_CASE("squares that overflow or underflow do not spoil the norm") {
  CHECK(close(norm_of({3e200, -4e200}), 5e200, 1e-14));
  CHECK(close(norm_of({3e-200, -4e-200}), 5e-200, 1e-14));
  CHECK(close(norm_of({3e-160, 4e-160}), 5e-160, 1e-14));
  CHECK(norm_of({1e-300, 1.0}) == 1);
  CHECK(norm_of({largest}) == largest);
  CHECK(close(norm_of({0.5 * largest, 0.5 * largest}), largest * std::sqrt(0.5), 1e-14));
  CHECK(norm_of({largest, largest}) == infinity);
  CHECK(norm_of({smallest}) == smallest);
  CHECK(norm_of({0.0, -0.0}) == 0);
  CHECK(norm_of({3e38, 0, 0}, DType::float32) == double(3e38F));
  CHECK(norm_of({2e-38, 0, 0}, DType::float32) == double(2e-38F));
}

TEST_CASE("a large value among others of another dtype") {
  const Array small = random_array(DType::float32, 10, 1);
  Array large(DType::float64, 2);
  large.set(0, 3e300);
  large.set(1, 4e300);
  CHECK(close(norm_of({&small, &large}), 5e300, 1e-14));
}

TEST_CASE("NaN and infinity are seen wherever they are") {
  for (const DType dtype : all_dtypes)
    for (const std::size_t place : {0U, 5U, 16U, 16'384U, 39'999U}) {
      Array grad = random_array(dtype, 40'000, 1);
      grad.set(place, infinity);
      CHECK(norm_of({&grad}, 3) == infinity);
      grad.set(place, -infinity);
      CHECK(norm_of({&grad}, 3) == infinity);
      grad.set(39'998, std::nan(""));
      CHECK(std::isnan(norm_of({&grad}, 3)));
    }
}
