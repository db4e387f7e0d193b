"""The compiled engine of pyoptim."""

import enum
from collections.abc import Sequence
from typing import Any, final

from pyoptim.parameters._types import Array

__version__: str
compiler: str
serial_below: int
max_threads: int

def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
def set_instruction_set(name: str) -> None: ...
def num_threads() -> int: ...
def thread_limit() -> int: ...
def set_num_threads(count: int) -> None: ...
def usable_processors() -> int: ...
def in_forked_child() -> bool: ...
def rules() -> list[dict[str, Any]]: ...
def is_array(object: object) -> bool: ...
def bare_view(array: Array) -> Array: ...
def allocate(sizes: Sequence[int]) -> list[Array]: ...

class StepInfo:
    """What a step did."""

    @property
    def step(self) -> int:
        """Steps made so far, this one included."""

    @property
    def grad_norm(self) -> float | None:
        """Euclidean norm of all gradients, after grad_scale and before clipping."""

    @property
    def skipped(self) -> bool:
        """Whether a gradient was not finite, and nothing was changed."""

    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

@final
class StateFormat(enum.Enum):
    full = 0
    bfloat16 = 1
    float8 = 2

@final
class Master(enum.Enum):
    none = 0
    full = 1
    low_half = 2

@final
class Modifier(enum.Enum):
    none = 0
    cautious = 1
    grams = 2

class Optimizer:
    steps: int
    def __init__(
        self,
        rule: str,
        groups: Sequence[tuple[Sequence[tuple[str, float]], Sequence[tuple[str, Any, Any]]]],
        *,
        clip_norm: float,
        clip_value: float,
        skip_nonfinite: bool,
        num_threads: int,
        state_dtype: StateFormat = StateFormat.full,
        stochastic_rounding: bool = False,
        seed: int = 0,
        ema_decay: float = 0.0,
        bfloat16_copy: bool = False,
        master_weights: Master = Master.none,
        modifier: Modifier = Modifier.none,
        zero_grads: bool = False,
    ) -> None: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def params(self) -> list[Array]: ...
    def checked_grads(self, grads: Any) -> list[Array | None] | None: ...
    def readable_grads(self, grads: Any, supports_row_grad: bool = False) -> list[Any]: ...
    def check_memory(self) -> None: ...
    def engine(self) -> Any: ...
    def step(self, grads: Any, grad_scale: float) -> StepInfo: ...
    def step_and_postpone(self, grads: Any, postponed: Sequence[int]) -> StepInfo: ...
    def update_copies(self, params: Sequence[int]) -> None: ...
    def step_at(self, addresses: Sequence[int | None], grad_scale: float) -> StepInfo: ...
    def update_hessian(self, estimates: Any) -> None: ...
    def set_evaluating(self, evaluating: bool) -> None: ...
    @property
    def evaluating(self) -> bool: ...
    def get(self, group: int, name: str) -> float: ...
    def set(self, group: int, name: str, value: float) -> None: ...
    def set_groups(self, by_group: Sequence[Sequence[tuple[str, float]]]) -> None: ...
    def state(self, index: int) -> dict[str, Any]: ...
    def state_memory(self, index: int) -> dict[str, Array]: ...
    def snapshot(self) -> tuple[int, list[dict[str, Any]]]: ...
    def load(
        self,
        settings: Sequence[Sequence[tuple[str, float]]],
        states: Sequence[dict[str, Any]],
        steps: int,
    ) -> None: ...
    def state_names(self, group: int) -> list[str]: ...

def holds(dict: dict[Any, Any], values: tuple[Any, ...], inner: tuple[Any, ...]) -> bool: ...
def same_items(lists: list[list[Any]], others: list[list[Any]]) -> bool: ...

class Layouts:
    """How PyTorch's parameters lay in memory."""

    def __init__(self, tensors: list[Any], kind: type, api: Any) -> None: ...
    def hold(self, tensors: list[Any]) -> bool: ...
    def gradients(self, tensors: list[Any]) -> tuple[list[Any], list[int | None] | None]: ...

@final
class Activation(enum.Enum):
    identity = 0
    relu = 1
    leaky_relu = 2
    tanh = 3
    sigmoid = 4
    gelu = 5
    silu = 6

@final
class Norm(enum.Enum):
    none = 0
    layer = 1
    batch = 2

