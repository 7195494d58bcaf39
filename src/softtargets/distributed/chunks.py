"""Calibration of Dask arrays: each chunk is counted where it is, and the counts are merged."""

from typing import Any

from softtargets._array import errors
from softtargets._array.axes import check_axis, check_known
from softtargets._array.kinds import is_dask
from softtargets.calibration import CalibrationBins, CalibrationSummary
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array

Counts = CalibrationBins | CalibrationSummary

#: Counts that are merged at a time.
_FAN = 8


def count_chunks(
    counted: Any,
    scores: Array,
    targets: Array,
    *,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Any:
    """Return the counts of the rows of Dask arrays, to be computed later, in NumPy.

    Every chunk is counted by itself, wherever its scheduler computes it, and only counts travel;
    they are merged in a tree. Integers add up exactly, so chunks change nothing.

    Parameters
    ----------
    counted : CalibrationBins or CalibrationSummary
        What was counted before, perhaps nothing. It is not changed.
    scores : dask array, real floating
        As for :meth:`softtargets.calibration.CalibrationBins.update`. A class axis in several
        chunks is put together.
    targets : dask array
        Integer labels or distributions.
    where : dask array of bool, optional
        Rows that count.
    ignore_index : int, default -100
        Rows with this label do not count.
    axis : int, default -1
        The class axis.

    Returns
    -------
    dask.delayed.Delayed
        ``compute()`` gives the counts.

    Raises
    ------
    TypeError
        If ``counted`` counts nothing, or an array is none of Dask.
    ValueError
        If the shape of an array is unknown, or that of targets does not fit. What does not fit
        otherwise raises when it is computed.

    Choosing
    --------
    ``update`` takes Dask arrays too, and keeps lazy counters: for a few chunks, or as part of a
    larger graph.

    Examples
    --------
    >>> import dask.array
    >>> import numpy as np
    >>> from softtargets import calibration, distributed
    >>> rng = np.random.default_rng(0)
    >>> x = dask.array.from_array(rng.normal(size=(1000, 3)), chunks=(100, 3))
    >>> y = dask.array.from_array(rng.integers(0, 3, 1000), chunks=100)
    >>> bins = calibration.CalibrationBins(from_logits=True)
    >>> bins = distributed.count_chunks(bins, x, y).compute(scheduler="synchronous")
    >>> int(bins.tally.counts.sum())
    1000
    """
    if not isinstance(counted, CalibrationBins | CalibrationSummary):
        rule = "be CalibrationBins or a CalibrationSummary"
        errors.bad_type("counted", rule, type(counted).__name__)
    given = {"scores": scores, "targets": targets, "where": where}
    for name, array in given.items():
        if not (is_dask(array) or (name == "where" and array is None)):
            errors.bad_type(name, "be a Dask array", type(array).__name__)
        if array is not None:
            check_known(array, name)
    from dask import delayed

    single = _scope(counted) == "positive"
    rows = scores.chunks
    if not single:
        place = check_axis(axis, scores.ndim)
        scores = scores.rechunk({place: -1})
        rows = (*scores.chunks[:place], *scores.chunks[place + 1 :])
    shape = tuple(map(sum, rows))
    if where is not None and where.shape != shape:
        errors.bad_value("where", f"have shape {shape}", where.shape)
    if targets.shape not in (shape, scores.shape):
        rule = f"have shape {shape} for labels or {scores.shape} for distributions"
        errors.bad_value("targets", rule, targets.shape)
    targets = targets.rechunk(rows if targets.shape == shape else scores.chunks)
    parts = [_blocks(array) for array in (scores, targets)]
    flags = [None] * len(parts[0]) if where is None else _blocks(where.rechunk(rows))
    count = delayed(_count, pure=False)
    words = {"ignore_index": ignore_index, "axis": axis}
    found = [count(_nothing(counted), *some, words) for some in zip(*parts, flags, strict=True)]
    merge = delayed(_merged, pure=False)
    while len(found) > 1:
        found = [merge(found[i : i + _FAN]) for i in range(0, len(found), _FAN)]
    return merge([counted, *found])


def _blocks(array: Array) -> list[Any]:
    return list(array.to_delayed().reshape(-1))


def _nothing(counted: Counts) -> Counts:
    """Return the same counters before anything was counted."""
    if isinstance(counted, CalibrationSummary):
        from_logits = counted.bins.from_logits
        return CalibrationSummary(from_logits=from_logits, num_bins=counted.num_bins)
    return CalibrationBins(
        from_logits=counted.from_logits, num_bins=counted.num_bins, scope=counted.scope
    )


def _scope(counted: Counts) -> str:
    return counted.bins.scope if isinstance(counted, CalibrationSummary) else counted.scope


def _count(
    counted: Counts, scores: Array, targets: Array, where: Array | None, words: dict[str, Any]
) -> Counts:
    """Count one chunk. On another machine ``counted`` is a copy; here it is nobody else's."""
    counted.update(scores, targets, where=where, **words)
    return counted


def _merged(parts: list[Any]) -> Any:
    first, *rest = parts
    for part in rest:
        first = first.merge(part)
    return first
