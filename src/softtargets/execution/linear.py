"""Run the row kernel on logits that exist one block of rows at a time: features @ weight.T + bias.

Per block: one product makes the logits, the kernel puts their gradient in their place, and two
products take it back to the features and the weight.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from softtargets._array.loops import has_loop, map_blocks
from softtargets._array.memory import added, matmul
from softtargets._array.namespaces import beside, is_number
from softtargets._array.traits import is_eager, may_look, may_write
from softtargets._array.trees import with_arrays
from softtargets.execution.products import Gradients, Products
from softtargets.execution.run import Work, row_losses, row_losses_and_gradient
from softtargets.execution.shared import Shared, split, with_known
from softtargets.softmax.loss import RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace

#: Rows of a block: about the number of features, so that the products take the time and the
#: weight's gradient is touched seldom, within these bounds on the host and on a device.
HOST_ROWS, DEVICE_ROWS = (256, 1024), (1024, 4096)


class Linear(NamedTuple):
    """Matrices of rows x features, classes x features and 1 x classes, and targets."""

    xp: Namespace
    features: Array
    weight: Array
    bias: Array | None
    rows: Rows
    dtype: object
    loss: RowLoss
    block_bytes: int | None = None
    expression: bool = False

    @property
    def own(self) -> bool:
        """Whether blocks have memory of their own that is written into again and again."""
        return not self.expression and may_write(self.features)

    @property
    def block_rows(self) -> int:
        """How many rows of logits exist at a time."""
        count, size = self.features.shape
        if self.expression or (not is_eager(self.features) and not has_loop(self.features)):
            return cast("int", count)  # perhaps a symbol, in code that torch traces
        if self.block_bytes is None:
            low, high = HOST_ROWS if may_look(self.features) else DEVICE_ROWS
            rows = min(max(size, low), high)
        else:
            item = 8 if self.dtype == self.xp.float64 else 4
            rows = max(1, self.block_bytes // (item * self.weight.shape[0]))
        return int(max(1, math.ceil(count / max(1, math.ceil(count / rows)))))


class _Blocks:
    """The blocks of rows: their features, their logits and their targets."""

    def __init__(self, linear: Linear) -> None:
        self.linear, xp = linear, linear.xp
        classes, place = linear.weight.shape[0], beside(linear.features)
        ones = xp.ones((1, classes), dtype=linear.dtype, **place)
        self.rows = linear.rows
        self.shared: tuple[Shared, ...] = ()
        if linear.loss.takes_known:
            self.rows, self.shared = split(xp, linear.rows, linear.weight, linear.bias, ones)
        self.transposed = xp.permute_dims(linear.weight, (1, 0))
        #: One more row for each shared vector: see Products.
        size = linear.block_rows + len(self.shared)
        dtype = linear.features.dtype
        self.memory = xp.empty((size, classes), dtype=dtype, **place) if linear.own else None

    def __iter__(self) -> Iterator[slice]:
        count, size = self.linear.features.shape[0], self.linear.block_rows
        if size == count:
            yield slice(None)
            return
        for start in range(0, max(1, count), size):
            yield slice(start, min(start + size, count))

    def features(self, block: slice) -> Array:
        """Return the features of a block, 0 in rows that take no part."""
        xp, y = self.linear.xp, self.linear.features[block, :]
        kept = self.rows.kept
        if kept is None:
            return y
        return xp.where(kept[block, :] if kept.shape[0] > 1 else kept, y, 0.0)

    def work(self, features: Array, rows: Rows, block: slice) -> Work:
        """Return what the kernel is run on, with the logits in memory of this object."""
        xp, _, _, bias, _, dtype, loss, _, expression = self.linear
        out = None if self.memory is None else self.memory[: features.shape[0], :]
        x = matmul(xp, features, self.transposed, out)
        if bias is not None:
            x = added(x, bias, own=out is not None)
        rows = with_known(xp, rows, self.shared, features, block)
        return Work(xp, x, rows, dtype, loss[block], expression)


def linear_losses(linear: Linear) -> Array:
    """Return the loss of each row as a column, differentiable where the library is."""
    return columns_of(linear, row_losses)


def columns_of(linear: Linear, function: Callable[[Work], Array]) -> Array:
    """Return ``function``, a few columns, of all rows, whose logits exist a block at a time."""
    blocks = _Blocks(linear)
    if has_loop(linear.features) and linear.block_rows < linear.features.shape[0]:
        return _in_a_loop(blocks, function)
    found = []
    for block in blocks:
        y = blocks.features(block)
        found.append(function(blocks.work(y, blocks.rows[block], block)))
    return found[0] if len(found) == 1 else linear.xp.concat(found)


def _in_a_loop(blocks: _Blocks, function: Callable[[Work], Array]) -> Array:
    linear, xp = blocks.linear, blocks.linear.xp
    count, low = linear.features.shape[0], linear.features.dtype
    # The gradients of what all blocks use are added up in its dtype.
    wide = [None if a is None else xp.astype(a, linear.dtype) for a in (linear.weight, linear.bias)]
    found: list[Array] = []
    loss = linear.loss
    everything = (blocks.rows, blocks.shared, loss if loss.per_row else None)

    def per_row(array: Array) -> bool:
        return bool(array.shape[0] == count)

    def note(array: Array) -> Array:
        if per_row(array):
            found.append(array)
        return array

    with_arrays(everything, note)

    def body(features: Array, *arrays: Array) -> Array:
        left = iter(arrays)
        part = _Blocks.__new__(_Blocks)
        part.__dict__.update(blocks.__dict__)
        part.rows, part.shared, own = with_arrays(
            everything, lambda a: next(left) if per_row(a) else a
        )
        weight, bias = (None if a is None else xp.astype(a, low) for a in wide)
        part.linear = linear._replace(features=features, weight=weight, bias=bias, loss=own or loss)
        part.transposed = xp.permute_dims(weight, (1, 0))
        y = part.features(slice(None))
        return function(part.work(y, part.rows, slice(None)))

    return map_blocks(body, [linear.features, *found], linear.block_rows)


def linear_losses_and_gradients(
    linear: Linear, scale: Amount, wanted: tuple[bool, ...]
) -> tuple[Array, Gradients]:
    """Return the losses, and ``scale`` times the gradients that are ``wanted``."""
    losses = []

    def gradient(work: Work, _: slice, factor: Array, out: Array | None) -> Array:
        loss, g = row_losses_and_gradient(work, factor, out)
        losses.append(loss)
        return g

    found = gradients_of(linear, scale, wanted, gradient)
    return losses[0] if len(losses) == 1 else linear.xp.concat(losses), found


def gradients_of(
    linear: Linear,
    scale: Amount,
    wanted: tuple[bool, ...],
    gradient: Callable[[Work, slice, Array, Array | None], Array],
) -> Gradients:
    """Return the gradients that are ``wanted`` from those for the logits, a block at a time.

    ``gradient`` returns that of a block of rows times a factor, one number or one per row, in the
    memory of the logits where it is handed that.
    """
    xp, features, dtype = linear.xp, linear.features, linear.dtype
    blocks = _Blocks(linear)
    sums = Products(
        xp, features, linear.weight, blocks.shared, wanted, dtype, own=blocks.memory is not None
    )
    if is_number(scale):
        scale = xp.full((1, 1), float(scale), dtype=dtype, **beside(features))
    for block in blocks:
        y = blocks.features(block)
        work = blocks.work(y, blocks.rows[block], block)
        factor = scale[block, :] if scale.shape[0] > 1 else scale
        own = blocks.memory is not None
        g = gradient(work, block, factor, work.matrix if own else None)
        last = own and block.stop in (None, features.shape[0])
        sums.add(block, g, y, factor, blocks.memory if last else None)
    return sums.result()