@final
class DenseLayer:
    def __init__(
        self,
        activation: Activation,
        weight: Array,
        weight_grad: Array,
        bias: Array,
        bias_grad: Array,
        norm: Norm = Norm.none,
        norm_weight: Array | None = None,
        norm_weight_grad: Array | None = None,
        running_mean: Array | None = None,
        running_var: Array | None = None,
        dropout: float = 0.0,
        residual: bool = False,
    ) -> None: ...

@final
class Network:
    def __init__(self, layers: Sequence[DenseLayer]) -> None: ...
    def takes(self, x: object, targets: object, labels: bool) -> bool: ...
    def loss_and_grad(
        self,
        x: Any,
        targets: Any,
        weights: Array | None,
        loss: str,
        parameters: Sequence[float],
        seed: int = 0,
        draw: int = 0,
        to_inputs: bool = False,
    ) -> float: ...
    def scores(self, x: Any, out: Array) -> None: ...
    def estimate_statistics(self, x: Any, momentum: float) -> None: ...

def layer_forward(
    activation: Activation,
    z: Array,
    bias: Array,
    a: Array,
    skip: Array | None = None,
    rate: float = 0.0,
    seed: int = 0,
    draw: int = 0,
) -> None: ...
def layer_backward(d: Array, grad: Array | None, bias_grad: Array) -> None: ...
def layer_norm(
    z: Array, weight: Array, scaled: Array, factors: Array | None, eps: float
) -> None: ...
def layer_norm_backward(
    d: Array, normal: Array, weight: Array, factors: Array, weight_grad: Array
) -> None: ...
def batch_norm(
    z: Array,
    weight: Array,
    scaled: Array,
    factors: Array,
    eps: float,
    mean: Array,
    variance: Array,
    momentum: float,
) -> None: ...
def batch_norm_backward(
    d: Array, normal: Array, weight: Array, factors: Array, weight_grad: Array
) -> None: ...
def softmax(scores: Array) -> None: ...
def pair_scores(
    x: Array,
    embeddings: tuple[Array, Array],
    bias: tuple[Array, Array],
    seen: tuple[Array, Array] | None,
    mean: float,
    scores: Array,
) -> None: ...
def pair_grads(
    x: Array,
    embeddings: tuple[Array, Array],
    bias: tuple[Array, Array],
    grad: Array,
    weights: Array | None,
    l2: float,
    embedding_values: tuple[Array, Array],
    bias_values: tuple[Array, Array],
) -> float: ...
def feature_scores(
    offsets: Array | None,
    ids: Array,
    values: Array | None,
    weights: Array,
    embeddings: Array,
    bias: float,
    sums: Array,
    scores: Array,
) -> None: ...
def feature_grads(
    offsets: Array | None,
    ids: Array,
    values: Array | None,
    weights: Array,
    embeddings: Array,
    sums: Array,
    grad: Array,
    sample_weight: Array | None,
    l2: float,
    weight_values: Array,
    embedding_values: Array,
) -> float: ...
def bag_inputs(
    what: str,
    table: Array,
    mean: bool,
    offsets: Array | None,
    ids: Array,
    weights: Array | None,
    inputs: Array,
    at: int,
) -> None: ...
def bag_grads(
    what: str,
    table: Array,
    mean: bool,
    offsets: Array | None,
    ids: Array,
    weights: Array | None,
    grad: Array,
    at: int,
    sample_weight: Array | None,
    l2: float,
    values: Array,
) -> float: ...
def feature_numbers(codes: Array, sizes: Sequence[int], features: Array) -> None: ...
def grad_sum(grad: Array) -> float: ...

@final
class Link(enum.Enum):
    identity = 0
    exponential = 1
    sign = 2
    logistic = 3
    softmax = 4

