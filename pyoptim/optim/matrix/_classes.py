"""The class of each matrix rule, with its signature and documentation."""

# Written by tools/generate from the matrix rules; do not edit.

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyoptim.optim._base import Params, ScalarOrSchedule
from pyoptim.optim.matrix._base import MatrixOptimizer

__all__ = [
    "Muon",
    "Shampoo",
    "SOAP",
]


class Muon(MatrixOptimizer):
    """Muon: the orthogonalized momentum of a matrix, with all singular values close to 1.

        b = momentum b + (1 - momentum) g
        u = g + momentum (b - g)                     (without nesterov: b)
        x = u / max(|u|, eps), with the Frobenius norm
        ns_steps times: x = A x + B (x x') x + C (x x')^2 x, (A, B, C) = ns_coefficients
        p = p (1 - lr weight_decay) - lr scale x

    The Newton-Schulz iteration with a quintic polynomial needs only matrix multiplications. It
    moves the singular values into about [0.7, 1.2] in five steps. For a matrix of r rows and c
    columns, scale is sqrt(max(1, r/c)) for adjust_lr_fn="original", and 0.2 sqrt(max(r, c)) for
    "match_rms_adamw". With the latter, steps are as large as those of AdamW, so that you can use
    the lr and weight_decay of AdamW.

    It equals torch.optim.Muon, except that torch rounds x to bfloat16 in every multiplication.
    Here the computation is in the dtype of the parameter, and in float32 for bfloat16.

    Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    https://kellerjordan.github.io/posts/muon; Liu et al., Muon is Scalable for LLM Training, 2025,
    arXiv:2502.16982.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Decay rate of the running mean of gradients.
    nesterov : bool
        Whether to use Nesterov momentum.
    ns_coefficients : three finite numbers
        Coefficients A, B and C of the Newton-Schulz iteration.
    eps : float or schedule, above 0 and finite
        Lower bound of the norm by which u is divided.
    ns_steps : float or schedule, a whole number of at least 1
        Number of Newton-Schulz iterations.
    adjust_lr_fn : 'original' or 'match_rms_adamw'
        Adjustment of the learning rate to the shape of a matrix.
    adamw : bool
        Whether AdamW updates all of them, matrices too.
    adamw_lr : float or schedule, at least 0 and finite
        AdamW's lr, see `pyoptim.AdamW`.
    adamw_beta1 : float or schedule, in [0, 1)
        AdamW's beta1, see `pyoptim.AdamW`.
    adamw_beta2 : float or schedule, in [0, 1)
        AdamW's beta2, see `pyoptim.AdamW`.
    adamw_eps : float or schedule, at least 0 and finite
        AdamW's eps, see `pyoptim.AdamW`.
    adamw_weight_decay : float or schedule, at least 0 and finite
        AdamW's weight_decay, see `pyoptim.AdamW`.
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
    adamw_params : collection of names or numbers
        Matrices to update with AdamW, often the embeddings and the last layer: their keys in a
        mapping, or their indices in a list, counted over all groups. AdamW updates all
        parameters of a group with ``"adamw": True``.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Notes
    -----
    This rule updates parameters with two axes. AdamW updates all others, with the hyperparameters
    that start with ``adamw_``. Clipping, maximize and skipped steps apply to both. NumPy's BLAS
    multiplies the matrices, with its own threads. Results are bit-identical for the same number of
    BLAS threads. A bfloat16 gradient of a matrix is rounded again after it is scaled.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w, b = np.eye(3), np.ones(3)
    >>> opt = po.Muon([w, b], lr=po.schedules.linear(0.2, steps=200))
    >>> for _ in range(200):
    ...     info = opt.step([2 * (w - 1), 2 * b])  # the gradients of |w - 1|^2 + |b|^2
    >>> bool(abs(w - 1).max() < 0.1)
    True
    """

    rule = "Muon"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.001,
        *,
        momentum: ScalarOrSchedule = 0.95,
        nesterov: bool = True,
        ns_coefficients: Sequence[float] = (3.4445, -4.775, 2.0315),
        eps: ScalarOrSchedule = 1e-07,
        ns_steps: ScalarOrSchedule = 5,
        adjust_lr_fn: str = "original",
        adamw: bool = False,
        adamw_lr: ScalarOrSchedule = 0.001,
        adamw_beta1: ScalarOrSchedule = 0.9,
        adamw_beta2: ScalarOrSchedule = 0.999,
        adamw_eps: ScalarOrSchedule = 1e-08,
        adamw_weight_decay: ScalarOrSchedule = 0.01,
        weight_decay: ScalarOrSchedule = 0.1,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        adamw_params: Collection[str | int] = (),
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
                "adamw": adamw,
                "adamw_lr": adamw_lr,
                "adamw_beta1": adamw_beta1,
                "adamw_beta2": adamw_beta2,
                "adamw_eps": adamw_eps,
                "adamw_weight_decay": adamw_weight_decay,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            adamw_params=adamw_params,
        )


