"""Every way to build dense targets, whose bits must not depend on the backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import softtargets as st
from tests.backends import Variant

Array = Any

NUM_ROWS, NUM_CLASSES = 37, 11
_LABELS = (np.arange(NUM_ROWS) * 7 % NUM_CLASSES).astype(np.int32)
_OTHERS = (np.arange(NUM_ROWS) * 5 % NUM_CLASSES).astype(np.int32)
_OTHERS[3] = -100


class Ingredients:
    """Random numbers of one dtype on one backend, and the targets made of labels."""

    def __init__(self, variant: Variant, dtype: str) -> None:
        rng = np.random.default_rng(1)
        self.variant, self.dtype = variant, getattr(variant.xp, dtype)

        def array(values: Array) -> Array:
            return variant.asarray(values.astype(dtype), dtype=dtype)

        self.labels = variant.asarray(_LABELS)
        self.first = st.Targets.from_labels(self.labels, NUM_CLASSES)
        self.second = st.Targets.from_labels(variant.asarray(_OTHERS), NUM_CLASSES)
        self.q = array(rng.dirichlet(np.ones(NUM_CLASSES), NUM_ROWS))
        self.prior = array(rng.dirichlet(np.ones(NUM_CLASSES)))
        self.priors = array(rng.dirichlet(np.ones(NUM_CLASSES), NUM_CLASSES))
        self.epsilons = array(rng.uniform(0, 0.5, NUM_ROWS))
        self.per_class = array(rng.uniform(0, 0.5, NUM_CLASSES))
        self.lam = array(rng.uniform(0, 1, NUM_ROWS))
        self.weight = array(rng.uniform(0, 3, NUM_CLASSES))

    def dense(self, targets: st.Targets) -> Array:
        """The dense form in the dtype of the ingredients."""
        return targets.to_dense(dtype=self.dtype)


def _smooth(**words: Any) -> Callable[[Ingredients], Array]:
    def build(i: Ingredients) -> Array:
        given = {
            k: getattr(i, v) if hasattr(i, v) else v for k, v in words.items() if k != "amount"
        }
        amount = words.get("amount", 0.1)
        amount = getattr(i, amount) if isinstance(amount, str) else amount
        return i.dense(i.first.smooth(amount, **given))

    return build


BUILDERS: dict[str, Callable[[Ingredients], Array]] = {
    "one_hot": lambda i: st.one_hot(i.labels, NUM_CLASSES, dtype=i.dtype),
    "smooth, all": _smooth(),
    "smooth, others": _smooth(spread="others"),
    "smooth, prior, all": _smooth(prior="prior"),
    "smooth, prior, others": _smooth(prior="prior", spread="others"),
    "smooth, prior rows, all": _smooth(prior="priors"),
    "smooth, prior rows, others": _smooth(prior="priors", spread="others"),
    "smooth, one epsilon per row": _smooth(amount="epsilons"),
    "smooth, one epsilon per row, others": _smooth(amount="epsilons", spread="others"),
    "smooth, one epsilon per class": _smooth(amount=0.0, per_class="per_class"),
    "smooth_labels": lambda i: st.smooth_labels(i.q, 0.1),
    "smooth_labels, prior": lambda i: st.smooth_labels(i.q, i.epsilons, prior=i.prior),
    "smooth_labels, others": lambda i: st.smooth_labels(i.q, 0.1, spread="others"),
    "mix": lambda i: i.dense(st.mix(i.first, i.second, 0.3)),
    "mix, one lambda per row": lambda i: i.dense(st.mix(i.first, i.second, i.lam)),
    "mix, smoothed": lambda i: i.dense(st.mix(i.first, i.second, i.lam).smooth(0.1)),
    "mix, two priors": lambda i: i.dense(
        st.mix(i.first.smooth(0.1, prior=i.prior), i.second.smooth(i.epsilons), i.lam)
    ),
    "smooth twice": lambda i: i.dense(i.first.smooth(0.1).smooth(0.2, prior=i.prior)),
    "weighted": lambda i: i.dense(i.first.smooth(0.1).weighted(i.weight)),
    "from_top_k, drop": lambda i: i.dense(_teacher(i, "drop")),
    "from_top_k, renormalize": lambda i: i.dense(_teacher(i, "renormalize")),
}

#: Builders that multiply matrices, where every library adds in its own order: equal to rounding.
PRODUCTS: dict[str, Callable[[Ingredients], Array]] = {
    "smooth_labels, prior rows": lambda i: st.smooth_labels(i.q, 0.1, prior=i.priors),
}


def _teacher(i: Ingredients, tail: Any) -> st.Targets:
    best = np.stack([_LABELS, (_LABELS + 3) % NUM_CLASSES, (_LABELS + 7) % NUM_CLASSES], axis=1)
    weights = i.q[:, :3] / 2
    return st.Targets.from_top_k(i.variant.asarray(best), weights, NUM_CLASSES, tail=tail)


def build(variant: Variant, name: str, dtype: str) -> Array:
    """One builder on one backend, as a NumPy array."""
    with variant.active():
        return variant.to_numpy((BUILDERS | PRODUCTS)[name](Ingredients(variant, dtype)))


def same_bits(first: Array, second: Array) -> bool:
    """Whether two NumPy arrays have the same dtype, shape and bits."""
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


def differing_builders(variants: list[Variant]) -> list[str]:
    """Each builder, dtype and backend whose bits are not those of the first backend."""
    found = []
    for dtype in ("float64", "float32"):
        able = [variant for variant in variants if dtype in variant.dtypes]
        for name in BUILDERS:
            results = [build(variant, name, dtype) for variant in able]
            found += [
                f"{name} ({dtype}, {variant.name})"
                for variant, result in zip(able[1:], results[1:], strict=True)
                if not same_bits(results[0], result)
            ]
    return found
