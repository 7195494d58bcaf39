"""Run the row kernel over a matrix: as one expression, or in blocks of rows with their own memory.

A block on the host stays in the cache: max; subtract into the block; the sums that the targets
need; exp in place; sum; and for the gradient scale in place, subtract the targets in place.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from softtargets._array import threads
from softtargets._array.axes import in_rows
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside
from softtargets._array.traits import quiet
from softtargets._array.trees import arrays_in
from softtargets.execution.plan import Plan, make_plan
from softtargets.execution.scratch import make_scratch
from softtargets.softmax.loss import Curved, RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class Work(NamedTuple):
    """What the row kernel is run on."""

    xp: Namespace
    matrix: Array
    rows: Rows
    dtype: object
    loss: RowLoss
    #: One expression that autograd can differentiate, whatever the arrays would allow.
    expression: bool = False

    @property
    def plan(self) -> Plan | None:
        """How the matrix is cut into blocks, None for one expression."""
        return None if self.expression else make_plan(self.matrix)


def row_losses(work: Work) -> Array:
    """Return the loss of each row as a column of ``dtype``, differentiable where the library is."""
    plan = work.plan
    if plan is not None:
        return _in_blocks(work, plan, None, None)
    xp = work.xp
    with quiet(xp):
        x = in_rows(xp, xp.astype(work.matrix, work.dtype, copy=False))
        done = work.loss.forward(xp, x, work.rows)
        return work.loss.losses(xp, done, work.rows)


def row_losses_and_gradient(
    work: Work, scale: Amount, out: Array | None = None, others: tuple[Amount, ...] = ()
) -> tuple[Array, Array]:
    """Return the losses, and ``scale`` times the gradient of each in the dtype of ``matrix``.

    The gradient may be written into ``out``, of the shape of ``matrix``; look at what is returned.
    It is not if ``out`` lies on what is still to be read, the ``others`` of the caller included.
    """
    xp, matrix = work.xp, work.matrix
    plan = work.plan
    if plan is not None:
        if out is None or not _is_free(out, matrix, (work.rows, work.loss, scale, others)):
            out = xp.empty(matrix.shape, dtype=matrix.dtype, **beside(matrix))
        return _in_blocks(work, plan, scale, out), out
    with quiet(xp):
        x = in_rows(xp, xp.astype(matrix, work.dtype, copy=False))
        done = work.loss.forward(xp, x, work.rows)
        losses = work.loss.losses(xp, done, work.rows)
        g = work.loss.gradient(xp, done, work.rows, scale)
        return losses, xp.astype(g, matrix.dtype, copy=False)


def row_losses_and_derivatives(work: Work, scale: Amount) -> tuple[Array, Array, Array]:
    """Return the losses, and ``scale`` times gradient and diagonal of the Hessian of each, in the
    dtype of ``matrix``.
    """
    xp, matrix = work.xp, work.matrix
    plan = work.plan
    if plan is not None:
        out, second = (xp.empty(matrix.shape, dtype=matrix.dtype, **beside(matrix)) for _ in "12")
        return _in_blocks(work, plan, scale, out, second=second), out, second
    with quiet(xp):
        x = in_rows(xp, xp.astype(matrix, work.dtype, copy=False))
        done = work.loss.forward(xp, x, work.rows)
        losses = work.loss.losses(xp, done, work.rows)
        h = cast("Curved", work.loss).curvature(xp, done, scale)
        g = work.loss.gradient(xp, done, work.rows, scale)
        return losses, *(xp.astype(values, matrix.dtype, copy=False) for values in (g, h))


def row_losses_and_states(work: Work) -> tuple[Array, list[Any]]:
    """Return the losses, and per block what :func:`row_gradient` needs beside the logits."""
    states: list[Any] = []
    plan = work.plan
    assert plan is not None
    return _in_blocks(work, plan._replace(threaded=False), None, None, states), states


def row_gradient(work: Work, states: list[Any], scale: Amount, out: Array | None = None) -> Array:
    """Return ``scale`` times the gradient of each row's loss: one more exponential, no sums.

    It is written into ``out`` if that is given, which may be the matrix itself.
    """
    xp, matrix, rows, dtype = work[:4]
    if matrix.shape[1] == 0:
        return matrix  # a block of no classes
    plan = work.plan
    if plan is None:
        with quiet(xp):
            x = in_rows(xp, xp.astype(matrix, dtype, copy=False))
            done = work.loss.again(xp, x, rows, states[0])
            g = work.loss.gradient(xp, done, rows, scale)
            return xp.astype(g, matrix.dtype, copy=False)
    if out is None:
        out = xp.empty(matrix.shape, dtype=matrix.dtype, **beside(matrix))
    direct = out.dtype == dtype
    of_block = {block.start: state for block, state in zip(plan.blocks, states, strict=True)}

    def worker(block: slice) -> None:
        part, loss = rows[block], work.loss[block]
        into = out[block, :] if direct else None
        with quiet(xp):
            x = xp.astype(matrix[block, :], dtype, copy=False)
            done = loss.again(xp, x, part, of_block[block.start], into)
            g = loss.gradient(xp, done, part, _cut(scale, block))
            if g is not into:
                out[block, :] = g

    handle_blocks(plan.blocks, lambda: worker, threaded=plan.threaded)
    return out


def _in_blocks(
    work: Work,
    plan: Plan,
    scale: Amount | None,
    out: Array | None,
    states: list[Any] | None = None,
    second: Array | None = None,
) -> Array:
    """Return the losses; write the gradients, if there is a scale, into ``out``, and the second
    derivatives into ``second``.
    """
    xp, matrix, rows, dtype = work[:4]
    single = len(plan.blocks) == 1
    losses = None if single else xp.empty((matrix.shape[0], 1), dtype=dtype, **beside(matrix))
    found: list[Array] = []
    # Without a gradient of the right dtype to write into, each thread has a block of its own.
    direct = out is not None and out.dtype == dtype and not plan.class_major

    def make_worker() -> threads.Worker:
        scratch = None if direct else make_scratch(xp, matrix, dtype, plan.blocks, plan.class_major)

        def worker(block: slice) -> None:
            part, kind = (rows, work.loss) if single else (rows[block], work.loss[block])
            x = matrix[block, :]
            if scratch is None:
                assert out is not None
                into = out[block, :]
            else:
                into = scratch(block.stop - block.start)
            if x.dtype != dtype or plan.class_major:
                into[...] = x
                x = into
            if plan.class_major:
                part = part.turned()
            with quiet(xp):
                done = kind.forward(xp, x, part, into)
                if states is not None:
                    states.append(kind.kept(done))
                loss = kind.losses(xp, done, part)
                if losses is None:
                    found.append(loss)
                else:
                    losses[block, :] = loss
                if out is None:
                    return
                if second is not None:
                    curved = cast("Curved", kind)
                    second[block, :] = curved.curvature(xp, done, _cut(scale, block))
                g = kind.gradient(xp, done, part, _cut(scale, block))
                if g is not into or not direct:
                    out[block, :] = g

        return worker

    handle_blocks(plan.blocks, make_worker, threaded=plan.threaded)
    return found[0] if single else losses


def handle_blocks(
    blocks: list[slice], make_worker: Callable[[], threads.Worker], *, threaded: bool
) -> None:
    """Have every block handled by a worker, side by side if ``threaded``."""
    if threaded:
        threads.run(make_worker, blocks)
    else:
        worker = make_worker()
        for block in blocks:
            worker(block)


def _cut(scale: Amount, block: slice) -> Amount:
    return scale[block, :] if getattr(scale, "ndim", 0) and scale.shape[0] > 1 else scale


def _is_free(out: Array, matrix: Array, others: object) -> bool:
    """Whether blocks of ``out`` may be written while blocks of the rest are still to be read."""
    if not is_numpy(out):
        return out is matrix and all(other is not out for other in arrays_in(others))
    if np.may_share_memory(out, matrix) and not _same_place(out, matrix):
        return False
    return not any(np.may_share_memory(out, other) for other in arrays_in(others))


def _same_place(first: Array, second: Array) -> bool:
    here, there = ((a.ctypes.data, a.strides) for a in (first, second))
    return bool(here == there)
