# Written by tools/write_stubs.py from the engine's list of rules; do not edit.
from collections.abc import Mapping
from typing import Any, ClassVar

from pyoptim.catalog import Rule
from pyoptim.optimizer import Optimizer, Params, ScalarOrSchedule

def make_class(
    rule: Rule,
    base: type[Optimizer] = ...,
    *,
    module: str = ...,
    options: Mapping[str, Any] | None = ...,
    options_doc: str = ...,
    notes: str = ...,
    example: str = ...,
) -> type[Optimizer]: ...

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
]

class SGD(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class SignSGD(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Signum(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Lion(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Adagrad(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class RMSprop(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Adadelta(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Adam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class AdamW(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class AMSGrad(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Adamax(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class NAdam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class RAdam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Rprop(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class ASGD(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class AdaBelief(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Yogi(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Adan(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class AdEMAMix(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class ADOPT(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class LaProp(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class QHAdam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class AdaBound(Optimizer):
    rule: ClassVar[str]
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
        amsbound: bool = False,
        weight_decay: ScalarOrSchedule = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
    ) -> None: ...

class DiffGrad(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class PAdam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Tiger(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class FTML(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class MADGRAD(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class FTRL(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class ScheduleFreeSGD(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class ScheduleFreeAdamW(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Sophia(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class LAMB(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class LARS(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class NovoGrad(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class StableAdamW(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class Prodigy(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class DAdaptAdam(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...

class DoG(Optimizer):
    rule: ClassVar[str]
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
    ) -> None: ...
