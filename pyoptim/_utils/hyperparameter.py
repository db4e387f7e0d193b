"""The description of a hyperparameter of an update rule, loss or schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A hyperparameter: its name, default, range and documentation.

    Attributes
    ----------
    name : str
        Name of the argument.
    default : float, bool, str or tuple of float
        Default value.
    range : str
        Allowed values, in words.
    is_flag : bool
        Whether the value is True or False.
    doc : str
        Description.
    """

    name: str
    default: float | bool | str | tuple[float, ...]
    range: str
    is_flag: bool
    doc: str

    @property
    def is_number(self) -> bool:
        """Whether the value is a single number, for which a schedule can be passed."""
        return not (self.is_flag or isinstance(self.default, str | tuple))
