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
 * or state was changed, and pyoptim_last_error() has the message. No exception leaves the library.
 * All functions that return a status give PYOPTIM_ERROR_ARGUMENT for a pointer that is NULL where
 * this is not allowed, for an unknown name and for a number that is out of range,
 * PYOPTIM_ERROR_MEMORY if memory runs out, and PYOPTIM_ERROR_INTERNAL for a mistake of the library.
 * Further errors are listed with each function. Numbers in messages are the shortest decimals that
 * read back as the same number, whatever the locale. Control characters, and others that are
 * invisible, are escaped in them, as those of a name that a message quotes: "\x1b".
 *
 * Threads: different optimizers and schedules may be used at the same time. Calls on one optimizer
 * wait for each other; its arrays, states and gradients must not be written by others during a
 * call, and it is destroyed when no call on it runs. Each thread has its own error message. The
 * library is never unloaded: its threads live as long as the process.
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
  PYOPTIM_ERROR_INTERNAL = 5, /* a mistake of the library */
  PYOPTIM_ERROR_FUNCTION = 6  /* a function of the caller's failed, and gave no other status */
};

/* "1.2.3", the version of the library that runs. */
PYOPTIM_PUBLIC const char *pyoptim_version(void);

/* The PYOPTIM_ABI_VERSION that the library was compiled with. */
PYOPTIM_PUBLIC int32_t pyoptim_abi_version(void);

/* Whether the library serves a program that was compiled with this PYOPTIM_ABI_VERSION: call
 * pyoptim_check_abi(PYOPTIM_ABI_VERSION) first. It is PYOPTIM_ERROR_ABI if the program is newer
 * than the library, or so old that the library has since changed what it uses. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_check_abi(int32_t compiled_with);

/* The message of this thread's last call that failed; "" if none has. Valid until the next. */
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

/* Makes an optimizer of a rule ("AdamW"), not yet built; settings that are not given have the
 * rule's defaults. Destroy it in the end. If it fails, *made is NULL.
 * PYOPTIM_ERROR_ARGUMENT: an unknown rule or setting, one out of range, or one given twice. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_create(const char *rule, const pyoptim_setting *settings,
                                             size_t count, pyoptim_optimizer **made);

/* Frees an optimizer and its states, not the arrays it updates; NULL is allowed. Parameters stay
 * at the points where they are. Cannot fail. A function of a schedule must not call it on the
 * optimizer that asks for its value. */
PYOPTIM_PUBLIC void pyoptim_destroy(pyoptim_optimizer *optimizer);

/* Sets what is the same for all groups; before pyoptim_build. Numbers:
 *   clip_norm            scale all gradients together down to this Euclidean norm; 0: do not
 *   clip_value           bound every element of the gradients by this; 0: do not
 *   skip_nonfinite       1: change nothing where a gradient has NaN or infinity
 *   num_threads          threads of a step, at most 512; 0: those of pyoptim_set_num_threads
 *   stochastic_rounding  0: round states in fewer bits to nearest; 1, the default: at random
 *   seed                 of that rounding, a whole number below 2^53
 *   ema_decay            keep a mean of the parameters as the state "ema"; 0: do not
 *   bfloat16_copy        1: keep a bfloat16 copy of float32 parameters, a state of this name
 *   zero_grads           1: set gradients to 0 after their use: the memory of gradients is written,
 *                        though `const`, and two that overlap are refused
 * PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option(pyoptim_optimizer *optimizer, const char *name,
                                                 double value);

/* The same for "seed" and "num_threads" as whole numbers: all seeds of 64 bits, also those that no
 * double holds. PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option_count(pyoptim_optimizer *optimizer,
                                                       const char *name, uint64_t value);

/* The same for options that are words, NULL for none of them:
 *   state_dtype     "float32", "bfloat16" or "float8": how states are kept between steps
 *   master_weights  "float32" or "split": of bfloat16 parameters
 *   modifier        "cautious" or "grams": changes the direction of updates
 * PYOPTIM_ERROR_ARGUMENT: the rule or another option does not allow it. PYOPTIM_ERROR_STATE: the
 * optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option_word(pyoptim_optimizer *optimizer,
                                                      const char *name, const char *word);

/* Begins a group: buffers that are added from now on share its settings, before pyoptim_build.
 * Settings that are not given are as in pyoptim_create. Groups are numbered from 0; without a call
 * all buffers are of one group. PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_group(pyoptim_optimizer *optimizer,
                                                const pyoptim_setting *settings, size_t count);

/* Adds an array to the last group, before pyoptim_build. Buffers are numbered from 0. `data` is
 * aligned to its type, dense in C's order, overlaps no other buffer, and outlives the optimizer or
 * its last step. `name` is how errors call it (NULL: its number), and no other buffer's. A shape is
 * needed by rules that look at rows and columns, and for gradients of rows; ndim 0 is one number.
 * PYOPTIM_ERROR_ARGUMENT: another type, a misaligned address, a name that is taken, a shape with
 * more elements than memory has. Overlaps are found by pyoptim_build. PYOPTIM_ERROR_STATE: the
 * optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_buffer(pyoptim_optimizer *optimizer, const char *name,
                                                 pyoptim_type type, void *data, size_t ndim,
                                                 const size_t *shape);

/* Sets the address of a buffer's gradient, or NULL: for steps that are given no gradients. Called
 * before pyoptim_build it also keeps states out of the gradient's way in the cache.
 * PYOPTIM_ERROR_ARGUMENT: there is no such buffer. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_bind_gradient(pyoptim_optimizer *optimizer, size_t buffer,
                                                    const void *gradient);

/* Checks everything and allocates the states; then the optimizer can step.
 * PYOPTIM_ERROR_ARGUMENT: buffers overlap, or an option does not fit the rule or a buffer's type.
 * PYOPTIM_ERROR_STATE: the optimizer is built already. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_build(pyoptim_optimizer *optimizer);

/* ---- Steps -----------------------------------------------------------------------------------*/

