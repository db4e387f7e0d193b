"""The class of each elementwise rule, with its signature and documentation."""

# Written by tools/generate from the registry of rules; do not edit.

from __future__ import annotations

from pyoptim.optim._base import Optimizer, Params, ScalarOrSchedule
from pyoptim.optim._options import MasterWeights, Modifier, StateDType

__all__ = [
    "SGD",
    "SignSGD",
    "Signum",
    "Lion",
    "Adagrad",
    "RMSprop",
    "Adadelta",
    "Adam",
    "AdamW",
    "AMSGrad",
    "Adamax",
    "NAdam",
    "RAdam",
    "Rprop",
    "ASGD",
    "AdaBelief",
    "Yogi",
    "Adan",
    "AdEMAMix",
    "ADOPT",
    "LaProp",
    "QHAdam",
    "AdaBound",
    "DiffGrad",
    "PAdam",
    "Tiger",
    "FTML",
    "MADGRAD",
    "FTRL",
    "ScheduleFreeSGD",
    "ScheduleFreeAdamW",
    "Sophia",
    "LAMB",
    "LARS",
    "NovoGrad",
    "StableAdamW",
    "Prodigy",
    "DAdaptAdam",
    "DoG",
    "Adafactor",
    "SM3",
    "RowwiseAdagrad",
]


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

        b = momentum b + (1 - dampening) g        (b = g at the first step)
        p = p - lr b                              (nesterov: p - lr (g + momentum b))

    Robbins and Monro, A Stochastic Approximation Method, 1951; Sutskever et al., On the
    importance of initialization and momentum in deep learning, 2013.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, at least 0 and finite
        Momentum: fraction of the previous step that is kept.
    dampening : float or schedule, a finite number
        Fraction of the gradient that momentum leaves out.
    nesterov : bool
        Whether to use Nesterov momentum.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.SGD([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "SGD"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        momentum: ScalarOrSchedule = 0.0,
        dampening: ScalarOrSchedule = 0.0,
        nesterov: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "nesterov": nesterov,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class SignSGD(Optimizer):
    """Sign descent: every element moves by lr, against the sign of its gradient.

        p = p - lr sign(g)        (sign(0) = 0)

    Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,
    arXiv:1802.04434.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.SignSGD([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "SignSGD"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0001,
        *,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Signum(Optimizer):
    """Sign descent along the mean of past gradients.

        m = momentum m + (1 - momentum) g
        p = p - lr sign(m)        (sign(0) = 0)

    Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, 2018,
    arXiv:1802.04434.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Signum([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Signum"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0001,
        *,
        momentum: ScalarOrSchedule = 0.9,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Lion(Optimizer):
    """Lion: the sign of a mix of momentum and gradient; one state, steps of even size, so a rate
    three to ten times below Adam's. Weight decay acts on the parameters.

        p = p - lr sign(beta1 m + (1 - beta1) g)        (sign(0) = 0)
        m = beta2 m + (1 - beta2) g

    Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, arXiv:2302.06675.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Weight of the momentum in the step; the gradient has the rest.
    beta2 : float or schedule, in [0, 1)
        Decay of the momentum.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Lion([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Lion"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.99,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adagrad(Optimizer):
    """Adagrad: every element has its own rate, which falls with the squares of its gradients.

        G = G + g^2
        p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(G) + eps)

    Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization, JMLR 12, 2011. As in torch, eps stands outside the root and G starts from 0.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    lr_decay : float or schedule, at least 0 and finite
        Decay of the rate per step.
    initial_accumulator_value : float or schedule, at least 0 and finite
        Initial value of G.
    eps : float or schedule, at least 0 and finite
        Added to the root of G.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adagrad([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adagrad"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        lr_decay: ScalarOrSchedule = 0.0,
        initial_accumulator_value: ScalarOrSchedule = 0.0,
        eps: ScalarOrSchedule = 1e-10,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class RMSprop(Optimizer):
    """RMSprop: the gradient over the root of its mean square.

        v = alpha v + (1 - alpha) g^2
        d = g / (sqrt(v) + eps)         (centered: sqrt(v - a^2), a the mean of g)
        p = p - lr d                    (momentum: b = momentum b + d, p - lr b)

    Hinton, Neural Networks for Machine Learning, lecture 6, 2012; centered: Graves,
    arXiv:1308.0850. As in torch, eps stands outside the root.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    alpha : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    momentum : float or schedule, at least 0 and finite
        Momentum: fraction of the previous step that is kept.
    centered : bool
        Whether to divide by the standard deviation of gradients instead.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.RMSprop([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "RMSprop"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        alpha: ScalarOrSchedule = 0.99,
        eps: ScalarOrSchedule = 1e-08,
        momentum: ScalarOrSchedule = 0.0,
        centered: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "momentum": momentum,
                "centered": centered,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adadelta(Optimizer):
    """Adadelta: the gradient scaled by the ratio of past steps' size to past gradients' size, so
    that steps have the units of the parameters.

        v = rho v + (1 - rho) g^2
        d = sqrt(u + eps) / sqrt(v + eps) g
        u = rho u + (1 - rho) d^2
        p = p - lr d

    Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, arXiv:1212.5701.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    rho : float or schedule, in [0, 1]
        Decay of both mean squares.
    eps : float or schedule, at least 0 and finite
        Constant added to both mean squares.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adadelta([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adadelta"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 1.0,
        *,
        rho: ScalarOrSchedule = 0.9,
        eps: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adam(Optimizer):
    """Adam: the step is the mean of past gradients over the root of their mean square, both
    corrected for having started from zero.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    amsgrad replaces v by the largest v so far.

    Kingma and Ba, Adam: A Method for Stochastic Optimization, 2014, arXiv:1412.6980.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    amsgrad : bool
        Whether to divide by the largest v so far.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        amsgrad: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "amsgrad": amsgrad,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class AdamW(Optimizer):
    """AdamW: Adam with decoupled weight decay, which acts on the parameters directly instead of
    through the gradient.

        p = p (1 - lr weight_decay), then Adam's step

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, arXiv:1711.05101.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    amsgrad : bool
        Whether to divide by the largest v so far.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.AdamW([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "AdamW"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        amsgrad: bool = False,
        weight_decay: ScalarOrSchedule = 0.01,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "amsgrad": amsgrad,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class AMSGrad(Optimizer):
    """AMSGrad: Adam divided by the root of the largest v so far, so that the rate of an element
    never grows.

        m, v as in Adam;  u = max(u, v)
        p = p - lr (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + eps)

    Reddi, Kale and Kumar, On the Convergence of Adam and Beyond, 2018, arXiv:1904.09237.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.AMSGrad([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "AMSGrad"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adamax(Optimizer):
    """Adamax: Adam with the decayed maximum of gradients in place of their mean square.

        m = beta1 m + (1 - beta1) g
        u = max(beta2 u, |g| + eps)
        p = p - lr / (1 - beta1^t) m / u

    Kingma and Ba, Adam: A Method for Stochastic Optimization, section 7.1, 2014,
    arXiv:1412.6980.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the maximum of gradient magnitudes.
    eps : float or schedule, at least 0 and finite
        Constant added to the magnitude of each gradient.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adamax([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adamax"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.002,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov momentum, whose weight mu_t grows with the steps.

        mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),  M_t = mu_1 mu_2 ... mu_t
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        n = (1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m
        p = p - lr n / (sqrt(v / (1 - beta2^t)) + eps)

    Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop, 2016.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    momentum_decay : float or schedule, at least 0 and finite
        Speed at which the momentum grows to beta1.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.NAdam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "NAdam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.002,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        momentum_decay: ScalarOrSchedule = 0.004,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "momentum_decay": momentum_decay,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class RAdam(Optimizer):
    """RAdam: Adam whose rate is rectified by the variance of v, and plain momentum in the first
    steps, where that variance is unbounded.

        m, v as in Adam;  r_inf = 2 / (1 - beta2) - 1
        r = r_inf - 2 t beta2^t / (1 - beta2^t)
        r > 5:  p = p - lr m^ sqrt(1 - beta2^t) / (sqrt(v) + eps)
                      sqrt((r - 4)(r - 2) r_inf / ((r_inf - 4)(r_inf - 2) r))
        else:   p = p - lr m^,  m^ = m / (1 - beta1^t)

    Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2019,
    arXiv:1908.03265.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.RAdam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "RAdam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Rprop(Optimizer):
    """Resilient propagation: every element has a step size of its own, which grows while the
    gradient keeps its sign and shrinks when the sign turns. For full batches.

        c = g g_before;  s = clamp(s (eta_plus if c > 0, eta_minus if c < 0, else 1))
        g = 0 where c < 0
        p = p - s sign(g);  g_before = g        (s = lr before the first step)

    Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The
    RPROP Algorithm, 1993.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    eta_minus : float or schedule, in (0, 1)
        Factor that shrinks a step size, below 1.
    eta_plus : float or schedule, above 1 and finite
        Factor that enlarges a step size, above 1.
    step_size_min : float or schedule, at least 0 and finite
        Smallest step size.
    step_size_max : float or schedule, above 0 and finite
        Largest step size.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Rprop([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Rprop"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        eta_minus: ScalarOrSchedule = 0.5,
        eta_plus: ScalarOrSchedule = 1.2,
        step_size_min: ScalarOrSchedule = 1e-06,
        step_size_max: ScalarOrSchedule = 50.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "eta_minus": eta_minus,
                "eta_plus": eta_plus,
                "step_size_min": step_size_min,
                "step_size_max": step_size_max,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class ASGD(Optimizer):
    """Averaged stochastic gradient descent. The state `ax` is the running average of the
    parameters from step t0 on.

        p = p (1 - lambd eta) - eta g
        ax = ax + mu (p - ax)
        then eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    lambd : float or schedule, at least 0 and finite
        Decay of the parameters and of the rate.
    alpha : float or schedule, at least 0 and finite
        Exponent of the decay of the rate.
    t0 : float or schedule, at least 0 and finite
        Number of the step at which averaging starts.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.ASGD([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "ASGD"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        lambd: ScalarOrSchedule = 0.0001,
        alpha: ScalarOrSchedule = 0.75,
        t0: ScalarOrSchedule = 1000000.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class AdaBelief(Optimizer):
    """AdaBelief: Adam divided by the deviation of the gradient from its mean, not by its size.

        m = beta1 m + (1 - beta1) g
        s = beta2 s + (1 - beta2) (g - m)^2 + eps_root
        p = p - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)

    Zhuang et al., AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients,
    2020, arXiv:2010.07468. As in optax, eps_root is added at every step.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean squared deviation from m.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    eps_root : float or schedule, at least 0 and finite
        Constant added to the variance.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.AdaBelief([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "AdaBelief"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-16,
        eps_root: ScalarOrSchedule = 1e-16,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "eps_root": eps_root,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Yogi(Optimizer):
    """Yogi: Adam whose v moves towards g^2 by a step that does not grow with v, so that the rate
    never jumps up when gradients become sparse.

        m = beta1 m + (1 - beta1) g
        v = v - (1 - beta2) sign(v - g^2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Zaheer et al., Adaptive Methods for Nonconvex Optimization, NeurIPS 2018. As in optax, m and
    v start from initial_accumulator_value.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of v.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    initial_accumulator_value : float or schedule, at least 0 and finite
        Initial value of m and v.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Yogi([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Yogi"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 0.001,
        initial_accumulator_value: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "initial_accumulator_value": initial_accumulator_value,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adan(Optimizer):
    """Adan: Nesterov momentum from the differences of consecutive gradients.

        d = g - (the last g)                      (0 at the first step)
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) d
        n = beta3 n + (1 - beta3) (g + beta2 d)^2
        p = p - lr (m^ + beta2 v^) / (sqrt(n^) + eps)
        m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t),  n^ = n / (1 - beta3^t)

    The betas are decay factors, as in the authors' code. The paper writes 1 - beta, and optax
    weights d and v^ by 1 - beta2, although its b2 is a decay factor.

    Xie et al., Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models,
    2022, arXiv:2208.06677.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of gradient differences.
    beta3 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adan([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adan"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.98,
        beta2: ScalarOrSchedule = 0.92,
        beta3: ScalarOrSchedule = 0.99,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "beta3": beta3,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class AdEMAMix(Optimizer):
    """AdEMAMix: Adam with a second, much slower mean of gradients added to the first.

        m = beta1 m + (1 - beta1) g,  s = beta3_t s + (1 - beta3_t) g
        v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t) + alpha_t s) / (sqrt(v / (1 - beta2^t)) + eps)

    With warmup_steps T, alpha_t = min(t / T, 1) alpha, and beta3_t goes from beta1 to beta3 in
    T steps so that the half-life of the slow mean grows linearly:

        log beta3_t = log beta1 log beta3 / ((1 - t / T) log beta3 + (t / T) log beta1)

    Pagliardini, Ablin and Grangier, The AdEMAMix Optimizer: Better, Faster, Older, 2024,
    arXiv:2409.03137.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    beta3 : float or schedule, in [0, 1)
        Decay of the slow mean.
    alpha : float or schedule, at least 0 and finite
        Weight of the slow mean of gradients.
    warmup_steps : float or schedule, at least 0 and finite
        Number of steps until beta3 and alpha reach their values; 0 for no warm-up.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.AdEMAMix([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "AdEMAMix"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        beta3: ScalarOrSchedule = 0.9999,
        alpha: ScalarOrSchedule = 5.0,
        warmup_steps: ScalarOrSchedule = 0.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "beta3": beta3,
                "alpha": alpha,
                "warmup_steps": warmup_steps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class ADOPT(Optimizer):
    """ADOPT: Adam that divides by the v of the steps before, and takes the mean after dividing;
    it converges with every beta2.

        first step:  v = g^2, and the parameters stay
        then:        n = clip(g / max(sqrt(v), eps), -c, c),  c = (t - 1)^(1/4)
                     m = beta1 m + (1 - beta1) n
                     p = p - lr m
                     v = beta2 v + (1 - beta2) g^2

    Taniguchi et al., ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate,
    2024, arXiv:2411.02853.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.ADOPT([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "ADOPT"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.9999,
        eps: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class LaProp(Optimizer):
    """LaProp: Adam that divides gradients before it averages them, so that momentum and
    adaptivity are independent.

        v = beta2 v + (1 - beta2) g^2
        m = beta1 m + (1 - beta1) g / (sqrt(v / (1 - beta2^t)) + eps)
        p = p - lr m / (1 - beta1^t)

    Ziyin, Wang and Ueda, LaProp: Separating Momentum and Adaptivity in Adam, 2020,
    arXiv:2002.04839.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.LaProp([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "LaProp"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0004,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-15,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class QHAdam(Optimizer):
    """QHAdam: Adam that mixes its means with the gradient and the square of the current step.

        m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
        p = p - lr ((1 - nu1) g + nu1 m^) / (sqrt((1 - nu2) g^2 + nu2 v^) + eps)

    nu1 = nu2 = 1 is Adam; the authors recommend nu1 = 0.7 with beta1 = 0.995.

    Ma and Yarats, Quasi-hyperbolic Momentum and Adam for Deep Learning, 2018,
    arXiv:1810.06801.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    nu1 : float or schedule, at least 0 and finite
        Weight of the mean gradient; the current gradient has the rest.
    nu2 : float or schedule, in [0, 1]
        Weight of the mean square; the current square has the rest.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.QHAdam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "QHAdam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        nu1: ScalarOrSchedule = 1.0,
        nu2: ScalarOrSchedule = 1.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "nu1": nu1,
                "nu2": nu2,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class AdaBound(Optimizer):
    """AdaBound: Adam whose rate for each element is kept between two bounds that close around
    that of SGD.

        m, v as in Adam;  f = final_lr lr / max(base_lr, the largest lr so far)
        rate = lr sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)
        p = p - m clip(rate, f (1 - 1 / (gamma t + 1)), f (1 + 1 / (gamma t)))

    With amsbound, the largest v so far takes the place of v. Where lr changes, final_lr is the
    rate at base_lr, as in the authors' code; but f is never above final_lr. A schedule with a
    warm-up needs base_lr only to follow that code from its first step on.

    Luo et al., Adaptive Gradient Methods with Dynamic Bound of Learning Rate, 2019,
    arXiv:1902.09843.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    final_lr : float or schedule, at least 0 and finite
        Rate that the bounds converge to.
    gamma : float or schedule, above 0 and finite
        Speed at which the bounds close, per step.
    base_lr : float or schedule, at least 0 and finite
        Value of lr that final_lr refers to; 0 for the lr at construction.
    amsbound : bool
        Whether to divide by the largest v so far.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.AdaBound([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "AdaBound"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        final_lr: ScalarOrSchedule = 0.1,
        gamma: ScalarOrSchedule = 0.001,
        base_lr: ScalarOrSchedule = 0.0,
        amsbound: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "final_lr": final_lr,
                "gamma": gamma,
                "base_lr": base_lr,
                "amsbound": amsbound,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class DiffGrad(Optimizer):
    """diffGrad: Adam that moves less where the gradient changes little from step to step.

        m, v as in Adam;  f = 1 / (1 + e^-|g - (the last g)|)      (the last g is 0 at first)
        p = p - lr f m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)

    Dubey et al., diffGrad: An Optimization Method for Convolutional Neural Networks, 2019,
    arXiv:1909.11015.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.DiffGrad([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "DiffGrad"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class PAdam(Optimizer):
    """Padam: Adam that divides by a smaller power of v, between Adam (1/2) and SGD (0).

        m, v as in Adam
        p = p - lr m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)^(2 partial)

    Chen et al., Closing the Generalization Gap of Adaptive Gradient Methods in Training Deep
    Neural Networks, 2018, arXiv:1806.06763.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    partial : float or schedule, in (0, 1)
        Exponent of v: 0.5, 0.25, 0.125 or 0.0625.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.PAdam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "PAdam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.1,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        partial: ScalarOrSchedule = 0.25,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "partial": partial,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Tiger(Optimizer):
    """Tiger: sign descent along the mean of gradients, with decoupled weight decay; Lion with
    one beta.

        m = momentum m + (1 - momentum) g
        p = p (1 - lr weight_decay) - lr sign(m)        (sign(0) = 0)

    Su, Tiger: A Tight-fisted Optimizer, 2023, github.com/bojone/tiger.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Tiger([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Tiger"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        momentum: ScalarOrSchedule = 0.965,
        weight_decay: ScalarOrSchedule = 0.01,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class FTML(Optimizer):
    """FTML: follow the moving leader, between RMSprop and Adam.

        v = beta2 v + (1 - beta2) g^2
        d_t = (1 - beta1^t) / lr (sqrt(v / (1 - beta2^t)) + eps)
        z = beta1 z + (1 - beta1) g - (d_t - beta1 d_(t-1)) p
        p = -z / d_t

    Parameters stay where they are while lr is below 1e-18, whose inverse float32 cannot square.

    Zheng and Kwok, Follow the Moving Leader in Deep Learning, ICML 2017.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.FTML([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "FTML"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0025,
        *,
        beta1: ScalarOrSchedule = 0.6,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class MADGRAD(Optimizer):
    """MADGRAD: dual averaging with momentum, divided by a cube root.

        c = (lr + eps) sqrt(t)                    (c = 0 where lr is 0)
        n = n + c g^2,  s = s + c g
        z = x0 - s / (cbrt(n) + eps)              (x0: the parameters at the start)
        p = momentum p + (1 - momentum) z

    Without momentum, x0 is not stored but computed from p, s and n.

    Defazio and Jelassi, Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged
    Gradient Method for Stochastic Optimization, 2021, arXiv:2101.11075.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Momentum: fraction of the previous parameters that is kept.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.MADGRAD([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "MADGRAD"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        momentum: ScalarOrSchedule = 0.9,
        eps: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class FTRL(Optimizer):
    """FTRL-proximal: follow the regularized leader, the classic for sparse linear models; with
    l1 above 0, weights that do not matter are exactly 0.

        n = n + g^2,  d_t = (beta + sqrt(n)) / lr      (d_0 = beta / lr)
        z = z + g - (d_t - d_(t-1)) p
        p = 0                                         where |z| <= l1
        p = -(z - sign(z) l1) / (d_t + l2)            elsewhere

    Nothing moves while lr is below 1e-18, whose inverse float32 cannot square.

    McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta : float or schedule, at least 0 and finite
        Constant added to the root, which limits the first steps.
    l1 : float or schedule, at least 0 and finite
        Weight of the L1 penalty.
    l2 : float or schedule, at least 0 and finite
        Weight of the L2 penalty.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.FTRL([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "FTRL"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.1,
        *,
        beta: ScalarOrSchedule = 1.0,
        l1: ScalarOrSchedule = 0.0,
        l2: ScalarOrSchedule = 0.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta": beta,
                "l1": l1,
                "l2": l2,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class ScheduleFreeSGD(Optimizer):
    """Schedule-free SGD: averages its iterates instead of lowering its rate. In train mode the
    parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,
    `train()` back to y.

        d = g + weight_decay y
        y = (1 - c) y + c z + lr (momentum (1 - c) - 1) d
        z = z - lr d
        c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power
        x = (y - (1 - momentum) z) / momentum

    Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in (0, 1)
        Weight of the average x in the point y where gradients are taken.
    r : float or schedule, at least 0 and finite
        Exponent of t in the weight of step t; above 0, later steps weigh more.
    weight_lr_power : float or schedule, at least 0 and finite
        Exponent of the rate in the weight of a step.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.ScheduleFreeSGD([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "ScheduleFreeSGD"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 1.0,
        *,
        momentum: ScalarOrSchedule = 0.9,
        r: ScalarOrSchedule = 0.0,
        weight_lr_power: ScalarOrSchedule = 2.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "r": r,
                "weight_lr_power": weight_lr_power,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class ScheduleFreeAdamW(Optimizer):
    """Schedule-free AdamW: averages its iterates instead of lowering its rate. In train mode the
    parameters hold y, where gradients are taken. `eval()` switches to the averaged weights x,
    `train()` back to y.

        v = beta2 v + (1 - beta2) g^2
        d = g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y
        y = (1 - c) y + c z + lr (beta1 (1 - c) - 1) d
        z = z - lr d
        c = w_t / (w_1 + ... + w_t),  w_t = t^r (largest lr so far)^weight_lr_power
        x = (y - (1 - beta1) z) / beta1

    Defazio et al., The Road Less Scheduled, 2024, arXiv:2405.15682.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in (0, 1)
        Weight of the average x in the point y where gradients are taken.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    r : float or schedule, at least 0 and finite
        Exponent of t in the weight of step t; above 0, later steps weigh more.
    weight_lr_power : float or schedule, at least 0 and finite
        Exponent of the rate in the weight of a step.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.ScheduleFreeAdamW([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "ScheduleFreeAdamW"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0025,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        r: ScalarOrSchedule = 0.0,
        weight_lr_power: ScalarOrSchedule = 2.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "r": r,
                "weight_lr_power": weight_lr_power,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Sophia(Optimizer):
    """Sophia: momentum divided by a running estimate h of the Hessian's diagonal, and clipped.

        m = beta1 m + (1 - beta1) g
        p = p - lr clip(m / (1 - beta1^t) / max(gamma h, eps), -clip_threshold, clip_threshold)

    Call `update_hessian(estimates)` every ten steps or so, with estimates e of the
    diagonal (Hutchinson's, or batch size times the squared gradient at sampled labels):

        h = beta2 h + (1 - beta2) e

    Liu et al., Sophia: A Scalable Stochastic Second-order Optimizer for Language Model
    Pre-training, 2023, arXiv:2305.14342.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of Hessian estimates.
    gamma : float or schedule, above 0 and finite
        Factor of h in the divisor; a smaller one clips more elements.
    eps : float or schedule, above 0 and finite
        Lower bound of the divisor.
    clip_threshold : float or schedule, above 0 and finite
        Largest update of an element, before lr.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Sophia([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Sophia"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.0001,
        *,
        beta1: ScalarOrSchedule = 0.965,
        beta2: ScalarOrSchedule = 0.99,
        gamma: ScalarOrSchedule = 0.01,
        eps: ScalarOrSchedule = 1e-08,
        clip_threshold: ScalarOrSchedule = 1.0,
        weight_decay: ScalarOrSchedule = 0.0001,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "gamma": gamma,
                "eps": eps,
                "clip_threshold": clip_threshold,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class LAMB(Optimizer):
    """LAMB: Adam's direction, scaled for each array to the norm of its parameters. Made for large
    batches.

        m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
        u = m^ / (sqrt(v^) + eps) + weight_decay p
        p = p - lr |p| / |u| u                 (the ratio is 1 where a norm is 0)

    Weight decay is part of u, unless decoupled_weight_decay is False.

    You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, 2019,
    arXiv:1904.00962.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.LAMB([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "LAMB"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class LARS(Optimizer):
    """LARS: momentum whose rate for each array is proportional to the norm of its parameters.

        r = trust_coefficient |p| / (|g| + eps)      (1 where a norm is 0)
        b = momentum b + lr r g
        p = p - b                                    (nesterov: p - (lr r g + momentum b))

    Coupled weight decay is part of g.

    You, Gitman and Ginsburg, Large Batch Training of Convolutional Networks, 2017,
    arXiv:1708.03888.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Momentum: fraction of the previous step that is kept.
    trust_coefficient : float or schedule, above 0 and finite
        Ratio of a step's norm to the norm of the parameters, before lr.
    eps : float or schedule, at least 0 and finite
        Constant added to the norm of the gradient.
    nesterov : bool
        Whether to use Nesterov momentum.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.LARS([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "LARS"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        momentum: ScalarOrSchedule = 0.9,
        trust_coefficient: ScalarOrSchedule = 0.001,
        eps: ScalarOrSchedule = 0.0,
        nesterov: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "trust_coefficient": trust_coefficient,
                "eps": eps,
                "nesterov": nesterov,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class NovoGrad(Optimizer):
    """NovoGrad: momentum of gradients that are divided by a mean of their array's norm.

        v = beta2 v + (1 - beta2) |g|^2        (v = |g|^2 at the first step; one an array)
        d = g / (sqrt(v) + eps) + weight_decay p
        m = beta1 m + d
        p = p - lr m

    Ginsburg et al., Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training
    of Deep Networks, 2019, arXiv:1905.11286.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the sum of normalized gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradient norms.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.NovoGrad([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "NovoGrad"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.95,
        beta2: ScalarOrSchedule = 0.98,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class StableAdamW(Optimizer):
    """StableAdamW: AdamW that moves an array less where its gradients are larger than v expects,
    as Adafactor does; instead of clipping gradients.

        b1 = beta1 (1 - beta1^(t-1)) / (1 - beta1^t), b2 likewise
        m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
        r = max(1, sqrt(mean(g^2 / max(v, eps^2))))
        p = p (1 - lr / r weight_decay) - lr / r m / (sqrt(v) + eps)

    Wortsman et al., Stable and Low-precision Training for Large-scale Vision-language Models,
    2023, arXiv:2304.13013.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.StableAdamW([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "StableAdamW"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.99,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.01,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Prodigy(Optimizer):
    """Prodigy: Adam that finds its own rate from an estimate d of the distance to the solution.
    lr multiplies this rate: use 1, or a schedule that decays from 1.

        m = beta1 m + (1 - beta1) d g,  v = beta2 v + (1 - beta2) d^2 g^2
        s = beta3 s + d^2 / d0 lr g,  r = beta3 r + d^2 / d0 lr <g, p0 - p>,
        beta3 = sqrt(beta2)                    (p0: the parameters at the start)
        d' = max(d, d_coef r / |s|_1)          (sums over all parameters together)
        p = p (1 - d lr weight_decay) - d lr m / (sqrt(v) + d' eps)

    As in the authors' code with its defaults; optax multiplies lr by Adam's bias corrections,
    sqrt(1 - beta2^t) / (1 - beta1^t).

    Mishchenko and Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner, 2023,
    arXiv:2306.06101.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    d0 : float or schedule, above 0 and finite
        Initial estimate of the distance to the solution.
    d_coef : float or schedule, above 0 and finite
        Factor that multiplies the estimated distance.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Prodigy([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Prodigy"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 1.0,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        d0: ScalarOrSchedule = 1e-06,
        d_coef: ScalarOrSchedule = 1.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "d0": d0,
                "d_coef": d_coef,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class DAdaptAdam(Optimizer):
    """D-Adaptation: Adam that finds its own rate from a lower bound d of the distance to the
    solution. lr multiplies this rate: use 1, or a schedule that decays from 1.

        r = b3 r + (1 - b3) d lr <g, s / (sqrt(v) + eps)>,  b3 = sqrt(beta2)
        m = beta1 m + (1 - beta1) d lr g,  v = beta2 v + (1 - beta2) g^2
        s = b3 s + (1 - b3) d lr g
        p = p (1 - d lr weight_decay) - m / (sqrt(v) + eps)
        d = max(d, r / ((1 - b3) |s|_1))       (sums over all parameters together)

    Defazio and Mishchenko, Learning-Rate-Free Learning by D-Adaptation, 2023,
    arXiv:2301.07733.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, which prevents a division by 0.
    d0 : float or schedule, above 0 and finite
        Initial estimate of the distance to the solution.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.DAdaptAdam([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "DAdaptAdam"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 1.0,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 0.999,
        eps: ScalarOrSchedule = 1e-08,
        d0: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "d0": d0,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class DoG(Optimizer):
    """DoG: SGD whose rate is the distance from the start over the root of all squared gradients.
    lr multiplies this rate and is usually 1.

        r = max(r, |p - p0|)                    (r = reps_rel (1 + |p0|) at first)
        G = G + |g|^2                           (norms over all parameters together)
        p = p - lr r / sqrt(G + eps) g

    The authors recommend averaging the parameters.

    Ivgi, Hinder and Carmon, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size
    Schedule, 2023, arXiv:2302.12022.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    eps : float or schedule, at least 0 and finite
        Constant added to the sum of squares.
    reps_rel : float or schedule, above 0 and finite
        Length of the first step, relative to 1 + |p0|.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes
        per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa,
        and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is
        nonnegative. So gradients within a block should differ by a factor of at most 30,000:
        elements with smaller gradients have no momentum and too large a mean square, and move
        more slowly. A nonfinite number makes its block NaN. States that start as a copy of the
        parameters, and estimates of the Hessian, stay in float32.
    stochastic_rounding : bool
        Whether to round quantized states up or down at random, so that the expected value is
        exact and small changes accumulate over steps. The random numbers depend only on seed,
        step and element. False rounds to nearest, which is slightly faster, and biased for
        states that change slowly.
    seed : int, from 0 to 2^64 - 1
        Seed for stochastic rounding.
    ema_decay : float in [0, 1), optional
        Decay of an exponential moving average (EMA) of the parameters, in
        ``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``.
        The first average is the parameters after the first step, unless another average was
        loaded.
    bfloat16_copy : bool
        Whether to keep a bfloat16 copy of float32 parameters, in
        ``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and
        not if you write to the parameters.
    master_weights : {"float32", "split"}, optional
        Float32 master weights of bfloat16 parameters, which the step updates and rounds to the
        parameters. "float32" stores them with 4 bytes per element. "split" stores only the
        lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you write
        to the parameters between steps, the master weights take the new values. Parameters of
        other dtypes have no master weights.
    modifier : {"cautious", "grams"}, optional
        Modification of the update's signs. "cautious" zeroes elements whose update has the sign
        of the gradient, and scales the others by the inverse of their fraction, at most 1000
        (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need norms.
        "grams" gives every element the sign opposite to its gradient (Cao et al., 2024,
        arXiv:2412.17107).
    zero_grads : bool
        Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients
        must be C-contiguous and writable, and must not overlap.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.DoG([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "DoG"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 1.0,
        *,
        eps: ScalarOrSchedule = 1e-08,
        reps_rel: ScalarOrSchedule = 1e-06,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        state_dtype: StateDType | None = None,
        stochastic_rounding: bool = True,
        seed: int = 0,
        ema_decay: float | None = None,
        bfloat16_copy: bool = False,
        master_weights: MasterWeights | None = None,
        modifier: Modifier | None = None,
        zero_grads: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "eps": eps,
                "reps_rel": reps_rel,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            state_dtype=state_dtype,
            stochastic_rounding=stochastic_rounding,
            seed=seed,
            ema_decay=ema_decay,
            bfloat16_copy=bfloat16_copy,
            master_weights=master_weights,
            modifier=modifier,
            zero_grads=zero_grads,
        )


class Adafactor(Optimizer):
    """Adafactor: RMSprop whose mean squares are kept by row and column of each matrix only.

        w = t^beta2_decay,  a = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))
        R = R + w (row means of g^2 - R),  C = C + w (column means of g^2 - C)
        u = g / max(sqrt(R C / max(mean(R), eps1)), eps1)
        p = p - lr weight_decay p - a u / max(1, RMS(u) / d)

    Matrices are over the last two axes of an array; one with fewer axes keeps all mean
    squares. As in torch, except that a NaN in RMS(u) reaches the whole array. optax decays
    in another order, adds eps to g^2, and divides by RMS(u) per block.

    Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018,
    arXiv:1804.04235.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta2_decay : float or schedule, in (-inf, 0]
        Exponent of t in the weight of new squares, at most 0.
    eps1 : float or schedule, at least 0 and finite
        Lower bound of the root of mean squares; 0 for the machine epsilon.
    eps2 : float or schedule, at least 0 and finite
        Lower bound of the parameters' root mean square, which scales the rate.
    d : float or schedule, at least 1 and finite
        Largest root mean square of an update, before the rate.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.Adafactor([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "Adafactor"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        beta2_decay: ScalarOrSchedule = -0.8,
        eps1: ScalarOrSchedule = 0.0,
        eps2: ScalarOrSchedule = 0.001,
        d: ScalarOrSchedule = 1.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps1": eps1,
                "eps2": eps2,
                "d": d,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
        )


class SM3(Optimizer):
    """SM3: Adagrad whose sums of squares are bounded by one number per row and one per column.

        v = beta2 min(R, C) + w g^2                (w = 1 - beta2, or 1 where beta2 is 1)
        R = largest v of the row,  C = largest v of the column
        m = beta1 m + (1 - beta1) g / sqrt(v + eps)        (0 / 0 is 0)
        p = p - lr m

    An array of more than two axes is a matrix with a row for each index of the first; one
    with fewer keeps all sums of squares. As in optax, which treats every axis separately,
    except that R and C ignore NaN.

    Anil et al., Memory-Efficient Adaptive Optimization, 2019, arXiv:1901.11150.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of updates; 0 for no momentum.
    beta2 : float or schedule, in (0, 1]
        Decay of the squared gradients; 1 sums them up.
    eps : float or schedule, at least 0 and finite
        Constant added to the squares, which prevents a division by 0.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.SM3([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "SM3"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        beta1: ScalarOrSchedule = 0.9,
        beta2: ScalarOrSchedule = 1.0,
        eps: ScalarOrSchedule = 1e-08,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
        )


class RowwiseAdagrad(Optimizer):
    """Row-wise Adagrad: one sum of mean squares for each row, as of an embedding table.

        s = s + mean(g^2)                          (over the row)
        p = p - lr g / (sqrt(s) + eps)

    A row is the part of an array with the same index of the first axis.

    Mudigere et al., Software-Hardware Co-design for Fast and Scalable Training of Deep Learning
    Recommendation Models, 2021, arXiv:2104.05158.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    eps : float or schedule, at least 0 and finite
        Constant added to the root.
    initial_accumulator_value : float or schedule, at least 0 and finite
        Initial value of the sums.
    weight_decay : float or schedule
        Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
        as an L2 penalty does, unless it is decoupled.
    decoupled_weight_decay : bool
        Whether to multiply the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Whether to maximize the objective instead of minimizing it.
    clip_norm : float, optional
        Maximum Euclidean norm of the gradients of all groups together. Larger gradients are
        scaled down to it.
    clip_value : float, optional
        Maximum magnitude of each element of the gradients, applied after `clip_norm`.
    skip_nonfinite : bool
        Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.
    num_threads : int, optional
        Number of threads of a step. By default that of `pyoptim.set_num_threads`.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.RowwiseAdagrad([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
    """

    rule = "RowwiseAdagrad"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.01,
        *,
        eps: ScalarOrSchedule = 1e-10,
        initial_accumulator_value: ScalarOrSchedule = 0.0,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "eps": eps,
                "initial_accumulator_value": initial_accumulator_value,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
        )
