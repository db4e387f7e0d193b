// Steps without memory: whichever allocation fails, nothing is changed, and the next step has the
// same result.
#include <memory>

#include "core/threads.hpp"
#include "failing_memory.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t few = 300;
constexpr std::size_t many =
    17'003;  // elements of a tensor; two of them are enough for several threads
static_assert(2 * many > serial_below);
constexpr int threads = 3;

/// An optimizer of two tensors, in one group or in two.
struct Trained {
  std::vector<Array> params;
  std::vector<Array> grads;
  std::unique_ptr<Optimizer> optimizer;

  Trained(const RuleInfo& rule, DType dtype, std::size_t size, const Options& options) {
    const std::vector<std::vector<std::size_t>> shapes = {{size / 10, 10}, {size - 1}, {7, 3}};
    GroupSpec group{settings_of(rule, choices_of_hyper(rule).front()), {}};
    for (const auto& shape : shapes) {
      std::size_t elements = 1;
      for (const std::size_t length : shape) elements *= length;
      params.push_back(random_array(dtype, elements, 1 + params.size()));
      grads.push_back(random_array(dtype, elements, 5 + params.size()));
    }
    std::vector<GroupSpec> groups = {group, group};
    for (std::size_t i = 0; i < shapes.size(); ++i)
      groups[i / 2].tensors.push_back(
          {"p", params[i].at(0), params[i].size(), dtype, nullptr, shapes[i]});
    optimizer = std::make_unique<Optimizer>(rule.name, groups, options);
  }

  void step() {
    const void* const pointers[] = {grads[0].at(0), grads[1].at(0), grads[2].at(0)};
    optimizer->step(pointers, 0.5);
  }

  void step_rows() {
    static const std::int64_t rows[] = {5, 2, 5, 0, 9};
    std::vector<Gradient> gradients(3);
    gradients[0] = {grads[0].at(0), rows, std::size(rows)};
    gradients[1].values = grads[1].at(0);
    optimizer->step(gradients.data());
  }

  /// Everything that a step may change.
  [[nodiscard]] std::string bytes() const {
    std::string all = std::to_string(optimizer->steps());
    const auto add = [&](const void* data, std::size_t size) {
      if (size > 0) all.append(static_cast<const char*>(data), size);
    };
    for (std::size_t i = 0; i < params.size(); ++i) {
      add(params[i].at(0), params[i].size() * item_size(params[i].dtype()));
      add(grads[i].at(0), grads[i].size() * item_size(grads[i].dtype()));
      for (const StoredArray& stored : std::as_const(*optimizer).stored(i))
        add(stored.data, stored.size * item_size(stored.type));
      const Tensor& tensor = std::as_const(*optimizer).tensor(i);
      add(tensor.scalars, sizeof tensor.scalars);
      all += std::to_string(tensor.steps);
    }
    return all;
  }
};

/// Checks that an action without memory changes nothing, and has the same result afterwards.
template <class Action>
void check(Trained& tried, Trained& undisturbed, const Action& action) {
  std::string before = tried.bytes();
  const int times = exhaust(
      [&] {
        action(tried);
        const long left = allocations_left.exchange(-1);
        before = tried.bytes();
        allocations_left = left;
      },
      [&] {
        const bool unchanged = tried.bytes() == before;
        CHECK(unchanged);
      });
  // An action that can do without some memory succeeded more than once.
  for (int i = 0; i < times; ++i) action(undisturbed);
  const bool same = tried.bytes() == undisturbed.bytes();
  CHECK(same);
}

/// Two steps, the first of which initializes the states.
void check_steps(const RuleInfo& rule, DType dtype, std::size_t size, const Options& options) {
  CAPTURE(rule.name);
  CAPTURE(name_of(dtype));
  CAPTURE(size);
  Trained tried(rule, dtype, size, options), undisturbed(rule, dtype, size, options);
  for (int i = 0; i < 2; ++i) check(tried, undisturbed, [](Trained& each) { each.step(); });
}

}  // namespace

TEST_CASE("a step of any rule changes nothing where memory runs out") {
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : {DType::float32, DType::bfloat16})
      for (const std::size_t size : {few, many})
        check_steps(*rule, dtype, size,
                    {.clip_norm = 1, .skip_nonfinite = true, .threads = threads});
  CHECK(failed_allocations > 0);
}

TEST_CASE("so does a step with fused options") {
  const FusedOptions choices[] = {
      {.format = StateFormat::float8},
      {.format = StateFormat::bfloat16, .stochastic = true, .seed = 1},
      {.ema_decay = 0.5, .master = Master::full, .modifier = Modifier::cautious},
      {.format = StateFormat::float8, .master = Master::low_half, .modifier = Modifier::grams},
      {.zero_grads = true},
  };
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : {DType::float32, DType::bfloat16})
      for (const std::size_t size : {few, many})
        for (const FusedOptions& fused : choices) {
          const bool measures = rule->sum_count > 0 && fused.modifier == Modifier::cautious;
          const bool has_master = fused.master == Master::none || dtype == DType::bfloat16;
          if (measures || rule->factored != nullptr || !has_master) continue;
          check_steps(*rule, dtype, size, {.threads = threads, .fused = fused});
        }
}

TEST_CASE("so does a step with row-sparse gradients") {
  for (const RuleInfo* rule : all_rules())
    for (const double clip_norm : {0.0, 1.0})
      for (const std::size_t size : {few, many}) {
        const Options options{.clip_norm = clip_norm, .threads = threads};
        Trained tried(*rule, DType::float32, size, options);
        Trained undisturbed(*rule, DType::float32, size, options);
        CAPTURE(rule->name);
        if (!tried.optimizer->supports_row_grad()) continue;
        for (int i = 0; i < 2; ++i)
          check(tried, undisturbed, [](Trained& each) { each.step_rows(); });
      }
}

TEST_CASE("so do eval mode, Hessian estimates and changed hyperparameters") {
  for (const RuleInfo* rule : all_rules())
    for (const std::size_t size : {few, many}) {
      const Options options{.threads = threads};
      Trained tried(*rule, DType::bfloat16, size, options);
      Trained undisturbed(*rule, DType::bfloat16, size, options);
      CAPTURE(rule->name);
      for (Trained* each : {&tried, &undisturbed}) each->step();
      for (const bool evaluating : {true, false})
        check(tried, undisturbed,
              [=](Trained& each) { each.optimizer->set_evaluating(evaluating); });
      check(tried, undisturbed, [](Trained& each) {
        each.optimizer->set({{{"lr", 0.25}}, {{"weight_decay", 0.5}}});
      });
      CHECK(tried.optimizer->get(0, "lr") == 0.25);
      if (rule->update_hessian[0] != nullptr)
        check(tried, undisturbed, [](Trained& each) {
          const void* const pointers[] = {each.grads[0].at(0), nullptr, each.grads[2].at(0)};
          each.optimizer->update_hessian(pointers);
        });
      check(tried, undisturbed, [](Trained& each) { each.step(); });
    }
}

TEST_CASE("a failed creation leaves parameters unchanged") {
  for (const RuleInfo* rule : all_rules()) {
    Array param = random_array(DType::float32, many, 1);
    const Array before = param;
    const GroupSpec group{settings_of(*rule, choices_of_hyper(*rule).front()),
                          {{"p", param.at(0), many, DType::float32}}};
    const std::vector<GroupSpec> groups = {group};
    exhaust([&] { const Optimizer optimizer(rule->name, groups, {.clip_norm = 1}); },
            [&] { CHECK(difference(param, before) == ""); });
  }
}
