// The C interface: errors, NULL, unknown names, versions and threads.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "capi.hpp"

using namespace pyoptim::test;

TEST_CASE("versions are compared") {
  CHECK(pyoptim_abi_version() == PYOPTIM_ABI_VERSION);
  CHECK(pyoptim_check_abi(PYOPTIM_ABI_VERSION) == PYOPTIM_OK);
  check_failed(pyoptim_check_abi(PYOPTIM_ABI_VERSION + 1), PYOPTIM_ERROR_ABI, "ABI version");
  CHECK(pyoptim_check_abi(0) == PYOPTIM_ERROR_ABI);
  CHECK(std::strchr(pyoptim_version(), '.') != nullptr);
}

TEST_CASE("the layout of structs is that of ABI version 1") {
  // The layout of ABI version 1 with 8-byte pointers. New members go to the end.
  CHECK(sizeof(pyoptim_setting) == 16);
  CHECK(sizeof(pyoptim_gradient) == 24);
  CHECK(sizeof(pyoptim_argument) == 48);
  CHECK(offsetof(pyoptim_step_info, skipped) == 24);
  CHECK(sizeof(pyoptim_step_info) == 32);
  CHECK(offsetof(pyoptim_state, type) == 56);
  CHECK(sizeof(pyoptim_state) == 64);
  CHECK(offsetof(pyoptim_rule, field_count) == 56);
  CHECK(sizeof(pyoptim_rule) == 64);
  CHECK(offsetof(pyoptim_field, flag) == 56);
  CHECK(sizeof(pyoptim_field) == 64);
}

TEST_CASE("a failed creation reports why and returns no optimizer") {
  auto* result = reinterpret_cast<pyoptim_optimizer*>(1);
  check_argument(pyoptim_create("adamw", nullptr, 0, &result),
                 "there is no optimizer 'adamw'; there are SGD, ");
  check_argument(pyoptim_create("adamw", nullptr, 0, &result), ", AdamW, ");
  CHECK(result == nullptr);
  check_argument(pyoptim_create(nullptr, nullptr, 0, &result), "the rule is NULL");
  check_argument(pyoptim_create("SGD", nullptr, 0, nullptr), "made is NULL");
  check_argument(pyoptim_create("SGD", nullptr, 1, &result), "settings is NULL");
  const pyoptim_setting unknown{"beta7", 1}, negative{"lr", -1}, nameless{nullptr, 1},
      nan{"lr", std::nan("")};
  check_argument(pyoptim_create("SGD", &unknown, 1, &result), "no setting 'beta7'; it has lr");
  check_argument(pyoptim_create("SGD", &negative, 1, &result), "lr must be at least 0");
  check_argument(pyoptim_create("SGD", &nan, 1, &result), "lr must be at least 0");
  check_argument(pyoptim_create("SGD", &nameless, 1, &result), "the name of a setting is NULL");
  const pyoptim_setting twice[] = {{"lr", 1}, {"momentum", 0.5}, {"lr", 1}};
  check_argument(pyoptim_create("SGD", twice, 3, &result), "lr is given twice");
  CHECK(result == nullptr);
}

TEST_CASE("every function refuses a null optimizer") {
  double value = 0;
  std::size_t count = 0;
  std::int64_t steps = 0;
  pyoptim_state state{};
  for (const pyoptim_status status :
       {pyoptim_set_option(nullptr, "clip_norm", 1),
        pyoptim_set_option_count(nullptr, "seed", 1),
        pyoptim_set_option_word(nullptr, "", ""),
        pyoptim_add_group(nullptr, nullptr, 0),
        pyoptim_add_buffer(nullptr, "w", PYOPTIM_FLOAT32, &value, 0, nullptr),
        pyoptim_bind_gradient(nullptr, 0, nullptr),
        pyoptim_build(nullptr),
        pyoptim_step(nullptr, nullptr, 1, nullptr),
        pyoptim_step_rows(nullptr, nullptr, 1, nullptr),
        pyoptim_update_hessian(nullptr, nullptr),
        pyoptim_eval(nullptr),
        pyoptim_train(nullptr),
        pyoptim_evaluating(nullptr, nullptr),
        pyoptim_get(nullptr, 0, "lr", &value),
        pyoptim_set(nullptr, 0, "lr", 1),
        pyoptim_set_all(nullptr, 0, nullptr, 0),
        pyoptim_set_schedule(nullptr, 0, "lr", nullptr),
        pyoptim_set_schedules(nullptr, 0, nullptr, 0),
        pyoptim_get_steps(nullptr, &steps),
        pyoptim_set_steps(nullptr, 1),
        pyoptim_group_count(nullptr, &count),
        pyoptim_buffer_count(nullptr, &count),
        pyoptim_state_count(nullptr, 0, &count),
        pyoptim_get_state(nullptr, 0, 0, &state)})
    check_argument(status, "the optimizer is NULL");
  pyoptim_destroy(nullptr);
  pyoptim_schedule_destroy(nullptr);
}

