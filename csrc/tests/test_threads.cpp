// The plan of a step: the same bits for every number of threads and every division into tensors,
// from several threads at once, and the number of threads of a step.
#include <doctest.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "core/parallel.hpp"
#include "core/threads.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t total = 40'007;  // above serial_below, and no multiple of anything
static_assert(total > serial_below);
constexpr std::uint64_t steps = 3;

/// A division of [0, total) into tensors: their sizes, some of them 0.
using Split = std::vector<std::size_t>;

const Split whole{total};
const Split halves{total / 2, total - total / 2};
const Split uneven{1, 15, 0, 16, 17, 1023, 1024, 1025, 8191, 0, total - 11312};

Split random_split() {
  std::mt19937_64 source(7);
  Split split;
  for (std::size_t left = total; left > 0;) {
    split.push_back(std::min<std::size_t>(left, source() % 700));
    left -= split.back();
  }
  return split;
}

/// The initial parameters, and a gradient for each step.
struct Inputs {
  Array start;
  std::vector<Array> grad_arrays;
};

const Inputs& inputs_of(DType dtype) {
  static const std::vector<Inputs> result = [] {
    std::vector<Inputs> all;
    for (const DType kind : all_dtypes) {
      Inputs& inputs = all.emplace_back(Inputs{random_array(kind, total, 1), {}});
      for (std::uint64_t k = 0; k < steps; ++k)
        inputs.grad_arrays.push_back(random_array(kind, total, 2 + k));
    }
    return all;
  }();
  return result[std::size_t(dtype)];
}

struct Outcome {
  Array param;
  std::vector<Array> states;
};

std::string difference(const Outcome& got, const Outcome& expected) {
  std::string text = difference(got.param, expected.param);
  for (std::size_t k = 0; k < expected.states.size() && text.empty(); ++k) {
    text = difference(got.states[k], expected.states[k]);
    if (!text.empty()) text = "state " + std::to_string(k) + ": " + text;
  }
  return text;
}

/// Some steps of a rule over parameters that are divided into tensors, with `gap` unused elements
/// between them.
Outcome run(const RuleInfo& rule, DType dtype, int threads, const Split& split,
            std::size_t gap = 0) {
  const auto& [start, grad_arrays] = inputs_of(dtype);
  const std::size_t room = total + gap * split.size(), item = item_size(dtype);
  Array param(dtype, room), grad(dtype, room);
  GroupSpec group{settings_of(rule, choices_of_hyper(rule).front()), {}};
  group.settings.emplace_back("weight_decay", 0.01);
  std::vector<const void*> grads;
  std::vector<std::size_t> places;
  std::size_t from = 0, to = 0;
  for (const std::size_t size : split) {
    if (size > 0) std::memcpy(param.at(to), start.at(from), size * item);
    group.tensors.push_back({"p", param.at(to), size, dtype});
    grads.push_back(grad.at(to));
    places.push_back(to);
    from += size;
    to += size + gap;
  }

  Optimizer optimizer(rule.name, {group}, {.clip_value = 1.5, .threads = threads});
  for (const Array& grad_array : grad_arrays) {
    from = 0;
    for (std::size_t i = 0; i < split.size(); from += split[i++])
      if (split[i] > 0) std::memcpy(grad.at(places[i]), grad_array.at(from), split[i] * item);
    optimizer.step(grads.data());
  }

  Outcome outcome{Array(dtype, total), {}};
  from = 0;
  for (std::size_t i = 0; i < split.size(); from += split[i++])
    if (split[i] > 0) std::memcpy(outcome.param.at(from), param.at(places[i]), split[i] * item);
  for (std::size_t k = 0; k < rule.state_count; ++k) {
    if (optimizer.tensor(0).state[k] == nullptr) continue;  // vectors have no row states
    Array& state = outcome.states.emplace_back(state_dtype(dtype), total);
    from = 0;
    for (std::size_t i = 0; i < split.size(); from += split[i++])
      if (split[i] > 0)
        std::memcpy(state.at(from), optimizer.tensor(i).state[k],
                    split[i] * item_size(state.dtype()));
  }
  return outcome;
}

}  // namespace

TEST_CASE("every rule gives the same bits for 1 to 8 threads") {
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : all_dtypes) {
      CAPTURE(rule->name);
      CAPTURE(name_of(dtype));
      const Outcome expected = run(*rule, dtype, 1, whole);
      CHECK(difference(expected.param, inputs_of(dtype).start) != "");
      for (int threads = 2; threads <= 8; ++threads) {
        CAPTURE(threads);
        CHECK(difference(run(*rule, dtype, threads, whole), expected) == "");
      }
    }
}

TEST_CASE("every rule gives the same bits for every split into tensors") {
  const Split pieces = random_split();
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : all_dtypes) {
      if (rule->sum_count > 0) continue;  // norms of a tensor differ from those of its pieces
      CAPTURE(rule->name);
      CAPTURE(name_of(dtype));
      const Outcome expected = run(*rule, dtype, 1, whole);
      CHECK(difference(run(*rule, dtype, 1, pieces), expected) == "");
      CHECK(difference(run(*rule, dtype, 2, halves, 3), expected) == "");
      CHECK(difference(run(*rule, dtype, 3, uneven), expected) == "");
      CHECK(difference(run(*rule, dtype, 5, uneven, 1), expected) == "");
      CHECK(difference(run(*rule, dtype, 8, pieces, 1), expected) == "");
    }
}