def losses() -> list[dict[str, Any]]: ...
def check_loss(loss: str, parameters: Sequence[float]) -> None: ...
def check_targets(
    loss: str, targets: Array, weights: Array | None, columns: int, first: int
) -> None: ...
def mean_loss(
    loss: str,
    parameters: Sequence[float],
    scores: Array,
    targets: Array,
    weights: Array | None,
    grad: Array | None,
    hessian: Array | None,
) -> float: ...
def set_scaled(
    sums: Sequence[Array], grads: Sequence[Array], weight: float, num_threads: int
) -> None: ...
def add_scaled(
    sums: Sequence[Array], grads: Sequence[Array], weight: float, num_threads: int
) -> None: ...
def load_params(means: Sequence[Array], params: Sequence[Array], num_threads: int) -> None: ...
def store_params(means: Sequence[Array], params: Sequence[Array], num_threads: int) -> None: ...
def lerp(
    means: Sequence[Array], params: Sequence[Array], weight: float, num_threads: int
) -> None: ...
def lerp_and_store(
    means: Sequence[Array], params: Sequence[Array], weight: float, num_threads: int
) -> None: ...
def round_scaled(
    sums: Sequence[Array], out: Sequence[Array], factor: float, num_threads: int
) -> None: ...
def scale(
    out: Sequence[Array], grads: Sequence[Array], factor: float, num_threads: int
) -> None: ...
def perturb(
    params: Sequence[Array],
    grads: Sequence[Array],
    copies: Sequence[Array],
    factor: float,
    adaptive: bool,
    eta: float,
    num_threads: int,
) -> None: ...
def gradient_norm(
    params: Sequence[Array], grads: Sequence[Array], adaptive: bool, eta: float, num_threads: int
) -> float: ...
def clip_units(
    params: Sequence[Array],
    grads: Sequence[Array],
    out: Sequence[Array],
    last_axis: bool,
    clip: float,
    eps: float,
    scale: float,
    num_threads: int,
) -> None: ...
def limit_norms(
    params: Sequence[Array], last_axis: bool, max_norm: float, num_threads: int
) -> None: ...
def soft_threshold(
    params: Sequence[Array], threshold: float, factor: float, num_threads: int
) -> None: ...
def project_orthant(
    params: Sequence[Array], orthants: Sequence[Array], num_threads: int
) -> None: ...
def penalize(
    params: Sequence[Array],
    grads: Sequence[Array],
    orthants: Sequence[Array],
    l1: float,
    l2: float,
    num_threads: int,
) -> float: ...
def xxh64(data: object) -> int: ...
def gather_rows(source: Array, rows: Array | None, out: Array) -> bool: ...
def count_csr_values(data: Array, indices: Array, indptr: Array, rows: Array) -> int: ...
def gather_csr_rows(
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    out_data: Array,
    out_indices: Array,
    out_indptr: Array,
) -> None: ...
def matmul(a: Array, b: Array, out: Array) -> None: ...

@final
class LinearObjective(Objective):
    def __init__(
        self,
        x: Array | tuple[Array, Array, Array, int],
        loss: str,
        parameters: Sequence[float],
        targets: Array,
        weights: Array | None,
        offsets: Array | None,
        outputs: int,
        intercept: bool,
        l2: float,
    ) -> None: ...
    @property
    def size(self) -> int: ...
    def value(self, coef: Array, grad: Array | None, score_hessian: Array | None) -> float: ...
    def hessian_product(self, score_hessian: Array, v: Array, out: Array) -> None: ...
    def hessian(self, score_hessian: Array, out: Array) -> None: ...
    def scores(self, coef: Array, out: Array) -> None: ...

def column_moments(
    x: Array | tuple[Array, Array, Array, int],
    weights: Array | None,
    means: Array,
    variances: Array,
) -> None: ...
def spmm(data: Array, indices: Array, indptr: Array, w: Array, out: Array) -> None: ...
def spmm_transposed(data: Array, indices: Array, indptr: Array, d: Array, out: Array) -> None: ...

class Objective:
    """A function that solvers minimize."""

    @property
    def size(self) -> int: ...
    def value_and_grad(self, x: Array) -> tuple[float, Array]: ...

class PythonObjective(Objective):
    def __init__(
        self,
        size: int,
        fun: Any,
        jac: Any,
        hess: Any,
        hessp: Any,
        args: tuple[Any, ...],
        differences: int,
        low: Array | None,
        high: Array | None,
    ) -> None: ...

class NativeFunction(Objective):
    """A compiled function."""

    def __init__(self, size: int, function: int, data: int, owner: Any) -> None: ...

class Problem(Objective):
    """A native test problem."""

    def __init__(self, name: str) -> None: ...
    @staticmethod
    def rosenbrock(size: int, num_threads: int = 0) -> Problem: ...
    @property
    def x0(self) -> Array: ...
    def hessian(self, x: Array) -> Array: ...
    def hess_vec(self, x: Array, v: Array) -> Array: ...

def problem_names() -> list[str]: ...

class Solver:
    def __init__(
        self,
        method: str,
        size: int,
        line_search: str,
        options: Sequence[tuple[str, float]],
        low: Array | None,
        high: Array | None,
        rule: str = "",
        hyperparameters: Sequence[tuple[str, float]] = (),
    ) -> None: ...
    def run(self, objective: Objective, x0: Array | None, callback: Any) -> int: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...
    def result(self) -> dict[str, Any]: ...

def solver_methods() -> list[str]: ...
