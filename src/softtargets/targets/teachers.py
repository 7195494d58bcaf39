"""Targets from the logits of a teacher: all of its distribution, or its best classes."""

from typing import cast

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, to_rows
from softtargets._array.checks import check_count, check_option, check_penalty
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import namespace_of
from softtargets._array.operations import pick
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.parts import Dense, Labels, Part
from softtargets.targets.probabilities import check_scores, softmax
from softtargets.targets.sources import TAILS, top_k_parts
from softtargets.typing import Amount, Array, Tail


def teacher_parts(
    logits: Array, temperature: Amount, top_k: int | None, tail: Tail | None, axis: int
) -> tuple[tuple[Part, ...], tuple[int, ...], Labels | None]:
    """Return the parts of a teacher, the shape of the dense targets, and the labels to which the
    softmax is restricted.
    """
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    position = check_class_axis(logits, "logits", axis)
    temperature = check_penalty(xp, temperature, "temperature", logits, positive=True)
    if position != logits.ndim - 1:
        logits = xp.moveaxis(logits, position, -1)
    shape = tuple(logits.shape)
    check_scores(xp, logits, "logits")
    if top_k is None:
        if tail is not None:
            errors.bad_value("tail", "be None without top_k", repr(tail))
        return (Dense(q=softmax(xp, logits, temperature)),), shape, None
    count = check_count(top_k, "top_k")
    if count > shape[-1]:
        errors.bad_value("top_k", f"be at most {shape[-1]}, the number of classes", count)
    check_option(tail, "tail", TAILS)
    matrix = to_rows(xp, logits, logits.ndim - 1)
    q = softmax(xp, matrix, temperature)
    # Of equal logits the class that comes first.
    best = xp.argsort(matrix, axis=1, descending=True, stable=True)[:, :count]
    # A logit of -inf is padding: a class that the teacher does not have.
    known = pick(xp, q, best), pick(xp, matrix, best) > -float("inf")
    weights, there = (xp.reshape(array, (*shape[:-1], count)) for array in known)
    best = xp.reshape(best, (*shape[:-1], count))
    labels = xp.where(there, best, IGNORE_INDEX)
    kind = cast("Tail", tail)
    parts, support = top_k_parts(labels, weights, shape[-1], kind, IGNORE_INDEX)
    return parts, shape, support
