"""Calibration metrics in exact rationals, from their definitions, one event after the other.

Nothing here is shared with the library. An event is a pair (confidence, hit) of Fractions.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from fractions import Fraction

Event = tuple[Fraction, Fraction]
Bin = list[Event]


def exact(values: Iterable[float]) -> list[Fraction]:
    """Return what the floats are, exactly."""
    return [Fraction(float(value)) for value in values]


def decimal(values: Iterable[float]) -> list[Fraction]:
    """Return what the floats were written as."""
    return [Fraction(str(float(value))) for value in values]


def of_width(events: Iterable[Event], edges: list[Fraction]) -> list[Bin]:
    """Return the events by bins (low, high]; the first takes its lower edge too."""
    bins: list[Bin] = [[] for _ in edges[1:]]
    for event in events:
        # The number of inner edges below it.
        bins[bisect.bisect_left(edges[1:-1], event[0])].append(event)
    return bins


def edges(num_bins: int) -> list[Fraction]:
    return [Fraction(j, num_bins) for j in range(num_bins + 1)]


def of_mass(events: Iterable[Event], num_bins: int) -> list[Bin]:
    """Return the events by rank; those that are equal share their hits."""
    ordered: Bin = []
    for _, group in itertools.groupby(sorted(events), key=lambda event: event[0]):
        members = list(group)
        mean = sum((hit for _, hit in members), Fraction(0)) / len(members)
        ordered += [(c, mean) for c, _ in members]
    size, more = divmod(len(ordered), num_bins)
    bins, start = [], 0
    for j in range(num_bins):
        stop = start + size + (1 if j < more else 0)
        bins.append(ordered[start:stop])
        start = stop
    return bins


def gap(some: Bin) -> Fraction:
    """Return mean confidence - mean hit of a bin."""
    return sum((c - h for c, h in some), Fraction(0)) / len(some)


def accuracy(some: Bin) -> Fraction:
    return sum((h for _, h in some), Fraction(0)) / len(some)


def filled(bins: list[Bin]) -> list[Bin]:
    return [some for some in bins if some]


def ece(bins: list[Bin]) -> Fraction:
    total = sum(map(len, bins))
    return sum((Fraction(len(b), total) * abs(gap(b)) for b in filled(bins)), Fraction(0))


def square(bins: list[Bin]) -> Fraction:
    total = sum(map(len, bins))
    return sum((Fraction(len(b), total) * gap(b) ** 2 for b in filled(bins)), Fraction(0))


def largest(bins: list[Bin]) -> Fraction:
    return max(abs(gap(b)) for b in filled(bins))


def debiased_square(bins: list[Bin]) -> Fraction:
    """Kumar et al. 2019, with nothing for bins of one event."""
    total = sum(map(len, bins))
    value = Fraction(0)
    for some in bins:
        if len(some) > 1:
            a = accuracy(some)
            value += Fraction(len(some), total) * (gap(some) ** 2 - a * (1 - a) / (len(some) - 1))
    return value


def sweep(events: list[Event], *, by_mass: bool) -> int:
    """Return the largest number of bins before the accuracies first fall somewhere."""
    best = 1
    for num_bins in range(2, len(events) + 1):
        bins = of_mass(events, num_bins) if by_mass else of_width(events, edges(num_bins))
        shares = [accuracy(some) for some in filled(bins)]
        if any(b < a for a, b in itertools.pairwise(shares)):
            break
        best = num_bins
    return best


def kolmogorov_smirnov(events: list[Event]) -> Fraction:
    """Return the largest gap of partial sums, looked at where the confidence changes."""
    worst = total = Fraction(0)
    for _, group in itertools.groupby(sorted(events), key=lambda event: event[0]):
        total += sum((c - h for c, h in group), Fraction(0))
        worst = max(worst, abs(total))
    return worst / len(events)


def risk_coverage(events: list[Event]) -> Fraction:
    """Return the mean rate of misses of the k most confident, equal ones with their mean."""
    ordered = [event for some in of_mass(events, 1) for event in reversed(some)]
    misses = area = Fraction(0)
    for k, (_, hit) in enumerate(ordered, start=1):
        misses += 1 - hit
        area += misses / k
    return area / len(events)


def brier_parts(bins: list[Bin]) -> tuple[Fraction, ...]:
    """Return score, reliability, resolution, uncertainty and residual (Murphy 1973)."""
    events = [event for some in bins for event in some]
    total = len(events)
    base = accuracy(events)
    score = sum(((c - 1) ** 2 * h + c**2 * (1 - h) for c, h in events), Fraction(0)) / total
    reliability = square(bins)
    resolution = sum(
        (Fraction(len(b), total) * (accuracy(b) - base) ** 2 for b in filled(bins)), Fraction(0)
    )
    uncertainty = base * (1 - base)
    residual = score - reliability + resolution - uncertainty
    return score, reliability, resolution, uncertainty, residual


def chances(probabilities: list[Fraction]) -> list[Fraction]:
    """Return the probability of 0, 1, ..., n hits, of independent events (Poisson binomial)."""
    chance = [Fraction(1)]
    for p in probabilities:
        chance = [
            (chance[k] * (1 - p) if k < len(chance) else 0) + (chance[k - 1] * p if k else 0)
            for k in range(len(chance) + 1)
        ]
    return chance


def floor(bins: list[Bin]) -> Fraction:
    """Return the expected ECE where each event comes true with its confidence."""
    total = sum(map(len, bins))
    value = Fraction(0)
    for some in bins:
        mean = sum((c for c, _ in some), Fraction(0))
        value += sum(
            (p * abs(k - mean) for k, p in enumerate(chances([c for c, _ in some]))), Fraction(0)
        )
    return value / total


def floor_square(bins: list[Bin]) -> Fraction:
    """Return the expected square of the error of norm 2 there."""
    total = sum(map(len, bins))
    parts = (sum((c * (1 - c) for c, _ in b), Fraction(0)) / len(b) for b in filled(bins))
    return sum(parts, Fraction(0)) / total
