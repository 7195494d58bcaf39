"""Rows that are kept in memory: all of a small file, an even sample of a large one."""

from typing import Literal

import numpy as np

from softtargets.report.files import Numbers

#: Entries that are kept, temperatures are fitted to them; and of a larger file no more rows.
ENTRIES, ROWS = 2**23, 2**18


class Sample:
    """Collects rows out of blocks, one from each stretch of rows, at a random place in it.

    The same rows are drawn in every run, however they are cut into blocks, and in the same order:
    that of the file. Rows that a file has in a regular order are no trouble.
    """

    def __init__(self, rows: int, classes: int, order: Literal["C", "F"] = "C") -> None:
        self.order = order
        size = rows
        if rows * classes > ENTRIES:
            size = min(rows, ROWS, max(1, ENTRIES // classes))
        edges = np.arange(size + 1, dtype=np.int64) * rows // size
        drawn = np.random.default_rng(0).random(size) * np.diff(edges)
        self.places = edges[:-1] + drawn.astype(np.int64)
        self.seen = 0
        self.parts: list[tuple[Numbers, Numbers]] = []

    def add(self, scores: Numbers, labels: Numbers, axis: int) -> None:
        """Take the sampled rows of the next block."""
        first, last = np.searchsorted(self.places, [self.seen, self.seen + labels.size])
        here = np.unravel_index(self.places[first:last] - self.seen, labels.shape, self.order)
        self.parts.append((np.moveaxis(scores, axis, -1)[here], labels[here]))
        self.seen += labels.size

    def arrays(self) -> tuple[Numbers, Numbers]:
        """Return the rows as a matrix, and their labels; they are handed over, not kept."""
        scores, labels = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        self.parts = []
        return scores, labels
