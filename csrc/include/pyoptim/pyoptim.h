/* The C interface of pyoptim. Its optimizers update the caller's arrays in place.
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
 * Errors: functions that can fail return a pyoptim_status. If it is not PYOPTIM_OK, no parameter or
 * state has changed, and pyoptim_last_error() returns the message. No exception leaves the library.
 * All functions that return a status return PYOPTIM_ERROR_ARGUMENT for an invalid NULL pointer, an
 * unknown name or a number out of range, PYOPTIM_ERROR_MEMORY if memory runs out, and
 * PYOPTIM_ERROR_INTERNAL for an internal error. Each function lists further errors. Numbers in
 * messages are the shortest decimals that read back exactly, in every locale. Messages escape
 * control and other invisible characters of the names that they quote, such as "\x1b".
 *
 * Threads: you may use different optimizers and schedules at the same time. Calls on one optimizer
 * wait for each other. Do not write its arrays, states and gradients during a call, and do not
 * destroy it while a call on it runs. Each thread has its own error message. The library is never
 * unloaded, because its threads run until the process ends.
 *
 * Compatibility: functions and options may be added, and existing ones do not change. Structs that
 * the library fills begin with their size and may grow at their end. See pyoptim_check_abi.
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

/* The version of this header, which increases by one with additions. */
#define PYOPTIM_ABI_VERSION 1

/* Zero is success. */
typedef int32_t pyoptim_status;
enum {
  PYOPTIM_OK = 0,
  PYOPTIM_ERROR_ARGUMENT = 1, /* an argument is wrong: NULL, out of range, an unknown name ... */
  PYOPTIM_ERROR_STATE = 2,    /* not possible now: not built yet, in eval mode ... */
  PYOPTIM_ERROR_MEMORY = 3,   /* no memory left */
  PYOPTIM_ERROR_ABI = 4,      /* the library does not support programs compiled with this header */
  PYOPTIM_ERROR_INTERNAL = 5, /* an internal error of the library */
  PYOPTIM_ERROR_FUNCTION = 6  /* a function of the caller failed without another status */
};

/* Returns the version of the loaded library, such as "1.2.3". */
PYOPTIM_PUBLIC const char *pyoptim_version(void);

/* Returns the PYOPTIM_ABI_VERSION that the library was compiled with. */
PYOPTIM_PUBLIC int32_t pyoptim_abi_version(void);

/* Checks that the library supports a program compiled with this PYOPTIM_ABI_VERSION. Call
 * pyoptim_check_abi(PYOPTIM_ABI_VERSION) first. Returns PYOPTIM_ERROR_ABI if the program is newer
 * than the library, or uses functions that the library has removed. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_check_abi(int32_t compiled_with);

/* Returns the message of this thread's last failed call, or "". Valid until the next call. */
PYOPTIM_PUBLIC const char *pyoptim_last_error(void);

/* ---- Optimizers and buffers ------------------------------------------------------------------*/

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

/* A hyperparameter of a group: "lr", "weight_decay",
 * "decoupled_weight_decay", "maximize", or a field of the rule. Flags are 0 or 1. */
typedef struct pyoptim_setting {
  const char *name;
  double value;
} pyoptim_setting;

/* Creates an optimizer with a rule ("AdamW"), which you then build. Other hyperparameters have the
 * rule's defaults. Destroy it in the end. If the call fails, *made is NULL.
 * PYOPTIM_ERROR_ARGUMENT: a rule or hyperparameter is unknown, out of range or repeated. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_create(const char *rule, const pyoptim_setting *settings,
                                             size_t count, pyoptim_optimizer **made);

/* Frees an optimizer and its states, but not the arrays it updates. NULL is allowed. Parameters
 * keep their values. Cannot fail. A schedule function must not destroy the optimizer that evaluates
 * it. */
PYOPTIM_PUBLIC void pyoptim_destroy(pyoptim_optimizer *optimizer);

