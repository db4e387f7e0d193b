/* The C interface of pyoptim: optimizers that update arrays of the caller's in place.
 *
 *     pyoptim_setting settings[] = {{"lr", 1e-3}};
 *     pyoptim_optimizer *opt = NULL;
 *     pyoptim_create("AdamW", settings, 1, &opt);
 *     pyoptim_add_buffer(opt, "w", PYOPTIM_FLOAT32, w, 2, shape);
 *     pyoptim_build(opt);
 *     const void *grads[] = {dw};
 *     pyoptim_step(opt, grads, 1.0, NULL);
 *     pyoptim_destroy(opt);
 *
 * Errors: functions that can fail return a pyoptim_status. Where it is not PYOPTIM_OK, no parameter
 * or state was changed, and pyoptim_last_error() tells what is wrong. No exception leaves the
 * library.
 *
 * Threads: different optimizers and schedules may be used at the same time. Calls on one optimizer
 * wait for each other; its arrays, states and gradients must not be written by others during a
 * call, and it is destroyed when no call on it runs. Messages of errors are of each thread.
 *
 * Growth: functions and options are added and none are changed; structs that the library fills
 * begin with their size and grow at their end. See pyoptim_check_abi.
 */
#ifndef PYOPTIM_PYOPTIM_H
#define PYOPTIM_PYOPTIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PYOPTIM_PUBLIC __attribute__((visibility("default")))
#else
#define PYOPTIM_PUBLIC
#endif

/* ---- Version ---------------------------------------------------------------------------------*/

/* Counts the versions of this header: it is one more when something was added. */
#define PYOPTIM_ABI_VERSION 1

/* Zero is success. */
typedef int32_t pyoptim_status;
enum {
  PYOPTIM_OK = 0,
  PYOPTIM_ERROR_ARGUMENT = 1, /* an argument is wrong: NULL, out of range, an unknown name ... */
  PYOPTIM_ERROR_STATE = 2,    /* not possible now: not built yet, at evaluation points ... */
  PYOPTIM_ERROR_MEMORY = 3,   /* no memory left */
  PYOPTIM_ERROR_ABI = 4,      /* the library does not serve programs compiled with this header */
  PYOPTIM_ERROR_INTERNAL = 5  /* a mistake of the library */
};

/* "1.2.3", the version of the library that runs. */
PYOPTIM_PUBLIC const char *pyoptim_version(void);

/* The PYOPTIM_ABI_VERSION that the library was compiled with. */
PYOPTIM_PUBLIC int32_t pyoptim_abi_version(void);

/* Whether the library serves a program that was compiled with this PYOPTIM_ABI_VERSION: call
 * pyoptim_check_abi(PYOPTIM_ABI_VERSION) first. It is PYOPTIM_ERROR_ABI if the program is newer
 * than the library, or so old that the library has since changed what it uses. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_check_abi(int32_t compiled_with);

/* What was wrong in this thread's last call that failed; "" if none has. Valid until the next. */
PYOPTIM_PUBLIC const char *pyoptim_last_error(void);

/* ---- An optimizer and what it updates --------------------------------------------------------*/

typedef struct pyoptim_optimizer pyoptim_optimizer;
typedef struct pyoptim_schedule pyoptim_schedule;

/* Types of elements. bfloat16 is the upper half of a float32, in 16 bits. Parameters are of the
 * first three. */
typedef int32_t pyoptim_type;
enum {
  PYOPTIM_FLOAT32 = 0,
  PYOPTIM_FLOAT64 = 1,
  PYOPTIM_BFLOAT16 = 2,
  PYOPTIM_UINT8 = 3,
  PYOPTIM_UINT16 = 4,
  PYOPTIM_INT64 = 5
};

/* A hyper-parameter, or another setting of a group: "lr", "weight_decay",
 * "decoupled_weight_decay", "maximize", or a field of the rule. Flags are 0 or 1. */
typedef struct pyoptim_setting {
  const char *name;
  double value;
} pyoptim_setting;

/* Makes an optimizer of a rule ("AdamW"), not yet built; what is not set has the rule's default.
 * Destroy it in the end. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_create(const char *rule, const pyoptim_setting *settings,
                                             size_t count, pyoptim_optimizer **made);

/* Frees an optimizer and its states, not the arrays it updates; NULL is allowed. Parameters stay
 * at the points where they are. */
PYOPTIM_PUBLIC void pyoptim_destroy(pyoptim_optimizer *optimizer);

/* Sets what is the same for all groups; before pyoptim_build. Numbers:
 *   clip_norm            scale all gradients together down to this Euclidean norm; 0: do not
 *   clip_value           bound every element of the gradients by this; 0: do not
 *   skip_nonfinite       1: change nothing where a gradient has NaN or infinity
 *   num_threads          threads of a step; 0: those of pyoptim_set_num_threads
 *   stochastic_rounding  0: round states in fewer bits to nearest; 1, the default: at random
 *   seed                 of that rounding, a whole number
 *   ema_decay            keep a mean of the parameters as the state "ema"; 0: do not
 *   bfloat16_copy        1: keep a bfloat16 copy of float32 parameters, a state of this name
 *   zero_grads           1: set gradients to 0 after their use: the memory of gradients is written,
 *                        though `const`, and two that overlap are refused
 */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option(pyoptim_optimizer *optimizer, const char *name,
                                                 double value);

