"""The arguments that all softmax losses share: checked, and brought to rows x classes."""

from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import (
    check_class_vector,
    check_count,
    check_int,
    check_option,
    check_penalty,
)
from softtargets._array.dtypes import INTEGER, check_floating, compute_dtype, dtype_name
from softtargets._array.kinds import is_array
from softtargets._array.namespaces import as_array, is_number, namespace_of
from softtargets.constants import IGNORE_INDEX
from softtargets.execution.run import Work
from softtargets.losses.arguments import (
    as_targets,
    check_where,
    mask_rows,
    one_per_row,
    rows_of,
    stand_in,
    weight_column,
)
from softtargets.losses.reductions import REDUCTIONS, Elsewhere, Reducer, make_reducer
from softtargets.softmax.loss import NO_PENALTIES, PLAIN, CrossEntropy, RowLoss
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Rows
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Namespace, Reduction, Spread


class Problem(NamedTuple):
    """One call of a softmax loss: logits as a matrix, targets in normal form, how to reduce."""

    xp: Namespace
    logits: Array
    axis: int | None
    matrix: Array
    dtype: object
    rows: Rows
    reducer: Reducer
    loss: RowLoss
    expression: bool = False

    @property
    def work(self) -> Work:
        """What the row kernel needs of it."""
        return Work(self.xp, self.matrix, self.rows, self.dtype, self.loss, self.expression)


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
    entropy_threshold: Amount | None = None,
    first_class: Amount = 0,
    num_classes: int | None = None,
    any_values: bool = False,
    count_rows: bool = False,
    elsewhere: Elsewhere | None = None,
    expression: bool = False,
) -> Problem:
    """Check everything that a softmax loss takes and return it in matrix form.

    ``first_class`` and ``num_classes`` say which block of how many classes the logits hold, which
    may be none, and ``elsewhere`` where the rest of the rows is. ``expression`` asks for one
    expression that autograd differentiates. Where others are followed, ``any_values`` may be in
    class weights and distributions, and ``count_rows`` says that the mean divides by the rows that
    take part, whatever mass they have.
    """
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    given = axis
    axis = check_class_axis(logits, "logits", axis, empty=num_classes is not None)
    check_option(reduction, "reduction", REDUCTIONS)
    shape = row_shape(tuple(logits.shape), axis)
    if where is not None:
        check_where(xp, logits, where, shape)
    block = int(logits.shape[axis])
    count = _check_block(first_class, num_classes, block)
    full = (*logits.shape[:axis], count, *logits.shape[axis + 1 :])
    context = f"logits: {tuple(logits.shape)}, axis: {given}"
    value = as_targets(
        *(xp, logits, targets, axis, full, ignore_index, where, context), any_values=any_values
    )
    value = value.smooth(rows_of(where, label_smoothing), prior=prior, spread=spread)
    if class_weight is not None:
        class_weight = check_class_vector(
            xp, class_weight, "class_weight", logits, "logits", count, signed=any_values
        )
    penalties = check_penalties(xp, z_loss, confidence_penalty, entropy_threshold, logits)
    matrix = to_rows(xp, logits, axis)
    dtype = compute_dtype(xp, logits)
    whole = count == block
    like = matrix if whole and matrix.dtype == dtype else stand_in(xp, matrix, count, dtype)
    rows = normal_form(
        value,
        like,
        where=None if where is None else xp.reshape(where, (-1, 1)),
        class_weight=class_weight,
        class_mask=mask_rows(xp, logits, class_mask, axis, full),
    )
    if not whole:
        rows = rows.classes(xp, first_class, stand_in(xp, matrix, block, dtype))
    weight = weight_column(xp, logits, sample_weight, shape, like, rows)
    row_weight = one_per_row(xp, rows, like) if count_rows else rows.row_weight
    reducer = make_reducer(xp, reduction, row_weight, like, shape, weight, denominator, elsewhere)
    loss = PLAIN if penalties is NO_PENALTIES else CrossEntropy(penalties)
    return Problem(xp, logits, axis, matrix, dtype, rows, reducer, loss, expression)


def check_penalties(
    xp: Namespace,
    z_loss: Amount,
    confidence_penalty: Amount,
    entropy_threshold: Amount | None,
    like: Array,
) -> Penalties:
    """Return the penalties of one call."""
    if entropy_threshold is None and _is_zero(z_loss) and _is_zero(confidence_penalty):
        return NO_PENALTIES
    if entropy_threshold is not None:
        entropy_threshold = _check_amount(xp, entropy_threshold, "entropy_threshold", like)
    return Penalties(
        _check_amount(xp, z_loss, "z_loss", like),
        _check_amount(xp, confidence_penalty, "confidence_penalty", like),
        entropy_threshold,
    )


def _is_zero(value: Amount) -> bool:
    return type(value) is float and value == 0


def _check_amount(xp: Namespace, value: Amount, argument: str, like: Array) -> Amount:
    """Return a penalty as a number, or as an array in the compute dtype."""
    value = check_penalty(xp, value, argument, like)
    return value if is_number(value) else as_array(xp, value, compute_dtype(xp, like), like)


def as_entry(problem: Problem, amount: Amount) -> Amount:
    """Return a number, or a 0-d array as a matrix of one entry in the compute dtype."""
    if is_number(amount):
        return amount
    xp = problem.xp
    return xp.reshape(as_array(xp, amount, problem.dtype, problem.matrix), (1, 1))


def _check_block(first_class: Amount, num_classes: int | None, block: int) -> int:
    """Return the number of all classes."""
    count = block if num_classes is None else check_count(num_classes, "num_classes")
    if count < block:
        rule = f"be at least {block}, the number of classes of logits"
        errors.bad_value("num_classes", rule, count)
    traced = not is_number(first_class) and is_array(first_class)
    if traced and first_class.ndim == 0 and dtype_name(first_class) in INTEGER:
        return count  # known when the code runs
    first = check_int(first_class, "first_class")
    if not 0 <= first <= count - block:
        errors.bad_value("first_class", f"be in [0, {count - block}]", first)
    return count