class Shampoo(MatrixOptimizer):
    """Shampoo: the gradient, preconditioned on both sides by sums of g g' and g' g.

        L = L + g g',  R = R + g' g                  (beta2 below 1: running means instead)
        m = momentum m + (1 - momentum) g            (without momentum: g)
        p = p - lr (L + eps I)^(-1/4) m (R + eps I)^(-1/4)

    The roots are computed from eigenvalues, at the first step and then every
    precondition_frequency steps. Values above 1 save most of the time, and need a smaller lr or a
    warmup, because the first roots are based on one gradient. Eigenvalues are at least the largest
    eigenvalue times the length of the side and the machine epsilon. A side longer than
    max_precond_dim has no preconditioner, and the power of the other one is -1/2. If both sides are
    longer, v = v + g^2 and p = p - lr m / sqrt(v + eps), as in Adagrad. With grafting, the step has
    this direction and the norm of the SGD step lr m.

    Gupta, Koren and Singer, Shampoo: Preconditioned Stochastic Tensor Optimization, 2018,
    arXiv:1802.09568.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    momentum : float or schedule, in [0, 1)
        Decay rate of the running mean of gradients.
    beta2 : float or schedule, in (0, 1]
        Decay rate of L and R; 1 for sums.
    eps : float or schedule, above 0 and finite
        Constant added to the eigenvalues, to avoid division by 0.
    precondition_frequency : float or schedule, a whole number of at least 1
        Number of steps between updates of the roots.
    max_precond_dim : float or schedule, a whole number of at least 1
        Maximum length of a side with a preconditioner.
    grafting : bool
        Whether steps have the norm of lr m.
    adamw : bool
        Whether AdamW updates all of them, matrices too.
    adamw_lr : float or schedule, at least 0 and finite
        AdamW's lr, see `pyoptim.AdamW`.
    adamw_beta1 : float or schedule, in [0, 1)
        AdamW's beta1, see `pyoptim.AdamW`.
    adamw_beta2 : float or schedule, in [0, 1)
        AdamW's beta2, see `pyoptim.AdamW`.
    adamw_eps : float or schedule, at least 0 and finite
        AdamW's eps, see `pyoptim.AdamW`.
    adamw_weight_decay : float or schedule, at least 0 and finite
        AdamW's weight_decay, see `pyoptim.AdamW`.
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
    adamw_params : collection of names or numbers
        Matrices to update with AdamW, often the embeddings and the last layer: their keys in a
        mapping, or their indices in a list, counted over all groups. AdamW updates all
        parameters of a group with ``"adamw": True``.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Notes
    -----
    This rule updates parameters with two axes. AdamW updates all others, with the hyperparameters
    that start with ``adamw_``. Clipping, maximize and skipped steps apply to both. NumPy's BLAS
    multiplies the matrices, with its own threads. Results are bit-identical for the same number of
    BLAS threads. A bfloat16 gradient of a matrix is rounded again after it is scaled.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w, b = np.eye(3), np.ones(3)
    >>> opt = po.Shampoo([w, b], lr=po.schedules.linear(0.2, steps=200))
    >>> for _ in range(200):
    ...     info = opt.step([2 * (w - 1), 2 * b])  # the gradients of |w - 1|^2 + |b|^2
    >>> bool(abs(w - 1).max() < 0.1)
    True
    """

    rule = "Shampoo"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.1,
        *,
        momentum: ScalarOrSchedule = 0.0,
        beta2: ScalarOrSchedule = 1.0,
        eps: ScalarOrSchedule = 0.0001,
        precondition_frequency: ScalarOrSchedule = 1,
        max_precond_dim: ScalarOrSchedule = 1024,
        grafting: bool = False,
        adamw: bool = False,
        adamw_lr: ScalarOrSchedule = 0.001,
        adamw_beta1: ScalarOrSchedule = 0.9,
        adamw_beta2: ScalarOrSchedule = 0.999,
        adamw_eps: ScalarOrSchedule = 1e-08,
        adamw_weight_decay: ScalarOrSchedule = 0.01,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        adamw_params: Collection[str | int] = (),
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "beta2": beta2,
                "eps": eps,
                "precondition_frequency": precondition_frequency,
                "max_precond_dim": max_precond_dim,
                "grafting": grafting,
                "adamw": adamw,
                "adamw_lr": adamw_lr,
                "adamw_beta1": adamw_beta1,
                "adamw_beta2": adamw_beta2,
                "adamw_eps": adamw_eps,
                "adamw_weight_decay": adamw_weight_decay,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            adamw_params=adamw_params,
        )


