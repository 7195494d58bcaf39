"""Arrays in files: opened without trust, checked, and read a block of rows at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from softtargets.report.problems import ReportError

Numbers = np.ndarray[Any, Any]

MAGIC = b"\x93NUMPY"
#: Entries of a block: so much is in memory at a time.
ENTRIES = 2**22


def open_array(path: Path) -> Numbers:
    """Return the array of a .npy file, mapped into memory. Nothing is ever unpickled."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror}") from error
    if start != MAGIC:
        what = "is empty" if not start else "is no .npy file"
        raise ReportError(f"{path} {what}")
    try:
        array: Numbers = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        first_line = str(error).partition("\n")[0]
        raise ReportError(f"{path} is damaged or holds no plain numbers: {first_line}") from error
    return np.asarray(array)


@dataclass(frozen=True)
class Files:
    """Two files that fit each other: scores of K classes along an axis, and labels."""

    scores: Path
    labels: Path
    shape: tuple[int, ...]
    dtype: str
    axis: int
    ignore_index: int
    #: "C", or "F" where the first axis is that of neighbours in the file.
    order: Literal["C", "F"] = "C"

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.shape[self.axis]

    @property
    def rows(self) -> int:
        """The number of rows, those that are ignored among them."""
        return math.prod(self.shape) // self.classes

    def blocks(self) -> list[tuple[slice, ...]]:
        """Return where in the scores each block of rows lies."""
        places = [place for place in range(len(self.shape)) if place != self.axis]
        whole = tuple(slice(0, size) for size in self.shape)
        return list(cut(self.shape, places[::-1] if self.order == "F" else places, whole))

    def read(self, block: tuple[slice, ...]) -> tuple[Numbers, Numbers]:
        """Return the scores and the labels of a block.

        The files are mapped anew for each block: what was read before is then not held.
        """
        scores = open_array(self.scores)[block]
        labels = open_array(self.labels)[block[: self.axis] + block[self.axis + 1 :]]
        scores, labels = (np.asarray(a, dtype=a.dtype.newbyteorder("=")) for a in (scores, labels))
        self._check_labels(labels, block)
        return scores, labels

    def _check_labels(self, labels: Numbers, block: tuple[slice, ...]) -> None:
        # One look at the extremes for each block where nothing is ignored or wrong.
        if np.min(labels) >= 0 and np.max(labels) < self.classes:
            return
        wrong = ((labels < 0) | (labels >= self.classes)) & (labels != self.ignore_index)
        if np.any(wrong):
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ReportError(
                f"{self.labels} has the label {labels[place]} in {self.name_of(place, block)}, not "
                f"one of 0 to {self.classes - 1} or the ignored {self.ignore_index}"
            )

    def name_of(self, place: Sequence[int], block: tuple[slice, ...]) -> str:
        """Return what to call a row of a block, "row 12" or "row (3, 12)"."""
        starts = [part.start for part in block[: self.axis] + block[self.axis + 1 :]]
        row = tuple(start + i for start, i in zip(starts, place, strict=True))
        return f"row {row[0] if len(row) == 1 else row}"


def open_files(scores: Path, labels: Path, axis: int, ignore_index: int) -> Files:
    """Return the files, or raise a ReportError that says what does not fit."""
    x, y = open_array(scores), open_array(labels)
    if x.dtype.kind != "f" or x.dtype.itemsize > 8:
        swapped = ", and the other file floats: are they in the right order?"
        hint = swapped if x.dtype.kind in "iu" and y.dtype.kind == "f" else ""
        raise ReportError(
            f"{scores} must hold float16, float32 or float64, it holds {x.dtype}{hint}"
        )
    if y.dtype.kind not in "iu":
        raise ReportError(f"{labels} must hold integer labels, it holds {y.dtype}")
    if x.ndim < 2:
        raise ReportError(f"{scores} must have rows and classes, its shape is {x.shape}")
    if not -x.ndim <= axis < x.ndim:
        raise ReportError(f"--axis {axis} is no axis of {scores}, its shape is {x.shape}")
    axis %= x.ndim
    if x.size == 0:
        raise ReportError(f"{scores} has no entries, its shape is {x.shape}")
    if x.shape[axis] < 2:
        raise ReportError(f"{scores} has one class along axis {axis}, its shape is {x.shape}")
    wanted = x.shape[:axis] + x.shape[axis + 1 :]
    if y.shape != wanted:
        raise ReportError(
            f"{labels} must have the shape {wanted} of {scores} without its class axis, "
            f"it has {y.shape} [{scores}: {x.shape}, axis: {axis}]"
        )
    order: Literal["C", "F"] = "C" if x.flags.c_contiguous else "F"
    return Files(scores, labels, x.shape, x.dtype.name, axis, ignore_index, order)


def cut(
    shape: tuple[int, ...], places: Sequence[int], index: tuple[slice, ...]
) -> Iterator[tuple[slice, ...]]:
    """Yield blocks of at most ENTRIES entries, or of one row, along the slowest axes first."""
    place, *faster = places
    size = math.prod(part.stop - part.start for part in index) // shape[place]
    step = max(1, ENTRIES // size)
    for start in range(0, shape[place], step):
        stop = min(start + step, shape[place])
        block = (*index[:place], slice(start, stop), *index[place + 1 :])
        if size > ENTRIES and faster:
            yield from cut(shape, faster, block)
        else:
            yield block
