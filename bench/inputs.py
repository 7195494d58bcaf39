"""The numbers of a case: made once from a seed, the same for every contestant."""

import math
from typing import Any

import numpy as np

from bench.arrays import convert, need, round_to_bfloat16
from bench.cases import Case

Array = Any

#: Every array a case may need; the position of a name is part of its seed.
NAMES = (
    "logits",
    "features",
    "weight",
    "bias",
    "labels",
    "other_labels",
    "epsilon",
    "dense",
    "class_weight",
    "mask",
)
#: Random, never zeros: processors multiply zeros faster than numbers.
SEED = 20261122
#: The logit of the label stands out, as in training: losses with and without smoothing differ.
KNOWN = 4.0


class Inputs:
    """Arrays of a case by name and library. They are made when first asked for, and kept."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._made: dict[tuple[str, str], Array] = {}

    def get(self, name: str, library: str = "") -> Array:
        """Return an array for a library; without one, as it was made."""
        key = (name, library)
        if key not in self._made:
            if library:
                self._made[key] = convert(self.get(name), library, self.case.dtype)
            else:
                make = _on_gpu if self.case.device == "cuda" else _on_host
                self._made[key] = make(name, self.case)
        return self._made[key]

    def all(self, names: tuple[str, ...], library: str) -> dict[str, Array]:
        """Return several arrays by their names."""
        return {name: self.get(name, library) for name in names}

    @property
    def leading(self) -> tuple[str, ...]:
        """What the loss is a function of and has gradients for."""
        if not self.case.features:
            return ("logits",)
        return ("features", "weight", "bias") if self.case.bias else ("features", "weight")


def _shape(name: str, case: Case) -> tuple[int, ...]:
    return {
        "logits": (case.rows, case.classes),
        "dense": (case.rows, case.classes),
        "features": (case.rows, case.features),
        "weight": (case.classes, case.features),
        "bias": (case.classes,),
        "class_weight": (case.classes,),
    }.get(name, (case.rows,))


def _scale(name: str, case: Case) -> float:
    """Return the standard deviation: logits are a few nats apart, products of factors as well."""
    if name == "weight":
        return 2.0 / math.sqrt(max(case.features, 1))
    return 2.0 if name == "logits" else 1.0


def _on_host(name: str, case: Case) -> Array:
    rng = np.random.default_rng([SEED, NAMES.index(name)])
    shape = _shape(name, case)
    if "labels" in name:
        return rng.integers(case.classes, size=shape)
    if name == "mask":
        return rng.random(shape) < 0.9
    wide = np.float64 if case.dtype == "float64" else np.float32
    if name in ("logits", "features", "weight", "bias"):
        values = rng.standard_normal(shape, dtype=wide)
        values *= wide(_scale(name, case))
        if name == "logits":
            values[np.arange(case.rows), _on_host("labels", case)] += wide(KNOWN)
        if case.dtype == "bfloat16":
            return round_to_bfloat16(values)
        return values.astype(case.dtype, copy=False)
    values = rng.random(shape, dtype=wide)
    if name == "dense":
        values /= values.sum(axis=1, keepdims=True)
    return values * wide(0.2) if name == "epsilon" else values


def _on_gpu(name: str, case: Case) -> Array:
    torch = need("torch")
    generator = torch.Generator("cuda").manual_seed(SEED + NAMES.index(name))
    shape = _shape(name, case)
    place: dict[str, Any] = {"generator": generator, "device": "cuda"}
    if "labels" in name:
        return torch.randint(case.classes, shape, **place)
    if name == "mask":
        return torch.rand(shape, **place) < 0.9
    if name in ("logits", "features", "weight", "bias"):
        values = torch.empty(shape, dtype=getattr(torch, case.dtype), device="cuda")
        values.normal_(0.0, _scale(name, case), generator=generator)
        if name == "logits":
            rows = torch.arange(case.rows, device="cuda")
            values[rows, _on_gpu("labels", case)] += KNOWN
        return values
    values = torch.rand(shape, **place)
    if name == "dense":
        values /= values.sum(dim=1, keepdim=True)
    return values * 0.2 if name == "epsilon" else values
