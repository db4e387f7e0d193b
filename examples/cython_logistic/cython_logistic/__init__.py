"""A logistic regression of scikit-learn's kind whose fit loop is Cython, stepped by pyoptim."""

from cython_logistic.estimator import LogisticRegression

__all__ = ["LogisticRegression"]
