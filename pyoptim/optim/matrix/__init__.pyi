# Written by tools/write_stubs.py from the list of matrix rules; do not edit.
from collections.abc import Collection, Sequence
from typing import ClassVar

from pyoptim.optim._base import Params, ScalarOrSchedule
from pyoptim.optim.matrix._base import MatrixOptimizer
from pyoptim.optim.matrix._rule import MatrixRule

RULES: tuple[MatrixRule, ...]

__all__ = [
    "Muon",
    "Shampoo",
    "SOAP",
]

class Muon(MatrixOptimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Shampoo(MatrixOptimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class SOAP(MatrixOptimizer):
    rule: ClassVar[str]
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
    ) -> None: ...