/* From here on every function that takes an optimizer returns PYOPTIM_ERROR_STATE before
 * pyoptim_build, and when a function of a schedule calls it on the optimizer that asks for the
 * schedule's value. */

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
 * grad_scale, which is finite, and only read unless there is zero_grads. `info` may be NULL.
 * PYOPTIM_ERROR_ARGUMENT: a gradient is misaligned or overlaps a parameter, a state or, with
 * zero_grads, another gradient; grads is NULL and no gradient is bound; a schedule gives a number
 * out of range. PYOPTIM_ERROR_STATE: parameters are at their evaluation points, or 2^53 steps were
 * made, of the optimizer or of a buffer that has a gradient. Any status: a function of a schedule
 * failed with it. */
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
 * other rows and their states stay as they are. PYOPTIM_ERROR_ARGUMENT also for a row that the
 * buffer does not have, and for a rule or options that take no rows. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_step_rows(pyoptim_optimizer *optimizer,
                                                const pyoptim_gradient *grads, double grad_scale,
                                                pyoptim_step_info *info);

/* Takes in estimates of the Hessian's diagonal, one for each buffer; a NULL keeps what there is.
 * PYOPTIM_ERROR_ARGUMENT: the rule uses none (pyoptim_rule), or as for pyoptim_step. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_update_hessian(pyoptim_optimizer *optimizer,
                                                     const void *const *estimates);

/* Brings parameters to the points where they are to be evaluated or saved, and back to those of
 * training, to the bit; in between no step can be made. They differ for rules that average, and
 * for all others nothing happens. Called twice, each does nothing the second time. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_eval(pyoptim_optimizer *optimizer);
PYOPTIM_PUBLIC pyoptim_status pyoptim_train(pyoptim_optimizer *optimizer);

/* Whether parameters are at their evaluation points: 1 or 0. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_evaluating(pyoptim_optimizer *optimizer, int32_t *evaluating);

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

/* A setting of a group by its name; of a schedule, the value at the last step.
 * PYOPTIM_ERROR_ARGUMENT: there is no such group or setting. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_get(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double *value);

/* Takes effect at the next step, and ends a schedule. PYOPTIM_ERROR_ARGUMENT: as pyoptim_get, the
 * value is out of range, or it would change which states are kept. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double value);

/* Sets several at once: all of them, or none. Errors are those of pyoptim_set. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_all(pyoptim_optimizer *optimizer, size_t group,
                                              const pyoptim_setting *settings, size_t count);

/* Makes every step set this to the schedule's value at the number of steps made before. The
 * schedule may be destroyed afterwards. If the numbers of a step's schedules are refused, no
 * setting changes. PYOPTIM_ERROR_ARGUMENT: as pyoptim_set, or the setting is a flag, which has no
 * schedule. Any status: the function of the schedule failed with it. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_schedule(pyoptim_optimizer *optimizer, size_t group,
                                                   const char *name,
                                                   const pyoptim_schedule *schedule);

/* The same for several at once, numbers or schedules (`schedules` with `count` 1): all of them, or
 * none. A number ends a schedule. Errors are those of pyoptim_set_schedule. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_schedules(pyoptim_optimizer *optimizer, size_t group,
                                                    const pyoptim_argument *settings, size_t count);

/* ---- State: what to save, and to put back, so that training goes on to the bit ---------------*/

