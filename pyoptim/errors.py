"""Errors of pyoptim that are not about arguments."""

from pyoptim._utils.text import shown


class CheckpointError(Exception):
    """A file of a model or of a training run cannot be used; the message names file and fault.

    Each argument is a line of the message. Names of files and tensors in it are shown without what
    a terminal would obey.
    """

    def __init__(self, *faults: object) -> None:
        super().__init__(*map(shown, faults))

    def __str__(self) -> str:
        return "\n".join(self.args)


class MissingPackageError(ModuleNotFoundError):
    """A package that this part of the library needs is missing; the message names the extra."""