/* Sets a numeric option of the whole optimizer before pyoptim_build:
 *   clip_norm            limit of the Euclidean norm of all gradients; 0: off
 *   clip_value           limit of every element of the gradients; 0: off
 *   skip_nonfinite       1: change nothing if a gradient has NaN or infinity
 *   num_threads          threads of a step, at most 512; 0: those of pyoptim_set_num_threads
 *   stochastic_rounding  0: round quantized states to nearest; 1 (default): stochastically
 *   seed                 seed for stochastic rounding, a whole number below 2^53
 *   ema_decay            decay of an EMA of the parameters, the state "ema"; 0: off
 *   bfloat16_copy        1: keep a bfloat16 copy of float32 parameters, a state of this name
 *   zero_grads           1: set gradients to 0 after use. This writes to the memory of gradients,
 *                        although it is `const`, and rejects gradients that overlap
 * PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option(pyoptim_optimizer *optimizer, const char *name,
                                                 double value);

/* Sets "seed" or "num_threads" as a whole number, including seeds of 64 bits that a double cannot
 * hold. PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option_count(pyoptim_optimizer *optimizer,
                                                       const char *name, uint64_t value);

/* Sets an option that is a word, or NULL for the default:
 *   state_dtype     "float32", "bfloat16" or "float8": dtype of the state
 *   master_weights  "float32" or "split", for bfloat16 parameters
 *   modifier        "cautious" or "grams": changes the direction of updates
 * PYOPTIM_ERROR_ARGUMENT: the rule or another option does not allow it. PYOPTIM_ERROR_STATE: the
 * optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set_option_word(pyoptim_optimizer *optimizer,
                                                      const char *name, const char *word);

/* Begins a group before pyoptim_build. Buffers added from now on share its hyperparameters. Others
 * are as in pyoptim_create. Groups are numbered from 0. Without a call, all buffers are in one
 * group. PYOPTIM_ERROR_STATE: the optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_group(pyoptim_optimizer *optimizer,
                                                const pyoptim_setting *settings, size_t count);

/* Adds an array to the last group, before pyoptim_build. Buffers are numbered from 0. `data` is
 * aligned to its type, dense in C's order, overlaps no other buffer, and outlives the optimizer or
 * its last step. `name` is unique and used in errors (NULL: its number). Rules with factored second
 * moments and row-sparse gradients need a shape; ndim 0 is one number.
 * PYOPTIM_ERROR_ARGUMENT: another type, a misaligned address, a name that is taken, a shape with
 * more elements than memory has. Overlaps are found by pyoptim_build. PYOPTIM_ERROR_STATE: the
 * optimizer is built. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_add_buffer(pyoptim_optimizer *optimizer, const char *name,
                                                 pyoptim_type type, void *data, size_t ndim,
                                                 const size_t *shape);

/* Sets the address of a buffer's gradient, or NULL, for steps without gradients. If called before
 * pyoptim_build, it also improves the layout of states in the cache.
 * PYOPTIM_ERROR_ARGUMENT: there is no such buffer. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_bind_gradient(pyoptim_optimizer *optimizer, size_t buffer,
                                                    const void *gradient);

/* Checks the optimizer and allocates its states. You can then step.
 * PYOPTIM_ERROR_ARGUMENT: buffers overlap, or an option does not fit the rule or a buffer's type.
 * PYOPTIM_ERROR_STATE: the optimizer is built already. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_build(pyoptim_optimizer *optimizer);

/* ---- Steps -----------------------------------------------------------------------------------*/

/* All following functions on an optimizer return PYOPTIM_ERROR_STATE before pyoptim_build, and when
 * a schedule function calls them on the optimizer that evaluates it. */

/* The result of a step. Set struct_size to sizeof(pyoptim_step_info) before. */
typedef struct pyoptim_step_info {
  size_t struct_size;
  int64_t step;     /* number of steps so far, including this one */
  double grad_norm; /* norm of all scaled gradients before clipping; NaN without clip_norm and
                       skip_nonfinite */
  int32_t skipped;  /* 1: a nonfinite gradient made the step change nothing */
  int32_t reserved;
} pyoptim_step_info;

