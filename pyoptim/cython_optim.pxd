"""The Cython face of pyoptim: steps without Python, under nogil.

cimport Stepper, make it from an optimizer, and call step() in your own loop:

    from pyoptim.cython_optim cimport Stepper

    cdef Stepper stepper = Stepper(pyoptim.Adam(params))
    with nogil:
        for i in range(steps):
            ...                       # write the gradients
            stepper.step()

No header and no library of pyoptim is needed to compile or link this.

Parameters are numbered over all groups, in the order the optimizer was given them, and groups as in
optimizer.param_groups. Names are C strings: b"lr". Where a method raises, it takes the GIL for that
alone; it raises ValueError where it is given NULL in the place of an array, a name or a size. That a
variable of type Stepper is not None is for its owner to see to, as with all cdef classes. A Stepper
is for one thread at a time, and while it is at work nothing else may step, load or change its
optimizer.

Stability: what stands here may grow, and does not change otherwise. A module that was compiled
against one version of pyoptim works with all later ones as it is. The methods of Stepper are
compiled into the module that uses them, and call the functions below, which Cython looks up by name
and type when that module is imported: should a version not have them as the module expects, as an
older one may not, the import raises ImportError ("does not export expected C function") or
TypeError ("has wrong signature"). The memory layout of Stepper never changes, and Cython compares
its size.
"""

cimport cython
from libc.stdint cimport int64_t


# What the methods of Stepper call; call these instead.
cdef int stepper_step(Stepper self, double grad_scale) except -1 nogil
cdef int stepper_step_on(
    Stepper self, const void *const *grads, double grad_scale) except -1 nogil
cdef int stepper_step_rows(
    Stepper self, const void *const *grads, const int64_t *const *rows, const size_t *counts,
    double grad_scale) except -1 nogil
cdef int stepper_update_hessian(Stepper self, const void *const *estimates) except -1 nogil
cdef int stepper_set_evaluating(Stepper self, bint evaluating) except -1 nogil
cdef double stepper_get(Stepper self, size_t group, const char *name) except? -1 nogil
cdef int stepper_set(Stepper self, size_t group, const char *name, double value) except -1 nogil
cdef int64_t stepper_steps(Stepper self) noexcept nogil
cdef double stepper_grad_norm(Stepper self) noexcept nogil
cdef bint stepper_skipped(Stepper self) noexcept nogil
cdef size_t stepper_count(Stepper self) noexcept nogil
cdef void *stepper_param(Stepper self, size_t index, size_t *size) except? NULL nogil
cdef const void *stepper_state(
    Stepper self, size_t index, const char *name, size_t *size) except? NULL nogil


@cython.final
cdef class Stepper:
    """Stepper(optimizer, grads=None, *, schedule_steps=1); see help(pyoptim.cython_optim.Stepper).
    """

    cdef readonly object optimizer  # what it was made from
    cdef object _arrays             # the gradients
    cdef object _native             # who owns the memory
    cdef void *_driver

    # ---- Steps -------------------------------------------------------------------------------
    # Return 1, or 0 if the step was skipped (skip_nonfinite). Schedules are followed; they are
    # Python, so that a step may take the GIL for them: see schedule_steps.

    cdef inline int step(self) except -1 nogil:
        """One step on the gradients that the Stepper was made with.

        ValueError if there are none, or a schedule gives a number out of range; RuntimeError while
        evaluating.
        """
        return stepper_step(self, 1.0)

    cdef inline int step_scaled(self, double grad_scale) except -1 nogil:
        """The same, gradients multiplied by grad_scale: 1.0 / batch_size, for example."""
        return stepper_step(self, grad_scale)

    cdef inline int step_on(
            self, const void *const *grads, double grad_scale) except -1 nogil:
        """One step on other gradients: a pointer for each parameter, NULL to leave it as it is.

        Each is to as many elements as the parameter has, of its dtype, one after the other. The
        caller answers for that; ValueError where one overlaps a parameter or a state. With
        zero_grads they are written.
        """
        return stepper_step_on(self, grads, grad_scale)

    cdef inline int step_rows(
            self, const void *const *grads, const int64_t *const *rows, const size_t *counts,
            double grad_scale) except -1 nogil:
        """The same, where gradients may be of some rows of a parameter, as pyoptim.RowGrad.

        Where rows[i] is not NULL, it points to counts[i] numbers of rows, counted along the first
        axis, in any order, repeated or not, and grads[i] to as many rows of values; only these rows
        and their states change. counts[i] is not read where rows[i] is NULL. IndexError if a row is
        out of range; ValueError if the optimizer takes no gradients of rows.
        """
        return stepper_step_rows(self, grads, rows, counts, grad_scale)

    cdef inline int update_hessian(self, const void *const *estimates) except -1 nogil:
        """Takes in estimates of the Hessian's diagonal, as Optimizer.update_hessian; as step_on.

        ValueError if the rule uses none.
        """
        return stepper_update_hessian(self, estimates)

    # ---- Points of evaluation ------------------------------------------------------------------

    cdef inline int eval(self) except -1 nogil:
        """Brings the parameters to where the model is to be evaluated, as Optimizer.eval."""
        return stepper_set_evaluating(self, True)

    cdef inline int train(self) except -1 nogil:
        """Brings them back, to the bit; no step can be made in between."""
        return stepper_set_evaluating(self, False)

    # ---- Settings ------------------------------------------------------------------------------

    cdef inline double get(self, size_t group, const char *name) except? -1 nogil:
        """A setting of a group: b"lr", b"weight_decay", b"beta1" ... ; of a schedule, what it was
        at the last step. A flag is 0 or 1. ValueError if there is none of this name, IndexError if
        there is no such group.
        """
        return stepper_get(self, group, name)

    cdef inline int set(self, size_t group, const char *name, double value) except -1 nogil:
        """Sets one; it is used from the next step on. Returns 1.

        ValueError as well if it is out of range, changes which states are kept, or is a schedule;
        then it stays as it was.
        """
        return stepper_set(self, group, name, value)

    # ---- What is known -------------------------------------------------------------------------

    cdef inline int64_t steps(self) noexcept nogil:
        """The steps made, those from Python too."""
        return stepper_steps(self)

    cdef inline double grad_norm(self) noexcept nogil:
        """The norm of all gradients of the last step, scaled and not yet clipped; NaN before the
        first, and unless clip_norm or skip_nonfinite is on.
        """
        return stepper_grad_norm(self)

    cdef inline bint skipped(self) noexcept nogil:
        """Whether the last step was skipped, as a gradient was not finite."""
        return stepper_skipped(self)

    cdef inline size_t count(self) noexcept nogil:
        """The number of parameters."""
        return stepper_count(self)

    cdef inline void *param(self, size_t index, size_t *size) except? NULL nogil:
        """Where a parameter lies, and in *size how many elements it has. IndexError if there is
        none of this number.
        """
        return stepper_param(self, index, size)

    cdef inline const void *state(
            self, size_t index, const char *name, size_t *size) except? NULL nogil:
        """Where a state of a parameter lies, and in *size how many elements it has.

        Names are those of optimizer.state. Elements are double for parameters of float64, else
        float, in the parameter's order, unless state_dtype says otherwise; states of rows and
        columns have a size of their own. A number kept beside the arrays is a double, b"step" an
        int64_t. It stays there as long as the optimizer lives. ValueError if there is none of this
        name.
        """
        return stepper_state(self, index, name, size)
