"""From two files to everything that a report says, in one pass."""

import functools
import itertools
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from softtargets._array import threads
from softtargets.analysis import SmoothingChoice, choose_label_smoothing
from softtargets.calibration import CalibrationReport, CalibrationSummary
from softtargets.report.files import Files, Numbers
from softtargets.report.fitted import Fitted, fit
from softtargets.report.problems import ReportError
from softtargets.report.sample import Sample

#: The probability of all intervals.
LEVEL = 0.95
#: Blocks that are read side by side: what is not done on threads within one is done beside another.
TOGETHER = 2

#: Makes a function that is called as often as is said, to show how far the work is.
Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


class Findings(NamedTuple):
    """What was measured. ``fitted`` is text where there is no temperature: why."""

    files: Files
    from_probs: bool
    metrics: CalibrationReport
    sampled: int
    fitted: Fitted | str
    #: The smoothing with which predictions would be best, where they are too sure.
    missing: SmoothingChoice | None

    @property
    def ignored(self) -> int:
        """The number of rows that do not count."""
        return self.files.rows - self.metrics.num_rows


def measure(files: Files, *, from_probs: bool, num_bins: int, progress: Progress) -> Findings:
    """Read the files and return what they show."""
    empty = functools.partial(CalibrationSummary, from_logits=not from_probs, num_bins=num_bins)
    sample = Sample(files.rows, files.classes, files.order)
    blocks = files.blocks()
    with progress(f"reading {files.scores.name}", len(blocks) + 1) as advance:
        summary = read(files, blocks, empty, sample, advance)
        metrics = summary.report(level=LEVEL)
        if metrics.num_rows == 0:
            raise ReportError(f"{files.labels} has no row that counts: all are ignored")
        x, y = sample.arrays()
        if from_probs:
            x = logarithms(x)
        same = metrics if len(y) == files.rows else None
        fitted = fit(x, y, files.ignore_index, same, num_bins, LEVEL)
        missing = None
        if not isinstance(fitted, str) and fitted.low > 1 and not fitted.bounded:
            missing = choose_label_smoothing(x, y, ignore_index=files.ignore_index)
        advance()
    return Findings(files, from_probs, metrics, len(y), fitted, missing)


def read(
    files: Files,
    blocks: Sequence[tuple[slice, ...]],
    empty: Callable[[], CalibrationSummary],
    sample: Sample,
    advance: Callable[[], None],
) -> CalibrationSummary:
    """Return the summary of all blocks, and take the sample: a few blocks side by side.

    What a block gives is added in the order of the file. Of several errors the first in the file
    is raised.
    """
    whole, done, wrong = empty(), dict[int, CalibrationSummary](), dict[int, ReportError]()
    sizes = [math.prod(part.stop - part.start for part in block) for block in blocks]
    starts = [0, *itertools.accumulate(size // files.classes for size in sizes)]
    lock, following = threading.Lock(), 0

    def worker(item: slice) -> None:
        nonlocal whole, following
        place = item.start
        try:
            scores, labels = files.read(blocks[place])
            part = empty()
            count(part, scores, labels, files, blocks[place])
        except ReportError as error:
            wrong[place] = error
            raise
        sample.add(starts[place], scores, labels, files.axis)
        del scores, labels
        with lock:
            done[place] = part
            while following in done:
                whole = whole.merge(done.pop(following))
                following += 1
            advance()

    items = [slice(place, place + 1) for place in range(len(blocks))]
    try:
        threads.run(lambda: worker, items, most=TOGETHER)
    except ReportError:
        raise wrong[min(wrong)] from None
    return whole


def count(
    summary: CalibrationSummary,
    scores: Numbers,
    labels: Numbers,
    files: Files,
    block: tuple[slice, ...],
) -> None:
    """Count a block, or say which of its rows makes no sense."""
    kept = labels != files.ignore_index
    where = None if summary.bins.from_logits else kept  # or padding would have to sum to 1
    try:
        summary.update(
            scores, labels, where=where, ignore_index=files.ignore_index, axis=files.axis
        )
    except ValueError as error:
        first = files.name_of([0] * labels.ndim, block)
        rule = str(error).partition(" at position")[0]
        raise ReportError(f"{files.scores}: {rule} [in the rows from {first} on]") from error
    tally = summary.bins.tally
    if tally is not None and tally.bad:
        top = np.max(scores, axis=files.axis)
        place = np.argwhere(~np.isfinite(top) & kept)[0]
        row = files.name_of([int(i) for i in place], block)
        raise ReportError(f"{files.scores} has nan or infinite logits in {row}")


def logarithms(probabilities: Numbers) -> Numbers:
    """Return logits of which these are the softmax."""
    wide = np.promote_types(probabilities.dtype, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(probabilities, dtype=wide)
