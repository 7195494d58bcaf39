"""The softmax of scores that are given once: logits of a teacher, similarities of classes."""

from softtargets._array.checks import check_values
from softtargets._array.dtypes import promote
from softtargets._array.traits import may_look
from softtargets.typing import Amount, Array, Namespace


def check_scores(xp: Namespace, scores: Array, argument: str) -> None:
    """Raise on nan, +inf, and rows of nothing but -inf along the last axis, if looking is free."""
    if not may_look(scores):
        return
    bad = ~(scores < float("inf"))
    check_values(xp, scores, argument, "be finite or -inf", bad)
    most = xp.max(scores, axis=-1)
    check_values(
        xp, most, f"rows of {argument}", "have an entry above -inf", ~(most > -float("inf"))
    )


def softmax(xp: Namespace, scores: Array, temperature: Amount = 1.0) -> Array:
    """Return softmax(scores / temperature) along the last axis; float32 for half precision.

    An entry of -inf gets exactly 0; a row of nothing else, or with nan or +inf, is nan.
    """
    scores = promote(xp, scores)
    most = xp.max(scores, axis=-1, keepdims=True)
    sound = xp.isfinite(most)
    # The differences are divided, not the scores: a small temperature overflows nothing.
    powers = xp.exp((scores - xp.where(sound, most, 0.0)) / temperature)
    total = xp.sum(powers, axis=-1, keepdims=True)
    return powers / xp.where(sound, total, xp.nan)
