"""What processes counted or passed over, merged into one: the same on each of them."""

import zlib
from dataclasses import replace
from typing import Any

from softtargets._array import errors
from softtargets._array.dtypes import dtype_name
from softtargets._array.kinds import namespace
from softtargets._array.traits import quiet
from softtargets._array.trees import arrays_in
from softtargets.calibration import CalibrationBins, CalibrationSummary
from softtargets.calibration.inputs import SCOPES
from softtargets.distributed.comparison import Entry, compare
from softtargets.distributed.description import DTYPES
from softtargets.distributed.groups import Group, as_group
from softtargets.losses.softmax_state import SoftmaxState
from softtargets.typing import Array

_OF_STATES = (
    Entry("part", "have as many rows"),
    Entry("part", "have rows of the same shape", None),
    Entry("part", "have the same dtype", lambda value: DTYPES[value]),
    Entry("part", "have as many tails"),
)
_OF_BINS = (
    Entry("part", "have as many bins"),
    Entry("part", "have as many bins of the error"),
    Entry("part", "have the same scope", lambda value: repr(SCOPES[value])),
    Entry("part", "have the same from_logits", lambda value: str(value == 1)),
    Entry("part", "have as many classes", missing=0),
)


def merge(part: Any, group: Any) -> Any:
    """Return what all processes of a group have of something that merges, on each of them.

    Counters of calibration are integers, so that they add up exactly, in any order.

    Parameters
    ----------
    part : SoftmaxState, CalibrationBins or CalibrationSummary
        A state of this process's classes, which becomes that of all classes of the same rows; or
        what was counted of its rows, perhaps nothing, which becomes that of all rows.
    group : process group, str or Group
        As for :func:`cross_entropy`.

    Returns
    -------
    SoftmaxState, CalibrationBins or CalibrationSummary
        A new one. Where this process had counted nothing it has NumPy arrays, or those of the GPU
        that the backend of the process group needs.

    Raises
    ------
    TypeError
        If ``part`` is none of these, or ``group`` no group.
    ValueError
        If parts do not fit each other: on all processes, and naming a rank.
    RuntimeError
        If a process does not answer any more, as for :func:`cross_entropy`.

    Examples
    --------
    Each process counts its own rows and calls ``distributed.merge(bins, group)``; here all do so in
    a group of one:

    >>> import numpy as np
    >>> from softtargets import calibration, distributed
    >>> class Alone(distributed.Group):
    ...     rank, size = 0, 1
    ...     maximum = sum = lambda self, array: array
    ...     gather = lambda self, numbers: [tuple(numbers)]
    >>> bins = calibration.CalibrationBins(from_logits=False, num_bins=5)
    >>> bins.update(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1]))
    >>> distributed.merge(bins, Alone()).error().round(2)
    np.float64(0.2)
    """
    found = as_group(group, "group", next(iter(arrays_in(_held(part))), None))
    if found is None:
        errors.bad_type("group", "be a process group, the name of a mesh axis, or a Group", "None")
    if isinstance(part, SoftmaxState):
        return _states(part, found)
    if isinstance(part, CalibrationBins):
        return _bins(part, found)
    if isinstance(part, CalibrationSummary):
        return _summary(part, found)
    rule = "be a SoftmaxState, CalibrationBins or CalibrationSummary"
    errors.bad_type("part", rule, type(part).__name__)


def _states(part: SoftmaxState, group: Group) -> Any:
    state = part.state
    own = (
        state.exp_sum.shape[0],
        zlib.crc32(repr(part.row_shape).encode()),
        DTYPES.index(dtype_name(state.exp_sum)),
        len(state.tails),
    )
    compare(group.gather(own), _OF_STATES, "group")
    with quiet(namespace(state.exp_sum)):
        return replace(part, state=state.combined(group.maximum, group.sum))


def _bins(part: CalibrationBins, group: Group, coarse: int = 0) -> Any:
    tally = part.tally
    own = (
        part.num_bins,
        coarse,
        SCOPES.index(part.scope),
        int(part.from_logits),
        0 if tally is None else tally.counts.shape[0] // part.num_bins,
    )
    told = group.gather(own)
    compare(told, _OF_BINS, "group")
    kinds = max(numbers[-1] for numbers in told)
    merged = CalibrationBins(from_logits=part.from_logits, num_bins=part.num_bins, scope=part.scope)
    if kinds == 0:
        return merged
    size = kinds * part.num_bins
    if tally is None:
        counters = group.zeros(13 * size + 1, "int64")
    else:
        counters = namespace(tally.counts).concat([_flat(array) for array in tally])
    counters = group.sum(counters)
    xp = namespace(counters)
    sums = xp.reshape(counters[size : 13 * size], (4, 3, size))
    bad = counters[13 * size, ...]
    merged.load_state_dict({"counts": counters[:size], "sums": sums, "bad": bad})
    return merged


def _summary(part: CalibrationSummary, group: Group) -> Any:
    merged = CalibrationSummary(from_logits=part.bins.from_logits, num_bins=part.num_bins)
    merged.bins = _bins(part.bins, group, part.num_bins)
    if merged.bins.tally is not None:
        if part.proper:
            proper = namespace(part.proper[0]).stack(list(part.proper))
        else:
            proper = group.zeros(2, "float64")
        proper = group.sum(proper)
        merged.proper = proper[0, ...], proper[1, ...]
    return merged


def _held(part: Any) -> Any:
    """Return what holds the arrays of a part."""
    if isinstance(part, CalibrationSummary):
        return part.bins.tally
    return part.tally if isinstance(part, CalibrationBins) else part


def _flat(array: Array) -> Array:
    return namespace(array).reshape(array, (-1,))
