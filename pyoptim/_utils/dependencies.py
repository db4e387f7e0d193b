"""Optional dependencies, and the error that names the extra to install."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyoptim.errors import MissingPackageError


@contextmanager
def requires(feature: str, extra: str) -> Iterator[None]:
    """Turn a failed import in the body into an error that names the extra to install.

    Parameters
    ----------
    feature : str
        Name of the part of the library that needs the package.
    extra : str
        Extra of the distribution that installs the package.

    Raises
    ------
    MissingPackageError
        If a third-party package is not installed.

    Examples
    --------
    >>> from pyoptim._utils.dependencies import requires
    >>> with requires("plotting", "plot"):
    ...     import no_such_package
    Traceback (most recent call last):
    pyoptim.errors.MissingPackageError: plotting needs no_such_package, which is not installed; run
    pip install 'pyoptim-native[plot]'
    """
    try:
        yield
    except MissingPackageError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "pyoptim") or package in sys.stdlib_module_names:
            raise
        raise MissingPackageError(
            f"{feature} needs {package}, which is not installed; "
            f"run pip install 'pyoptim-native[{extra}]'",
            name=error.name,
        ) from error