class SOAP(MatrixOptimizer):
    """SOAP: Adam in the eigenbases of the preconditioners of Shampoo.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) (Q_L' g Q_R)^2
        n = Q_L' m Q_R / (sqrt(v) + eps),  rate = lr sqrt(1 - beta2^t) / (1 - beta1^t)
        p = (p - rate Q_L n Q_R') (1 - lr weight_decay)
        L = shampoo_beta L + (1 - shampoo_beta) g g',  and R alike with g' g

    The first step only computes L, R and their eigenvectors Q_L, Q_R; t counts from the second
    step. Every precondition_frequency steps, Q is updated by one power iteration, the QR
    decomposition of L Q, with its columns and v in the order of decreasing eigenvalues. A side
    longer than max_precond_dim is not rotated.

    Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, 2024, arXiv:2409.11321.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
        bfloat16. A group is a dict with "params" and hyperparameters for this group.
    lr : float or schedule
        Learning rate. A schedule is a function of the step, which starts from 0.
    beta1 : float or schedule, in [0, 1)
        Decay rate of the running mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay rate of the running mean of squared gradients.
    shampoo_beta : float or schedule, in [0, 1)
        Decay rate of L and R.
    eps : float or schedule, at least 0 and finite
        Constant added to the root, to avoid division by 0.
    precondition_frequency : float or schedule, a whole number of at least 1
        Number of steps between updates of the eigenbases.
    max_precond_dim : float or schedule, a whole number of at least 1
        Maximum length of a side with an eigenbasis.
    adamw : bool
        Whether AdamW updates all of them, matrices too.
    adamw_lr : float or schedule, at least 0 and finite
        AdamW's lr, see `pyoptim.AdamW`.
    adamw_beta1 : float or schedule, in [0, 1)
        AdamW's beta1, see `pyoptim.AdamW`.
    adamw_beta2 : float or schedule, in [0, 1)
        AdamW's beta2, see `pyoptim.AdamW`.
    adamw_eps : float or schedule, at least 0 and finite
        AdamW's eps, see `pyoptim.AdamW`.
    adamw_weight_decay : float or schedule, at least 0 and finite
        AdamW's weight_decay, see `pyoptim.AdamW`.
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
    adamw_params : collection of names or numbers
        Matrices to update with AdamW, often the embeddings and the last layer: their keys in a
        mapping, or their indices in a list, counted over all groups. AdamW updates all
        parameters of a group with ``"adamw": True``.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a hyperparameter or an array has the wrong type.

    Notes
    -----
    This rule updates parameters with two axes. AdamW updates all others, with the hyperparameters
    that start with ``adamw_``. Clipping, maximize and skipped steps apply to both. NumPy's BLAS
    multiplies the matrices, with its own threads. Results are bit-identical for the same number of
    BLAS threads. A bfloat16 gradient of a matrix is rounded again after it is scaled.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w, b = np.eye(3), np.ones(3)
    >>> opt = po.SOAP([w, b], lr=po.schedules.linear(0.2, steps=200))
    >>> for _ in range(200):
    ...     info = opt.step([2 * (w - 1), 2 * b])  # the gradients of |w - 1|^2 + |b|^2
    >>> bool(abs(w - 1).max() < 0.1)
    True
    """

    rule = "SOAP"

    def __init__(
        self,
        params: Params,
        lr: ScalarOrSchedule = 0.003,
        *,
        beta1: ScalarOrSchedule = 0.95,
        beta2: ScalarOrSchedule = 0.95,
        shampoo_beta: ScalarOrSchedule = 0.95,
        eps: ScalarOrSchedule = 1e-08,
        precondition_frequency: ScalarOrSchedule = 10,
        max_precond_dim: ScalarOrSchedule = 10000,
        adamw: bool = False,
        adamw_lr: ScalarOrSchedule = 0.001,
        adamw_beta1: ScalarOrSchedule = 0.9,
        adamw_beta2: ScalarOrSchedule = 0.999,
        adamw_eps: ScalarOrSchedule = 1e-08,
        adamw_weight_decay: ScalarOrSchedule = 0.01,
        weight_decay: ScalarOrSchedule = 0.01,
        decoupled_weight_decay: bool = True,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        adamw_params: Collection[str | int] = (),
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta1": beta1,
                "beta2": beta2,
                "shampoo_beta": shampoo_beta,
                "eps": eps,
                "precondition_frequency": precondition_frequency,
                "max_precond_dim": max_precond_dim,
                "adamw": adamw,
                "adamw_lr": adamw_lr,
                "adamw_beta1": adamw_beta1,
                "adamw_beta2": adamw_beta2,
                "adamw_eps": adamw_eps,
                "adamw_weight_decay": adamw_weight_decay,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            clip_norm=clip_norm,
            clip_value=clip_value,
            skip_nonfinite=skip_nonfinite,
            num_threads=num_threads,
            adamw_params=adamw_params,
        )
