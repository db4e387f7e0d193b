"""Errors of pyoptim that are not about arguments."""


class CheckpointError(Exception):
    """A file of a model or of a training run cannot be used; the message names file and fault."""


class MissingPackageError(ModuleNotFoundError):
    """A package that this part of the library needs is missing; the message names the extra."""
