"""The arguments that all softmax losses share: checked, and brought to rows x classes."""

from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import (
    check_bool,
    check_class_vector,
    check_count,
    check_int,
    check_not_negative,
    check_option,
    check_penalty,
    check_shape,
)
from softtargets._array.dtypes import FLOATING, INTEGER, check_floating, compute_dtype, dtype_name
from softtargets._array.kinds import is_array, namespace
from softtargets._array.namespaces import as_array, check_follows, namespace_of
from softtargets._array.operations import gate
from softtargets.constants import IGNORE_INDEX
from softtargets.execution.run import Work
from softtargets.losses.reductions import REDUCTIONS, Reducer, make_reducer
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Rows
from softtargets.targets.sources import dense_part, label_part
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Namespace, Reduction, Spread


class Problem(NamedTuple):
    """One call of a softmax loss: logits as a matrix, targets in normal form, how to reduce."""

    xp: Namespace
    logits: Array
    axis: int
    matrix: Array
    dtype: object
    rows: Rows
    reducer: Reducer
    penalties: Penalties
    expression: bool = False

    @property
    def work(self) -> Work:
        """What the row kernel needs of it."""
        return Work(self.xp, self.matrix, self.rows, self.dtype, self.penalties, self.expression)


def make_problem(
    logits: Array,
    targets: Array | Targets,
    *,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
    z_loss: Amount = 0.0,
    confidence_penalty: Amount = 0.0,
    first_class: int = 0,
    num_classes: int | None = None,
    expression: bool = False,
) -> Problem:
    """Check everything that a softmax loss takes and return it in matrix form.

    ``first_class`` and ``num_classes`` say which block of how many classes the logits hold,
    ``expression`` asks for one expression that autograd differentiates.
    """
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    given, axis = axis, check_class_axis(logits, "logits", axis)
    check_option(reduction, "reduction", REDUCTIONS)
    shape = row_shape(tuple(logits.shape), axis)
    if where is not None:
        check_follows(xp, logits, "logits", where, "where")
        check_bool(where, "where")
        check_shape(where, "where", shape, context="the shape of logits without its class axis")
    block = int(logits.shape[axis])
    count = _check_block(first_class, num_classes, block)
    full = (*logits.shape[:axis], count, *logits.shape[axis + 1 :])
    context = f"logits: {tuple(logits.shape)}, axis: {given}"
    value = _as_targets(xp, logits, targets, axis, full, ignore_index, where, context)
    value = value.smooth(_rows_of(where, label_smoothing), prior=prior, spread=spread)
    if class_weight is not None:
        class_weight = check_class_vector(xp, class_weight, "class_weight", logits, "logits", count)
    penalties = Penalties(
        check_penalty(xp, z_loss, "z_loss", logits),
        check_penalty(xp, confidence_penalty, "confidence_penalty", logits),
    )
    matrix = to_rows(xp, logits, axis)
    dtype = compute_dtype(xp, logits)
    whole = count == block
    like = matrix if whole and matrix.dtype == dtype else _stand_in(xp, matrix, count, dtype)
    rows = normal_form(
        value,
        like,
        where=None if where is None else xp.reshape(where, (-1, 1)),
        class_weight=class_weight,
        class_mask=_mask_rows(xp, logits, class_mask, axis, full),
    )
    if not whole:
        rows = rows.classes(xp, first_class, _stand_in(xp, matrix, block, dtype))
    weight = _sample_weight(xp, logits, sample_weight, shape, like, rows)
    reducer = make_reducer(xp, reduction, rows.row_weight, like, shape, weight, denominator)
    return Problem(xp, logits, axis, matrix, dtype, rows, reducer, penalties, expression)


def _rows_of(where: Array | None, amount: Amount) -> Amount:
    """Return an amount per row with 0 in the rows that take no part, which may hold anything."""
    if where is None or not is_array(amount) or amount.shape != where.shape:
        return amount
    xp = namespace(amount)
    # What does not fit is left to the checks.
    fits = namespace(where) is xp and dtype_name(amount) in FLOATING
    return xp.where(where, amount, 0.0) if fits else amount


def _check_block(first_class: int, num_classes: int | None, block: int) -> int:
    """Return the number of all classes."""
    first = check_int(first_class, "first_class")
    count = block if num_classes is None else check_count(num_classes, "num_classes")
    if count < block:
        rule = f"be at least {block}, the number of classes of logits"
        errors.bad_value("num_classes", rule, count)
    if not 0 <= first <= count - block:
        errors.bad_value("first_class", f"be in [0, {count - block}]", first)
    return count