TEST_CASE("first it is described, then it steps") {
  Fixture f("SGD", false);
  double value = 0;
  for (const pyoptim_status status :
       {f.step(), pyoptim_get(f.opt, 0, "lr", &value), pyoptim_set_steps(f.opt, 1)})
    check_failed(status, PYOPTIM_ERROR_STATE, "call pyoptim_build first");
  REQUIRE(pyoptim_build(f.opt) == PYOPTIM_OK);
  for (const pyoptim_status status :
       {pyoptim_build(f.opt), pyoptim_add_group(f.opt, nullptr, 0),
        pyoptim_set_option(f.opt, "clip_norm", 1),
        pyoptim_add_buffer(f.opt, "b", PYOPTIM_FLOAT32, f.grad.data(), 0, nullptr)})
    check_failed(status, PYOPTIM_ERROR_STATE, "before pyoptim_build");
  CHECK(f.step() == PYOPTIM_OK);
}

TEST_CASE("buffers are checked") {
  Fixture f("SGD", false);
  const std::size_t shape[] = {2}, huge[] = {std::size_t{1} << 40, std::size_t{1} << 40};
  const auto add = [&](pyoptim_type type, void* data, std::size_t ndim, const std::size_t* dims) {
    return pyoptim_add_buffer(f.opt, nullptr, type, data, ndim, dims);
  };
  check_argument(add(PYOPTIM_INT64, f.grad.data(), 1, shape), "buffer 1: parameters must be");
  check_argument(add(-1, f.grad.data(), 1, shape), "must be float32");
  check_argument(add(PYOPTIM_FLOAT32, nullptr, 1, shape), "data is NULL");
  check_argument(add(PYOPTIM_FLOAT32, f.grad.data(), 1, nullptr), "the shape is NULL");
  check_argument(add(PYOPTIM_FLOAT32, f.grad.data(), 2, huge), "too many elements");
  check_argument(add(PYOPTIM_FLOAT32, reinterpret_cast<char*>(f.grad.data()) + 1, 1, shape),
                 "not aligned");
  std::size_t count = 0;
  CHECK(pyoptim_buffer_count(f.opt, &count) == PYOPTIM_OK);
  CHECK(count == 1);
  check_argument(pyoptim_add_buffer(f.opt, "w", PYOPTIM_FLOAT32, f.grad.data(), 1, shape),
                 "there is a buffer 'w' already");
  REQUIRE(add(PYOPTIM_FLOAT32, f.w.data() + 5, 0, nullptr) == PYOPTIM_OK);
  check_argument(pyoptim_build(f.opt), "w and buffer 1 overlap in memory");
}

TEST_CASE("options are checked when they are set") {
  Fixture f("SGD", false);
  check_argument(pyoptim_set_option(f.opt, "clip", 1), "no option 'clip' that is a number");
  check_argument(pyoptim_set_option(f.opt, "state_dtype", 1), "clip_norm, clip_value");
  check_argument(pyoptim_set_option(f.opt, nullptr, 1), "the name is NULL");
  check_argument(pyoptim_set_option(f.opt, "clip_norm", -1), "clip_norm must be");
  check_argument(pyoptim_set_option(f.opt, "clip_norm", HUGE_VAL),
                 "clip_norm must be finite, got inf");
  check_argument(pyoptim_set_option(f.opt, "skip_nonfinite", 2), "must be 0 or 1, got 2");
  check_argument(pyoptim_set_option(f.opt, "num_threads", 1.5),
                 "whole number from 0 to 512, got 1.5");
  check_argument(pyoptim_set_option(f.opt, "ema_decay", 1), "ema_decay must be in [0, 1)");
  check_argument(pyoptim_set_option_word(f.opt, "modifier", "bold"),
                 "must be one of 'cautious', 'grams', got 'bold'");
  check_argument(pyoptim_set_option_word(f.opt, "clip_norm", "much"),
                 "state_dtype, master_weights");
  CHECK(pyoptim_set_option_word(f.opt, "state_dtype", "float8") == PYOPTIM_OK);
  CHECK(pyoptim_set_option_word(f.opt, "state_dtype", nullptr) == PYOPTIM_OK);
}

