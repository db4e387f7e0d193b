# cython: language_level=3
# cython: subinterpreters_compatible=no, freethreading_compatible=False
"""Steps from Cython without the GIL, with `Stepper`."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport NAN
from libc.stdint cimport int64_t
from libcpp cimport bool
from libcpp.pair cimport pair
from libcpp.string cimport string
from libcpp.vector cimport vector

from pyoptim._utils.validation import LARGEST_COUNT, as_count
from pyoptim.optim._base import Optimizer as PythonOptimizer


cdef extern from "optim/optimizer.hpp" namespace "pyoptim" nogil:
    cdef cppclass StepInfo:
        double grad_norm
        bool measured
        bool skipped

    cdef cppclass Optimizer:
        pass

cdef extern from "bindings/exceptions.hpp" namespace "pyoptim::bindings":
    void raise_in_python() noexcept

cdef extern from "bindings/stepper.hpp" namespace "pyoptim::bindings" nogil:
    cdef cppclass Driver:
        Driver(Optimizer *, vector[const void *], vector[size_t],
               vector[pair[size_t, string]], size_t) except +raise_in_python
        const StepInfo &last()
        int64_t steps()
        size_t count()
        size_t ahead()
        bool needs_settings()
        bool is_asking()
        void set_asking(bool)
        void take_settings(
            vector[pair[size_t, string]],
            vector[vector[pair[size_t, vector[pair[string, double]]]]]) except +raise_in_python
        void step(double) except +raise_in_python
        void step_on(const void *const *, double) except +raise_in_python
        void step_rows(const void *const *, const int64_t *const *, const size_t *,
                       double) except +raise_in_python
        void update_hessian(const void *const *) except +raise_in_python
        void set_evaluating(bool) except +raise_in_python
        double get(size_t, const char *) except +raise_in_python
        void set(size_t, const char *, double) except +raise_in_python
        void *param(size_t, size_t *) except +raise_in_python
        const void *state(size_t, const char *, size_t *) except +raise_in_python


cdef class Stepper:
    """A loop of optimizer steps for Cython, without the GIL.

    Arrays, hyperparameters, state_dict() and step count of the optimizer show the same values in
    Python. Do not step, load or change the optimizer, or resize its arrays, while a Stepper is
    running. run() checks that the arrays are still writable, but step() of Cython does not.
    pyoptim/cython_optim.pxd describes the methods for Cython.

    Parameters
    ----------
    optimizer : pyoptim.Optimizer
        Any optimizer except wrappers and the matrix optimizers (Muon, Shampoo, SOAP).
    grads : list of arrays, optional
        Gradients that step() reads, in the order of the parameters. Each is a C-contiguous array
        of the parameter's dtype and shape, or None to leave the parameter unchanged. Optional if
        the optimizer is over Parameters, which have gradients.
    schedule_steps : int
        Number of steps for which schedules are evaluated at once, at most 1,000,000. Evaluating
        schedules needs the GIL, so a larger number acquires it less often. Use more than 1 only
        for schedules that depend only on the step. Changes to ``param_groups`` take effect at
        the next step.

    Raises
    ------
    TypeError
        If `optimizer` is not supported, or a gradient is not an array of the parameter's dtype.
    ValueError
        If the number or a shape of gradients does not match, or a gradient is not C-contiguous.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> from pyoptim.cython_optim import Stepper
    >>> w = np.array([1.0, -2.0])
    >>> stepper = Stepper(po.SGD([w], lr=po.schedules.linear(1.0, steps=2)), [np.ones(2)])
    >>> stepper.run(2)
    2
    >>> w
    array([-0.5, -3.5])
    """

    def __cinit__(self, optimizer, grads=None, *, schedule_steps=1):
        if not isinstance(optimizer, PythonOptimizer):
            raise TypeError(
                "Stepper: expected an optimizer of pyoptim itself, no wrapper, got "
                f"{type(optimizer).__name__}")
        ahead = as_count("schedule_steps", schedule_steps, 1_000_000)
        self.optimizer = optimizer
        self._native = optimizer._native
        engine = optimizer._engine_for_stepper()
        self._arrays = self._native.checked_grads(grads)
        cdef vector[const void *] pointers
        for array in self._arrays or ():
            pointers.push_back(<const void *> <size_t> (0 if array is None else array.ctypes.data))
        rows = [array.shape[0] if array.ndim else 0 for array in self._native.params]
        self._driver = new Driver(
            <Optimizer *> PyCapsule_GetPointer(engine, b"pyoptim.Optimizer"), pointers, rows,
            _scheduled(optimizer), ahead)

    def __dealloc__(self):
        cdef Driver *driver = as_driver(self)
        del driver

    @property
    def grads(self):
        """Gradients that step() reads, or None."""
        return None if self._arrays is None else list(self._arrays)

    def __repr__(self):
        return f"Stepper({self.optimizer!r})"

    def run(self, steps):
        """Make `steps` steps without the GIL, and return the number of steps not skipped."""
        cdef Py_ssize_t made = 0
        self._native.checked_grads(self._arrays)
        cdef Py_ssize_t count = as_count("steps", steps, PY_SSIZE_T_MAX, minimum=0)
        with nogil:
            for _ in range(count):
                made += self.step()
        return made


def _scheduled(optimizer):
    """Which settings are schedules, by group."""
    return [
        (index, name.encode())
        for index, group in enumerate(optimizer.param_groups)
        for name in group.schedules
    ]


cdef inline Driver *as_driver(Stepper self) noexcept nogil:
    return <Driver *> self._driver


cdef int evaluate_schedules(Stepper self, size_t ahead) except -1 with gil:
    """Asks the schedules for the settings of the coming steps."""
    cdef Driver *driver = as_driver(self)
    if driver.is_asking():
        raise RuntimeError("Stepper: a schedule must not step the optimizer that asks for its value")
    first = driver.steps()
    groups = self.optimizer.param_groups
    driver.set_asking(True)
    try:
        settings = [
            [
                (index, [(name.encode(), value) for name, value in group.scheduled_at(step)])
                for index, group in enumerate(groups)
            ]
            for step in range(first, min(first + ahead, LARGEST_COUNT + 1))
        ]
    finally:
        driver.set_asking(False)
    if driver.steps() != first:
        raise RuntimeError("Stepper: a schedule must not step the optimizer that asks for its value")
    driver.take_settings(_scheduled(self.optimizer), settings)
    return 0


cdef inline int follow_schedules(Stepper self) except -1 nogil:
    if as_driver(self).needs_settings():
        return evaluate_schedules(self, as_driver(self).ahead())
    return 0


cdef int stepper_step(Stepper self, double grad_scale) except -1 nogil:
    follow_schedules(self)
    as_driver(self).step(grad_scale)
    return 0 if as_driver(self).last().skipped else 1


cdef int stepper_step_on(
        Stepper self, const void *const *grads, double grad_scale) except -1 nogil:
    follow_schedules(self)
    as_driver(self).step_on(grads, grad_scale)
    return 0 if as_driver(self).last().skipped else 1


cdef int stepper_step_rows(
        Stepper self, const void *const *grads, const int64_t *const *rows, const size_t *counts,
        double grad_scale) except -1 nogil:
    follow_schedules(self)
    as_driver(self).step_rows(grads, rows, counts, grad_scale)
    return 0 if as_driver(self).last().skipped else 1


cdef int stepper_update_hessian(
        Stepper self, const void *const *estimates) except -1 nogil:
    as_driver(self).update_hessian(estimates)
    return 1


cdef int stepper_set_evaluating(Stepper self, bint evaluating) except -1 nogil:
    as_driver(self).set_evaluating(evaluating)
    return 1


cdef double stepper_get(Stepper self, size_t group, const char *name) except? -1 nogil:
    return as_driver(self).get(group, name)


cdef int stepper_set(Stepper self, size_t group, const char *name, double value) except -1 nogil:
    as_driver(self).set(group, name, value)
    return 1


cdef int64_t stepper_steps(Stepper self) noexcept nogil:
    return as_driver(self).steps()


cdef double stepper_grad_norm(Stepper self) noexcept nogil:
    return as_driver(self).last().grad_norm if as_driver(self).last().measured else NAN


cdef bint stepper_skipped(Stepper self) noexcept nogil:
    return as_driver(self).last().skipped


cdef size_t stepper_count(Stepper self) noexcept nogil:
    return as_driver(self).count()


cdef void *stepper_param(Stepper self, size_t index, size_t *size) except? NULL nogil:
    return as_driver(self).param(index, size)


cdef const void *stepper_state(
        Stepper self, size_t index, const char *name, size_t *size) except? NULL nogil:
    return as_driver(self).state(index, name, size)
