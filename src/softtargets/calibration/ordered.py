"""Events in the order of their confidence: bins of equal mass, KS, the risk at every coverage.

Events with the same confidence have no order: each gets the mean of their hits, so no result
depends on the order in which they came.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from softtargets._array.dtypes import index_dtype
from softtargets._array.kinds import namespace
from softtargets._array.namespaces import beside
from softtargets._array.operations import quotient
from softtargets._array.read import check_concrete, read
from softtargets._array.scalars import widest_floating
from softtargets.calibration.events import Events
from softtargets.calibration.measures import Binned
from softtargets.typing import Array, Binning, Namespace


class Ordered(NamedTuple):
    """Events of one kind by rising confidence, ``keys``; those that do not count come last, as 2.

    The sums are of the first 0, 1, ..., n events, the first of them 0, with means of the hits of
    equal confidences; ``total`` is the number of events that count, ``bad`` that of no numbers.
    """

    xp: Namespace
    keys: Array
    confidence_sums: Array
    hit_sums: Array
    spread_sums: Array
    last_of_equal: Array
    total: Array
    bad: Array

    def checked(self, value: Array) -> Array:
        """Return a value, or nan if it is of nothing, or of something that is no number."""
        return self.xp.where((self.bad == 0) & (self.total > 0), value, self.xp.nan)

    def between(self, bounds: Array) -> Binned:
        """Return the events from each bound to the next as bins."""
        xp, dtype = self.xp, self.confidence_sums.dtype

        def differences(sums: Array) -> Array:
            at = xp.take(sums, bounds)
            return (at[1:] - at[:-1])[None, :]

        count = xp.astype(bounds[1:] - bounds[:-1], dtype)[None, :]
        confidence, hits = differences(self.confidence_sums), differences(self.hit_sums)
        spread = differences(self.spread_sums)
        return Binned(xp, count, confidence, hits, confidence - hits, spread, self.bad)


def in_order(some: Events) -> Iterator[Ordered]:
    """Yield each kind of events in order."""
    xp = namespace(some.confidence)
    live = (some.sound if some.counts is None else some.sound & some.counts)[:, 0]
    bad = ~some.sound if some.counts is None else some.counts & ~some.sound
    integer, wide = index_dtype(xp, bad), widest_floating(xp)
    bad = xp.sum(xp.astype(bad, integer))
    total = xp.sum(xp.astype(live, integer))
    for j in range(some.confidence.shape[1]):
        key = xp.where(live, some.confidence[:, j], 2.0)
        order = xp.argsort(key, stable=True)
        key, counts = xp.take(key, order), xp.take(live, order)
        c = xp.astype(xp.where(counts, key, 0.0), wide)
        h = xp.astype(xp.where(counts, xp.take(some.hit[:, j], order), 0.0), wide)
        first, behind = (xp.searchsorted(key, key, side=side) for side in ("left", "right"))
        sums = xp.cumulative_sum(h, include_initial=True)
        size = xp.astype(behind - first, wide)
        h = (xp.take(sums, behind) - xp.take(sums, first)) / size
        position = xp.arange(1, key.shape[0] + 1, dtype=behind.dtype, **beside(behind))
        last = (behind == position) & counts
        first, second, third = (
            xp.cumulative_sum(v, include_initial=True) for v in (c, h, c * (1 - c))
        )
        yield Ordered(xp, key, first, second, third, last, total, bad)


def bounds_of(ordered: Ordered, num_bins: int, binning: Binning) -> Array:
    """Return where bins begin, and where the last ends, in the order of the events.

    Bins of equal mass differ by one event at most, the first ones having more.
    """
    xp, total = ordered.xp, ordered.total
    j = xp.arange(num_bins + 1, dtype=total.dtype, **beside(total))
    if binning == "mass":
        rest = total % num_bins
        return j * (total // num_bins) + xp.where(j < rest, j, rest)
    edges = quotient(xp, xp.astype(j, ordered.keys.dtype), num_bins)
    inner = xp.searchsorted(ordered.keys, edges[1:-1], side="right")
    inner = xp.astype(inner, total.dtype)
    ends = xp.stack([xp.zeros_like(total), total])
    return xp.concat([ends[:1], inner, ends[1:]])


def sweep(ordered: Ordered, binning: Binning) -> Binned:
    """Return the largest number of bins up to which the accuracies never fall from bin to bin.

    Numbers are tried from 2 on, and the first at which one falls ends it.
    """
    check_concrete(ordered.keys, "scores")
    best = ordered.between(bounds_of(ordered, 1, binning))
    for num_bins in range(2, int(read(ordered.total, "scores")) + 1):
        found = ordered.between(bounds_of(ordered, num_bins, binning))
        share = read(found.hits / found.size, "scores")[0, :]
        share = share[read(found.count, "scores")[0, :] > 0]
        if any(b < a for a, b in itertools.pairwise(share.tolist())):
            break
        best = found
    return best


def joined(kinds: list[Binned]) -> Binned:
    """Return bins of several kinds of event as one."""
    if len(kinds) == 1:
        return kinds[0]
    xp = kinds[0].xp
    columns = (xp.concat(list(parts)) for parts in zip(*(kind[1:6] for kind in kinds), strict=True))
    count, confidence, hits, gap, spread = columns
    return Binned(xp, count, confidence, hits, gap, spread, kinds[0].bad)


def largest(values: list[Array]) -> Array:
    """Return the largest of 0-d arrays."""
    xp = namespace(values[0])
    return xp.max(xp.stack(values))


def kolmogorov_smirnov(ordered: Ordered) -> Array:
    """Return  max_i |sum of (confidence - hit) over the i least confident| / N."""
    xp = ordered.xp
    gaps = xp.abs(ordered.confidence_sums - ordered.hit_sums)
    # The first sum is that of no event, 0.
    ends = xp.concat([ordered.total[None] < 0, ordered.last_of_equal])
    return ordered.checked(xp.max(xp.where(ends, gaps, 0.0)) / _size(ordered))


def risk_over_coverage(ordered: Ordered) -> Array:
    """Return the mean over k = 1, ..., N of the rate of misses among the k most confident."""
    xp, total = ordered.xp, ordered.total
    dtype = ordered.hit_sums.dtype
    position = xp.arange(ordered.keys.shape[0], dtype=total.dtype, **beside(total))
    hits_above = ordered.hit_sums[-1] - ordered.hit_sums[:-1]
    kept = xp.astype(xp.where(position < total, total - position, 1), dtype)
    risk = xp.where(position < total, 1 - hits_above / kept, 0.0)
    return ordered.checked(xp.sum(risk) / _size(ordered))


def _size(ordered: Ordered) -> Array:
    dtype = ordered.hit_sums.dtype
    return ordered.xp.astype(ordered.xp.where(ordered.total > 0, ordered.total, 1), dtype)