/* The number of steps made, from 0 to 2^53: up to it a double counts exactly.
 * PYOPTIM_ERROR_ARGUMENT: another number. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_steps(pyoptim_optimizer *optimizer, int64_t *steps);
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_steps(pyoptim_optimizer *optimizer, int64_t steps);

/* How many there are; before pyoptim_build, how many there are so far. */
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

/* How many states a buffer has, and one of them, numbered from 0. PYOPTIM_ERROR_ARGUMENT: there is
 * no such buffer or state, or struct_size is too small. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_state_count(pyoptim_optimizer *optimizer, size_t buffer,
                                                  size_t *count);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_state(pyoptim_optimizer *optimizer, size_t buffer,
                                                size_t index, pyoptim_state *state);

/* ---- Schedules -------------------------------------------------------------------------------*/

/* Makes a schedule by the name that it has in pyoptim.schedules, with the same arguments and
 * defaults: "cosine" with lr 0.1 and steps 1000. Mappings are numbers in pairs: boundary, scale,
 * boundary, scale ... Counts are whole numbers below 2^53. Schedules among the arguments may be
 * destroyed afterwards. If it fails, *made is NULL. PYOPTIM_ERROR_ARGUMENT: an unknown name, or an
 * argument that is missing, unknown, given twice, of the wrong kind or out of range. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_create(const char *name,
                                                      const pyoptim_argument *arguments,
                                                      size_t count, pyoptim_schedule **made);

/* A function of the step, counted from 0: writes the value to *value and returns PYOPTIM_OK, or
 * fails with another status, which the call that asked for the value then returns:
 *     return pyoptim_fail(PYOPTIM_ERROR_STATE, "the file of rates is gone");
 * Without pyoptim_fail the message is that of the last call that failed inside of the function, or
 * names the status. It may use other optimizers and schedules. Calls on the optimizer that asks
 * for the value, and on the schedule itself, return PYOPTIM_ERROR_STATE. */
typedef pyoptim_status (*pyoptim_function)(void *context, int64_t step, double *value);

/* Makes a schedule of a function, which is called once for each step, however many settings follow
 * it. `release`, where not NULL, is called with the context in the end, when neither the schedule
 * nor an optimizer or schedule that took it over uses it any more. It is not called if this fails.
 */
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_of(pyoptim_function function, void *context,
                                                  void (*release)(void *context),
                                                  pyoptim_schedule **made);

/* For functions that the library calls: sets the message of pyoptim_last_error() and returns the
 * status, or PYOPTIM_ERROR_FUNCTION where it is PYOPTIM_OK. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_fail(pyoptim_status status, const char *message);

/* The same for interfaces in other languages, which hand over an exception: `cause`, of a `kind`
 * that names its type. Whoever made the call that fails of it may take it once, right after that
 * call; if nobody does, `release` is called with it, at the latest before that of the schedule. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_fail_with(pyoptim_status status, const char *message,
                                                const char *kind, void *cause,
                                                void (*release)(void *cause));

/* The cause of this thread's last call that failed, which the caller then owns; NULL if it has none
 * of this kind, or it was taken. */
PYOPTIM_PUBLIC void *pyoptim_take_cause(const char *kind);

/* The value at a step, counted from 0, at most 2^53. Any status: the function of the schedule
 * failed with it. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_schedule_value(const pyoptim_schedule *schedule, int64_t step,
                                                     double *value);
/* Ends the caller's use of a schedule; optimizers and schedules that took it over keep it. NULL is
 * allowed. Cannot fail. */
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

/* A hyper-parameter of a rule: its default and range. Set struct_size before. */
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

/* How many rules there are, one of them, and one of its hyper-parameters, all numbered from 0.
 * PYOPTIM_ERROR_ARGUMENT: there is none of this number, or struct_size is too small. */
PYOPTIM_PUBLIC size_t pyoptim_rule_count(void);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_rule(size_t index, pyoptim_rule *rule);
PYOPTIM_PUBLIC pyoptim_status pyoptim_get_field(size_t rule, size_t index, pyoptim_field *field);

/* ---- The process -----------------------------------------------------------------------------*/

/* Threads of a step without the option num_threads, at most 512; 0 goes back to the automatic
 * choice: OMP_NUM_THREADS if set, else the processors that the process may use.
 * PYOPTIM_ERROR_ARGUMENT: another number. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_num_threads(int32_t count);
PYOPTIM_PUBLIC int32_t pyoptim_get_num_threads(void);

/* The instruction set in use ("avx2"): the best one, or that of the environment variable
 * PYOPTIM_ISA; NULL, with a message, if that names none that can run here. */
PYOPTIM_PUBLIC const char *pyoptim_instruction_set(void);

#ifdef __cplusplus
}
#endif

#endif
