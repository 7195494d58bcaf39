"""Arguments that all losses share: each checked, and brought to rows x classes."""

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import check_bool, check_int, check_not_negative, check_shape
from softtargets._array.dtypes import FLOATING, INTEGER, check_floating, dtype_name
from softtargets._array.kinds import is_array, namespace
from softtargets._array.namespaces import as_array, beside, check_follows, namespace_of
from softtargets._array.operations import gate
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.rows import Rows
from softtargets.targets.sources import any_part, dense_part, label_part
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Namespace

_ROWS = "the shape of logits without its class axis"


def check_where(xp: Namespace, logits: Array, where: Array, shape: tuple[int, ...]) -> None:
    """Raise unless ``where`` is a mask of rows beside the logits."""
    check_follows(xp, logits, "logits", where, "where")
    check_bool(where, "where")
    check_shape(where, "where", shape, context=_ROWS)


def rows_of(where: Array | None, amount: Amount) -> Amount:
    """Return an amount per row with 0 in the rows that take no part, which may hold anything."""
    if where is None or not is_array(amount) or amount.shape != where.shape:
        return amount
    xp = namespace(amount)
    # What does not fit is left to the checks.
    fits = namespace(where) is xp and dtype_name(amount) in FLOATING
    return xp.where(where, amount, 0.0) if fits else amount


def stand_in(xp: Namespace, matrix: Array, count: int, dtype: object) -> Array:
    """Return zeros, held as one number, for their shape, dtype and device."""
    if matrix.shape[1] == 0:
        zero = xp.zeros((1, 1), dtype=dtype, **beside(matrix))
    else:
        zero = xp.astype(xp.zeros_like(matrix[:1, :1]), dtype)
    return xp.broadcast_to(zero, (matrix.shape[0], count))


def as_targets(
    xp: Namespace,
    logits: Array,
    targets: Array | Targets,
    axis: int,
    full: tuple[int, ...],
    ignore_index: int,
    where: Array | None,
    context: str,
    name: str = "targets",
    of: str = "logits",
    *,
    any_values: bool = False,
) -> Targets:
    """Return the argument ``name``, targets of the argument ``of``, as a value: integers are
    labels, floats are distributions of shape ``full``, or taken for such, whatever values they
    have.
    """
    count, shape = full[axis], row_shape(full, axis)
    ignored = check_int(ignore_index, "ignore_index")
    if isinstance(targets, Targets):
        check_follows(xp, logits, of, targets.parts[0].entries, name)
        if targets.shape != (*shape, count):
            errors.bad_value(name, f"have shape {(*shape, count)}", targets.shape, context)
        refuse_ignore_index(ignored)
        return targets
    check_follows(xp, logits, of, targets, name)
    dtype = dtype_name(targets)
    received = tuple(targets.shape)
    if dtype not in FLOATING | INTEGER:
        errors.bad_type(name, "be integer labels or real floating distributions", dtype)
    if dtype in INTEGER:
        if received == full:
            rule = f"have shape {shape} for integer labels; integer one-hot rows must be floats"
            errors.bad_value(name, rule, received, context)
        if received != shape:
            _refuse_shape(name, shape, full, received, context)
        return Targets((label_part(targets, count, ignored, name, where),), count, shape)
    if received == shape:
        rule = "have an integer dtype for labels (one_hot makes distributions of them)"
        errors.bad_type(name, rule, dtype, context)
    if received != full:
        _refuse_shape(name, shape, full, received, context)
    refuse_ignore_index(ignored)
    if axis != logits.ndim - 1:
        targets = xp.moveaxis(targets, axis, -1)
    dense = any_part(targets, name) if any_values else dense_part(targets, name, where)
    return Targets((dense,), count, shape)


def as_value(
    logits: Array,
    targets: Array | Targets,
    where: Array | None,
    ignore_index: int,
    axis: int,
    name: str = "targets",
) -> Targets:
    """Return the argument ``name``, targets of logits, as a value."""
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    position = check_class_axis(logits, "logits", axis)
    full = tuple(logits.shape)
    if where is not None:
        check_where(xp, logits, where, row_shape(full, position))
    context = f"logits: {full}, axis: {axis}"
    return as_targets(xp, logits, targets, position, full, ignore_index, where, context, name)


def _refuse_shape(
    name: str,
    shape: tuple[int, ...],
    full: tuple[int, ...],
    received: tuple[int, ...],
    context: str,
) -> None:
    rule = f"have shape {shape} for labels or {full} for distributions"
    errors.bad_value(name, rule, received, context)


def refuse_ignore_index(ignore_index: int) -> None:
    """Raise for a mark of labels that was given beside other targets."""
    if ignore_index != IGNORE_INDEX:
        rule = "be left out unless targets are integer labels (where= masks rows)"
        errors.bad_value("ignore_index", rule, ignore_index)


def mask_rows(
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


def one_per_row(xp: Namespace, rows: Rows, like: Array) -> Amount:
    """Return 1 for each row that takes part, in the dtype of ``like``, and 0 for the others."""
    return 1.0 if rows.kept is None else xp.astype(rows.kept, like.dtype)


def weight_column(
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
    check_shape(sample_weight, "sample_weight", shape, context=_ROWS)
    column = xp.reshape(as_array(xp, sample_weight, like.dtype, like), (-1, 1))
    column = gate(xp, rows.kept, column, 0.0, like)
    check_not_negative(xp, xp.reshape(column, shape), "sample_weight")
    return column
