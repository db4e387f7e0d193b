"""The class of each matrix rule, with its signature and documentation."""

# Written by tools/generate from the list of matrix rules; do not edit.

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
    """Muon: the momentum of a matrix, all of its singular values brought near 1.

        b = momentum b + (1 - momentum) g
        u = g + momentum (b - g)                     (without nesterov: b)
        x = u / max(|u|, eps), the norm Frobenius's
        ns_steps times: x = A x + B (x x') x + C (x x')^2 x, (A, B, C) = ns_coefficients
        p = p (1 - lr weight_decay) - lr scale x

    The iteration is that of Newton and Schulz with a quintic polynomial: it takes products of
    matrices only, and brings singular values somewhere into [0.7, 1.2] within five steps. For a
    matrix of r rows and c columns scale is sqrt(max(1, r/c)) ("original") or
    0.2 sqrt(max(r, c)) ("match_rms_adamw": steps as large as AdamW's, so that its lr and
    weight_decay can be taken over).

    Equals torch.optim.Muon, but that rounds x to bfloat16 in every product: here everything is
    computed in the parameter's type (bfloat16 parameters in float32).

    Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    https://kellerjordan.github.io/posts/muon; Liu et al., Muon is Scalable for LLM Training, 2025,
    arXiv:2502.16982.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        What is updated in place: float32, float64 or bfloat16, writable and C-contiguous. A group
        is a dict with "params" and settings of its own.
    lr : float or schedule
        Learning rate; a schedule is called with the step, counted from 0.
    momentum : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    nesterov : bool
        Look ahead along the momentum.
    ns_coefficients : three finite numbers
        A, B and C of the Newton-Schulz iteration.
    eps : float or schedule, above 0 and finite
        The least norm that u is divided by.
    ns_steps : float or schedule, a whole number of at least 1
        Steps of the Newton-Schulz iteration.
    adjust_lr_fn : 'original' or 'match_rms_adamw'
        How the rate depends on the shape.
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
        L2 penalty: adds weight_decay times the parameter to the gradient, or acts on the
        parameter itself if decoupled.
    decoupled_weight_decay : bool
        Whether weight decay multiplies the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Go up the gradient instead of down.
    clip_norm : float, optional
        Scale the gradients of all groups together down to this Euclidean norm if it is larger.
    clip_value : float, optional
        Bound every element of the gradients by this magnitude, after clip_norm.
    skip_nonfinite : bool
        Leave everything as it is where a gradient has NaN or infinity.
    num_threads : int, optional
        Threads of a step; by default those of `pyoptim.set_num_threads`.
    adamw_params : collection of names or numbers
        Matrices that AdamW updates, too, as embeddings and the last layer often are: their keys
        in a mapping, or their places in a list, counted over all groups. A group with
        ``"adamw": True`` has all of its parameters updated by AdamW.

    Raises
    ------
    ValueError
        If a setting is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a setting or an array has the wrong type.

    Notes
    -----
    Parameters of two axes are updated by this rule, all others by AdamW with the settings that
    start with ``adamw_``; clipping, maximize and skipped steps are common to both. Matrices are
    multiplied by NumPy's BLAS, on the threads it has: for one number of threads, results are the
    same to the bit. A bfloat16 gradient of a matrix is rounded again after it is scaled.

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
    """Shampoo: the gradient between roots of the sums of g g' and g' g.

        L = L + g g',  R = R + g' g                  (beta2 below 1: running means instead)
        m = momentum m + (1 - momentum) g            (without momentum: g)
        p = p - lr (L + eps I)^(-1/4) m (R + eps I)^(-1/4)

    The roots come from eigenvalues, anew at the first step and each precondition_frequency steps.
    More than 1 saves most of the time, and needs a smaller lr or a warm-up, as the first roots
    know one gradient only. Eigenvalues below the largest times the side's length and the machine
    epsilon are rounding errors, and count as that number. A side longer than max_precond_dim has no
    preconditioner, and the other one's power is -1/2 then; if both are longer, v = v + g^2 and
    p = p - lr m / sqrt(v + eps), as Adagrad. With grafting the step has this direction and the norm
    of SGD's, lr m.

    Gupta, Koren and Singer, Shampoo: Preconditioned Stochastic Tensor Optimization, 2018,
    arXiv:1802.09568.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        What is updated in place: float32, float64 or bfloat16, writable and C-contiguous. A group
        is a dict with "params" and settings of its own.
    lr : float or schedule
        Learning rate; a schedule is called with the step, counted from 0.
    momentum : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in (0, 1]
        Decay of L and R; 1 for sums.
    eps : float or schedule, above 0 and finite
        Added to eigenvalues, against division by 0.
    precondition_frequency : float or schedule, a whole number of at least 1
        Steps between new roots.
    max_precond_dim : float or schedule, a whole number of at least 1
        The longest side with a preconditioner.
    grafting : bool
        Make the step's norm that of lr m.
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
        L2 penalty: adds weight_decay times the parameter to the gradient, or acts on the
        parameter itself if decoupled.
    decoupled_weight_decay : bool
        Whether weight decay multiplies the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Go up the gradient instead of down.
    clip_norm : float, optional
        Scale the gradients of all groups together down to this Euclidean norm if it is larger.
    clip_value : float, optional
        Bound every element of the gradients by this magnitude, after clip_norm.
    skip_nonfinite : bool
        Leave everything as it is where a gradient has NaN or infinity.
    num_threads : int, optional
        Threads of a step; by default those of `pyoptim.set_num_threads`.
    adamw_params : collection of names or numbers
        Matrices that AdamW updates, too, as embeddings and the last layer often are: their keys
        in a mapping, or their places in a list, counted over all groups. A group with
        ``"adamw": True`` has all of its parameters updated by AdamW.

    Raises
    ------
    ValueError
        If a setting is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a setting or an array has the wrong type.

    Notes
    -----
    Parameters of two axes are updated by this rule, all others by AdamW with the settings that
    start with ``adamw_``; clipping, maximize and skipped steps are common to both. Matrices are
    multiplied by NumPy's BLAS, on the threads it has: for one number of threads, results are the
    same to the bit. A bfloat16 gradient of a matrix is rounded again after it is scaled.

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
    """SOAP: Adam, its squares taken in the eigenbases of Shampoo's preconditioners.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) (Q_L' g Q_R)^2
        n = Q_L' m Q_R / (sqrt(v) + eps),  rate = lr sqrt(1 - beta2^t) / (1 - beta1^t)
        p = (p - rate Q_L n Q_R') (1 - lr weight_decay)
        L = shampoo_beta L + (1 - shampoo_beta) g g',  R the same of g' g

    The first step only takes L, R and their eigenvectors Q_L, Q_R from the gradient; t counts from
    the second on. Each precondition_frequency steps Q is brought up to date by one step of power
    iteration, the QR decomposition of L Q, its columns and v in the order of falling eigenvalues.
    A side longer than max_precond_dim keeps its own basis.

    Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, 2024, arXiv:2409.11321.

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        What is updated in place: float32, float64 or bfloat16, writable and C-contiguous. A group
        is a dict with "params" and settings of its own.
    lr : float or schedule
        Learning rate; a schedule is called with the step, counted from 0.
    beta1 : float or schedule, in [0, 1)
        Decay of the mean of gradients.
    beta2 : float or schedule, in [0, 1)
        Decay of the mean of squared gradients.
    shampoo_beta : float or schedule, in [0, 1)
        Decay of L and R.
    eps : float or schedule, at least 0 and finite
        Added to the root, against division by 0.
    precondition_frequency : float or schedule, a whole number of at least 1
        Steps between new eigenbases.
    max_precond_dim : float or schedule, a whole number of at least 1
        The longest side with an eigenbasis.
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
        L2 penalty: adds weight_decay times the parameter to the gradient, or acts on the
        parameter itself if decoupled.
    decoupled_weight_decay : bool
        Whether weight decay multiplies the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Go up the gradient instead of down.
    clip_norm : float, optional
        Scale the gradients of all groups together down to this Euclidean norm if it is larger.
    clip_value : float, optional
        Bound every element of the gradients by this magnitude, after clip_norm.
    skip_nonfinite : bool
        Leave everything as it is where a gradient has NaN or infinity.
    num_threads : int, optional
        Threads of a step; by default those of `pyoptim.set_num_threads`.
    adamw_params : collection of names or numbers
        Matrices that AdamW updates, too, as embeddings and the last layer often are: their keys
        in a mapping, or their places in a list, counted over all groups. A group with
        ``"adamw": True`` has all of its parameters updated by AdamW.

    Raises
    ------
    ValueError
        If a setting is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a setting or an array has the wrong type.

    Notes
    -----
    Parameters of two axes are updated by this rule, all others by AdamW with the settings that
    start with ``adamw_``; clipping, maximize and skipped steps are common to both. Matrices are
    multiplied by NumPy's BLAS, on the threads it has: for one number of threads, results are the
    same to the bit. A bfloat16 gradient of a matrix is rounded again after it is scaled.

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
