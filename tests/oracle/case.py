"""What one numerical test computes, as plain data: logits, a target structure and keywords.

Floats are stored by ``float.hex``, so a case means exactly the same numbers everywhere. Per-row
things are flat lists over the rows; `Case.shape` and `Case.axis` say how the rows are arranged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, is_dataclass
from math import prod
from typing import Any

import numpy as np

_FLOAT = re.compile(r"-?(0x[0-9a-f.]+p[+-]\d+|inf|nan)")


@dataclass(frozen=True)
class Labels:
    """One class per row; `ignore_index` marks a row without a target."""

    labels: list[int]
    num_classes: int
    ignore_index: int = -100


@dataclass(frozen=True)
class Dense:
    """One row of class probabilities per row."""

    q: list[list[float]]


@dataclass(frozen=True)
class TopK:
    """The largest entries of a teacher per row; `tail` says where the rest of the mass goes."""

    labels: list[list[int]]
    weights: list[list[float]]
    num_classes: int
    tail: str


@dataclass(frozen=True)
class Mix:
    """``lam * first + (1 - lam) * second``, `lam` being a number or one per row."""

    first: Target
    second: Target
    lam: float | list[float]


@dataclass(frozen=True)
class Smooth:
    """A smoothed target. `per_class` replaces `label_smoothing` by one number per class."""

    of: Target
    label_smoothing: float | list[float]
    prior: list[Any] | None = None
    spread: str = "all"
    per_class: list[float] | None = None


@dataclass(frozen=True)
class Weighted:
    """A target multiplied by one weight per class."""

    of: Target
    class_weight: list[float]


Target = Labels | Dense | TopK | Mix | Smooth | Weighted


@dataclass(frozen=True)
class Recipe:
    """Logits made by integer arithmetic: offset + (top bits of splitmix64 - half) * 2**exponent.

    The integers and the power of two are chosen so that every value is exact in the dtype of the
    case; a few integers then stand for any number of values.
    """

    seed: int
    bits: int
    exponent: int
    offset: int = 0

    def values(self, count: int) -> np.ndarray[Any, Any]:
        """The first `count` values, in float64."""
        with np.errstate(over="ignore"):
            step = np.arange(1, count + 1, dtype=np.uint64)
            z = np.uint64(self.seed) + step * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        top = (z >> np.uint64(64 - self.bits)).astype(np.int64) - (1 << (self.bits - 1))
        return self.offset + np.ldexp(top.astype(np.float64), self.exponent)


@dataclass(frozen=True)
class Case:
    """One call of a cross-entropy; see the module for how rows are stored."""

    name: str
    about: str
    dtype: str
    shape: tuple[int, ...]
    logits: list[list[float]] | Recipe
    target: Target
    keywords: dict[str, Any] = field(default_factory=dict)
    axis: int = -1

    @property
    def num_classes(self) -> int:
        """The length of the class axis."""
        return self.shape[self.axis]

    @property
    def rows_shape(self) -> tuple[int, ...]:
        """The shape of the labels: `shape` without the class axis."""
        axis = self.axis % len(self.shape)
        return self.shape[:axis] + self.shape[axis + 1 :]

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return prod(self.rows_shape)

    def matrix(self) -> np.ndarray[Any, Any]:
        """The logits as a float64 array of rows x classes."""
        if isinstance(self.logits, Recipe):
            return self.logits.values(self.num_rows * self.num_classes).reshape(
                self.num_rows, self.num_classes
            )
        return np.asarray(self.logits, dtype=np.float64).reshape(self.num_rows, self.num_classes)


_KINDS = {kind.__name__: kind for kind in (Labels, Dense, TopK, Mix, Smooth, Weighted, Recipe)}


def short_hex(value: float) -> str:
    """``float.hex`` without the zeros at the end of the mantissa."""
    return re.sub(r"\.?0*p", "p", float(value).hex())


def encode(value: Any) -> Any:
    """Turn a case, or a part of one, into what `json.dump` takes."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return short_hex(value)
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if is_dataclass(value):
        entries = {f.name: getattr(value, f.name) for f in fields(value)}
        defaults = {f.name: f.default for f in fields(value)}
        kept = {k: encode(v) for k, v in entries.items() if v is None or v != defaults[k]}
        kind = {} if isinstance(value, Case) else {"kind": type(value).__name__}
        return kind | {k: v for k, v in kept.items() if not (v is None and defaults[k] is None)}
    raise TypeError(f"cannot encode {type(value).__name__}")


def decode(value: Any) -> Any:
    """The inverse of `encode` for the parts of a case."""
    if isinstance(value, str) and _FLOAT.fullmatch(value):
        return float.fromhex(value)
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        entries = {key: decode(item) for key, item in value.items()}
        kind = entries.pop("kind", None)
        return entries if kind is None else _KINDS[kind](**entries)
    return value


def case_from_json(entry: dict[str, Any]) -> Case:
    """Rebuild a case that `encode` wrote."""
    entries = decode(entry)
    return Case(**(entries | {"shape": tuple(entries["shape"])}))
