"""The softmax states of the rows of a block of classes, to be combined with those of the others."""

from typing import Any

from softtargets._array.axes import in_rows
from softtargets._array.namespaces import beside
from softtargets._array.traits import quiet
from softtargets.execution.linear import Linear, columns_of, gradients_of
from softtargets.execution.products import Gradients
from softtargets.execution.run import Work, handle_blocks, row_gradient
from softtargets.softmax.kernel import forward
from softtargets.softmax.state import RowState, TailState
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


def row_states(work: Work, moments: int = 0) -> RowState:
    """Return the state of all rows, with the first ``moments`` moments of the logits.

    There may be no classes: then it is the state that changes no other.
    """
    xp, matrix, rows, dtype = work[:4]
    if matrix.shape[1] == 0:
        return _of_no_classes(xp, matrix, rows, dtype, moments)
    plan = work.plan
    if plan is None:
        with quiet(xp):
            x = in_rows(xp, xp.astype(matrix, dtype, copy=False))
            return forward(xp, x, rows, moments=moments, block=True).state
    count = 4 + moments + 2 * len(rows.tails)
    found = xp.empty((matrix.shape[0], count), dtype=dtype, **beside(matrix))

    def worker(block: slice) -> None:
        with quiet(xp):
            x = in_rows(xp, xp.astype(matrix[block, :], dtype, copy=False))
            done = forward(xp, x, rows[block], moments=moments, block=True)
            found[block, :] = _packed(xp, done.state)

    handle_blocks(plan.blocks, lambda: worker, threaded=plan.threaded)
    return _unpacked(found, rows, moments)


def states_gradient(work: Work, states: RowState, scale: Amount) -> Array:
    """Return ``scale`` times the gradient of each row's loss, of the states of all classes."""
    return row_gradient(work, by_block(work, states), scale)


def linear_states(linear: Linear, moments: int = 0) -> RowState:
    """Return the state of all rows of a linear layer, whose logits exist some rows at a time."""

    def columns(work: Work) -> Array:
        return _packed(work.xp, row_states(work, moments))

    return _unpacked(columns_of(linear, columns), linear.rows, moments)


def linear_states_gradients(
    linear: Linear, states: RowState, scale: Amount, wanted: tuple[bool, ...]
) -> Gradients:
    """Return ``scale`` times the gradients that are ``wanted``, of the states of all classes."""

    def gradient(work: Work, block: slice, factor: Array, out: Array | None) -> Array:
        return row_gradient(work, by_block(work, states.block(block)), factor, out)

    return gradients_of(linear, scale, wanted, gradient)


def by_block(work: Work, states: RowState) -> list[Any]:
    """Return the states of the blocks of rows that the work is cut into."""
    plan = work.plan
    return [states] if plan is None else [states.block(block) for block in plan.blocks]


def _packed(xp: Namespace, state: RowState) -> Array:
    """Return the columns of a state: the maximum, the sums, and the maxima of the tails."""
    maxima = (tail.maximum for tail in state.tails)
    return xp.concat([state.maximum, *state.columns(state.sums()), *maxima], axis=1)


def _unpacked(columns: Array, rows: Rows, moments: int) -> RowState:
    """Return the state in columns; the rest of it is that of the rows themselves."""
    count = len(rows.tails)
    single = [columns[:, j : j + 1] for j in range(columns.shape[1])]
    maximum, *sums = single[: len(single) - count]
    maxima = single[len(single) - count :]
    tails = zip(rows.tails, maxima, strict=True)
    empty = _template(maximum, rows, moments)
    state = empty._replace(tails=tuple(TailState(t.amount, m, maximum) for t, m in tails))
    return state.with_sums(sums)


def _of_no_classes(
    xp: Namespace, matrix: Array, rows: Rows, dtype: object, moments: int
) -> RowState:
    """Return the state that changes no other."""
    nothing = xp.sum(xp.astype(matrix, dtype, copy=False), axis=1, keepdims=True)
    lowest = xp.full_like(nothing, -xp.inf)
    tails = tuple(TailState(tail.amount, lowest, nothing) for tail in rows.tails)
    return _template(nothing, rows, moments)._replace(maximum=lowest, tails=tails)


def _template(column: Array, rows: Rows, moments: int) -> RowState:
    return RowState(
        maximum=column,
        exp_sum=column,
        target_dot=column,
        target_mass=column,
        row_weight=rows.row_weight,
        exp_dot=column if moments else None,
        exp_square=column if moments > 1 else None,
    )
