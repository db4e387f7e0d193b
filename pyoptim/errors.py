"""Errors of pyoptim that are not about arguments."""

from pyoptim._utils.text import shown_lines


class CheckpointError(Exception):
    """A file of a model or of a training run cannot be used; the message names file and fault.

    Names of files and tensors are shown without what a terminal would obey.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown_lines(message))


class MissingPackageError(ModuleNotFoundError):
    """A package that this part of the library needs is missing; the message names the extra."""
