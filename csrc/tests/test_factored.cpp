// Rules with factored states, over matrices of all shapes: the same bits on every instruction set
// and for every number of threads, nothing written outside, memory in bounds.
#include <doctest.h>

#include "optim/factored/factored.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t margin = 37;  // elements before and after an array
const std::vector<Shape> shapes{{1, 1},    {7, 3},       {1, 40},      {40, 1},    {129, 515},
                                {3, 9000}, {2, 3, 5, 7}, {1200, 6, 5}, {17, 1, 3}, {0, 4}};

std::size_t size_of(const Shape& shape) {
  std::size_t size = 1;
  for (const std::size_t extent : shape) size *= extent;
  return size;
}

std::vector<const RuleInfo*> factored_rules() {
  auto rules = all_rules();
  std::erase_if(rules, [](const RuleInfo* rule) { return rule->factored == nullptr; });
  return rules;
}

/// Parameters and all states after some steps.
std::vector<Array> work(const RuleInfo& rule, DType dtype, int threads) {
  std::vector<Array> params, grads;
  GroupSpec group{settings_of(rule, choices_of_hyper(rule).front()), {}};
  group.settings.emplace_back("weight_decay", 0.01);
  for (const Shape& shape : shapes) {
    params.push_back(random_array(dtype, size_of(shape) + 2 * margin, params.size()));
    grads.push_back(random_array(dtype, size_of(shape), 100 + params.size()));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i)
    group.tensors.push_back(
        {"p", params[i].at(margin), size_of(shapes[i]), dtype, nullptr, shapes[i]});
  const std::vector<Array> before = params;
  Optimizer optimizer(rule.name, {group}, {.clip_value = 1.5, .threads = threads});
  std::vector<const void*> pointers;
  for (const Array& grad : grads) pointers.push_back(grad.at(0));
  for (int step = 0; step < 3; ++step) optimizer.step(pointers.data());

  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::size_t end = margin + size_of(shapes[i]);
    CHECK(difference(params[i], 0, before[i], 0, margin) == "");
    CHECK(difference(params[i], end, before[i], end, margin) == "");
    if (end > margin + 1) CHECK(difference(params[i], before[i]) != "");
    for (const StoredArray& stored : optimizer.stored(i)) {
      CHECK(stored.size == size_of(stored.shape));
      Array copy(state_dtype(dtype), stored.size);
      if (stored.size > 0)
        std::memcpy(copy.at(0), stored.data, stored.size * item_size(copy.dtype()));
      params.push_back(std::move(copy));
    }
  }
  return params;
}

}  // namespace

TEST_CASE("factored rules give the same bits on all instruction sets and threads") {
  for (const RuleInfo* rule : factored_rules())
    for (const DType dtype : all_dtypes) {
      CAPTURE(rule->name);
      CAPTURE(name_of(dtype));
      use_isa(isa_name(available_isas().front()));
      const std::vector<Array> expected = work(*rule, dtype, 1);
      for (const Isa isa : available_isas())
        for (const int threads : {1, 2, 5}) {
          CAPTURE(isa_name(isa));
          CAPTURE(threads);
          use_isa(isa_name(isa));
          const std::vector<Array> got = work(*rule, dtype, threads);
          for (std::size_t i = 0; i < got.size(); ++i) CHECK(difference(got[i], expected[i]) == "");
        }
    }
}

TEST_CASE("rules with factored states have no fused options") {
  Options options;
  options.fused.ema_decay = 0.5;
  for (const RuleInfo* rule : factored_rules())
    CHECK(message_of([&] { Optimizer(rule->name, std::vector<GroupSpec>(1), options); }) ==
          std::string(rule->name) + ": nothing can be done around updates by rows and columns");
}
