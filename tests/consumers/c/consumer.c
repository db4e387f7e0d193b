/* A program in C that trains with pyoptim: two groups, a schedule, a checkpoint in a file, errors.
 *
 *     consumer FILE
 *
 * It minimises a sum of squares whose optimum it knows, writes the state to FILE half way, goes on
 * from it with a second optimizer, and prints the bits of the result. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyoptim/pyoptim.h"

enum { ROWS = 5, COLUMNS = 4, WEIGHTS = ROWS * COLUMNS, BIASES = 3, STEPS = 300 };

typedef struct {
  float weight[WEIGHTS];
  double bias[BIASES];
} model;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, pyoptim_last_error());
  exit(1);
}

static void require(int holds, const char *what) {
  if (!holds) fail(what);
}

/* The optimum, and the gradient of the sum of (p - optimum)^2. */
static double optimum(int i) { return 0.25 * i - 1; }

static void gradient(const model *at, model *grad) {
  int i;
  for (i = 0; i < WEIGHTS; ++i) grad->weight[i] = 2 * (at->weight[i] - (float)optimum(i));
  for (i = 0; i < BIASES; ++i) grad->bias[i] = 2 * (at->bias[i] - optimum(i));
}

static pyoptim_schedule *make_schedule(void) {
  const pyoptim_argument cosine[] = {{.name = "lr", .number = 0.1},
                                     {.name = "steps", .number = 280}};
  pyoptim_schedule *decay = NULL, *warmup = NULL;
  require(pyoptim_schedule_create("cosine", cosine, 2, &decay) == PYOPTIM_OK, "cosine");
  {
    const pyoptim_schedule *const then[] = {decay};
    const pyoptim_argument arguments[] = {{.name = "steps", .number = 20},
                                          {.name = "then", .schedules = then, .count = 1}};
    require(pyoptim_schedule_create("warmup", arguments, 2, &warmup) == PYOPTIM_OK, "warmup");
  }
  pyoptim_schedule_destroy(decay); /* the warm-up keeps what it needs */
  return warmup;
}

static pyoptim_optimizer *make_optimizer(model *updated) {
  const size_t weight_shape[] = {ROWS, COLUMNS}, bias_shape[] = {BIASES};
  const pyoptim_setting settings[] = {{"beta2", 0.99}, {"weight_decay", 0}};
  const pyoptim_setting of_biases[] = {{"lr", 0.05}};
  pyoptim_schedule *schedule = make_schedule();
  pyoptim_optimizer *opt = NULL;
  require(pyoptim_create("AdamW", settings, 2, &opt) == PYOPTIM_OK, "create");
  require(pyoptim_set_option(opt, "clip_norm", 1.5) == PYOPTIM_OK, "clip_norm");
  require(pyoptim_set_option(opt, "skip_nonfinite", 1) == PYOPTIM_OK, "skip_nonfinite");
  require(pyoptim_add_group(opt, NULL, 0) == PYOPTIM_OK, "first group");
  require(pyoptim_add_buffer(opt, "weight", PYOPTIM_FLOAT32, updated->weight, 2, weight_shape) ==
              PYOPTIM_OK,
          "weight");
  require(pyoptim_add_group(opt, of_biases, 1) == PYOPTIM_OK, "second group");
  require(
      pyoptim_add_buffer(opt, "bias", PYOPTIM_FLOAT64, updated->bias, 1, bias_shape) == PYOPTIM_OK,
      "bias");
  require(pyoptim_build(opt) == PYOPTIM_OK, "build");
  require(pyoptim_set_schedule(opt, 0, "lr", schedule) == PYOPTIM_OK, "schedule");
  pyoptim_schedule_destroy(schedule);
  return opt;
}

static void train(pyoptim_optimizer *opt, model *updated, int until) {
  pyoptim_step_info info = {.struct_size = sizeof info, .step = 0};
  model grad;
  const void *const grads[] = {grad.weight, grad.bias};
  require(pyoptim_get_steps(opt, &info.step) == PYOPTIM_OK, "steps");
  while (info.step < until) {
    gradient(updated, &grad);
    require(pyoptim_step(opt, grads, 1.0, &info) == PYOPTIM_OK, "step");
    require(!info.skipped && info.grad_norm >= 0, "what the step tells");
  }
}

