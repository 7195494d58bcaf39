"""How the negative log-likelihood changes with t = 1 / T: sums over rows, from one pass."""

from collections.abc import Callable
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.read import read
from softtargets._array.scalars import widest_floating
from softtargets._array.sums import column_sum
from softtargets.calibration.inputs import Options, chunks, seen_from_host
from softtargets.execution.summaries import Summary, row_columns
from softtargets.softmax.kernel import Pass
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Rows
from softtargets.typing import Array


class Slope(NamedTuple):
    """The mean negative log-likelihood of t x, and its first two derivatives for t."""

    value: float
    first: float
    second: float


def slope_at(logits: Array, targets: Any, options: Options, t: float) -> Slope:
    """Return the mean loss and its derivatives."""

    def columns(found: tuple[Array, ...], weights: Array) -> tuple[Array, ...]:
        return (*found, weights)

    value, first, second, weight = _sums(logits, targets, options, t, columns)
    if weight == 0:
        errors.bad_value("targets", "have rows that count", "none")
    return Slope(value / weight, first / (weight * t), second / (weight * t * t))


def relative_spread(logits: Array, targets: Any, options: Options, t: float) -> float:
    """Return  sqrt(sum g^2) / (t sum v)  over rows with the derivatives g and v of their losses at
    the optimum t: the standard error of log t. It is nan where nothing is curved.

    It is right for independent rows, whether the model is right or not.
    """

    def columns(found: tuple[Array, ...], _: Array) -> tuple[Array, ...]:
        _, first, second = found
        return first**2, second

    squares, curvature = _sums(logits, targets, options, t, columns)
    return squares**0.5 / curvature if curvature > 0 else float("nan")


def _sums(
    logits: Array,
    targets: Any,
    options: Options,
    t: float,
    columns: Callable[[tuple[Array, ...], Array], tuple[Array, ...]],
) -> list[float]:
    """Return the sums of ``columns`` of the loss, t times and t^2 times its derivatives, and of
    the weights of rows.
    """

    def measure(scores: Array, targets: Any, options: Options) -> list[Array]:
        totals: list[Any] = []
        for some in chunks(scores, targets, options):
            xp, wide = some.xp, widest_floating(some.xp)
            task = Summary(
                xp, some.scores, some.rows, some.dtype, 3, _derivatives, moments=2, factor=t
            )
            wanted = columns(row_columns(task), some.weights)
            found = [column_sum(xp, xp.astype(column, wide, copy=False)) for column in wanted]
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
        return totals

    return [float(read(v, "logits")) for v in seen_from_host(measure, logits, targets, options)]


def _derivatives(x: Array, done: Pass, rows: Rows) -> tuple[Array, Array, Array]:
    state = done.state
    assert state.exp_dot is not None
    mean = state.exp_dot / state.exp_sum
    first = state.total_mass * mean - state.target_dot
    return state.row_loss(Penalties()), first, state.total_mass * state.variance()
