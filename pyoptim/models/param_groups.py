"""Parameter groups for fine-tuning, with frozen parameters and learning rates by layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyoptim._utils.text import listed, shown
from pyoptim._utils.validation import as_positive
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._selection import Patterns, Selection, match
from pyoptim.schedules import chain, constant


def param_groups(
    params: Parameters,
    *,
    freeze: Patterns = (),
    layer_decay: float | None = None,
    layers: Sequence[Patterns] | None = None,
    **hyperparameters: Any,
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer, without the frozen parameters.

    Frozen parameters are not updated, have no state, and are left out of gradient clipping. A
    `Trainer` applies no penalty to them. Patterns are names with the wildcards ``*``, ``?`` and
    ``[...]``, as for file names in a shell.

    With `layer_decay` the learning rate decreases from the last layer to the first, because the
    first layers have the most general features. The rate of a layer that is k layers before the
    last layer is multiplied by ``layer_decay ** k``.

    Parameters
    ----------
    params : Parameters
        Parameters of a model, ``model.params``.
    freeze : str or sequence of str
        Patterns of the parameters to freeze.
    layer_decay : float, above 0, optional
        Factor of the learning rate from each layer to the layer before it.
    layers : sequence of patterns, optional
        Patterns of the parameters of each layer, from the first layer to the last. By default
        parameters whose names start with the same prefix and number are a layer, such as
        ``encoder.2``, in numeric order. Other parameters are a layer if their names differ only in
        the last part, such as ``head.weight`` and ``head.bias``.
    **hyperparameters
        Hyperparameters of the groups, such as `lr` and `weight_decay`: a value for all parameters,
        or a mapping of patterns to values, whose first matching pattern applies. Parameters that no
        pattern matches use the value of the optimizer.

    Returns
    -------
    list of dict
        Groups of parameters with equal hyperparameters, in the order of `params`.

    Raises
    ------
    ValueError
        If a pattern matches no parameter, all parameters are frozen, `layer_decay` is not above 0,
        `layers` lack a parameter or are given without `layer_decay`, or with `layer_decay` a
        parameter has no `lr`, or a schedule with state.
    TypeError
        If `params` is not `Parameters`.

    References
    ----------
    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
    arXiv:1801.06146 (discriminative fine-tuning, with ``layer_decay=1 / 2.6``).

    Examples
    --------
    >>> import pyoptim as po
    >>> model = po.models.MLP([64, 32, 16, 5])
    >>> groups = po.models.param_groups(
    ...     model.params, freeze="layers.0.*", lr=1e-3, layer_decay=0.5,
    ...     weight_decay={"*.bias": 0.0, "*": 0.01})
    >>> for group in groups:
    ...     print(*group["params"], group["lr"], group["weight_decay"])
    layers.1.weight 0.0005 0.01
    layers.1.bias 0.0005 0.0
    layers.2.weight 0.001 0.01
    layers.2.bias 0.001 0.0
    >>> opt = po.AdamW(groups)
    """
    if not isinstance(params, Parameters):
        raise TypeError(
            f"params: expected Parameters, such as model.params, got {type(params).__name__}"
        )
    frozen = set(match(params, freeze, "freeze"))
    trained = [name for name in params if name not in frozen]
    if not trained:
        raise ValueError(
            f"freeze: expected patterns that leave a parameter to train, got {freeze!r}, which "
            "matches all parameters"
        )
    values: dict[str, dict[str, Any]] = {name: {} for name in trained}
    for key, hyperparameter in hyperparameters.items():
        for name, value in _by_name(params, key, hyperparameter).items():
            if name in values:
                values[name][key] = value
    if layer_decay is not None:
        factor = as_positive("layer_decay", layer_decay)
        for name, depth in _depths(params, layers).items():
            if name in values:
                values[name]["lr"] = _scaled(name, values[name].get("lr"), factor**depth)
    elif layers is not None:
        raise ValueError("layers: expected None without layer_decay; pass layer_decay, too")
    groups: list[tuple[dict[str, Any], list[str]]] = []
    for name in trained:
        equal = [names for group, names in groups if group == values[name]]
        if equal:
            equal[0].append(name)
        else:
            groups.append((values[name], [name]))
    return [{"params": Selection(params, names), **group} for group, names in groups]


def _by_name(params: Parameters, key: str, value: Any) -> dict[str, Any]:
    """Return the value of a hyperparameter for each parameter that a pattern matches."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(params, value)
    values: dict[str, Any] = {}
    for pattern, pattern_value in value.items():
        values = {**dict.fromkeys(match(params, pattern, key), pattern_value), **values}
    return values


def _depths(params: Parameters, layers: Sequence[Patterns] | None) -> dict[str, int]:
    """Return for each parameter the number of layers from its layer to the last layer."""
    if layers is None:
        numbers = _layer_numbers(list(params))
    else:
        numbers = {}
        for number, patterns in enumerate(layers):
            for name in match(params, patterns, "layers"):
                numbers.setdefault(name, number)
        missing = [name for name in params if name not in numbers]
        if missing:
            raise ValueError(
                f"layers: expected patterns that match all parameters, got none that match "
                f"{listed(missing)}"
            )
    last = max(numbers.values())
    return {name: last - number for name, number in numbers.items()}


def _layer_numbers(names: list[str]) -> dict[str, int]:
    """Return the number of each parameter's layer, derived from the names.

    >>> _layer_numbers(["emb.w", "layer.10.w", "layer.9.w", "layer.9.norm.w", "head.w", "head.b"])
    {'emb.w': 0, 'layer.10.w': 2, 'layer.9.w': 1, 'layer.9.norm.w': 1, 'head.w': 3, 'head.b': 3}
    """
    keys = {}
    first: dict[str, int] = {}  # index of the first name with a prefix
    for index, name in enumerate(names):
        numbered = re.match(r"(?:(.*?)\.)??(\d+)(?:\.|$)", name)
        prefix = (numbered[1] or "") if numbered else name.rpartition(".")[0] or name
        number = int(numbered[2]) if numbered else -1
        keys[name] = (first.setdefault(prefix, index), number)
    order = {key: number for number, key in enumerate(sorted(set(keys.values())))}
    return {name: order[key] for name, key in keys.items()}


def _scaled(name: str, lr: Any, factor: float) -> float | Callable[[int], float]:
    """Return a learning rate or schedule multiplied by a factor."""
    if lr is None:
        raise ValueError(
            f"lr: expected a learning rate for {shown(name)}, which layer_decay multiplies, got "
            "none; pass lr to param_groups"
        )
    if not callable(lr):
        return float(lr * factor)
    if factor == 1:
        schedule: Callable[[int], float] = lr
        return schedule
    if hasattr(lr, "state_dict"):
        raise ValueError(
            f"lr: expected a number or a schedule without state, because layer_decay makes a "
            f"schedule for each layer, got {lr!r}; use the callback ReduceLROnPlateau of Trainer"
        )
    return chain([constant(factor), lr])
