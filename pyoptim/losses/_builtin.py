"""The class of each loss, and an instance with the defaults."""

# Written by tools/generate from the engine's list of losses; do not edit.

from __future__ import annotations

from pyoptim.losses._base import Loss

__all__ = [
    "squared",
    "absolute",
    "huber",
    "quantile",
    "epsilon_insensitive",
    "logistic",
    "softmax",
    "focal",
    "hinge",
    "squared_hinge",
    "modified_huber",
    "poisson",
    "gamma",
    "tweedie",
    "Squared",
    "Absolute",
    "Huber",
    "Quantile",
    "EpsilonInsensitive",
    "Logistic",
    "Softmax",
    "Focal",
    "Hinge",
    "SquaredHinge",
    "ModifiedHuber",
    "Poisson",
    "Gamma",
    "Tweedie",
]


class Squared(Loss):
    """The squared error.

        l = (z - y)^2

    Its mean is scikit-learn's mean_squared_error and torch's MSELoss: there is no factor 1/2.

    Targets are numbers, a finite number.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Squared()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "squared"

    def __init__(self) -> None:
        super().__init__()


class Absolute(Loss):
    """The absolute error, whose best constant is the median.

        l = |z - y|

    The gradient at z = y is 0. Its mean is torch's L1Loss.

    Targets are numbers, a finite number.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Absolute()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "absolute"

    def __init__(self) -> None:
        super().__init__()


class Huber(Loss):
    """Huber's loss: quadratic near the target, linear far from it, so that outliers pull less.

        l = (z - y)^2 / 2                  where |z - y| <= delta
        l = delta (|z - y| - delta / 2)    elsewhere

    The scale is that of torch's HuberLoss: near the target it is half the squared error.

    Huber, Robust Estimation of a Location Parameter, 1964, doi:10.1214/aoms/1177703732.

    Targets are numbers, a finite number.
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    delta : float, above 0 and finite, by default 1.0
        Error above which the loss is linear.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Huber()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__(delta=delta)

    @property
    def delta(self) -> float:
        """Error above which the loss is linear."""
        return self.parameters["delta"]


class Quantile(Loss):
    """The quantile (pinball) loss: its best constant is a quantile of the targets.

        l = (1 - quantile) (z - y)    where z > y
        l = quantile (y - z)          elsewhere

    The gradient at z = y is 0. Its mean is scikit-learn's mean_pinball_loss.

    Koenker and Bassett, Regression Quantiles, 1978, doi:10.2307/1913643.

    Targets are numbers, a finite number.
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    quantile : float, in (0, 1), by default 0.5
        Fraction of the targets that should be below the scores.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Quantile()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "quantile"

    def __init__(self, quantile: float = 0.5) -> None:
        super().__init__(quantile=quantile)

    @property
    def quantile(self) -> float:
        """Fraction of the targets that should be below the scores."""
        return self.parameters["quantile"]


class EpsilonInsensitive(Loss):
    """The absolute error beyond a tolerance of epsilon, as in support vector regression.

        l = max(0, |z - y| - epsilon)

    Vapnik, The Nature of Statistical Learning Theory, 1995.

    Targets are numbers, a finite number.
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    epsilon : float, at least 0 and finite, by default 0.1
        Largest error without loss.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.EpsilonInsensitive()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "epsilon_insensitive"

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__(epsilon=epsilon)

    @property
    def epsilon(self) -> float:
        """Largest error without loss."""
        return self.parameters["epsilon"]


class Logistic(Loss):
    """The logistic loss (binary cross-entropy) of a score that is the log-odds of class 1.

        p = 1 / (1 + e^-z)
        l = -y log(p) - (1 - y) log(1 - p)

    Targets are classes 0 and 1, or probabilities of class 1. Its mean is torch's
    BCEWithLogitsLoss.

    Targets are numbers, in [0, 1].
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Logistic()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "logistic"

    def __init__(self) -> None:
        super().__init__()


class Softmax(Loss):
    """Softmax cross-entropy, of a row of scores with one for each class.

        p_k = e^(z_k) / sum_j e^(z_j)
        l = -sum_k y_k log(p_k)

    Targets are class labels from 0, for which y is a one-hot row, or rows of
    probabilities y. With label smoothing s, y_k becomes (1 - s) y_k + s / classes. It is
    torch's CrossEntropyLoss. The `hessian` is the diagonal of the row's Hessian.

    Szegedy et al., Rethinking the Inception Architecture, 2015, arXiv:1512.00567, for label
    smoothing.

    Targets are whole numbers from 0, one a row, or rows of probabilities, one for each class.
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    label_smoothing : float, in [0, 1], by default 0.0
        Fraction of each target that is spread over all classes.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([[0.5, 2.0], [1.0, -1.0]]), np.array([0, 1])
    >>> loss = po.losses.Softmax()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "softmax"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing=label_smoothing)

    @property
    def label_smoothing(self) -> float:
        """Fraction of each target that is spread over all classes."""
        return self.parameters["label_smoothing"]


class Focal(Loss):
    """The focal loss: the logistic loss with less weight on samples that are classified well.

        p = 1 / (1 + e^-z)
        l = -y alpha (1 - p)^gamma log(p) - (1 - y) (1 - alpha) p^gamma log(1 - p)

    Targets are classes 0 and 1, or probabilities of class 1. For classes it is torchvision's
    sigmoid_focal_loss. It is not convex.

    Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002.

    Targets are numbers, in [0, 1].
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    gamma : float, at least 0 and finite, by default 2.0
        Strength of the focus on hard samples; 0 gives the logistic loss.
    alpha : float, in [-1, 1], by default 0.25
        Weight of class 1, where class 0 has 1 - alpha; a negative value gives both weight 1.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Focal()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "focal"

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None:
        super().__init__(gamma=gamma, alpha=alpha)

    @property
    def gamma(self) -> float:
        """Strength of the focus on hard samples; 0 gives the logistic loss."""
        return self.parameters["gamma"]

    @property
    def alpha(self) -> float:
        """Weight of class 1, where class 0 has 1 - alpha; a negative value gives both weight 1."""
        return self.parameters["alpha"]


