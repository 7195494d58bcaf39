"""Held-out rows as vectors: how well each was predicted, and whether it counts."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape
from softtargets._array.checks import check_shape
from softtargets._array.kinds import is_array
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.scalars import widest_floating
from softtargets._array.traits import computed_once, unrecorded
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.targets.value import Targets
from softtargets.typing import Array, Namespace

#: A function of logits and labels that returns a loss for each row.
Score = Callable[[Array, Array], Array]


class HeldOut(NamedTuple):
    """The unsmoothed loss of each row, its label, and 1 for rows that count and 0 for others."""

    xp: Namespace
    losses: Array
    labels: Array
    kept: Array


def held_out(logits: Array, labels: Array, ignore_index: int, axis: int) -> HeldOut:
    """Return what one set of logits says of its labels, in the widest dtype."""
    xp = namespace_of(logits, "logits")
    position = check_class_axis(logits, "logits", axis)
    shape = tuple(logits.shape)
    check_follows(xp, logits, "logits", labels, "labels")
    context = "the shape of logits without its class axis"
    check_shape(labels, "labels", row_shape(shape, position), context=context)
    with unrecorded(logits):
        targets = Targets.from_labels(labels, shape[position], ignore_index=ignore_index)
        losses = cross_entropy(logits, targets, axis=axis, reduction="none")
        wide = widest_floating(xp)
        vectors = (xp.astype(losses, wide), labels, xp.astype(targets.mass(), wide))
        return HeldOut(xp, *(computed_once(xp.reshape(vector, (-1,))) for vector in vectors))


def arrays_of(value: Array | Sequence[Array], argument: str) -> list[Array]:
    """Return an array, or a list or tuple of some, as a list."""
    if is_array(value):
        return [value]
    if not isinstance(value, list | tuple) or not value:
        received = repr(value) if isinstance(value, list | tuple) else type(value).__name__
        errors.bad_type(argument, "be an array, or a list or tuple of some", received)
    return list(value)


def scored(score: Score, logits: Array, labels: Array, data: HeldOut) -> Array:
    """Return what a function of the caller says of each row, 0 for rows that do not count."""
    xp = data.xp
    with unrecorded(logits):
        losses = score(logits, labels)
        check_follows(xp, logits, "logits", losses, "score")
        check_shape(losses, "score", tuple(labels.shape))
        flat = xp.reshape(xp.astype(losses, data.kept.dtype), (-1,))
        return computed_once(xp.where(data.kept > 0, flat, 0.0))