/* Writes the parameters and all of the state, or reads them, in one order. */
static void transfer(pyoptim_optimizer *opt, model *updated, FILE *file, int is_reading) {
  size_t buffer, buffers = 0, i, states = 0;
  int64_t steps = 0;
#define MOVE(data, bytes)                                                                      \
  require((is_reading ? fread((data), 1, (bytes), file) : fwrite((data), 1, (bytes), file)) == \
              (bytes),                                                                         \
          "the file")
  require(pyoptim_get_steps(opt, &steps) == PYOPTIM_OK, "steps");
  MOVE(&steps, sizeof steps);
  require(pyoptim_set_steps(opt, steps) == PYOPTIM_OK, "steps");
  MOVE(updated, sizeof *updated);
  require(pyoptim_buffer_count(opt, &buffers) == PYOPTIM_OK, "buffers");
  for (buffer = 0; buffer < buffers; ++buffer) {
    require(pyoptim_state_count(opt, buffer, &states) == PYOPTIM_OK, "states");
    for (i = 0; i < states; ++i) {
      pyoptim_state state = {.struct_size = sizeof state};
      require(pyoptim_get_state(opt, buffer, i, &state) == PYOPTIM_OK, "state");
      MOVE(state.data, state.bytes);
    }
  }
#undef MOVE
}

static void check_errors(pyoptim_optimizer *opt, model *updated) {
  const model before = *updated;
  pyoptim_step_info info = {.struct_size = sizeof info, .step = 0};
  pyoptim_optimizer *none = NULL;
  model grad;
  const void *const grads[] = {grad.weight, grad.bias};
  require(pyoptim_create("Adamm", NULL, 0, &none) == PYOPTIM_ERROR_ARGUMENT, "unknown rule");
  require(none == NULL && strstr(pyoptim_last_error(), "Adamm") != NULL, "its message");
  require(pyoptim_set(opt, 0, "beta1", 1.5) == PYOPTIM_ERROR_ARGUMENT, "out of range");
  require(strstr(pyoptim_last_error(), "beta1 must be in [0, 1)") != NULL, "its message");
  gradient(updated, &grad);
  grad.bias[1] = NAN;
  require(pyoptim_step(opt, grads, 1.0, &info) == PYOPTIM_OK && info.skipped == 1, "skipped step");
  require(memcmp(&before, updated, sizeof before) == 0, "a skipped step changes nothing");
}

int main(int count, char **arguments) {
  model one = {{0}, {0}}, two;
  pyoptim_optimizer *opt, *again;
  FILE *file;
  int i;
  require(count == 2, "usage: consumer FILE");
  require(pyoptim_check_abi(PYOPTIM_ABI_VERSION) == PYOPTIM_OK, "version");

  opt = make_optimizer(&one);
  train(opt, &one, STEPS / 2);
  require((file = fopen(arguments[1], "wb")) != NULL, arguments[1]);
  transfer(opt, &one, file, 0);
  require(fclose(file) == 0, arguments[1]);
  train(opt, &one, STEPS);
  check_errors(opt, &one);

  again = make_optimizer(&two);
  require((file = fopen(arguments[1], "rb")) != NULL, arguments[1]);
  transfer(again, &two, file, 1);
  fclose(file);
  train(again, &two, STEPS);
  require(memcmp(one.weight, two.weight, sizeof one.weight) == 0, "resumed weights");
  require(memcmp(one.bias, two.bias, sizeof one.bias) == 0, "resumed biases");

  for (i = 0; i < WEIGHTS; ++i)
    require(fabs(one.weight[i] - optimum(i)) < 0.01, "the optimum of weights");
  for (i = 0; i < BIASES; ++i)
    require(fabs(one.bias[i] - optimum(i)) < 0.01, "the optimum of biases");
  pyoptim_destroy(opt);
  pyoptim_destroy(again);

  for (i = 0; i < WEIGHTS; ++i) {
    uint32_t bits;
    memcpy(&bits, &one.weight[i], sizeof bits);
    printf("%08lx ", (unsigned long)bits);
  }
  for (i = 0; i < BIASES; ++i) {
    uint64_t bits;
    memcpy(&bits, &one.bias[i], sizeof bits);
    printf("%016llx ", (unsigned long long)bits);
  }
  printf("\n");
  return 0;
}