/* Makes a step. `grads` has a gradient for each buffer, of its type and size. NULL leaves a buffer
 * unchanged. If `grads` is NULL, the gradients of pyoptim_bind_gradient are used. Gradients are
 * multiplied by grad_scale, which is finite. Only zero_grads writes to them. `info` may be NULL.
 * PYOPTIM_ERROR_ARGUMENT: a gradient is misaligned or overlaps a parameter, a state or, with
 * zero_grads, another gradient; grads is NULL and no gradient is bound; a schedule gives a number
 * out of range. PYOPTIM_ERROR_STATE: the optimizer is in eval mode, or the optimizer or a buffer
 * with a gradient has made 2^53 steps. Any status: a schedule function returned it. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_step(pyoptim_optimizer *optimizer, const void *const *grads,
                                           double grad_scale, pyoptim_step_info *info);

/* A row-sparse gradient of a buffer's first axis, with contiguous `values`. Values of duplicate
 * rows are summed. If `rows` is NULL, it is dense. If both are NULL, there is no gradient. */
typedef struct pyoptim_gradient {
  const void *values;
  const int64_t *rows;
  size_t row_count;
} pyoptim_gradient;

/* Makes a step with row-sparse gradients, for rules that support them (pyoptim_rule). All other
 * rows and their states stay unchanged. PYOPTIM_ERROR_ARGUMENT: as pyoptim_step, a row is out of
 * range, or the rule or an option does not support row-sparse gradients. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_step_rows(pyoptim_optimizer *optimizer,
                                                const pyoptim_gradient *grads, double grad_scale,
                                                pyoptim_step_info *info);

/* Updates states with estimates of the diagonal Hessian, one for each buffer; NULL keeps a state.
 * PYOPTIM_ERROR_ARGUMENT: the rule does not use them (pyoptim_rule), or as for pyoptim_step. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_update_hessian(pyoptim_optimizer *optimizer,
                                                     const void *const *estimates);

/* Switch to eval mode, for evaluation or saving, and back to train mode, which restores the
 * training weights exactly. You cannot step in eval mode. Only schedule-free rules have an eval
 * mode; for all others, and if repeated, the calls have no effect. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_eval(pyoptim_optimizer *optimizer);
PYOPTIM_PUBLIC pyoptim_status pyoptim_train(pyoptim_optimizer *optimizer);

/* Sets *evaluating to 1 in eval mode and to 0 in train mode. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_evaluating(pyoptim_optimizer *optimizer, int32_t *evaluating);

/* An argument of a schedule, or a hyperparameter. It is a number, a word, several numbers, or
 * schedules. Set unused members to 0. */
typedef struct pyoptim_argument {
  const char *name;
  double number;
  const char *word;
  const double *numbers;                    /* `count` of them */
  const pyoptim_schedule *const *schedules; /* `count` of them */
  size_t count;
} pyoptim_argument;

/* ---- Hyperparameters of a group --------------------------------------------------------------*/

/* Reads a hyperparameter of a group; for a schedule, its value at the last step.
 * PYOPTIM_ERROR_ARGUMENT: the group or name is unknown. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_get(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double *value);

/* Sets a hyperparameter from the next step on, and removes its schedule. PYOPTIM_ERROR_ARGUMENT: as
 * pyoptim_get, the value is out of range, or it would change which states exist. */
PYOPTIM_PUBLIC pyoptim_status pyoptim_set(pyoptim_optimizer *optimizer, size_t group,
                                          const char *name, double value);

/* Sets several hyperparameters, either all or none. Errors are those of pyoptim_set. */
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
  size_t field_count;    /* its own hyperparameters */
} pyoptim_rule;

/* A hyperparameter of a rule: its default and range. Set struct_size before. */
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

/* How many rules there are, one of them, and one of its hyperparameters, all numbered from 0.
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
