# cython: language_level=3, boundscheck=False, wraparound=False
"""Calls everything that pyoptim.cython_optim has, without the GIL, on float64 parameters."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

from pyoptim.cython_optim cimport Stepper

def step(Stepper stepper, int times, double scale):
    """Steps on the Stepper's own gradients; returns what each step did and tells of it."""
    cdef int i, made = 0
    cdef int64_t steps
    cdef double norm
    cdef bint skipped
    with nogil:
        for i in range(times):
            made += stepper.step() if scale == 1 else stepper.step_scaled(scale)
        steps = stepper.steps()
        norm = stepper.grad_norm()
        skipped = stepper.skipped()
    return made, steps, norm, skipped


def step_on(Stepper stepper, list grads, double scale):
    """Steps on other arrays of float64, None for none."""
    cdef const void *pointers[8]
    cdef const double[::1] grad
    cdef int made
    for i, array in enumerate(grads):
        pointers[i] = NULL
        if array is not None:
            grad = array
            pointers[i] = &grad[0]
    with nogil:
        made = stepper.step_on(pointers, scale)
    return made


def step_rows(Stepper stepper, list grads, double scale):
    """Steps on pairs of row numbers and rows of values; dense gradients have None for numbers."""
    cdef const void *pointers[8]
    cdef const int64_t *rows[8]
    cdef size_t counts[8]
    cdef const double[:, ::1] values
    cdef const int64_t[::1] numbers
    cdef int made
    for i, (chosen, array) in enumerate(grads):
        values = array
        pointers[i] = &values[0, 0] if values.shape[0] else NULL
        rows[i] = NULL
        if chosen is not None:
            numbers = chosen
            rows[i] = &numbers[0]
            counts[i] = numbers.shape[0]
    with nogil:
        made = stepper.step_rows(pointers, rows, counts, scale)
    return made


def update_hessian(Stepper stepper, const double[::1] estimate):
    cdef const void *pointer = &estimate[0]
    with nogil:
        stepper.update_hessian(&pointer)


def evaluate(Stepper stepper, bint on):
    with nogil:
        if on:
            stepper.eval()
        else:
            stepper.train()


def get(Stepper stepper, size_t group, bytes name):
    cdef const char *text = name
    cdef double value
    with nogil:
        value = stepper.get(group, text)
    return value


def set(Stepper stepper, size_t group, bytes name, double value):
    cdef const char *text = name
    with nogil:
        stepper.set(group, text, value)


def param(Stepper stepper, size_t index):
    """Copies a parameter by its address."""
    cdef size_t size
    cdef void *data
    with nogil:
        data = stepper.param(index, &size)
    return copied(data, size)


def state(Stepper stepper, size_t index, bytes name):
    """Copies a state by its address; what is called step is a whole number."""
    cdef size_t size
    cdef const void *data
    cdef const char *text = name
    with nogil:
        data = stepper.state(index, text, &size)
    return (<const int64_t *> data)[0] if name == b"step" else copied(data, size)


def count(Stepper stepper):
    return stepper.count()


def give_null(Stepper stepper, str method):
    """Calls a method with NULL in the place of a pointer that is needed."""
    cdef size_t size
    if method == "step_on":
        stepper.step_on(NULL, 1.0)
    elif method == "step_rows":
        stepper.step_rows(NULL, NULL, NULL, 1.0)
    elif method == "update_hessian":
        stepper.update_hessian(NULL)
    elif method == "get":
        stepper.get(0, NULL)
    elif method == "set":
        stepper.set(0, NULL, 1.0)
    elif method == "param":
        stepper.param(0, NULL)
    else:
        stepper.state(0, NULL, &size)


cdef copied(const void *data, size_t size):
    cdef double[::1] values = np.empty(size)
    if size > 0:
        memcpy(&values[0], data, size * sizeof(double))
    return np.asarray(values)
