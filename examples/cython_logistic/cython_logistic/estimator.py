"""The estimator: arguments and checks in Python, the work in `_fit`."""

import warnings
from typing import Any, Self

import numpy as np
from pyoptim.cython_optim import Stepper
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import softmax
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import pyoptim as po
from cython_logistic._fit import fit


class LogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression with an L2 penalty, fitted by Adam on all rows at a time.

    It minimises ``C * (sum of losses) + |coef|^2 / 2``, as scikit-learn's LogisticRegression.

    Parameters
    ----------
    C : float
        The weight of the data against the penalty.
    learning_rate : float
        Where the learning rate starts; it falls to 0 along a cosine.
    max_iter : int
        The steps made, if `tol` is not reached before.
    tol : float
        The fit ends when no gradient of the mean loss is larger.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    coef_ : array of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : array of shape (1,) or (n_classes,)
    n_iter_ : int
        The steps made.
    """

    def __init__(
        self,
        C: float = 1.0,  # noqa: N803 (scikit-learn's name)
        *,
        learning_rate: float = 0.1,
        max_iter: int = 2000,
        tol: float = 1e-7,
    ) -> None:
        self.C = C
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit to rows of features and their classes."""
        for name, value in (("C", self.C), ("tol", self.tol)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be above 0 and finite, got {value}")
        x, y = validate_data(self, X, y, dtype=np.float64, order="C")
        check_classification_targets(y)
        self.classes_, classes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"at least 2 classes are needed, got {len(self.classes_)} class")
        rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        params = po.Parameters({"coef": (rows, x.shape[1]), "intercept": (rows,)}, dtype="float64")
        falling = po.schedules.cosine(self.learning_rate, steps=self.max_iter)
        stepper = Stepper(po.Adam(params, lr=falling), schedule_steps=100)
        self.n_iter_ = fit(
            stepper,
            x,
            classes.astype(np.intp),
            params["coef"],
            params["intercept"],
            params.grads["coef"],
            params.grads["intercept"],
            self.C,
            self.max_iter,
            self.tol,
        )
        if self.n_iter_ == self.max_iter:
            warnings.warn(
                f"tol was not reached in {self.max_iter} steps: raise max_iter, or scale the data",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_, self.intercept_ = params["coef"].copy(), params["intercept"].copy()
        return self

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        """Return the scores: of the second class if there are two, else of all."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        scores = x @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """Return the probability of every class."""
        scores = self.decision_function(X)
        return softmax(np.stack([0 * scores, scores], 1) if scores.ndim == 1 else scores)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the most probable classes."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)]