/* The same for options that are words, NULL for none of them:
 *   state_dtype     "float32", "bfloat16" or "float8": how states are kept between steps
 *   master_weights  "float32" or "split": of bfloat16 parameters
 *   modifier        "cautious" or "grams": changes the direction of updates
 */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option_word(pyoptim_optimizer *optimizer,
                                                      const char *name, const char *word);

/* Begins a group: buffers that are added from now on share its settings, before pyoptim_build.
 * What is not set here is as in pyoptim_create. Groups are numbered from 0; without a call all
 * buffers are of one group. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_group(pyoptim_optimizer *optimizer,
                                                const pyoptim_setting *settings, size_t count);

/* Adds an array to the last group, before pyoptim_build. Buffers are numbered from 0. `data` is
 * aligned to its type, dense in C's order, overlaps no other buffer, and outlives the optimizer or
 * its last step. `name` is how errors call it (NULL: its number), and no other buffer's. A shape is
 * needed by rules that look at rows and columns, and for gradients of rows; ndim 0 is one number.
 */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_buffer(pyoptim_optimizer *optimizer, const char *name,
                                                 pyoptim_type type, void *data, size_t ndim,
                                                 const size_t *shape);

/* Tells where the gradient of a buffer lies, or NULL: for steps that are given no gradients.
 * Called before pyoptim_build it also keeps states out of the gradient's way in the cache. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_bind_gradient(pyoptim_optimizer *optimizer, size_t buffer,
                                                    const void *gradient);

/* Checks everything and allocates the states; then the optimizer can step. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_build(pyoptim_optimizer *optimizer);

/* ---- Steps -----------------------------------------------------------------------------------*/

/* What a step did. Set struct_size to sizeof(pyoptim_step_info) before. */
typedef struct pyoptim_step_info {
  size_t struct_size;
  int64_t step;     /* steps made so far, this one included */
  double grad_norm; /* norm of all gradients, scaled and not yet clipped; NaN unless clip_norm or
                       skip_nonfinite made it needed */
  int32_t skipped;  /* 1: a gradient was not finite, and nothing was changed */
  int32_t reserved;
} pyoptim_step_info;

/* One step. `grads` has a gradient for each buffer, of its type and size; a NULL leaves its buffer
 * as it is. NULL in place of all takes those of pyoptim_bind_gradient. Gradients are multiplied by
 * grad_scale, which is finite, and only read unless there is zero_grads. `info` may be NULL. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_step(pyoptim_optimizer *optimizer, const void *const *grads,
                                           double grad_scale, pyoptim_step_info *info);

/* A gradient of some rows of a buffer's first axis, which follow each other in `values`; rows that
 * come several times are added. With `rows` NULL it is of all rows; with both NULL there is none.
 */
typedef struct pyoptim_gradient {
  const void *values;
  const int64_t *rows;
  size_t row_count;
} pyoptim_gradient;

/* The same with gradients that may be of some rows, for rules that take them (pyoptim_rule): all
 * other rows and their states stay as they are. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_step_rows(pyoptim_optimizer *optimizer,
                                                const pyoptim_gradient *grads, double grad_scale,
                                                pyoptim_step_info *info);

/* Takes in estimates of the Hessian's diagonal, one for each buffer; a NULL keeps what there is.
 * Only for rules that use them (pyoptim_rule). */
PYOPTIM_PUBLIC pyoptim_status pyoptim_update_hessian(pyoptim_optimizer *optimizer,
                                                     const void *const *estimates);

/* Brings parameters to the points where they are to be evaluated or saved, and back to those of
 * training, to the bit; in between no step can be made. They differ for rules that average. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_eval(pyoptim_optimizer *optimizer);
PYOPTIM_PUBLIC pyoptim_status pyoptim_train(pyoptim_optimizer *optimizer);

/* An argument of a schedule, or a setting: a number, a word, several numbers, or schedules. Members
 * that are not used are 0. */
typedef struct pyoptim_argument {
  const char *name;
  double number;
  const char *word;
  const double *numbers;                    /* `count` of them */
  const pyoptim_schedule *const *schedules; /* `count` of them */
  size_t count;
} pyoptim_argument;

/* ---- Settings of a group that is built -------------------------------------------------------*/

PYOPTIM_PUBLIC pyoptim_status pyoptim_get(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double *value);

/* Takes effect at the next step, and ends a schedule. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double value);

/* Sets several at once: all of them, or none. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_all(pyoptim_optimizer *optimizer, size_t group,
                                              const pyoptim_setting *settings, size_t count);

/* Makes every step set this to the schedule's value at the number of steps made before. The
 * schedule may be destroyed afterwards. Flags have none. If what a step's schedules give is
 * refused, no setting changes. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_schedule(pyoptim_optimizer *optimizer, size_t group,
                                                   const char *name,
                                                   const pyoptim_schedule *schedule);

/* The same for several at once, numbers or schedules (`schedules` with `count` 1): all of them, or
 * none. A number ends a schedule. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_schedules(pyoptim_optimizer *optimizer, size_t group,
                                                    const pyoptim_argument *settings, size_t count);

/* ---- State: what to save, and to put back, so that training goes on to the bit ---------------*/

