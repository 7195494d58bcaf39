"""What a case should give, in float64 and dense, and whether a contestant gives that.

A benchmark of a wrong result is a defect, so nothing is timed before it agrees.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.arrays import to_numpy
from bench.cases import EPSILON, LAM, Entry
from bench.contestants.base import Run
from bench.inputs import Inputs

Array = Any

#: Gradients are compared in that many rows at both ends.
ENDS = 8
#: Entries of a block of rows: with float64, 16 MiB, and more where products have to be fast.
BLOCK_ENTRIES, LINEAR_BLOCK_ENTRIES = 2**21, 2**24
#: The roundings, in the dtype of a contestant, that a formula may add to those of its inputs: the
#: shift by the maximum, exponential and logarithm, where the numbers in between are largest.
ROUNDINGS = {"float64": 64.0, "float32": 64.0, "float16": 16.0, "bfloat16": 16.0}
#: Sums over classes may be added up one by one, at least in float32; errors partly cancel.
ROUNDINGS_PER_CLASS = 0.125
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
#: The smallest number above 0, where gradients may be smaller.
SMALLEST = {"float16": 2.0**-24}


class Disagreement(AssertionError):
    """A contestant computes something else than the case asks for."""


@dataclass(frozen=True)
class Reference:
    """The loss, the ends of each gradient, and what one rounding in them may be worth."""

    classes: int
    loss: float
    gradients: tuple[Array, ...]
    scales: tuple[Array, ...]


def ends(array: Array) -> Array:
    """Return the first and the last rows of an array in NumPy's float64."""
    return np.concatenate([to_numpy(array[:ENDS]), to_numpy(array[-ENDS:])])


def targets_of(xp: Any, block: slice, inputs: Inputs, entry: Entry) -> tuple[Array, Array]:
    """Return a block of dense targets before and after smoothing."""

    def part(name: str) -> Array:
        return inputs.get(name)[block]

    def double(array: Array) -> Array:
        return xp.astype(array, xp.float64)

    first = part("labels")
    classes = xp.arange(inputs.case.classes, **_beside(first))
    if entry.targets == "dense":
        q = double(part("dense"))
        return q, q
    base = double(first[:, None] == classes[None, :])
    if entry.targets == "mixup":
        other = double(part("other_labels")[:, None] == classes[None, :])
        base = LAM * base + (1 - LAM) * other
    epsilon: Any = {"hard": 0.0, "smoothed": EPSILON, "mixup": EPSILON}.get(entry.targets)
    if entry.targets == "per_row":
        epsilon = double(part("epsilon"))[:, None]
    return base, (1 - epsilon) * base + epsilon / inputs.case.classes


