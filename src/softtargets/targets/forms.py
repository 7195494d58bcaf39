"""Targets in the three forms that functions take: labels, distributions, a ``Targets``."""

from softtargets._array import errors
from softtargets._array.checks import check_count
from softtargets._array.dtypes import FLOATING, INTEGER, dtype_name
from softtargets._array.namespaces import namespace_of
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.value import Targets
from softtargets.typing import Array


def as_value(targets: Array | Targets, num_classes: int | None, axis: int = -1) -> Targets:
    """Return ``targets`` as a value: integers are labels, floats are distributions."""
    if isinstance(targets, Targets):
        if num_classes is not None:
            _check_size(num_classes, targets.num_classes, "the number of classes of targets")
        return targets
    namespace_of(targets, "targets")
    name = dtype_name(targets)
    if name in INTEGER:
        if num_classes is None:
            errors.bad_type("num_classes", "be given for integer labels", "None")
        return Targets._from_integers(targets, num_classes, IGNORE_INDEX, "targets")
    if name not in FLOATING:
        errors.bad_type("targets", "be integer labels or real floating distributions", name)
    value = Targets._from_dense(targets, axis, "targets")
    if num_classes is not None:
        _check_size(num_classes, value.num_classes, f"the size of targets along axis {axis}")
    return value


def _check_size(num_classes: int, size: int, what: str) -> None:
    if check_count(num_classes, "num_classes") != size:
        errors.bad_value("num_classes", f"be {size}, {what}", num_classes)