TEST_CASE("a step that fails changes nothing") {
  Fixture f;
  const std::vector<float> before = f.w;
  const void* inside[] = {f.w.data()};
  check_argument(pyoptim_step(f.opt, inside, 1, nullptr), "gradient 0 overlaps a parameter");
  const void* crooked[] = {reinterpret_cast<const char*>(f.grad.data()) + 1};
  check_argument(pyoptim_step(f.opt, crooked, 1, nullptr), "not aligned");
  check_argument(pyoptim_step(f.opt, nullptr, 1, nullptr), "no gradient is bound");
  const void* grads[] = {f.grad.data()};
  pyoptim_step_info info{};
  check_argument(pyoptim_step(f.opt, grads, 1, &info), "struct_size must be set");
  check_argument(pyoptim_update_hessian(f.opt, grads), "uses no estimates");
  const pyoptim_gradient of_rows{f.grad.data(), nullptr, 0};
  for (const double scale : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    check_argument(pyoptim_step(f.opt, grads, scale, nullptr), "grad_scale must be finite, got ");
    check_argument(pyoptim_step_rows(f.opt, &of_rows, scale, nullptr), "grad_scale must be finite");
  }
  CHECK(f.w == before);
  info.struct_size = sizeof info;
  CHECK(pyoptim_step(f.opt, grads, 1, &info) == PYOPTIM_OK);
  CHECK(f.w != before);
  CHECK(info.step == 1);
  CHECK(info.skipped == 0);
  CHECK(std::isnan(info.grad_norm));
}

TEST_CASE("rows are checked") {
  Fixture f;
  const std::vector<float> before = f.w;
  for (const std::int64_t row : {std::int64_t{3}, std::int64_t{-1}}) {
    const pyoptim_gradient grad{f.grad.data(), &row, 1};
    check_argument(pyoptim_step_rows(f.opt, &grad, 1, nullptr), "there is no row");
  }
  const std::int64_t row = 1;
  const pyoptim_gradient nothing{nullptr, &row, 1}, some{f.grad.data(), &row, 1};
  check_argument(pyoptim_step_rows(f.opt, &nothing, 1, nullptr), "values is NULL");
  check_argument(pyoptim_step_rows(f.opt, nullptr, 1, nullptr), "grads is NULL");
  const std::array<std::int64_t, 2> rows{};
  const auto* crooked =
      reinterpret_cast<const std::int64_t*>(reinterpret_cast<const char*>(rows.data()) + 1);
  const pyoptim_gradient misplaced{f.grad.data(), crooked, 1};
  check_argument(pyoptim_step_rows(f.opt, &misplaced, 1, nullptr), "rows are not aligned");
  CHECK(f.w == before);
  CHECK(pyoptim_step_rows(f.opt, &some, 1, nullptr) == PYOPTIM_OK);
  CHECK(f.w[1] == before[1]);
  CHECK(f.w[2] != before[2]);
  Fixture lion("Lion");
  check_argument(pyoptim_step_rows(lion.opt, &some, 1, nullptr), "takes no gradients of rows");
}

TEST_CASE("settings are checked, and change all together") {
  Fixture f("SGD", true, {{"momentum", 0.5}});
  double value = 0;
  check_argument(pyoptim_get(f.opt, 1, "lr", &value), "there is no group 1; there are 1");
  check_argument(pyoptim_get(f.opt, 0, "rate", &value), "no setting 'rate'");
  check_argument(pyoptim_get(f.opt, 0, "lr", nullptr), "value is NULL");
  const pyoptim_setting good_and_bad[] = {{"lr", 7}, {"momentum", -1}};
  check_argument(pyoptim_set_all(f.opt, 0, good_and_bad, 2), "momentum must be");
  check_argument(pyoptim_set(f.opt, 0, "momentum", 0), "changes which states are kept");
  CHECK(pyoptim_get(f.opt, 0, "lr", &value) == PYOPTIM_OK);
  CHECK(value == 1e-3);
}

