"""Losses of one row in 60-digit numbers, written from their formulas: dense, unshifted, naive.

``x`` are the logits, ``q`` the targets after smoothing and ``w`` the class weights, all of them
lists. Gradients are central differences, which share nothing with anybody's closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf  # type: ignore[import-untyped]

Number = Any  # mpmath ships no types
Row = Callable[[list[Number]], Number]

DIGITS = 60


def numbers(values: Sequence[float]) -> list[Number]:
    """The exact values of floats."""
    return [mpf(float(value)) for value in values]


def softmax(x: list[Number]) -> list[Number]:
    powers = [mp.exp(value) for value in x]
    return [power / sum(powers, mpf(0)) for power in powers]


def binary(x: list[Number], q: list[Number], w: list[Number], u: list[Number]) -> Number:
    """The cross-entropy of yes and no, where yes weighs u."""
    total = mpf(0)
    for xk, tk, wk, uk in zip(x, q, w, u, strict=True):
        yes = 1 / (1 + mp.exp(-xk))
        total -= wk * (uk * tk * mp.log(yes) + (1 - tk) * mp.log(1 - yes))
    return total


def kl(q: list[Number], p: list[Number], w: list[Number]) -> Number:
    """KL(q || p) with a weight on every term, where 0 log 0 = 0."""
    terms = zip(q, p, w, strict=True)
    return sum((wk * qk * mp.log(qk / pk) for qk, pk, wk in terms if qk != 0), mpf(0))


def js(q: list[Number], p: list[Number], w: list[Number], b: Number) -> Number:
    """The divergences of both from their mixture."""
    m = [b * qk + (1 - b) * pk for qk, pk in zip(q, p, strict=True)]
    return b * kl(q, m, w) + (1 - b) * kl(p, m, w)


def cross_entropy(x: list[Number], q: list[Number], w: list[Number]) -> Number:
    """-sum w q log softmax(x)."""
    p = softmax(x)
    return -sum((wk * qk * mp.log(pk) for qk, pk, wk in zip(q, p, w, strict=True)), mpf(0))


def missing(x: list[Number], threshold: Number) -> Number:
    """How much the entropy of the softmax misses a threshold."""
    entropy = -sum((p * mp.log(p) for p in softmax(x)), mpf(0))
    return max(mpf(0), threshold - entropy)


def beyond(x: list[Number], margin: Number) -> Number:
    """The mean distance of the logits from the largest one, beyond a margin."""
    return sum((max(mpf(0), max(x) - value - margin) for value in x), mpf(0)) / len(x)


def seen(x: list[Number], q: list[Number], w: list[Number], rate: Number) -> Number:
    """-w log of the probability of the label after symmetric noise."""
    p, count = softmax(x), len(x)
    total = mpf(0)
    for y, mass in enumerate(q):
        shares = (1 - rate if k == y else rate / (count - 1) for k in range(count))
        after = sum((pk * share for pk, share in zip(p, shares, strict=True)), mpf(0))
        total -= mass * w[y] * mp.log(after)
    return total


def unseen(q: list[Number], rate: Number) -> list[Number]:
    """The targets whose mean over symmetric noise is the label."""
    count = len(q)
    off = rate / (count - 1)
    whole = 1 - rate - off
    return [(mass - off) / whole for mass in q]


def focal(x: list[Number], q: list[Number], w: list[Number], gamma: Number) -> Number:
    """Terms of the cross-entropy times (1 - p)^gamma."""
    terms = zip(q, softmax(x), w, strict=True)
    return -sum((wk * qk * (1 - pk) ** gamma * mp.log(pk) for qk, pk, wk in terms), mpf(0))


def poly(x: list[Number], q: list[Number], w: list[Number], strength: Number) -> Number:
    """Terms of the cross-entropy and a multiple of 1 - p."""
    terms = zip(q, softmax(x), w, strict=True)
    return sum((wk * qk * (strength * (1 - pk) - mp.log(pk)) for qk, pk, wk in terms), mpf(0))


def slopes(loss: Row, x: list[Number]) -> list[Number]:
    """The gradient of a loss of a row, by central differences."""
    step = mpf(10) ** -20
    found = []
    for k in range(len(x)):
        up, down = ([v + s * step * (j == k) for j, v in enumerate(x)] for s in (1, -1))
        found.append((loss(up) - loss(down)) / (2 * step))
    return found


def loss_and_slopes(loss: Row, x: Sequence[float]) -> tuple[float, list[float]]:
    """The loss of a row and its gradient, rounded to floats."""
    with mp.workdps(DIGITS):
        given = numbers(x)
        return float(loss(given)), [float(slope) for slope in slopes(loss, given)]
