# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fit loop: loss gradients by hand, steps by pyoptim, all of it without the GIL."""

from libc.math cimport exp, fabs

import numpy as np

from pyoptim.cython_optim cimport Stepper


cdef void residuals(double[::1] scores, Py_ssize_t label) noexcept nogil:
    """Scores become probabilities, less 1 for the true class: the gradients of a row's loss."""
    cdef Py_ssize_t k, classes = scores.shape[0]
    cdef double largest = scores[0], total = 0
    if classes == 1:  # the score of the second of two classes
        scores[0] = 1 / (1 + exp(-scores[0])) - label
        return
    for k in range(1, classes):
        largest = max(largest, scores[k])
    for k in range(classes):
        scores[k] = exp(scores[k] - largest)
        total += scores[k]
    for k in range(classes):
        scores[k] /= total
    scores[label] -= 1


def fit(
    Stepper stepper,
    const double[:, ::1] x,
    const Py_ssize_t[::1] labels,
    const double[:, ::1] coef,
    const double[::1] intercept,
    double[:, ::1] coef_grad,
    double[::1] intercept_grad,
    double C,
    int max_iter,
    double tol,
):
    """Step until no gradient of the mean loss is above tol; return the steps made.

    coef and intercept are what the stepper updates, coef_grad and intercept_grad are the gradients that it reads.
    """
    cdef Py_ssize_t i, j, k, rows = x.shape[0], features = x.shape[1], classes = coef.shape[0]
    cdef double[::1] scores = np.empty(classes)
    cdef double largest
    cdef int iteration
    with nogil:
        for iteration in range(max_iter):
            for k in range(classes):
                intercept_grad[k] = 0
                for j in range(features):
                    coef_grad[k, j] = coef[k, j] / (C * rows)
            for i in range(rows):
                for k in range(classes):
                    scores[k] = intercept[k]
                    for j in range(features):
                        scores[k] += coef[k, j] * x[i, j]
                residuals(scores, labels[i])
                for k in range(classes):
                    intercept_grad[k] += scores[k] / rows
                    for j in range(features):
                        coef_grad[k, j] += scores[k] * x[i, j] / rows
            largest = 0
            for k in range(classes):
                largest = max(largest, fabs(intercept_grad[k]))
                for j in range(features):
                    largest = max(largest, fabs(coef_grad[k, j]))
            if largest <= tol:
                break
            stepper.step()
    return stepper.steps()