TEST_CASE("numbers of steps that cannot be are refused") {
  Fixture f;
  const std::int64_t max = std::int64_t{1} << 53;
  for (const std::int64_t steps : {std::int64_t{-1}, max + 1}) {
    check_argument(pyoptim_set_steps(f.opt, steps), "at least 0 and at most 2^53, got ");
    const std::vector<float> before = f.w;
    pyoptim_state state{};
    state.struct_size = sizeof state;
    REQUIRE(pyoptim_get_state(f.opt, 0, 0, &state) == PYOPTIM_OK);
    REQUIRE(std::string(state.name) == "step");
    auto& loaded = *static_cast<std::int64_t*>(state.data);
    loaded = steps;
    check_argument(f.step(), "the state 'step' of buffer 0 must be at least 0");
    const pyoptim_gradient of_rows{f.grad.data(), nullptr, 0};
    check_argument(pyoptim_step_rows(f.opt, &of_rows, 1, nullptr), "the state 'step' of buffer 0");
    CHECK(f.w == before);
    loaded = 0;
    CHECK(f.step() == PYOPTIM_OK);
  }
  CHECK(pyoptim_set_steps(f.opt, max) == PYOPTIM_OK);
}

TEST_CASE("gradients that are set to 0 do not overlap") {
  Fixture f("SGD", false);
  std::vector<float> v = {1, 2, 3};
  const std::size_t shape[] = {3};
  REQUIRE(pyoptim_add_buffer(f.opt, "v", PYOPTIM_FLOAT32, v.data(), 1, shape) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_option(f.opt, "zero_grads", 1) == PYOPTIM_OK);
  REQUIRE(pyoptim_build(f.opt) == PYOPTIM_OK);
  std::vector<float> all(9, 1.0F);
  const std::vector<float> before = f.w, ones = all;
  const void* together[] = {all.data(), all.data() + 5};
  check_argument(pyoptim_step(f.opt, together, 1, nullptr),
                 "zero_grads: two gradients overlap in memory");
  CHECK(all == ones);
  CHECK(f.w == before);
  const void* apart[] = {all.data(), all.data() + 6};
  CHECK(pyoptim_step(f.opt, apart, 1, nullptr) == PYOPTIM_OK);
  CHECK(all == std::vector<float>(9));
}

TEST_CASE("there is no step in eval mode") {
  Fixture f("ScheduleFreeSGD");
  REQUIRE(f.step() == PYOPTIM_OK);
  REQUIRE(f.step() == PYOPTIM_OK);
  const std::vector<float> before = f.w;
  REQUIRE(pyoptim_eval(f.opt) == PYOPTIM_OK);
  CHECK(f.w != before);
  check_failed(f.step(), PYOPTIM_ERROR_STATE, "eval mode");
  REQUIRE(pyoptim_train(f.opt) == PYOPTIM_OK);
  CHECK(f.w == before);
  CHECK(f.step() == PYOPTIM_OK);
}

TEST_CASE("states have every number that a step changes") {
  Fixture f("NAdam"), g("NAdam");
  REQUIRE(f.step() == PYOPTIM_OK);
  REQUIRE(f.step() == PYOPTIM_OK);
  g.w = f.w;
  std::size_t count = 0;
  REQUIRE(pyoptim_state_count(f.opt, 0, &count) == PYOPTIM_OK);
  CHECK(count == 4);  // step, two means, the product of momenta
  for (std::size_t i = 0; i < count; ++i) {
    pyoptim_state from{}, to{};
    from.struct_size = to.struct_size = sizeof from;
    REQUIRE(pyoptim_get_state(f.opt, 0, i, &from) == PYOPTIM_OK);
    REQUIRE(pyoptim_get_state(g.opt, 0, i, &to) == PYOPTIM_OK);
    CHECK(std::string(from.name) == to.name);
    std::memcpy(to.data, from.data, from.bytes);
  }
  std::int64_t steps = 0;
  REQUIRE(pyoptim_get_steps(f.opt, &steps) == PYOPTIM_OK);
  CHECK(steps == 2);
  REQUIRE(pyoptim_set_steps(g.opt, steps) == PYOPTIM_OK);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(f.step() == PYOPTIM_OK);
    REQUIRE(g.step() == PYOPTIM_OK);
  }
  CHECK(f.w == g.w);
  pyoptim_state state{};
  state.struct_size = sizeof state;
  check_argument(pyoptim_get_state(f.opt, 0, count, &state), "there is no state 4; there are 4");
  check_argument(pyoptim_get_state(f.opt, 1, 0, &state), "there is no buffer 1");
  check_argument(pyoptim_get_state(f.opt, 0, 0, nullptr), "is NULL");
}

