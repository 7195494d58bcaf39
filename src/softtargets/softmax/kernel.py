"""The row kernel, the mathematics of every softmax loss: state and gradient of a block of rows.

``x`` is a matrix of rows x classes in the compute dtype, ``rows`` the normal form of its targets.
"""

from typing import NamedTuple

from softtargets._array.dtypes import BELOW_MAXIMUM, MAXIMUM, dtype_name
from softtargets._array.memory import exponential, scaled, subtract
from softtargets._array.operations import as_column, extremes, product, row_maxima
from softtargets._array.sums import row_sums
from softtargets._array.traits import look, may_look, stop_gradient
from softtargets.softmax.state import Penalties, RowState, TailState
from softtargets.targets.rows import Rows, Tail
from softtargets.typing import Amount, Array, Namespace


class Pass(NamedTuple):
    """What one pass over the logits leaves behind: the state, z = x - max and e^z.

    ``own``: the exponentials are in memory of the caller, in place of z where no one needs that.
    """

    state: RowState
    shifted: Array
    exponentials: Array
    tails: tuple[Array, ...] = ()
    own: bool = False


def forward(
    xp: Namespace,
    x: Array,
    rows: Rows,
    *,
    moments: int = 0,
    into: Array | None = None,
    block: bool = False,
) -> Pass:
    """Return the pass over ``x``, with the first ``moments`` (0 to 2) moments of the logits.

    The matrix ``into`` may be overwritten; it may be ``x`` itself. Of a ``block`` of the classes
    all logits may be -inf, and its state still merges.
    """
    x = _clean(xp, x, rows)
    x, maximum, ordinary = _finite_maximum(xp, x)
    # The loss does not depend on the shift, so its derivative is none of autograd's business.
    maximum = stop_gradient(maximum)
    # Nothing else stands between max and exp: compilers know the pattern.
    shift = xp.where(maximum == -xp.inf, 0.0, maximum) if block else maximum
    z = subtract(xp, x, shift, into)
    target_dot = rows.dot(xp, z)
    if rows.known:
        target_dot = target_dot + rows.known_dot(shift)
    tails = [_tail(xp, z, tail) for tail in rows.tails] if rows.tails else ()
    own = into is not None and not moments
    e = exponential(xp, z, own=own)
    exp_dot = product(xp, e, z) if moments else None
    state = RowState(
        maximum=maximum,
        exp_sum=row_sums(xp, e),
        target_dot=target_dot,
        target_mass=rows.mass,
        row_weight=rows.row_weight,
        tails=tuple(state for state, _ in tails) if tails else (),
        exp_dot=row_sums(xp, exp_dot) if exp_dot is not None else None,
        exp_square=row_sums(xp, product(xp, exp_dot, z)) if moments > 1 else None,
        ordinary=ordinary,
    )
    return Pass(state, z, e, tuple(rest for _, rest in tails) if tails else (), own)


def again(xp: Namespace, x: Array, rows: Rows, state: RowState, into: Array | None = None) -> Pass:
    """Return the pass that left ``state``, from the same ``x`` and without its sums."""
    x = _finite_maximum(xp, _clean(xp, x, rows))[0]
    z = subtract(xp, x, state.maximum, into)
    # Of a block of the classes, the maxima are those of all classes.
    pairs = zip(rows.tails, state.tails, strict=True)
    tails = tuple(_tail(xp, z, tail, known.maximum)[1] for tail, known in pairs)
    own = into is not None and state.exp_dot is None
    return Pass(state, z, exponential(xp, z, own=own), tails, own)


def gradient(
    xp: Namespace, done: Pass, rows: Rows, penalties: Penalties, scale: Amount = 1.0
) -> Array:
    """Return ``scale`` times the gradient of each row's loss: A * softmax(x) - a, and the
    penalties'.
    """
    state, z, e, tails, own = done
    exp_sum = state.exp_sum
    if not state.ordinary:
        exp_sum = xp.where(exp_sum == 0, xp.nan, exp_sum)
    mass = as_column(xp, state.total_mass, e)
    if penalties.uses_logsumexp:
        mass = mass + 2 * state.row_weight * penalties.z_loss * state.logsumexp()
    if penalties.uses_entropy:
        weight = state.entropy_weight(penalties)
        mass = mass + weight * (state.entropy() - state.log_exp_sum())
    result = scaled(e, scale * mass / exp_sum, own=own)
    if penalties.uses_entropy:
        result = result + (scale * weight / exp_sum) * product(xp, e, z)
    for tail, rest in zip(state.tails, tails, strict=True):
        share = scale * tail.amount / xp.where(tail.exp_sum == 0, 1.0, tail.exp_sum)
        result = result - share * rest
    return rows.add_to(xp, result, -scale, own=own)


def _clean(xp: Namespace, x: Array, rows: Rows) -> Array:
    """Replace what takes no part, before any arithmetic: rows by 0, classes by -inf."""
    if rows.allowed is not None:
        x = xp.where(rows.allowed, x, -xp.inf)
    if rows.kept is not None:
        x = xp.where(rows.kept, x, 0.0)
    return x


def _finite_maximum(xp: Namespace, x: Array) -> tuple[Array, Array, bool]:
    """Return ``x`` with the largest finite number for +inf, its maximum per row, and whether all
    maxima are known to be ordinary numbers.

    A class at +inf then has z = 0, and the pattern max, subtract, exp, sum stays bare.
    The largest finite number itself gives way to its neighbour.
    """
    name = dtype_name(x)
    if x.shape[0] == 0:
        return x, xp.sum(x, axis=1, keepdims=True), False  # Dask has no maximum over no rows
    if may_look(x):
        maximum = row_maxima(xp, x)
        low, high = extremes(xp, maximum)
        if look(high < MAXIMUM[name]):  # not so for nan
            return x, maximum, look(low > -xp.inf) is True
    finite = xp.minimum(x, as_column(xp, BELOW_MAXIMUM[name], x))
    x = xp.where(x == xp.inf, MAXIMUM[name], finite)
    return x, row_maxima(xp, x), False


def _tail(
    xp: Namespace, z: Array, tail: Tail, maximum: Array | None = None
) -> tuple[TailState, Array]:
    """Return the state of the unlisted classes, and their exponentials relative to its maximum."""
    rest = xp.where(tail.listed, -xp.inf, z)
    if maximum is None:
        maximum = stop_gradient(row_maxima(xp, rest))
    e = xp.exp(rest - xp.where(maximum == -xp.inf, 0.0, maximum))
    return TailState(tail.amount, maximum, row_sums(xp, e)), e
