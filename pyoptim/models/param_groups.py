"""Groups of an optimizer for fine-tuning: what is frozen, and who learns at which rate."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyoptim._utils.text import listed
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
    **settings: Any,
) -> list[dict[str, Any]]:
    """Return groups for an optimizer: frozen parameters in none, the others with their settings.

    Patterns are names with ``*``, ``?`` and ``[...]``, as file names have them in a shell. What is
    frozen is not updated, has no state, and does not count for clipping; a `Trainer` applies no
    penalty to it.

    With ``layer_decay`` the learning rate falls from the last layer to the first, as features of
    first layers are the most general ones: that of the layer which is k layers before the last one
    is multiplied by ``layer_decay ** k``.

    Parameters
    ----------
    params : Parameters
        Of a model: ``model.params``.
    freeze : str or sequence of str
        Patterns of what stays as it is.
    layer_decay : float, above 0, optional
    layers : sequence of patterns, optional
        What belongs to each layer, from the first to the last. By default names tell: all that
        begins with the same name and number is a layer (``encoder.2``), in the order of numbers,
        and what has no number is one with what differs in the last part of its name only
        (``head.weight`` and ``head.bias``).
    **settings
        Of the optimizer, such as ``lr`` and ``weight_decay``: a value for all, or a mapping of
        patterns to values, of which the first that fits counts. Where none is given, or none fits,
        the group has what the optimizer is given.

    Returns
    -------
    list of dict
        Groups of parameters whose settings are equal, in the order of `params`.

    Raises
    ------
    ValueError
        If a pattern fits nothing, nothing is left to train, ``layer_decay`` is not above 0, a layer
        has no ``lr`` to multiply, or it is a schedule that remembers.
    TypeError
        If `params` are none.

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
            f"params must be po.Parameters, those of a model for example: model.params; "
            f"got {type(params).__name__}"
        )
    frozen = set(match(params, freeze, "freeze"))
    trained = [name for name in params if name not in frozen]
    if not trained:
        raise ValueError(f"freeze={freeze!r} leaves nothing to train")
    own: dict[str, dict[str, Any]] = {name: {} for name in trained}
    for setting, given in settings.items():
        for name, value in _by_name(params, setting, given).items():
            if name in own:
                own[name][setting] = value
    if layer_decay is not None:
        factor = as_positive("layer_decay", layer_decay)
        for name, depth in _depths(params, layers).items():
            if name in own:
                own[name]["lr"] = _scaled(name, own[name].get("lr"), factor**depth)
    elif layers is not None:
        raise ValueError("layers are for layer_decay, and that is not given")
    groups: list[tuple[dict[str, Any], list[str]]] = []
    for name in trained:
        same = [names for group, names in groups if group == own[name]]
        if same:
            same[0].append(name)
        else:
            groups.append((own[name], [name]))
    return [{"params": Selection(params, names), **values} for values, names in groups]


def _by_name(params: Parameters, setting: str, given: Any) -> dict[str, Any]:
    """Return the values of a setting by the parameters' names."""
    if not isinstance(given, Mapping):
        return dict.fromkeys(params, given)
    found: dict[str, Any] = {}
    for pattern, value in given.items():
        found = {**dict.fromkeys(match(params, pattern, setting), value), **found}
    return found


def _depths(params: Parameters, layers: Sequence[Patterns] | None) -> dict[str, int]:
    """Return how many layers before the last one each parameter is."""
    if layers is None:
        numbers = _layer_numbers(list(params))
    else:
        numbers = {}
        for number, patterns in enumerate(layers):
            for name in match(params, patterns, "layers"):
                numbers.setdefault(name, number)
        missing = [name for name in params if name not in numbers]
        if missing:
            raise ValueError(f"layers: no layer has {listed(missing)}")
    last = max(numbers.values())
    return {name: last - number for name, number in numbers.items()}


def _layer_numbers(names: list[str]) -> dict[str, int]:
    """Return the number of each parameter's layer, as the names tell.

    >>> _layer_numbers(["emb.w", "layer.10.w", "layer.9.w", "layer.9.norm.w", "head.w", "head.b"])
    {'emb.w': 0, 'layer.10.w': 2, 'layer.9.w': 1, 'layer.9.norm.w': 1, 'head.w': 3, 'head.b': 3}
    """
    keys = {}
    first: dict[str, int] = {}  # where a prefix is met first
    for place, name in enumerate(names):
        numbered = re.match(r"(?:(.*?)\.)??(\d+)(?:\.|$)", name)
        prefix = (numbered[1] or "") if numbered else name.rpartition(".")[0] or name
        number = int(numbered[2]) if numbered else -1
        keys[name] = (first.setdefault(prefix, place), number)
    order = {key: number for number, key in enumerate(sorted(set(keys.values())))}
    return {name: order[key] for name, key in keys.items()}


def _scaled(name: str, lr: Any, factor: float) -> float | Callable[[int], float]:
    """Return a learning rate, or a schedule of it, times a factor."""
    if lr is None:
        raise ValueError(f"layer_decay multiplies lr, and {name} has none: give lr here")
    if not callable(lr):
        return float(lr * factor)
    if factor == 1:
        schedule: Callable[[int], float] = lr
        return schedule
    if hasattr(lr, "state_dict"):
        raise ValueError(
            f"{lr!r} remembers, which layers would have to do together; in training the callback "
            "ReduceLROnPlateau lowers the rates of all groups"
        )
    return chain([constant(factor), lr])
