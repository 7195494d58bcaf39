"""The command from beginning to end: open, measure, print, write."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from softtargets.constants import IGNORE_INDEX
from softtargets.demo.progress import progress
from softtargets.plots.style import matplotlib
from softtargets.report.as_json import as_json
from softtargets.report.files import open_files
from softtargets.report.measure import measure
from softtargets.report.page import as_page
from softtargets.report.problems import ReportError
from softtargets.report.text import as_text


@dataclass(frozen=True)
class Wanted:
    """What to read, how, and what to make of it."""

    logits: Path
    labels: Path
    axis: int = -1
    from_probs: bool = False
    num_bins: int = 15
    ignore_index: int = IGNORE_INDEX
    json: bool = False
    html: Path | None = None


def run(wanted: Wanted) -> int:
    """Print the report, and write the page if there is to be one."""
    files = open_files(wanted.logits, wanted.labels, wanted.axis, wanted.ignore_index)
    if wanted.html is not None:
        check_page(wanted.html, wanted)
    found = measure(files, from_probs=wanted.from_probs, num_bins=wanted.num_bins, progress=shown)
    if wanted.html is not None:
        try:
            wanted.html.write_text(as_page(found), encoding="utf-8")
        except OSError as error:
            raise ReportError(f"cannot write {wanted.html}: {error.strerror}") from error
    print(as_json(found) if wanted.json else as_text(found))
    return 0


def check_page(path: Path, wanted: Wanted) -> None:
    """Say before anything takes long why the page could not be made."""
    if path.resolve() in (wanted.logits.resolve(), wanted.labels.resolve()):
        raise ReportError(f"--html {path} would overwrite what is read")
    if path.is_dir() or not path.parent.is_dir():
        raise ReportError(f"cannot write {path}: no such folder, or a folder itself")
    try:
        matplotlib("figure")
    except ImportError as error:
        raise ReportError(str(error)) from error


@contextlib.contextmanager
def shown(text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how far the work is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with progress(text, total) as advance:
        yield advance
