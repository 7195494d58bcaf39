"""A few numbers per row of a pass over the logits, whatever the logits themselves become.

What a row gives does not depend on the rows beside it, to the last bit: rows of few classes are
always added class after class, rows of many always along the row.
"""

from collections.abc import Callable
from typing import NamedTuple

from softtargets._array import threads
from softtargets._array.axes import in_rows
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside
from softtargets._array.operations import CLASS_MAJOR
from softtargets._array.traits import quiet
from softtargets.execution.plan import HOST_ENTRIES, cut, make_plan
from softtargets.execution.run import handle_blocks
from softtargets.execution.scratch import make_scratch
from softtargets.softmax.kernel import Pass, forward
from softtargets.targets.rows import Rows
from softtargets.typing import Array, Namespace

#: Makes columns, of the rows that the pass was over, from the pass and their targets.
Summarize = Callable[[Array, Pass, Rows], tuple[Array, ...]]


class Summary(NamedTuple):
    """What is wanted of the rows of ``matrix``: so many columns of ``dtype``.

    ``moments`` as for the kernel; the logits are multiplied by ``factor`` before the pass.
    """

    xp: Namespace
    matrix: Array
    rows: Rows
    dtype: object
    columns: int
    summarize: Summarize
    moments: int = 0
    factor: float = 1.0


def row_columns(task: Summary) -> tuple[Array, ...]:
    """Return the columns of all rows. ``summarize`` sees the logits as they were given."""
    xp, matrix, dtype = task.xp, task.matrix, task.dtype
    blocks = _blocks(matrix)
    if blocks is None:
        with quiet(xp):
            x = in_rows(xp, xp.astype(matrix, dtype, copy=False))
            scaled = x if task.factor == 1 else x * task.factor
            done = forward(xp, scaled, task.rows, moments=task.moments)
            return task.summarize(matrix, done, task.rows)
    if is_numpy(matrix) and matrix.shape[0] == 1 and matrix.shape[1] <= CLASS_MAJOR:
        # NumPy adds a single row in another order. Targets of one row are those of its double, too.
        twice = task._replace(matrix=xp.concat([matrix, matrix]))
        return tuple(column[:1, :] for column in row_columns(twice))
    class_major = is_numpy(matrix) and matrix.shape[1] <= CLASS_MAJOR
    shape = (matrix.shape[0], 1)
    found = tuple(xp.empty(shape, dtype=dtype, **beside(matrix)) for _ in range(task.columns))

    # What is of the right dtype and layout is read where it is.
    copied = matrix.dtype != dtype or class_major

    def make_worker() -> threads.Worker:
        scratch = make_scratch(xp, matrix, dtype, blocks, class_major)

        def worker(block: slice) -> None:
            into = scratch(block.stop - block.start)
            part, x = task.rows[block], matrix[block, :]
            with quiet(xp):
                z = x
                if copied:
                    into[...] = x
                    z = into
                if task.factor != 1:
                    z = xp.multiply(z, task.factor, out=into)
                done = forward(xp, z, part, moments=task.moments, into=into)
                for column, values in zip(found, task.summarize(x, done, part), strict=True):
                    column[block, :] = values

        return worker

    handle_blocks(blocks, make_worker, threaded=is_numpy(matrix))
    return found


def _blocks(matrix: Array) -> list[slice] | None:
    """Return blocks of rows, or None where everything is one expression."""
    plan = make_plan(matrix)
    if plan is None or not is_numpy(matrix):
        return None if plan is None else plan.blocks
    count, classes = matrix.shape
    return cut(count, count * classes / HOST_ENTRIES)
