"""Scores of single rows, and their reduction."""

from collections.abc import Callable
from typing import Any

from softtargets._array.axes import check_axis, row_shape
from softtargets._array.checks import check_option
from softtargets._array.kinds import namespace
from softtargets._array.memory import scaled
from softtargets._array.operations import CLASS_MAJOR, log_of
from softtargets._array.sums import row_sums, weighted_sums
from softtargets.calibration.inputs import Examples, Options, chunks, seen_from_host
from softtargets.execution.summaries import Summarize, Summary, row_columns
from softtargets.losses.reductions import REDUCTIONS, make_reducer
from softtargets.softmax.kernel import Pass
from softtargets.targets.rows import Rows
from softtargets.typing import Array, Namespace, Reduction

#: Returns a column, one score per row.
ByRow = Callable[[Examples, bool], Array]


def reduced(
    scores: Array, targets: Any, options: Options, reduction: Reduction, by_row: ByRow
) -> Array:
    """Return the reduced scores of all rows; rows that do not count give 0 to it."""
    check_option(reduction, "reduction", REDUCTIONS)

    def measure(scores: Array, targets: Any, options: Options) -> Array:
        columns, weights = [], []
        for some in chunks(scores, targets, options):
            columns.append(by_row(some, options.from_logits))
            weights.append(some.weights)
        xp = namespace(columns[0])
        column = columns[0] if len(columns) == 1 else xp.concat(columns)
        weight = weights[0] if len(weights) == 1 else xp.concat(weights)
        shape = tuple(scores.shape)
        if options.scope != "positive":
            shape = row_shape(shape, check_axis(options.axis, len(shape)))
        reducer = make_reducer(xp, reduction, weight, column, shape, None, None)
        return reducer.value(column)

    return seen_from_host(measure, scores, targets, options)


def squares(some: Examples, from_logits: bool) -> Array:
    """Return  sum_k (p_k - y_k)^2  of each row, on average over labels drawn from soft targets."""
    if not from_logits:
        # Labels are subtracted in place.
        p = some.xp.astype(_clean(some, 0.0), some.dtype, copy=True)
        off = some.rows.add_to(some.xp, p, -1.0)
        return _with_variance(some, some.rows, weighted_sums(some.xp, off, off), off)
    task = Summary(some.xp, some.scores, some.rows, some.dtype, 1, square_of_pass(some))
    return row_columns(task)[0]


def square_of_pass(some: Examples) -> Summarize:
    """Return what makes the column of :func:`squares` of a pass, whose memory it may take over."""

    def summarize(x: Array, done: Pass, rows: Rows) -> tuple[Array]:
        # With S = sum_k e_k  it is  sum_k (e_k - S y_k)^2 / S^2.
        xp, total = some.xp, done.state.exp_sum
        off = rows.add_to(xp, done.exponentials, -total, own=done.own)
        value = _squares(xp, off, own=done.own) / total**2
        if rows.kept is not None:
            value = xp.where(rows.kept, value, 0.0)
        return (_with_variance(some, rows, value, off),)

    return summarize


def _squares(xp: Namespace, off: Array, *, own: bool) -> Array:
    if own and off.shape[1] <= CLASS_MAJOR:
        return row_sums(xp, scaled(off, off, own=True))
    return weighted_sums(xp, off, off)


def _with_variance(some: Examples, rows: Rows, value: Array, like: Array) -> Array:
    """Return ``value`` with what labels that are drawn from soft targets add to it."""
    if some.labels is not None:
        return value
    q = rows.add_to(some.xp, some.xp.zeros_like(like))
    return value + row_sums(some.xp, q * (1 - q))


def logarithms(some: Examples, from_logits: bool) -> Array:
    """Return  -sum_k q_k log p_k  of each row of probabilities."""
    xp, p = some.xp, _clean(some, 1.0)
    return -some.rows.dot(xp, log_of(xp, p))


def _clean(some: Examples, otherwise: float) -> Array:
    """Return the probabilities in the compute dtype, something else in rows that do not count."""
    p = some.xp.astype(some.scores, some.dtype, copy=False)
    return p if some.kept is None else some.xp.where(some.kept, p, otherwise)
