"""What a teacher may be in distillation: logits, a linear layer that makes them, or targets."""

from softtargets._array import errors
from softtargets._array.axes import to_rows
from softtargets._array.dtypes import HALF, check_floating, dtype_name
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import check_follows
from softtargets.losses.place import Place
from softtargets.softmax.teacher import Layer, Scores
from softtargets.targets.value import Targets
from softtargets.typing import Array

Teacher = Array | Targets | tuple[Array, ...]


def teacher_logits(place: Place, teacher: Teacher) -> Scores | Layer | None:
    """Return what gives the logits of the teacher, checked; None where it gave targets."""
    if isinstance(teacher, Targets):
        return None
    if isinstance(teacher, tuple):
        return _layer(place, teacher)
    check_follows(place.xp, place.logits, "student_logits", teacher, "teacher")
    check_floating(teacher, "teacher")
    wanted, received = tuple(place.logits.shape), tuple(teacher.shape)
    if received != wanted:
        rule = f"have the shape {wanted} of student_logits (pad missing classes with -inf)"
        errors.bad_value("teacher", rule, received)
    return Scores(to_rows(place.xp, teacher, place.axis))


def _layer(place: Place, teacher: tuple[Array, ...]) -> Layer:
    xp, axis, names = place.xp, place.axis, ("features", "weight", "bias")
    assert axis is not None
    if len(teacher) not in (2, 3):
        rule = "have 2 or 3 entries as a tuple: features, weight and perhaps bias"
        errors.bad_value("teacher", rule, len(teacher))
    for name, array in zip(names, teacher, strict=False):
        check_follows(xp, place.logits, "student_logits", array, f"{name} of teacher")
        check_floating(array, f"{name} of teacher")
    features, weight = teacher[:2]
    shape, full, count = tuple(features.shape), tuple(place.logits.shape), place.num_classes
    if len(shape) != len(full) or (*shape[:axis], count, *shape[axis + 1 :]) != full:
        rule = f"have the rows {place.rows} of student_logits and an axis {axis} of features"
        errors.bad_value("features of teacher", rule, shape)
    size = shape[axis]
    wanted = ((count, size), (count,))
    for name, array, right in zip(names[1:], teacher[1:], wanted, strict=False):
        if tuple(array.shape) != right:
            rule = f"have shape {right}, one row per class"
            errors.bad_value(f"{name} of teacher", rule, tuple(array.shape))
        if dtype_name(array) != dtype_name(features):
            rule = f"have the dtype {dtype_name(features)} of its features"
            errors.bad_type(f"{name} of teacher", rule, dtype_name(array))
    matrix = to_rows(xp, features, axis)
    if is_numpy(matrix) and dtype_name(matrix) in HALF:
        # NumPy has no fast product of these.
        matrix, weight = xp.astype(matrix, xp.float32), xp.astype(weight, xp.float32)
    transposed = xp.permute_dims(weight, (1, 0))[None, :, :]
    return Layer(matrix, transposed, teacher[2][None, :] if len(teacher) == 3 else None)