class Hinge(Loss):
    """The hinge loss of linear support vector machines: the shortfall from a margin of 1.

        t = 2 y - 1
        l = max(0, 1 - t z)

    Targets are classes 0 and 1, which t turns to -1 and 1. The gradient at t z = 1 is 0.

    Cortes and Vapnik, Support-Vector Networks, 1995, doi:10.1007/BF00994018.

    Targets are numbers, 0 or 1.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Hinge()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "hinge"

    def __init__(self) -> None:
        super().__init__()


class SquaredHinge(Loss):
    """The square of the hinge loss, which is differentiable everywhere.

        t = 2 y - 1
        l = max(0, 1 - t z)^2

    Targets are classes 0 and 1, which t turns to -1 and 1. It is the default of scikit-learn's
    LinearSVC.

    Targets are numbers, 0 or 1.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.SquaredHinge()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "squared_hinge"

    def __init__(self) -> None:
        super().__init__()


class ModifiedHuber(Loss):
    """The modified Huber loss for classes: the squared hinge loss, but linear for large errors.

        t = 2 y - 1
        l = max(0, 1 - t z)^2    where t z >= -1
        l = -4 t z               elsewhere

    Targets are classes 0 and 1, which t turns to -1 and 1. It is the loss of scikit-learn's
    SGDClassifier.

    Zhang, Solving Large Scale Linear Prediction Problems Using Stochastic Gradient Descent
    Algorithms, 2004, doi:10.1145/1015330.1015332.

    Targets are numbers, 0 or 1.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.ModifiedHuber()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "modified_huber"

    def __init__(self) -> None:
        super().__init__()


class Poisson(Loss):
    """The negative log-likelihood of counts whose logarithm of the mean is the score.

        l = e^z - y z

    Terms of y alone are left out. Its mean is torch's PoissonNLLLoss and half of
    scikit-learn's Poisson deviance, up to them.

    Targets are numbers, at least 0 and finite.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Poisson()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "poisson"

    def __init__(self) -> None:
        super().__init__()


class Gamma(Loss):
    """The negative log-likelihood of gamma-distributed targets whose logarithm of the mean is
    the score.

        l = z + y e^-z

    Terms of y alone are left out. Its mean is half of scikit-learn's gamma deviance, up to
    them. A target of 0 leaves l = z.

    Targets are numbers, at least 0 and finite.
    See `pyoptim.losses.Loss` for what a loss can do.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Gamma()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "gamma"

    def __init__(self) -> None:
        super().__init__()


class Tweedie(Loss):
    """Half the deviance of Tweedie distributions, whose variance is the mean to some power; the
    score is the logarithm of the mean.

        l = e^((2 - power) z) / (2 - power) - y e^((1 - power) z) / (1 - power)

    With e^(0 z) / 0 read as z, power 1 is the Poisson loss and power 2 the gamma loss;
    between them are sums of a Poisson number of gamma variables, which may be 0. Terms of y
    alone are left out, as in scikit-learn.

    Jorgensen, Exponential Dispersion Models, 1987, doi:10.1111/j.2517-6161.1987.tb01685.x.

    Targets are numbers, at least 0 and finite.
    See `pyoptim.losses.Loss` for what a loss can do.

    Parameters
    ----------
    power : float, at least 1 and finite, by default 1.5
        Exponent of the mean in the variance.

    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array([0.5, 2.0]), np.array([0, 1])
    >>> loss = po.losses.Tweedie()
    >>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
    >>> value == loss(scores, targets), grad.shape == scores.shape
    (True, True)
    """

    name = "tweedie"

    def __init__(self, power: float = 1.5) -> None:
        super().__init__(power=power)

    @property
    def power(self) -> float:
        """Exponent of the mean in the variance."""
        return self.parameters["power"]


squared = Squared()
absolute = Absolute()
huber = Huber()
quantile = Quantile()
epsilon_insensitive = EpsilonInsensitive()
logistic = Logistic()
softmax = Softmax()
focal = Focal()
hinge = Hinge()
squared_hinge = SquaredHinge()
modified_huber = ModifiedHuber()
poisson = Poisson()
gamma = Gamma()
tweedie = Tweedie()
