"""Candidates compared by their held-out losses, in pairs: fold by fold, or row by row."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from softtargets._array import errors
from softtargets._array.traits import quiet
from softtargets.typing import Array, Namespace


class Comparison(NamedTuple):
    """Mean losses, and how much more they are than ``losses[best]``, with standard errors."""

    losses: list[float]
    excesses: list[float]
    errors: list[float]
    best: int
    rows: float


class Fold(NamedTuple):
    """The losses of the rows of one fold, an array per candidate, and which rows count."""

    xp: Namespace
    losses: Sequence[Array]
    kept: Array

    def sums(self) -> list[float]:
        """Return the sum of the losses of each candidate."""
        return [float(self.xp.sum(loss)) for loss in self.losses]

    def rows(self) -> float:
        """Return how many rows count."""
        return float(self.xp.sum(self.kept))

    def error(self, first: int, second: int) -> float:
        """Return the standard error of the mean difference of two candidates, over rows."""
        return mean_and_error(self.xp, self.losses[first] - self.losses[second], self.kept)[1]


def mean_and_error(xp: Namespace, values: Array, kept: Array) -> tuple[float, float]:
    """Return the mean over rows that count and its standard error; other values are 0."""
    rows = float(xp.sum(kept))
    mean = float(xp.sum(values)) / rows
    with quiet(xp):
        square = float(xp.sum(kept * (values - mean) ** 2))
    return mean, math.sqrt(square / max(rows - 1, 1) / rows)


def compare(folds: Sequence[Fold]) -> Comparison:
    """Return how the candidates compare; losses of rows that do not count are 0."""
    sums = np.asarray([fold.sums() for fold in folds])
    rows = np.asarray([fold.rows() for fold in folds])
    if not np.all(rows > 0):
        errors.bad_value("labels", "keep a row in each fold", "none")
    if not np.all(np.isfinite(sums)):
        errors.bad_value("score", "give finite losses", "others")
    means = np.sum(sums, axis=0) / np.sum(rows)
    best = int(np.argmin(means))
    if len(folds) > 1:
        by_fold = (sums - sums[:, [best]]) / rows[:, None]
        error = np.std(by_fold, axis=0, ddof=1) / np.sqrt(len(folds))
    else:
        error = np.asarray([folds[0].error(i, best) for i in range(len(means))])
    return Comparison(
        means.tolist(), (means - means[best]).tolist(), error.tolist(), best, float(np.sum(rows))
    )
