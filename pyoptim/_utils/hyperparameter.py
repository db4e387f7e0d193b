"""The description of one hyperparameter of a rule or loss."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A hyper-parameter of a rule."""

    name: str
    default: float | bool | str | tuple[float, ...]
    range: str
    is_flag: bool
    doc: str

    @property
    def is_number(self) -> bool:
        """Whether it is one number, which may be a schedule: no flag, word or tuple."""
        return not (self.is_flag or isinstance(self.default, str | tuple))
