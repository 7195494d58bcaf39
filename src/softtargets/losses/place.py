"""What a loss of logits is asked for beside its targets: where the classes and the rows are."""

from dataclasses import dataclass

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import check_class_vector, check_option
from softtargets._array.dtypes import check_floating, compute_dtype
from softtargets._array.namespaces import as_array, check_follows, namespace_of
from softtargets.losses.arguments import check_where, mask_rows, stand_in, weight_column
from softtargets.losses.problem import Problem
from softtargets.losses.reductions import REDUCTIONS, make_reducer
from softtargets.softmax.loss import RowLoss
from softtargets.targets.rows import Rows
from softtargets.targets.setting import Setting
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Namespace, Reduction


@dataclass(frozen=True)
class Place:
    """The logits, their class axis (None: every logit is a row), and their matrix with its masks
    and class weights.
    """

    xp: Namespace
    logits: Array
    axis: int | None
    full: tuple[int, ...]
    matrix: Array
    setting: Setting
    context: str

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return self.setting.num_classes

    @property
    def rows(self) -> tuple[int, ...]:
        """The shape of the rows."""
        return row_shape(self.full, len(self.full) - 1 if self.axis is None else self.axis)

    def problem(
        self,
        rows: Rows,
        loss: RowLoss,
        reducing: tuple[Reduction, Amount | None, Array | None],
        expression: bool,
    ) -> Problem:
        """Return the problem, reduced as asked for with a denominator and sample weights."""
        xp, like, shape = self.xp, self.setting.like, self.rows
        reduction, denominator, sample_weight = reducing
        weight = weight_column(xp, self.logits, sample_weight, shape, like, rows)
        reducer = make_reducer(xp, reduction, rows.row_weight, like, shape, weight, denominator)
        return Problem(
            xp, self.logits, self.axis, self.matrix, like.dtype, rows, reducer, loss, expression
        )


def make_place(
    logits: Array,
    where: Array | None,
    class_weight: Array | None,
    class_mask: Array | None,
    axis: int | None,
    reduction: Reduction,
) -> Place:
    """Check the arguments and return the place that they describe."""
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    shape = tuple(logits.shape)
    context = f"logits: {shape}, axis: {axis}"
    position = None if axis is None else check_class_axis(logits, "logits", axis)
    check_option(reduction, "reduction", REDUCTIONS)
    full = (*shape, 1) if position is None else shape
    classes = len(shape) if position is None else position
    rows = row_shape(full, classes)
    if where is not None:
        check_where(xp, logits, where, rows)
        where = xp.reshape(where, (-1, 1))
    if class_weight is not None:
        class_weight = check_class_vector(
            xp, class_weight, "class_weight", logits, "logits", full[classes]
        )
    mask = mask_rows(xp, logits, class_mask, classes, full)
    matrix = to_rows(xp, logits, position)
    dtype = compute_dtype(xp, logits)
    like = matrix if matrix.dtype == dtype else stand_in(xp, matrix, full[classes], dtype)
    if class_weight is not None:
        class_weight = as_array(xp, class_weight, like.dtype, like)[None, :]
    setting = Setting(xp, like, where, class_weight, mask)
    return Place(xp, logits, position, full, matrix, setting, context)


def check_value(place: Place, targets: Targets, argument: str = "targets") -> None:
    """Raise unless a value has the library and the shape of the logits."""
    check_follows(place.xp, place.logits, "logits", targets.parts[0].entries, argument)
    wanted = (*place.rows, place.num_classes)
    if targets.shape != wanted:
        errors.bad_value(argument, f"have shape {wanted}", targets.shape, place.context)
