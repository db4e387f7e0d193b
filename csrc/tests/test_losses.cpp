// Losses: correct compared with naive loops and finite differences, and the same bits for every
// instruction set and number of threads.
#include <doctest.h>

#include "core/threads.hpp"
#include "losses/mean_loss.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, columns;
};
constexpr Shape shapes[] = {{1, 1}, {7, 1}, {3, 17}, {5, 16}, {33, 67}, {65, 257}};
// Enough work for several threads even on a busy machine.
constexpr Shape long_shape{2049, 1025};
static_assert(long_shape.rows * long_shape.columns > BusyWatch::short_below);

/// Scores, and targets that a loss accepts.
struct Problem {
  const LossInfo* loss;
  DType dtype;
  Shape shape;
  Array scores;
  Array targets;
  std::vector<std::int64_t> labels;
  std::vector<double> weights;
  std::vector<double> parameters;

  Problem(const char* name, DType of, Shape with, std::uint64_t seed = 1)
      : loss(find_loss(name)),
        dtype(of),
        shape(with),
        scores(random_array(of, with.rows * with.columns, seed)),
        targets(random_array(of, with.rows * with.columns, seed + 1)) {
    std::mt19937_64 source(seed);
    const Range& range = loss->targets;
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (!range.contains(targets[i])) targets.set(i, double(source() % 2));
    for (std::size_t i = 0; i < with.rows; ++i) {
      labels.push_back(std::int64_t(source() % with.columns));
      weights.push_back(double(source() % 100));
    }
    for (std::size_t i = 0; i < loss->field_count; ++i)
      parameters.push_back(loss->fields[i].initial);
  }

  double evaluate(Array* grad, Array* hessian = nullptr, bool weighted = false) {
    LossCall call{.loss = loss,
                  .parameters = parameters.data(),
                  .scores = {scores.at(0), shape.rows, shape.columns, dtype}};
    if (loss->of_rows)
      call.labels = labels.data();
    else
      call.targets = targets.at(0);
    if (weighted) call.weights = weights.data();
    if (grad != nullptr) call.grad = grad->at(0);
    if (hessian != nullptr) call.hessian = hessian->at(0);
    return mean_loss(call);
  }
};

std::vector<const char*> all_losses() {
  const LossTable& table = loss_table[Isa::baseline];
  std::vector<const char*> names;
  for (std::size_t i = 0; i < table.size; ++i) names.push_back(table.item[i].name);
  return names;
}

}  // namespace

TEST_CASE("losses are found by name on every instruction set") {
  for (const Isa isa : available_isas()) {
    use_isa(isa_name(isa));
    CHECK(loss_table->size == all_losses().size());
    for (const char* const name : all_losses()) {
      REQUIRE(find_loss(name) != nullptr);
      CHECK(std::string(find_loss(name)->name) == name);
    }
    CHECK(find_loss("squares") == nullptr);
  }
}

TEST_CASE("losses have the same bits for every instruction set and set of outputs") {
  for (const char* const loss : all_losses())
    for (const DType dtype : layer_dtypes)
      for (const Shape shape : shapes)
        for (const bool weighted : {false, true}) {
          CAPTURE(loss);
          CAPTURE(name_of(dtype));
          CAPTURE(shape.rows);
          CAPTURE(shape.columns);
          CAPTURE(weighted);
          use_isa("baseline");
          Problem problem(loss, dtype, shape);
          Array expected_grad(dtype, problem.scores.size());
          Array expected_hessian(dtype, problem.scores.size());
          const double expected = problem.evaluate(&expected_grad, &expected_hessian, weighted);
          for (const Isa isa : available_isas()) {
            use_isa(isa_name(isa));
            problem.loss = find_loss(loss);
            Array grad(dtype, problem.scores.size()), hessian = grad;
            CHECK(problem.evaluate(&grad, &hessian, weighted) == expected);
            CHECK(difference(grad, expected_grad) == "");
            CHECK(difference(hessian, expected_hessian) == "");
            CHECK(problem.evaluate(&grad, nullptr, weighted) == expected);
            CHECK(difference(grad, expected_grad) == "");
            CHECK(problem.evaluate(nullptr, nullptr, weighted) == expected);
            Problem in_place = problem;
            CHECK(in_place.evaluate(&in_place.scores, nullptr, weighted) == expected);
            CHECK(difference(in_place.scores, expected_grad) == "");
          }
        }
}