TEST_CASE("a state written before the first step is kept, others begin with its rate") {
  const auto state_of = [](Fixture& f, std::size_t index) {
    pyoptim_state state{};
    state.struct_size = sizeof state;
    REQUIRE(pyoptim_get_state(f.opt, 0, index, &state) == PYOPTIM_OK);
    return state;
  };
  Fixture f("Adagrad", true, {{"initial_accumulator_value", 0.5}});
  auto* const sum = static_cast<float*>(state_of(f, 1).data);
  CHECK(sum[5] == 0.5F);
  std::fill_n(sum, 6, 8.0F);
  REQUIRE(f.step() == PYOPTIM_OK);
  CHECK(std::count(sum, sum + 6, 9.0F) == 6);

  for (const bool written : {false, true}) {
    Fixture r("Rprop", true, {{"lr", 0.25}});
    auto* const sizes = static_cast<float*>(state_of(r, 2).data);
    CHECK(sizes[0] == 0.25F);
    if (written) std::fill_n(sizes, 6, 0.125F);
    REQUIRE(pyoptim_set(r.opt, 0, "lr", 0.5) == PYOPTIM_OK);
    REQUIRE(r.step() == PYOPTIM_OK);
    CHECK(sizes[0] == (written ? 0.125F : 0.5F));
  }
  Fixture n("NAdam");
  auto* const product = static_cast<double*>(state_of(n, 3).data);
  CHECK(*product == 1);
  *product = 0.5;
  REQUIRE(n.step() == PYOPTIM_OK);
  CHECK(*product < 0.25);
}

TEST_CASE("settings that float32 cannot hold are refused by their name") {
  Fixture f;
  check_argument(pyoptim_set(f.opt, 0, "lr", 1e39), "SGD: lr: too large for parameters of float32");
  CHECK(f.step() == PYOPTIM_OK);
  Fixture g("AdaBound", true, {{"lr", 0.25}});
  double base = 0;
  REQUIRE(pyoptim_get(g.opt, 0, "base_lr", &base) == PYOPTIM_OK);
  CHECK(base == 0.25);
}

TEST_CASE("every listed rule can be created") {
  REQUIRE(pyoptim_rule_count() > 30);
  for (std::size_t i = 0; i < pyoptim_rule_count(); ++i) {
    pyoptim_rule rule{};
    rule.struct_size = sizeof rule;
    REQUIRE(pyoptim_get_rule(i, &rule) == PYOPTIM_OK);
    CAPTURE(rule.name);
    std::vector<pyoptim_setting> settings = {{"lr", rule.lr}};
    for (std::size_t k = 0; k < rule.field_count; ++k) {
      pyoptim_field field{};
      field.struct_size = sizeof field;
      REQUIRE(pyoptim_get_field(i, k, &field) == PYOPTIM_OK);
      settings.push_back({field.name, field.initial});
    }
    pyoptim_optimizer* opt = nullptr;
    CHECK(pyoptim_create(rule.name, settings.data(), settings.size(), &opt) == PYOPTIM_OK);
    CHECK(pyoptim_build(opt) == PYOPTIM_OK);  // an optimizer without buffers can step
    CHECK(pyoptim_step(opt, nullptr, 1, nullptr) == PYOPTIM_OK);
    pyoptim_destroy(opt);
  }
  pyoptim_rule rule{};
  check_argument(pyoptim_get_rule(0, &rule), "struct_size");
  check_argument(pyoptim_get_rule(pyoptim_rule_count(), &rule), "there is no rule");
}

TEST_CASE("messages are of each thread") {
  check_argument(pyoptim_create("here", nullptr, 0, nullptr), "made is NULL");
  std::string before, after;
  std::thread([&] {
    before = pyoptim_last_error();
    pyoptim_set_num_threads(-1);
    after = pyoptim_last_error();
  }).join();
  CHECK(before.empty());
  CHECK(after.find("number of threads") != std::string::npos);
  CHECK(std::string(pyoptim_last_error()) == "made is NULL");
}

TEST_CASE("calls on one optimizer wait for each other") {
  Fixture f("SGD", true, {{"lr", 0.5}});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&f] {
      for (int k = 0; k < 500; ++k) f.step();
    });
  for (std::thread& thread : threads) thread.join();
  std::int64_t steps = 0;
  REQUIRE(pyoptim_get_steps(f.opt, &steps) == PYOPTIM_OK);
  CHECK(steps == 2000);
  CHECK(f.w[0] == 1 - 0.5F * 2000);
}