TEST_CASE("tensors whose steps are counted apart are cut over threads all the same") {
  // The middle tensor misses the first step, so a step has three runs.
  const auto* const rule = all_rules().back();
  constexpr std::size_t size = 20'001;
  const auto walk = [&](int threads) {
    Array param = random_array(DType::float32, 3 * size, 1);
    const Array grad = random_array(DType::float32, 3 * size, 2);
    GroupSpec group;
    for (std::size_t i = 0; i < 3; ++i)
      group.tensors.push_back({"p", param.at(i * size), size, DType::float32});
    Optimizer optimizer(rule->name, {group}, {.threads = threads});
    const void* grads[] = {grad.at(0), nullptr, grad.at(2 * size)};
    optimizer.step(grads);
    CHECK(difference(param, size, random_array(DType::float32, 3 * size, 1), size, size) == "");
    grads[1] = grad.at(size);
    for (int step = 0; step < 2; ++step) optimizer.step(grads);
    CHECK(optimizer.tensor(0).steps == 3);
    CHECK(optimizer.tensor(1).steps == 2);
    CHECK(optimizer.tensor(2).steps == 3);
    return param;
  };
  const Array expected = walk(1);
  for (int threads = 2; threads <= 8; ++threads) CHECK(difference(walk(threads), expected) == "");
}

TEST_CASE("long tensors are handed out in pieces") {
  constexpr std::size_t size = 400'003;
  const auto* const rule = all_rules().back();
  for (const DType dtype : all_dtypes) {
    const Array start = random_array(dtype, size, 1), grad = random_array(dtype, size, 2);
    const auto walk = [&](int threads) {
      Array param = start;
      const std::size_t cut = 150'001;
      GroupSpec group;
      group.tensors.push_back({"p", param.at(0), cut, dtype});
      group.tensors.push_back({"q", param.at(cut), size - cut, dtype});
      Optimizer optimizer(rule->name, {group}, {.threads = threads});
      const void* grads[] = {grad.at(0), grad.at(cut)};
      for (int step = 0; step < 2; ++step) optimizer.step(grads);
      return param;
    };
    const Array expected = walk(1);
    for (const int threads : {2, 3, 8}) CHECK(difference(walk(threads), expected) == "");
  }
}

TEST_CASE("eight threads each step an optimizer of their own") {
  const auto rules = all_rules();
  std::vector<Outcome> expected, got(8, Outcome{Array(DType::float32, 0), {}});
  for (std::size_t i = 0; i < got.size(); ++i)
    expected.push_back(run(*rules[i % rules.size()], DType::float32, 1, whole));
  std::vector<std::thread> workers;
  workers.reserve(got.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    workers.emplace_back([&, i] {
      for (int turn = 0; turn < 3; ++turn)
        got[i] = run(*rules[i % rules.size()], DType::float32, 1 + int(i) % 4, whole);
    });
  for (std::thread& worker : workers) worker.join();
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(difference(got[i], expected[i]) == "");
}

TEST_CASE("a step inside of a parallel region stays on its thread") {
  const auto* const rule = all_rules().back();
  const Outcome expected = run(*rule, DType::float32, 1, whole);
  std::vector<Outcome> got(3, Outcome{Array(DType::float32, 0), {}});
  std::vector<int> threads(got.size());
#pragma omp parallel for num_threads(3)
  for (std::size_t i = 0; i < got.size(); ++i) {
    threads[i] = threads_for(total, 4);
    got[i] = run(*rule, DType::float32, 4, whole);
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(threads[i] == 1);
    CHECK(difference(got[i], expected) == "");
  }
}

TEST_CASE("the pieces of parallel work cover all of it once and are cut at grains") {
  for (const std::size_t size : {0U, 1U, 1023U, 1024U, 1025U, 40'007U})
    for (int threads = 1; threads <= 8; ++threads) {
      std::vector<std::atomic<int>> visits(size);
      std::atomic<bool> cut_at_grains = true;
      parallel_for(threads, size, 1024, 4096, [&](std::size_t begin, std::size_t end) {
        if (begin % 1024 != 0 || (end % 1024 != 0 && end != size)) cut_at_grains = false;
        if (threads > 1 && end - begin > 4096) cut_at_grains = false;
        for (std::size_t i = begin; i < end; ++i) ++visits[i];
      });
      CHECK(cut_at_grains);
      CHECK(
          std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count == 1; }));
    }
}

TEST_CASE("the number of threads") {
  CHECK(usable_processors() >= 1);
  const int automatic = thread_count();
  if (const char* const outside = std::getenv("OMP_NUM_THREADS"))
    CHECK(automatic == (sets_thread_count(outside)
                            ? std::min(std::atoi(outside), thread_limit())
                            : std::min(omp_get_max_threads(), usable_processors())));
  else
    CHECK(automatic <= usable_processors());
  CHECK(threads_for(serial_below - 1, 8) == 1);
  CHECK(threads_for(serial_below, 8) == 8);
  CHECK(threads_for(serial_below, 0) == automatic);
  set_thread_count(5);
  CHECK(thread_count() == 5);
  CHECK(threads_for(serial_below, 0) == 5);
  CHECK(threads_for(serial_below, 2) == 2);
  set_thread_count(0);
  CHECK(thread_count() == automatic);
}

TEST_CASE("values of OMP_NUM_THREADS are read as OpenMP reads them") {
  for (const char* const value : {"1", " 3 ", "4,2", "+5", "2 , 1", "100000"})
    CHECK(sets_thread_count(value));
  for (const char* const value :
       {"", " ", "0", "-1", "abc", "3x", "1 2", "4,", ",4", "4,0", "99999999999999999999"})
    CHECK(!sets_thread_count(value));
  CHECK(!sets_thread_count(nullptr));
  CHECK(thread_limit() >= 1);
  CHECK(thread_limit() <= max_threads);
}
