"""From scores and targets to counters by bin, a few rows at a time."""

import functools
import itertools
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from softtargets._array import threads
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
EVENTS = 2**16


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
            for found in _counted(some, num_bins):
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


def _counted(some: Events, num_bins: int) -> Iterator[Tally]:
    """Yield the counters of all events, or of as many as their integers have room for."""
    rows, kinds = some.confidence.shape
    if is_numpy(some.confidence):
        step = max(1, EVENTS // kinds)
        yield _settled(some, _on_threads(some, num_bins, step), num_bins)
        return
    step = rows
    if _is_narrow(some.confidence):
        step = max(1, counters.NARROW_ROWS // kinds)
    for block in _slices(rows, step):
        part = some if rows <= step else some.rows(block)
        yield _settled(part, _count(part, num_bins), num_bins)


def _is_narrow(like: Array) -> bool:
    xp = namespace(like)
    return dtype_name(xp.zeros((), dtype=index_dtype(xp, like))) == "int32"


def _slices(rows: int, step: int) -> list[slice]:
    return [slice(*pair) for pair in itertools.pairwise([*range(0, rows, step), rows])]


def _on_threads(some: Events, num_bins: int, step: int) -> Array:
    """Return what :func:`_count` does, of events that are counted at a time while they are in the
    cache. They are whole numbers: neither blocks nor threads matter.
    """
    found: list[Array] = []

    def make_worker() -> threads.Worker:
        own: list[Array] = []

        def worker(block: slice) -> None:
            more = _count(some.rows(block), num_bins)
            if own:
                own[0] += more
            else:
                own.append(more)
                found.append(more)

        return worker

    threads.run(make_worker, _slices(some.confidence.shape[0], step) or [slice(0, 0)])
    return functools.reduce(operator.add, found)


def _count(some: Events, num_bins: int) -> Array:
    """Return whole numbers to be added up, of shape (numbers, bins): how many, and the halves of
    sums. A hit that is 0 or 1 has bins of its own.
    """
    xp = namespace(some.confidence)
    kinds = some.confidence.shape[1]
    live = some.sound if some.counts is None else some.sound & some.counts
    size = kinds * num_bins
    place = bin_of(xp, some.confidence, num_bins)
    if kinds > 1:
        kind = xp.arange(kinds, dtype=index_dtype(xp, some.sound), **beside(some.sound))
        place = place + kind[None, :] * num_bins
    if not some.soft:
        place = xp.where(some.hit > 0, place + size, place)
        size = 2 * size
    all_live = is_numpy(live) and live.all()
    # An entry that does not count is in the bin behind the last one.
    bins = xp.reshape(place if all_live else xp.where(live, place, size), (-1,))
    wide = widest_floating(xp)

    def flat(values: Array) -> Array:
        if not all_live:
            values = xp.where(live, values, as_column(xp, 1.0, values))
        return xp.astype(xp.reshape(values, (-1,)), wide, copy=False)

    single = dtype_name(some.confidence) == "float32"
    c = flat(some.confidence)
    halves = [*counters.halves(xp, bins, c, size, single=single)]
    added = [c * c]
    if some.soft:
        h = flat(some.hit)
        added += [h, c * h]
    halves += [half for values in added for half in counters.halves(xp, bins, values, size)]
    return xp.stack([counters.count(xp, bins, size), *halves])


def _settled(some: Events, found: Array, num_bins: int) -> Tally:
    """Return the counters of events from the whole numbers of :func:`_count`."""
    xp = namespace(found)
    size = some.confidence.shape[1] * num_bins
    nothing = xp.zeros((size,), dtype=found.dtype, **beside(found))
    if some.soft:
        counts, hits = found[0, :], nothing
        order = (5, 6, 1, 2, 3, 4, 7, 8)
        halves = [found[j, :] for j in order]
    else:
        missed, came_true = found[:, :size], found[:, size:]
        both = missed + came_true
        counts, hits = both[0, :], came_true[0, :]
        halves = [
            nothing,
            nothing,
            *(both[j, :] for j in range(1, 5)),
            came_true[1, :],
            came_true[2, :],
        ]
    firsts = (hits, nothing, nothing, nothing)
    sums = xp.stack(
        [xp.stack([first, halves[2 * j], halves[2 * j + 1]]) for j, first in enumerate(firsts)]
    )
    bad = ~some.sound if some.counts is None else some.counts & ~some.sound
    return Tally(counts, counters.carried(xp, sums), _how_many(bad))


def _how_many(flags: Array) -> Array:
    xp = namespace(flags)
    if is_numpy(flags):
        return np.asarray(np.count_nonzero(flags))
    return xp.sum(xp.astype(flags, index_dtype(xp, flags)))
