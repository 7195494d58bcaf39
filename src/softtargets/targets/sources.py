"""Where targets come from: integer labels, dense distributions, the best k classes of a teacher."""

from softtargets._array import errors
from softtargets._array.checks import (
    check_labels,
    check_not_negative,
    check_shape,
    check_values,
)
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import EPSILON, check_floating, dtype_name, promote
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.operations import quotient
from softtargets._array.sums import ordered_sums
from softtargets._array.traits import may_look
from softtargets.targets.parts import Bucket, Dense, Labels, Part
from softtargets.typing import Array, Tail

TAILS = ("bucket", "drop", "renormalize")


def label_part(
    labels: Array,
    num_classes: int,
    ignore_index: int,
    argument: str,
    where: Array | None = None,
) -> Labels:
    """Return one label of mass one per row; rows outside of ``where`` may hold anything."""
    index, kept, bad = check_labels(labels, num_classes, ignore_index, argument, where)
    return Labels(
        labels=index[..., None],
        kept=None if kept is None else kept[..., None],
        bad=None if bad is None else bad[..., None],
    )


def dense_part(q: Array, argument: str, where: Array | None = None, *, check: bool = True) -> Dense:
    """Return the distributions ``q``, with the classes on the last axis."""
    xp = namespace_of(q, argument)
    check_floating(q, argument)
    if check:
        check_distributions(xp, q, argument, where)
    return Dense(q=q)


def any_part(q: Array, argument: str) -> Dense:
    """Return any numbers ``q`` as though each row were a distribution: smoothing gives as much to
    each.
    """
    check_floating(q, argument)
    return Dense(q=q, row_mass=1.0)


def top_k_parts(
    labels: Array, weights: Array, num_classes: int, tail: Tail, ignore_index: int
) -> tuple[tuple[Part, ...], Labels | None]:
    """Return the parts of a top-k teacher, and the labels to which the softmax is restricted."""
    xp = namespace_of(labels, "labels")
    check_follows(xp, labels, "labels", weights, "weights")
    check_floating(weights, "weights")
    if labels.ndim == 0 or labels.shape[-1] == 0:
        rule = "have a last axis of at least one class"
        errors.bad_value("labels", rule, tuple(labels.shape))
    check_shape(weights, "weights", tuple(labels.shape), context="the shape of labels")
    tolerance = EPSILON[dtype_name(weights)] ** 0.5
    weights = promote(xp, weights)
    index, kept, bad = check_labels(labels, num_classes, ignore_index, "labels")
    if kept is not None:
        weights = xp.where(kept, weights, 0.0)
    check_not_negative(xp, weights, "weights")
    mass = ordered_sums(xp, weights)
    if may_look(weights):
        over = mass > 1 + tolerance
        check_values(xp, mass[..., 0], "rows of weights", "sum to at most 1", over[..., 0])
    listed = Labels(labels=index, kept=kept, bad=bad, weight=weights, base=weights)
    if tail == "drop":
        return (listed,), None
    if tail == "bucket":
        rest = xp.where(mass < 1, 1 - mass, 0.0)
        if kept is not None:
            rest = xp.where(xp.any(kept, axis=-1, keepdims=True), rest, 0.0)
        return (listed, Bucket(labels=index, kept=kept, mass=rest)), None
    share = quotient(xp, weights, xp.where(mass == 0, 1.0, mass))
    listed = Labels(labels=index, kept=kept, bad=bad, weight=share, base=share)
    return (listed,), listed
