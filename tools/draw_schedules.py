"""Draw the pictures of docs/schedules.md, each from the code block that stands above it.

python tools/draw_schedules.py          draw all, into docs/schedules/
python tools/draw_schedules.py --check  fail if a picture is not up to date
"""

import io
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib

import pyoptim as po
from pyoptim._utils.atomic import replace_text
from pyoptim._utils.ownership import check_replaceable, has_marker

PAGE = Path(__file__).parent.parent / "docs" / "schedules.md"
FOLDER = PAGE.parent / "schedules"
STEPS = 120
INCHES = (4.5, 2.2)
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n!\[\w+\]\(schedules/(\w+)\.svg\))?", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "pyoptim", "font.size": 8}


def schedules() -> dict[str, tuple[str, Any]]:
    """Return the code and the schedule of every picture, running the page from its top."""
    found = {}
    names: dict[str, Any] = {}
    for code, picture in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        exec(compile(code, PAGE.name, "exec"), names)
        if picture:
            found[picture] = (code, names["schedule"])
    return found


def described(code: str, schedule: Any) -> str:
    """Return what a picture shows, in words: its code, and some of its rates."""
    lines: Mapping[str, Callable[[int], float]]
    lines = schedule if isinstance(schedule, Mapping) else {"rate": schedule}
    rates = "".join(
        f"{name} of every 10th step: {', '.join(f'{line(i):.4g}' for i in range(0, STEPS, 10))}\n"
        for name, line in lines.items()
    )
    return code + rates


def is_own(path: Path) -> bool:
    """Return whether this tool drew a picture."""
    return has_marker(path, b" of every 10th step: ")


def drawn(code: str, schedule: Any) -> str:
    """Return the picture as the text of an SVG file."""
    with matplotlib.rc_context(SETTINGS):
        figure = po.plot_schedule(schedule, STEPS)
        figure.set_size_inches(INCHES)
        text = io.StringIO()
        metadata = {"Date": None, "Description": described(code, schedule)}
        figure.savefig(text, format="svg", metadata=metadata)
    return smaller(text.getvalue())


def smaller(picture: str) -> str:
    """Return an SVG file without indentation, comments, and what nobody sees."""
    picture = re.sub(r"<!--.*?-->|[ \t]+$|^[ \t]+(?=<)", "", picture, flags=re.MULTILINE)
    picture = re.sub(r"\n+(?=[LQz\"])", " ", picture)
    picture = re.sub(r'font-family: [^;"]*', "font-family: sans-serif", picture)
    picture = re.sub(r' transform="rotate\(-0 [^"]*"', "", picture)
    return re.sub(r' (?:d|x|y|transform)="[^"]*"', lambda found: rounded(found[0]), picture)


def rounded(text: str) -> str:
    """Return a text with two digits behind the point of each number."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}", text)


def creator(picture: str) -> str:
    """Return the version of matplotlib that drew a picture."""
    found = re.search(r"Matplotlib v[\w.+]*", picture)
    return found[0] if found else ""


def same(old: str, new: str, description: str) -> bool:
    """Whether two pictures show the same.

    Lines of one version of matplotlib may differ in the last digits, other versions draw other
    frames: then the description tells.
    """
    if creator(old) != creator(new):
        return escape(description) in old
    # Names of markers and clips are hashes of what they show.
    old, new = (re.sub(r"\b[mp][0-9a-f]{10}\b", "name", text) for text in (old, new))
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
    return NUMBER.split(old) == NUMBER.split(new) and all(
        abs(float(a) - float(b)) < 0.02 for a, b in pairs
    )


def outdated() -> list[str]:
    """Return the names of the pictures that are missing, too many, or not up to date."""
    found = schedules()
    there = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*")}
    return sorted(
        name
        for name in found.keys() | there.keys()
        if name not in found
        or name not in there
        or not same(there[name], drawn(*found[name]), described(*found[name]))
    )


def main(arguments: list[str]) -> None:
    """Draw all pictures, or check them."""
    if arguments == ["--check"]:
        if names := outdated():
            sys.exit(
                f"{FOLDER}: not up to date: {', '.join(names)}: run python tools/draw_schedules.py"
            )
        return
    FOLDER.mkdir(exist_ok=True)
    found = schedules()
    for path in FOLDER.glob("*.svg"):
        if path.stem not in found and is_own(path):
            path.unlink()
    for name, (code, schedule) in found.items():
        path, text = FOLDER / f"{name}.svg", drawn(code, schedule)
        check_replaceable(path, is_own, allow="removing it")
        replace_text(path, lambda file, text=text: file.write(text))


if __name__ == "__main__":
    main(sys.argv[1:])
