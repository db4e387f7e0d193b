"""``python -m pyoptim``: where the files for C and C++ are; else the command line."""

import sys

from pyoptim.cli import main
from pyoptim.paths import get_cmake_dir, get_include, get_library_dir

PATHS = {
    "--cmake-dir": get_cmake_dir,
    "--include-dir": get_include,
    "--lib-dir": get_library_dir,
}

if __name__ == "__main__":
    if len(sys.argv) > 1 and all(argument in PATHS for argument in sys.argv[1:]):
        for argument in sys.argv[1:]:
            print(PATHS[argument]())
    else:
        main()
