"""The index of a model in several safetensors files, as Hugging Face writes it, read strictly.

``{"metadata": {"total_size": 8}, "weight_map": {"bias": "model-00001-of-00002.safetensors", ...}}``
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

from pyoptim.checkpoint._header import LARGEST_HEADER, MOST_METADATA, MOST_TENSORS, check_name
from pyoptim.checkpoint._json import BEGIN, BLANK, END, INTEGER, JsonReader
from pyoptim.checkpoint._safetensors import map_file
from pyoptim.errors import CheckpointError

_LONGEST_FILE_NAME = 255  # bytes
_LONGEST_VALUE = 2**16  # bytes of a text in metadata, which nobody reads
_BLANKS = re.compile(BLANK)
_QUOTE = re.compile(b'(?=")')
_NUMBER_OR_WORD = re.compile(
    b"-?+" + INTEGER + rb"(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+|true|false|null"
)
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+\.safetensors")


def read_index(path: Path) -> dict[str, str]:
    """Return in which file each tensor is.

    Raises
    ------
    CheckpointError
        Naming the file and the first fault.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors.index.json")
    ...     _ = path.write_text('{"metadata": {}, "weight_map": {"w": "a.safetensors"}}')
    ...     read_index(path)
    {'w': 'a.safetensors'}
    """
    data = map_file(path, LARGEST_HEADER)
    try:
        return _IndexReader(data).read()
    except CheckpointError as error:
        message = f"{path}: not a valid index of safetensors files: {error}"
        raise CheckpointError(message) from None


class _IndexReader(JsonReader):
    """The index up to which all was valid."""

    def __init__(self, data: bytes | mmap) -> None:
        super().__init__(data, 0, len(data))

    def read(self) -> dict[str, str]:
        """Read all, and return the map."""
        found: dict[str, dict[str, str]] = {}
        self.skip(_BLANKS)
        for field in self.names("a field", "it does not begin with {"):
            if field in found:
                self.fail(f"{field} stands there twice")
            if field == "weight_map":
                found[field] = self.weight_map()
            elif field == "metadata":
                self.pass_metadata()
                found[field] = {}
            else:
                self.fail(f"an unknown field {field[:40]!r}")
        self.skip(_BLANKS)
        if self.at != self.end:
            self.fail("something follows the JSON")
        if not found.get("weight_map"):
            self.fail("it has no weight_map, or an empty one")
        return found["weight_map"]

    def names(self, what: str, fault: str) -> Iterator[str]:
        """Read an object: give each name, after which the caller reads the value."""
        self.take(BEGIN, fault)
        more = not self.skip(END)
        while more:
            yield self.key(what)
            more = self.more()

    def weight_map(self) -> dict[str, str]:
        """Read the object after weight_map."""
        found: dict[str, str] = {}
        for name in self.names("a tensor's name", "weight_map is no JSON object"):
            try:
                check_name(name)
            except ValueError as error:
                self.fail(str(error))
            if name in found:
                self.fail(f"the tensor {name!r} stands there twice")
            if len(found) == MOST_TENSORS:
                self.fail(f"more than {MOST_TENSORS} tensors")
            file = self.text(f"the file of the tensor {name!r}", _LONGEST_FILE_NAME)
            if not _FILE_NAME.fullmatch(file):
                self.fail(
                    f"the tensor {name!r} is in {file!r}, which is no name of a .safetensors file "
                    "in the same directory"
                )
            found[name] = file
        return found

    def pass_metadata(self) -> None:
        """Read the object after metadata: texts, numbers, true, false and null by names."""
        names: set[str] = set()
        for name in self.names("a name in metadata", "metadata is no JSON object"):
            if name in names:
                self.fail(f"metadata has {name[:40]!r} twice")
            if len(names) == MOST_METADATA:
                self.fail(f"more than {MOST_METADATA} entries in metadata")
            names.add(name)
            what = f"metadata[{name[:40]!r}]"
            if self.skip(_QUOTE):
                self.text(what, _LONGEST_VALUE)
            else:
                self.take(_NUMBER_OR_WORD, f"{what} is no text, number, true, false or null")
