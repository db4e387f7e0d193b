// Losses: right against naive loops and differences, and the same bits for every instruction set
// and number of threads.
#include <doctest.h>

#include "engine/threads.hpp"
#include "layers/layers.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, columns;
};
constexpr Shape shapes[] = {{1, 1}, {7, 1}, {3, 17}, {5, 16}, {33, 67}, {65, 257}};
// So much work gets its threads however busy the machine is.
constexpr Shape long_shape{2049, 1025};
static_assert(long_shape.rows * long_shape.columns > BusyWatch::short_below);

/// Scores, and targets of the kind that a loss takes.
struct Problem {
  DType dtype;
  Shape shape;
  Array scores;
  Array targets;
  std::vector<std::int64_t> labels;

  Problem(DType of, Shape with, std::uint64_t seed = 1)
      : dtype(of),
        shape(with),
        scores(random_array(of, with.rows * with.columns, seed)),
        targets(random_array(of, with.rows * with.columns, seed + 1)) {
    std::mt19937_64 source(seed);
    for (std::size_t i = 0; i < with.rows; ++i)
      labels.push_back(std::int64_t(source() % with.columns));
  }

  double evaluate(const char* loss, Array* slope) {
    const LossInfo& info = *find_loss(loss);
    return mean_loss(info, {scores.at(0), shape.rows, shape.columns, dtype},
                     info.labels ? static_cast<const void*>(labels.data()) : targets.at(0),
                     slope == nullptr ? nullptr : slope->at(0));
  }
};

std::vector<const char*> all_losses() {
  const LossTable& table = *available_backends().front()->losses;
  std::vector<const char*> names;
  for (std::size_t i = 0; i < table.size; ++i) names.push_back(table.item[i].name);
  return names;
}

}  // namespace

TEST_CASE("losses are found by name on every instruction set") {
  for (const Backend* backend : available_backends()) {
    use_backend(backend->name);
    CHECK(backend->losses->size == all_losses().size());
    for (const char* const name : all_losses()) {
      REQUIRE(find_loss(name) != nullptr);
      CHECK(std::string(find_loss(name)->name) == name);
    }
    CHECK(find_loss("squares") == nullptr);
  }
}

TEST_CASE("losses have the same bits for every instruction set, with and without slope") {
  for (const char* const loss : all_losses())
    for (const DType dtype : layer_dtypes)
      for (const Shape shape : shapes) {
        CAPTURE(loss);
        CAPTURE(name_of(dtype));
        CAPTURE(shape.rows);
        CAPTURE(shape.columns);
        Problem problem(dtype, shape);
        Array expected_slope(dtype, problem.scores.size());
        use_backend("baseline");
        const double expected = problem.evaluate(loss, &expected_slope);
        for (const Backend* backend : available_backends()) {
          use_backend(backend->name);
          Array slope(dtype, problem.scores.size());
          CHECK(problem.evaluate(loss, &slope) == expected);
          CHECK(difference(slope, expected_slope) == "");
          CHECK(problem.evaluate(loss, nullptr) == expected);
          Problem in_place = problem;
          CHECK(in_place.evaluate(loss, &in_place.scores) == expected);
          CHECK(difference(in_place.scores, expected_slope) == "");
        }
      }
}

TEST_CASE("losses have the same bits for every number of threads") {
  for (const DType dtype : layer_dtypes) {
    Problem problem(dtype, long_shape);
    for (const char* const loss : all_losses()) {
      CAPTURE(loss);
      Array expected_slope(dtype, problem.scores.size());
      set_thread_count(1);
      const double expected = problem.evaluate(loss, &expected_slope);
      for (const int threads : {2, 3, 8}) {
        CAPTURE(threads);
        set_thread_count(threads);
        Array slope(dtype, problem.scores.size());
        CHECK(problem.evaluate(loss, &slope) == expected);
        CHECK(difference(slope, expected_slope) == "");
        CHECK(problem.evaluate(loss, nullptr) == expected);
      }
      set_thread_count(0);
    }
  }
}

TEST_CASE("the slope of every loss is the derivative of its value") {
  constexpr Shape shape{4, 5};
  constexpr double h = 1e-3;
  for (const char* const loss : all_losses()) {
    CAPTURE(loss);
    Problem problem(DType::float64, shape);
    Array slope(DType::float64, problem.scores.size());
    problem.evaluate(loss, &slope);
    for (std::size_t i = 0; i < problem.scores.size(); ++i) {
      const auto moved = [&](double by) {
        Problem other = problem;
        other.scores.set(i, other.scores[i] + by);
        return other.evaluate(loss, nullptr);
      };
      const double differences =
          (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
      CHECK(std::fabs(slope[i] - differences) < 1e-10);
    }
  }
}

TEST_CASE("squared is the mean square, softmax the mean of log-sums minus the label's score") {
  for (const DType dtype : layer_dtypes)
    for (const Shape shape : shapes) {
      CAPTURE(name_of(dtype));
      CAPTURE(shape.rows);
      CAPTURE(shape.columns);
      Problem problem(dtype, shape);
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
      CHECK(close(problem.evaluate("squared", nullptr), squares / count, tolerance));
      CHECK(std::fabs(problem.evaluate("softmax", nullptr) - entropy / rows) < tolerance);
    }
}

TEST_CASE("softmax stays finite where scores are far apart") {
  for (const DType dtype : layer_dtypes) {
    Problem problem(dtype, {2, 3});
    problem.labels = {0, 2};
    for (std::size_t i = 0; i < 6; ++i) problem.scores.set(i, i % 3 == 0 ? 1e4 : -1e4);
    Array slope(dtype, 6);
    CHECK(close(problem.evaluate("softmax", &slope), 1e4, 1e-6));
    CHECK(slope[0] == 0);
    CHECK(slope[3] == 0.5);
    CHECK(slope[5] == -0.5);
    problem.scores.set(1, std::nan(""));
    CHECK(std::isnan(problem.evaluate("softmax", &slope)));
  }
}
