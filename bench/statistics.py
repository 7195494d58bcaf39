"""Medians and quartiles of samples, and whether two sets of them differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of some samples."""

    median: float
    q25: float
    q75: float
    count: int


def summarize(samples: Sequence[float]) -> Summary:
    """Return median and quartiles; of samples in between, the linear interpolation."""
    if not samples:
        raise ValueError("there must be at least one sample")
    q25, median, q75 = (float(value) for value in np.quantile(samples, (0.25, 0.5, 0.75)))
    return Summary(median, q25, q75, len(samples))


def ratios(before: Sequence[float], after: Sequence[float]) -> Summary:
    """Return the summary of after / before, sample by sample as they were taken side by side."""
    return summarize([late / early for early, late in zip(before, after, strict=True)])


def is_slower(before: Sequence[float], after: Sequence[float], threshold: float) -> bool:
    """Whether the difference is more than noise, and than ``threshold``.

    Three of four times after must be longer than all times before: with seven of each, noise alone
    does that once in 250 comparisons. The ratio of medians must exceed 1 + ``threshold`` as well.
    """
    early, late = summarize(before), summarize(after)
    return late.q25 > max(before) and late.median > (1.0 + threshold) * early.median


def rounds_for(seconds_of_a_round: float, budget: float, fewest: int, most: int) -> int:
    """Return how many rounds fit into a budget of seconds, within bounds."""
    fitting = int(budget / max(seconds_of_a_round, 1e-9))
    return max(fewest, min(most, fitting))


def repeats_for(seconds_of_a_call: float, sample: float, most: int) -> int:
    """Return how many calls make a sample that is long enough for the clock."""
    return max(1, min(most, int(sample / max(seconds_of_a_call, 1e-9))))
