"""From scores and targets to counters by bin, a few rows at a time."""

import itertools
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from softtargets._array.bins import bin_of
from softtargets._array.dtypes import dtype_name, index_dtype
from softtargets._array.kinds import is_numpy, namespace
from softtargets._array.namespaces import beside
from softtargets._array.operations import as_column
from softtargets._array.scalars import widest_floating
from softtargets._array.sums import column_sum
from softtargets.calibration import counters
from softtargets.calibration.events import Events, events
from softtargets.calibration.inputs import Options, seen_from_host
from softtargets.typing import Array

#: The sums: of hits h, of confidences c, of c^2, of c h.
HITS, CONFIDENCE, SQUARE, PRODUCT = range(4)
#: Events that are counted at a time on the host, where they stay in the cache.
EVENTS = 2**15


class Tally(NamedTuple):
    """Counters: per bin, four sums of three integers per bin, and the rows that are no numbers."""

    counts: Array
    sums: Array
    bad: Array

    def plus(self, other: Self) -> Self:
        """Return the counters of both."""
        sums = counters.carried(namespace(self.sums), self.sums + other.sums)
        return self._replace(counts=self.counts + other.counts, sums=sums, bad=self.bad + other.bad)


def tally(
    scores: Array, targets: Any, options: Options, num_bins: int
) -> tuple[Tally, tuple[Array, ...]]:
    """Return the counters of all rows, and the sums of their proper scores if they are wanted."""

    def count(scores: Array, targets: Any, options: Options) -> tuple[Tally, tuple[Array, ...]]:
        total: Tally | None = None
        proper: tuple[Array, ...] | None = None
        for some in events(scores, targets, options):
            for block in _blocks(some):
                found = _count(block, num_bins)
                total = found if total is None else total.plus(found)
            xp = namespace(some.confidence)
            wide = widest_floating(xp)
            more = tuple(column_sum(xp, xp.astype(c, wide, copy=False)) for c in some.proper)
            proper = more if proper is None else tuple(map(operator.add, proper, more))
        assert total is not None
        assert proper is not None
        return total, proper

    counted, proper = seen_from_host(count, scores, targets, options)
    return Tally(*counted), proper


def _blocks(some: Events) -> Iterator[Events]:
    """Yield the events in blocks of rows where memory, or the size of integers, asks for it."""
    rows, kinds = some.confidence.shape
    xp = namespace(some.confidence)
    step = rows
    if is_numpy(some.confidence):
        step = max(1, EVENTS // kinds)
    elif dtype_name(xp.zeros((), dtype=index_dtype(xp, some.confidence))) == "int32":
        step = max(1, counters.NARROW_ROWS // kinds)
    if rows <= step:
        yield some
        return
    for start, stop in itertools.pairwise([*range(0, rows, step), rows]):
        cut = (None if column is None else column[start:stop, :] for column in some[:4])
        confidence, hit, counts, sound = cut
        yield some._replace(confidence=confidence, hit=hit, counts=counts, sound=sound)


def _count(some: Events, num_bins: int) -> Tally:
    xp = namespace(some.confidence)
    kinds = some.confidence.shape[1]
    live = some.sound if some.counts is None else some.sound & some.counts
    # An entry that does not count is in the bin behind the last one.
    kind = xp.arange(kinds, dtype=index_dtype(xp, some.sound), **beside(some.sound))
    place = bin_of(xp, some.confidence, num_bins) + kind[None, :] * num_bins
    size = kinds * num_bins
    bins = xp.reshape(xp.where(live, place, size), (-1,))
    wide = widest_floating(xp)
    zero = as_column(xp, 0.0, some.confidence)
    c, h = (
        xp.astype(xp.reshape(xp.where(live, values, zero), (-1,)), wide, copy=False)
        for values in (some.confidence, some.hit)
    )
    hits = counters.sums(xp, bins, h, size) if some.soft else counters.whole_sums(xp, bins, h, size)
    others = (counters.sums(xp, bins, values, size) for values in (c, c * c, c * h))
    bad = ~some.sound if some.counts is None else some.counts & ~some.sound
    return Tally(
        counters.count(xp, bins, size),
        xp.stack([hits, *others]),
        xp.sum(xp.astype(bad, index_dtype(xp, some.sound))),
    )