TEST_CASE("losses have the same bits for every number of threads") {
  for (const DType dtype : layer_dtypes)
    for (const char* const loss : all_losses()) {
      CAPTURE(loss);
      Problem problem(loss, dtype, long_shape);
      Array expected_grad(dtype, problem.scores.size());
      set_thread_count(1);
      const double expected = problem.evaluate(&expected_grad, nullptr, true);
      for (const int threads : {2, 3, 8}) {
        CAPTURE(threads);
        set_thread_count(threads);
        Array grad(dtype, problem.scores.size());
        CHECK(problem.evaluate(&grad, nullptr, true) == expected);
        CHECK(difference(grad, expected_grad) == "");
        CHECK(problem.evaluate(nullptr, nullptr, true) == expected);
      }
      set_thread_count(0);
    }
}

TEST_CASE("gradient and Hessian of every loss are the derivatives of its value") {
  constexpr Shape shape{4, 5};
  constexpr double h = 1e-3;
  constexpr std::uint64_t corner_free = 5;  // a seed whose scores are not close to a corner
  for (const char* const loss : all_losses()) {
    CAPTURE(loss);
    Problem problem(loss, DType::float64, shape, corner_free);
    Array grad(DType::float64, problem.scores.size()), hessian = grad;
    problem.evaluate(&grad, &hessian, true);
    for (std::size_t i = 0; i < problem.scores.size(); ++i) {
      const auto moved = [&](double by) {
        Problem other = problem;
        other.scores.set(i, other.scores[i] + by);
        return other.evaluate(nullptr, nullptr, true);
      };
      const double near = (moved(h) - moved(-h)) / 2, far = (moved(2 * h) - moved(-2 * h)) / 4;
      CHECK(std::fabs(grad[i] - (4 * near - far) / (3 * h)) < 1e-10);
      const double here = moved(0);
      const double bend = moved(h) + moved(-h) - 2 * here,
                   more = moved(2 * h) + moved(-2 * h) - 2 * here;
      CHECK(std::fabs(hessian[i] - (16 * bend - more) / (12 * h * h)) < 1e-8);
    }
  }
}

TEST_CASE("squared is the mean square, softmax the mean of log-sums minus the label's score") {
  for (const DType dtype : layer_dtypes)
    for (const Shape shape : shapes) {
      CAPTURE(name_of(dtype));
      CAPTURE(shape.rows);
      CAPTURE(shape.columns);
      Problem problem("squared", dtype, shape);
      const double tolerance = dtype == DType::float64 ? 1e-13 : 1e-6;
      double squares = 0, entropy = 0;
      for (std::size_t i = 0; i < shape.rows; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < shape.columns; ++j) {
          const double z = problem.scores[i * shape.columns + j];
          const double y = problem.targets[i * shape.columns + j];
          squares += (z - y) * (z - y);
          sum += std::exp(z);
        }
        entropy +=
            std::log(sum) - problem.scores[i * shape.columns + std::size_t(problem.labels[i])];
      }
      const auto rows = double(shape.rows), count = double(shape.rows * shape.columns);
      CHECK(close(problem.evaluate(nullptr), squares / count, tolerance));
      problem.loss = find_loss("softmax");
      problem.parameters = {0};
      CHECK(std::fabs(problem.evaluate(nullptr) - entropy / rows) < tolerance);
    }
}

TEST_CASE("softmax stays finite where scores are far apart") {
  for (const DType dtype : layer_dtypes) {
    Problem problem("softmax", dtype, {2, 3});
    problem.labels = {0, 2};
    for (std::size_t i = 0; i < 6; ++i) problem.scores.set(i, i % 3 == 0 ? 1e4 : -1e4);
    Array grad(dtype, 6);
    CHECK(close(problem.evaluate(&grad), 1e4, 1e-6));
    CHECK(grad[0] == 0);
    CHECK(grad[3] == 0.5);
    CHECK(grad[5] == -0.5);
    problem.scores.set(1, std::nan(""));
    CHECK(std::isnan(problem.evaluate(&grad)));
  }
}

TEST_CASE("targets and weights out of range are refused, except with weight 0") {
  Problem problem("poisson", DType::float32, {3, 2});
  problem.targets.set(4, -2);
  CHECK(message_of([&] { problem.evaluate(nullptr); }) ==
        "targets of the loss poisson must be at least 0 and finite, got -2 at row 2");
  problem.weights = {1, 2, 0};
  CHECK(std::isfinite(problem.evaluate(nullptr, nullptr, true)));
  problem.weights = {1, -2, 0};
  CHECK(message_of([&] { problem.evaluate(nullptr, nullptr, true); }) ==
        "sample_weight: expected finite numbers of at least 0, got -2 at row 1");
  CHECK(message_of([] { check_parameters(*find_loss("huber"), {-1}); }) ==
        "delta must be above 0 and finite, got -1");
  CHECK(message_of([] { check_parameters(*find_loss("huber"), {}); }) ==
        "huber: expected 1 parameters, got 0");
}
