"""Random calls of the cross-entropy, with any combination of keywords, drawn by Hypothesis.

Hypothesis draws what kind of call it is; the numbers come from a seed that it draws too. They lie
on coarse grids, so that zeros, ones, repeated labels and rows without any mass turn up often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant
from tests.golden import run
from tests.golden.build import make
from tests.oracle.case import Case, Dense, Labels, Mix, Smooth, Target, TopK, Weighted
from tests.oracle.dense import class_mask, dense_rows

Draw = Callable[..., Any]

#: Shapes of rows, and numbers of classes.
Shapes = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]
SHAPES: Shapes = (((5,), (2, 3), (1,), ()), (3, 5, 2, 1))
#: One shape: JAX compiles every operation for every shape that it meets.
ONE_SHAPE: Shapes = (((5,),), (4,))
KINDS = ("labels", "dense", "smoothed", "per class", "mix", "drop", "bucket", "renormalize")
IGNORED = (-100, -1, 0, 255)
OFFSETS = (0.0, 0.0, 0.0, 1000.0, -10000.0)
NUMBERS = ("label_smoothing", "denominator", "z_loss", "confidence_penalty")
EPSILONS = (0.1, 0.0, 0.25, 0.45)
WEIGHTS = (1.0, 0.0, 0.5, 2.0)


@dataclass(frozen=True)
class Call:
    """A case, and the ways to write it down that must not matter."""

    case: Case
    #: Dtype of plain labels.
    label_dtype: str = "int32"
    #: Whether labels and distributions are handed in as `Targets`.
    structured: bool = False
    #: Whether numbers are handed in as 0-d arrays.
    as_arrays: bool = False

    def arguments(self, backend: Variant) -> tuple[Any, Any, dict[str, Any]]:
        """The logits, the targets and the keywords on the arrays of `backend`."""
        structured = self.structured or not run.has_two_forms(self.case)
        logits, targets, words = run.arguments(self.case, backend, structured=structured)
        if not structured and isinstance(self.case.target, Labels):
            data = np.asarray(self.case.target.labels, self.label_dtype)
            targets = backend.asarray(data.reshape(self.case.rows_shape), self.label_dtype)
        if self.as_arrays:
            dtype = run.compute_dtype(self.case.dtype)
            for name in words.keys() & set(NUMBERS):
                if isinstance(words[name], float):
                    words[name] = backend.asarray(words[name], dtype=dtype)
        return logits, targets, words

    def evaluate(self, backend: Variant) -> tuple[Any, Any]:
        """The loss and the gradient that the library gives."""
        logits, targets, words = self.arguments(backend)
        return st.value_and_grad(st.cross_entropy)(logits, targets, **words)

    def changed(self, **changes: Any) -> Call:
        """The same call with other keywords, None standing for one that is left out."""
        words = {k: v for k, v in (self.case.keywords | changes).items() if v is not None}
        return replace(self, case=replace(self.case, keywords=words))

    def aimed(self, target: Target) -> Call:
        """The same call with another target."""
        return replace(self, case=replace(self.case, target=target))

    def moved(self, logits: Any) -> Call:
        """The same call at other logits (rows x classes)."""
        return replace(self, case=replace(self.case, logits=np.asarray(logits).tolist()))


@some.composite
def calls(
    draw: Draw,
    dtypes: tuple[str, ...] = ("float64", "float32"),
    kinds: tuple[str, ...] = KINDS,
    int_dtypes: tuple[str, ...] = ("int32", "uint8"),
    reductions: tuple[str, ...] = ("mean", "sum", "none"),
    shapes: Shapes = SHAPES,
    *,
    infinities: bool = True,
    on_top: bool = True,
) -> Call:
    """Any call that the library takes.

    ``infinities``: perhaps with infinite logits and nan where rows are out. ``on_top``: perhaps
    with smoothing and class weights on top of what the kind of target has.
    """
    rows_shape, count = (draw(some.sampled_from(options)) for options in shapes)
    axis = draw(some.integers(-len(rows_shape) - 1, len(rows_shape)))
    shape = [*rows_shape]
    shape.insert(axis if axis >= 0 else axis + len(shape) + 1, count)
    rng = np.random.default_rng(draw(some.integers(0, 2**32 - 1)))
    numbers = _Numbers(draw, rng, math.prod(rows_shape), count)
    kind = draw(some.sampled_from(kinds))
    words: dict[str, Any] = {"reduction": draw(some.sampled_from(reductions))}
    numbers.draw_mask(words)
    target = numbers.target(kind)
    if on_top and kind not in ("bucket", "renormalize"):
        target = numbers.smooth_or_weigh(target, words)
    numbers.draw_keywords(words, kind)
    case = make(
        f"{kind}, {sorted(words)}",
        "",
        # The reference takes the difference of two logsumexp for a bucket.
        numbers.logits(0.0 if kind == "bucket" else draw(some.sampled_from(OFFSETS))),
        target,
        dtype=draw(some.sampled_from(dtypes)),
        shape=tuple(shape),
        axis=axis,
        **words,
    )
    if infinities and draw(some.booleans()):
        case = _with_infinities(case, rng)
    return Call(
        case,
        draw(some.sampled_from(_fitting(int_dtypes, numbers.ignore_index))),
        draw(some.booleans()),
        draw(some.booleans()),
    )


class _Numbers:
    """Draws the pieces of one call of `rows` x `count`."""

    def __init__(self, draw: Draw, rng: np.random.Generator, rows: int, count: int) -> None:
        self.draw, self.rng, self.rows, self.count = draw, rng, rows, count
        self.ignore_index = draw(some.sampled_from(IGNORED))
        self.mask = np.ones((rows, count), bool)

    def one_of(self, *options: Any) -> Any:
        return self.draw(some.sampled_from(options))

    def choice(self, grid: tuple[float, ...], size: int) -> list[float]:
        return [float(value) for value in self.rng.choice(grid, size)]

    def draw_mask(self, words: dict[str, Any]) -> None:
        """Perhaps a mask of classes, one for all rows or one per row, never empty."""
        kind = self.one_of("none", "none", "vector", "rows")
        if kind == "none":
            return
        mask = self.rng.random((1 if kind == "vector" else self.rows, self.count)) < 0.7
        mask[np.arange(len(mask)), self.rng.integers(self.count, size=len(mask))] = True
        words["class_mask"] = (mask[0] if kind == "vector" else mask).tolist()
        self.mask = np.broadcast_to(mask, (self.rows, self.count))

    def target(self, kind: str) -> Target:
        """A target of the kind, of classes that the mask keeps."""
        if kind == "labels":
            return self.labels()
        if kind == "dense":
            return self.dense()
        if kind == "smoothed":
            return self.smooth(self.one_of(self.labels, self.dense)())
        if kind == "per class":
            fractions = self.choice((0.0, 0.1, 0.5), self.count)
            target, spread = self.one_of(self.labels, self.dense)(), self.one_of("all", "others")
            return Smooth(target, 0.0, self.prior(), spread, fractions)
        if kind == "mix":
            first = self.one_of(self.labels, self.dense, lambda: self.smooth(self.labels()))()
            return Mix(first, self.one_of(self.labels, self.dense)(), self.fraction())
        return self.top_k(kind)

    def labels(self) -> Labels:
        labels = [int(self.rng.choice(np.flatnonzero(row))) for row in self.mask]
        if self.one_of(True, False):
            gone = self.rng.random(self.rows) < 0.4
            labels = [self.ignore_index if g else y for g, y in zip(gone, labels, strict=True)]
        return Labels(labels, self.count, self.ignore_index)

    def dense(self) -> Dense:
        q = self.rng.integers(0, 4, (self.rows, self.count)) * self.mask
        q = np.where(np.any(q > 0, axis=1, keepdims=True), q, self.mask)
        return Dense((q / q.sum(axis=1, keepdims=True)).tolist())

    def prior(self, *kinds: str) -> list[Any] | None:
        """A prior that gives mass to some class of every mask."""
        kind = self.one_of(*(kinds or ("none", "vector", "matrix")))
        if kind == "none":
            return None
        least = 0 if self.mask.all() else 1
        u = self.rng.integers(least, 4, (1 if kind == "vector" else self.count, self.count))
        u = np.where(np.any(u > 0, axis=1, keepdims=True), u, 1)
        u = u / u.sum(axis=1, keepdims=True)
        return list((u[0] if kind == "vector" else u).tolist())

    def fraction(self) -> float | list[float]:
        """One for all rows, or one per row; 1 is for arrays, which bring no warning."""
        if self.one_of(True, False):
            return float(self.one_of(*EPSILONS))
        return self.choice((0.0, 0.1, 0.3, 1.0), self.rows)

    def smooth(self, target: Target) -> Smooth:
        return Smooth(target, self.fraction(), self.prior(), self.one_of("all", "others"))

    def top_k(self, tail: str) -> TopK:
        size = self.one_of(1, 2, 3)
        labels, weights = [], self.rng.integers(1, 5, (self.rows, size)) / 16.0
        gone = self.rng.random((self.rows, size)) < 0.2 * self.one_of(0, 1)
        for row, classes in enumerate(np.flatnonzero(mask) for mask in self.mask):
            # A bucket needs a class to lie on, or else it must be empty.
            if tail == "bucket" and len(classes) == 1:
                weights[row], gone[row] = 1 / size, False
            listed = classes[1:] if tail == "bucket" and len(classes) > 1 else classes
            labels.append(self.rng.choice(listed, size).tolist())
        labels = np.where(gone, -100, labels).astype(int).tolist()
        return TopK(labels, np.where(gone, 0.0, weights).tolist(), self.count, tail)

    def smooth_or_weigh(self, target: Target, words: dict[str, Any]) -> Target:
        """Perhaps smoothing by keyword, on top of what is there, or weights in the target."""
        how = self.one_of("neither", "smooth", "weigh")
        if how == "weigh":
            return Weighted(target, self.choice(WEIGHTS, self.count))
        if how == "smooth":
            words["label_smoothing"] = self.fraction()
            # What smoothed targets may be smoothed with is a matter of test_invariants.py.
            again = _is_smoothed(target)
            prior = self.prior(*(("none", "vector") if again else ()))
            if prior is not None:
                words["prior"] = prior
            if not again:
                words["spread"] = self.one_of("all", "others")
        return target

    def draw_keywords(self, words: dict[str, Any], kind: str) -> None:
        """Perhaps weights, a mask of rows, penalties, a denominator."""
        if kind != "bucket" and self.one_of(True, False):
            words["class_weight"] = self.choice(WEIGHTS, self.count)
        if self.one_of(True, False):
            words["sample_weight"] = self.choice(WEIGHTS, self.rows)
        if self.one_of(True, False):
            words["where"] = [bool(flag) for flag in self.rng.random(self.rows) < 0.7]
        if words["reduction"] == "mean" and self.one_of(True, False):
            words["denominator"] = 7.5
        words["z_loss"] = self.one_of(0.0, 0.01)
        words["confidence_penalty"] = self.one_of(0.0, 0.2)

    def logits(self, offset: float) -> list[list[float]]:
        return (offset + 4.0 * self.rng.standard_normal((self.rows, self.count))).tolist()


def _is_smoothed(target: Target) -> bool:
    if isinstance(target, Mix):
        return _is_smoothed(target.first) or _is_smoothed(target.second)
    return isinstance(target, Smooth)


def _fitting(int_dtypes: tuple[str, ...], ignore_index: int) -> list[str]:
    """The dtypes that can hold the label that marks ignored rows."""
    return [
        name
        for name in int_dtypes
        if np.iinfo(name).min <= min(ignore_index, 0) and ignore_index <= np.iinfo(name).max
    ]


def _with_infinities(case: Case, rng: np.random.Generator) -> Case:
    """Put -inf where no mass is, and anything at all in rows that take no part."""
    logits = case.matrix()
    targets = dense_rows(case, "float64")
    if targets.listed is None:
        weight = np.asarray(case.keywords.get("class_weight", 1.0))
        off = (targets.q * weight == 0) & class_mask(case) & (rng.random(logits.shape) < 0.5)
        off &= np.any(~off & class_mask(case), axis=1, keepdims=True)
        logits[off] = -np.inf
    gone = targets.dropped | ~np.asarray(case.keywords.get("where", [True] * case.num_rows))
    logits[gone] = rng.choice([np.nan, np.inf, -np.inf], (case.num_rows, 1))[gone]
    return replace(case, logits=logits.tolist())