PYOPTIM_PUBLIC pyoptim_status pyoptim_get_steps(pyoptim_optimizer *optimizer, int64_t *steps);
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_steps(pyoptim_optimizer *optimizer, int64_t steps);

PYOPTIM_PUBLIC pyoptim_status pyoptim_group_count(pyoptim_optimizer *optimizer, size_t *count);
PYOPTIM_PUBLIC pyoptim_status pyoptim_buffer_count(pyoptim_optimizer *optimizer, size_t *count);

/* An array, or a number (ndim 0), that is kept for a buffer: "exp_avg", "step" ... All of them,
 * with the number of steps, are the state of an optimizer; `data` may be read and written between
 * calls. Pointers are valid until the optimizer is destroyed. Set struct_size before. */
typedef struct pyoptim_state {
  size_t struct_size;
  const char *name;
  void *data;
  size_t bytes; /* of all elements */
  size_t size;  /* number of elements */
  size_t ndim;
  const size_t *shape;
  pyoptim_type type;
  int32_t reserved;
} pyoptim_state;

PYOPTIM_PUBLIC pyoptim_status pyoptim_state_count(pyoptim_optimizer *optimizer, size_t buffer,
                                                  size_t *count);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_state(pyoptim_optimizer *optimizer, size_t buffer,
                                                size_t index, pyoptim_state *state);

/* ---- Schedules -------------------------------------------------------------------------------*/

/* Makes a schedule by the name that it has in pyoptim.schedules, with the same arguments and
 * defaults: "cosine" with lr 0.1 and steps 1000. Mappings are numbers in pairs: boundary, scale,
 * boundary, scale ... Schedules among the arguments may be destroyed afterwards. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_create(const char *name,
                                                      const pyoptim_argument *arguments,
                                                      size_t count, pyoptim_schedule **made);

/* The same from a function of the step, counted from 0, which is called once for each step, however
 * many settings follow it, and must not use the optimizer. `release`, where not NULL, is called
 * with the context in the end, when neither the schedule nor an optimizer or schedule that took it
 * over uses it any more. */
typedef double (*pyoptim_function)(void *context, int64_t step);
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_of(pyoptim_function function, void *context,
                                                  void (*release)(void *context),
                                                  pyoptim_schedule **made);

/* The value at a step, counted from 0. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_value(const pyoptim_schedule *schedule, int64_t step,
                                                     double *value);
PYOPTIM_PUBLIC void pyoptim_schedule_destroy(pyoptim_schedule *schedule);

/* What pyoptim_schedule_create takes: the names, numbered from 0, and a sentence on each; NULL
 * beyond the last. */
PYOPTIM_PUBLIC size_t pyoptim_schedule_count(void);
PYOPTIM_PUBLIC const char *pyoptim_schedule_name(size_t index);
PYOPTIM_PUBLIC const char *pyoptim_schedule_doc(size_t index);

/* ---- The list of rules -----------------------------------------------------------------------*/

/* A rule: what pyoptim_create takes. Strings are never freed. Set struct_size before. */
typedef struct pyoptim_rule {
  size_t struct_size;
  const char *name;
  const char *doc; /* what it does, its formula and source */
  double lr;       /* the defaults of the settings that all rules have */
  double weight_decay;
  int32_t decoupled_weight_decay;
  int32_t averages;      /* whether pyoptim_eval moves its parameters */
  int32_t takes_hessian; /* whether pyoptim_update_hessian is for it */
  int32_t takes_rows;    /* whether pyoptim_step_rows is */
  size_t field_count;    /* its own hyper-parameters */
} pyoptim_rule;

typedef struct pyoptim_field {
  size_t struct_size;
  const char *name;
  const char *doc;
  double initial; /* the default */
  double low;
  double high;
  int32_t open_low; /* whether the bound itself is not allowed */
  int32_t open_high;
  int32_t flag; /* whether it is 0 or 1 and nothing else */
  int32_t reserved;
} pyoptim_field;

PYOPTIM_PUBLIC size_t pyoptim_rule_count(void);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_rule(size_t index, pyoptim_rule *rule);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_field(size_t rule, size_t index, pyoptim_field *field);

/* ---- The process -----------------------------------------------------------------------------*/

/* Threads of a step where nothing else is said; 0 goes back to the automatic choice:
 * OMP_NUM_THREADS if set, else the processors that the process may use. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_num_threads(int32_t count);
PYOPTIM_PUBLIC int32_t pyoptim_get_num_threads(void);

/* The instruction set in use ("avx2"): the best one, or that of the environment variable
 * PYOPTIM_ISA; NULL, with a message, if that names none that can run here. */
PYOPTIM_PUBLIC const char *pyoptim_instruction_set(void);

#ifdef __cplusplus
}
#endif

#endif