def reference(inputs: Inputs, entry: Entry) -> Reference:
    """Return the mean cross-entropy of a case, and its gradient if the case asks for it."""
    case = inputs.case
    leading = inputs.get(inputs.leading[0])
    xp = _namespace(leading)
    class_weight = xp.ones(case.classes, dtype=xp.float64, **_beside(leading))
    if entry.option == "class weights":
        class_weight = xp.astype(inputs.get("class_weight"), xp.float64)
    total = denominator = 0.0
    sums = _Sums(inputs)
    entries = LINEAR_BLOCK_ENTRIES if case.features else BLOCK_ENTRIES
    size = max(1, entries // case.classes)
    for start in range(0, case.rows, size):
        block = slice(start, min(start + size, case.rows))
        x = sums.logits(xp, block)
        base, q = targets_of(xp, block, inputs, entry)
        kept = xp.ones(len(x), dtype=xp.float64, **_beside(leading))
        if entry.option == "mask":
            kept = xp.astype(inputs.get("mask")[block], xp.float64)
        a = q * class_weight
        mass = xp.sum(a, axis=1, keepdims=True)
        shifted = x - xp.max(x, axis=1, keepdims=True)
        exponentials = xp.exp(shifted)
        norm = xp.sum(exponentials, axis=1, keepdims=True)
        losses = mass * xp.log(norm) - xp.sum(a * shifted, axis=1, keepdims=True)
        total += float(xp.sum(losses[:, 0] * kept))
        denominator += float(xp.sum(base * class_weight * kept[:, None]))
        if case.gradient:
            p = mass * exponentials / norm
            sums.add(block, (p - a) * kept[:, None], (p + a) * kept[:, None])
    gradients, scales = sums.ends(denominator) if case.gradient else ((), ())
    return Reference(case.classes, total / denominator, gradients, scales)


class _Sums:
    """Logits of blocks of rows, and the ends of the gradients that they add up to."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.parts: list[tuple[int, Array, Array]] = []
        self.columns: list[Array] = []
        self.factors: tuple[Array, Array] | None = None

    def logits(self, xp: Any, block: slice) -> Array:
        if not self.inputs.case.features:
            return xp.astype(self.inputs.get("logits")[block], xp.float64)
        if self.factors is None:
            bias = self.inputs.get("bias") if self.inputs.case.bias else xp.zeros(())
            weight = xp.astype(self.inputs.get("weight"), xp.float64)
            self.factors = weight.T, xp.astype(bias, xp.float64)
        weight, bias = self.factors
        return xp.astype(self.inputs.get("features")[block], xp.float64) @ weight + bias

    def add(self, block: slice, gradient: Array, scale: Array) -> None:
        """Take in the gradient for the logits of a block, and the size of what it is made of."""
        rows = self.inputs.case.rows
        near = {*range(min(ENDS, rows)), *range(max(rows - ENDS, 0), rows)}
        for row in sorted(near & set(range(block.start, block.stop))):
            at = row - block.start
            self.parts.append((row, to_numpy(gradient[at]), to_numpy(scale[at])))
        if self.inputs.case.features:
            both = (ends(gradient.T), ends(scale.T), to_numpy(self.inputs.get("features")[block]))
            found = [both[0] @ both[2], both[1] @ abs(both[2]), both[0].sum(1), both[1].sum(1)]
            sums = self.columns or [0.0] * len(found)
            self.columns = [before + now for before, now in zip(sums, found, strict=True)]

    def ends(self, denominator: float) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return the ends of each gradient, and their scales."""
        by_row = {row: (gradient, scale) for row, gradient, scale in self.parts}
        rows = self.inputs.case.rows
        picked = [*range(rows)][:ENDS] + [*range(rows)][-ENDS:]
        gradient = np.stack([by_row[row][0] for row in picked]) / denominator
        scale = np.stack([by_row[row][1] for row in picked]) / denominator
        if not self.inputs.case.features:
            return (gradient,), (scale,)
        weight = to_numpy(self.inputs.get("weight"))
        columns = [column / denominator for column in self.columns]
        gradients = (gradient @ weight, columns[0], columns[2])
        scales = (scale @ abs(weight), columns[1], columns[3])
        count = len(self.inputs.leading)
        return gradients[:count], scales[:count]


def check(
    name: str, wanted: Reference, loss: Array, gradients: tuple[Array, ...], run: Run
) -> None:
    """Raise unless loss and gradients are what rounding may make of the reference."""
    allowed = ROUNDINGS[run.compute] * EPS[run.compute]
    found = float(to_numpy(loss))
    # Errors of rows cancel in their mean, and what half precision adds is a few roundings.
    if not abs(found - wanted.loss) <= allowed / 4 * max(abs(wanted.loss), 1.0):
        raise Disagreement(f"{name}: the loss is {found!r}, expected {wanted.loss!r}")
    if len(gradients) != len(wanted.gradients):
        message = f"{len(gradients)} gradients, expected {len(wanted.gradients)}"
        raise Disagreement(f"{name}: {message}")
    allowed += ROUNDINGS_PER_CLASS * wanted.classes * min(EPS[run.compute], EPS["float32"])
    for index, gradient in enumerate(gradients):
        error = np.abs(ends(gradient) / run.upstream - wanted.gradients[index])
        smallest = SMALLEST.get(run.compute, 0.0)
        over = float(np.max(error - allowed * wanted.scales[index])) - smallest
        if not over <= 0:
            message = f"gradient {index} is off by up to {float(np.max(error)):.3g}"
            raise Disagreement(f"{name}: {message}, {over:.3g} more than rounding allows")


def _namespace(array: Array) -> Any:
    from array_api_compat import array_namespace

    return array_namespace(array)


def _beside(array: Array) -> dict[str, Any]:
    return {"device": array.device} if hasattr(array, "device") else {}
