"""``python -m pyoptim``: where the files for C and C++ are; else the command line."""

import errno
import os
import sys

from pyoptim._utils.install_paths import get_cmake_dir, get_include, get_library_dir
from pyoptim._utils.streams import QuietStream, abandon_broken_streams
from pyoptim.cli import main

PATHS = {
    "--cmake-dir": get_cmake_dir,
    "--include-dir": get_include,
    "--lib-dir": get_library_dir,
}


def print_paths(names: list[str]) -> None:
    """Print the path that each option names; a path that nobody gets is an error."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        for name in names:
            print(PATHS[name]())
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # its reader does not want more
            message = f"pyoptim: stdout: cannot be written ({error.strerror})\n"
            QuietStream(sys.stderr).write(message)
        sys.exit(1)
    finally:
        abandon_broken_streams()


if __name__ == "__main__":
    if len(sys.argv) > 1 and all(argument in PATHS for argument in sys.argv[1:]):
        print_paths(sys.argv[1:])
    else:
        main()