def _stand_in(xp: Namespace, matrix: Array, count: int, dtype: object) -> Array:
    """Return zeros, held as one number, for their shape, dtype and device."""
    zero = xp.astype(xp.zeros_like(matrix[:1, :1]), dtype)
    return xp.broadcast_to(zero, (matrix.shape[0], count))


def _as_targets(
    xp: Namespace,
    logits: Array,
    targets: Array | Targets,
    axis: int,
    full: tuple[int, ...],
    ignore_index: int,
    where: Array | None,
    context: str,
) -> Targets:
    """Return the targets as a value: integers are labels, floats are distributions of shape
    ``full``.
    """
    count, shape = full[axis], row_shape(full, axis)
    ignored = check_int(ignore_index, "ignore_index")
    if isinstance(targets, Targets):
        check_follows(xp, logits, "logits", targets.parts[0].entries, "targets")
        if targets.shape != (*shape, count):
            errors.bad_value("targets", f"have shape {(*shape, count)}", targets.shape, context)
        _refuse_ignore_index(ignored)
        return targets
    check_follows(xp, logits, "logits", targets, "targets")
    name = dtype_name(targets)
    received = tuple(targets.shape)
    if name not in FLOATING | INTEGER:
        errors.bad_type("targets", "be integer labels or real floating distributions", name)
    if name in INTEGER:
        if received == full:
            rule = f"have shape {shape} for integer labels; integer one-hot rows must be floats"
            errors.bad_value("targets", rule, received, context)
        if received != shape:
            _refuse_shape(shape, full, received, context)
        return Targets((label_part(targets, count, ignored, "targets", where),), count, shape)
    if received == shape:
        rule = "have an integer dtype for labels (one_hot makes distributions of them)"
        errors.bad_type("targets", rule, name, context)
    if received != full:
        _refuse_shape(shape, full, received, context)
    _refuse_ignore_index(ignored)
    if axis != logits.ndim - 1:
        targets = xp.moveaxis(targets, axis, -1)
    return Targets((dense_part(targets, "targets", where),), count, shape)


def _refuse_shape(
    shape: tuple[int, ...], full: tuple[int, ...], received: tuple[int, ...], context: str
) -> None:
    rule = f"have shape {shape} for labels or {full} for distributions"
    errors.bad_value("targets", rule, received, context)


def _refuse_ignore_index(ignore_index: int) -> None:
    if ignore_index != IGNORE_INDEX:
        rule = "be left out unless targets are integer labels (where= masks rows)"
        errors.bad_value("ignore_index", rule, ignore_index)


def _mask_rows(
    xp: Namespace,
    logits: Array,
    class_mask: Array | None,
    axis: int,
    full: tuple[int, ...],
) -> Array | None:
    """Return the mask of classes as a matrix of one row, or of one row for each row of logits."""
    if class_mask is None:
        return None
    check_follows(xp, logits, "logits", class_mask, "class_mask")
    check_bool(class_mask, "class_mask")
    count = full[axis]
    received = tuple(class_mask.shape)
    if received == (count,):
        return class_mask[None, :]
    fits = len(received) == len(full) and received[axis] == count
    if not fits or any(
        size not in (1, wanted) for size, wanted in zip(received, full, strict=True)
    ):
        rule = f"have shape {(count,)}, or {full} with 1 in place of rows"
        errors.bad_value("class_mask", rule, received)
    return to_rows(xp, xp.broadcast_to(class_mask, full), axis)


def _sample_weight(
    xp: Namespace,
    logits: Array,
    sample_weight: Array | None,
    shape: tuple[int, ...],
    like: Array,
    rows: Rows,
) -> Array | None:
    """Return the sample weights as a column, 0 for rows that are not kept."""
    if sample_weight is None:
        return None
    check_follows(xp, logits, "logits", sample_weight, "sample_weight")
    if dtype_name(sample_weight) not in FLOATING | INTEGER:
        errors.bad_type("sample_weight", "have a real dtype", dtype_name(sample_weight))
    context = "the shape of logits without its class axis"
    check_shape(sample_weight, "sample_weight", shape, context=context)
    column = xp.reshape(as_array(xp, sample_weight, like.dtype, like), (-1, 1))
    column = gate(xp, rows.kept, column, 0.0, like)
    check_not_negative(xp, xp.reshape(column, shape), "sample_weight")
    return column
