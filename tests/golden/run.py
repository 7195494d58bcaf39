"""One golden case through the library, on the arrays of one backend.

A backend is a `tests.backends.Variant`, which the fixture `backend` gives.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import numpy as np

import softtargets as st
from tests.backends import Variant
from tests.oracle.case import Case, Dense, Labels, Mix, Smooth, Target, TopK
from tests.oracle.plain import compute_dtype

Array = Any

_PER_CLASS = ("prior", "class_weight")


def has_two_forms(case: Case) -> bool:
    """Whether the targets can be handed in both as a plain array and as `Targets`."""
    return isinstance(case.target, Labels | Dense)


def arguments(
    case: Case, backend: Variant, *, structured: bool = False
) -> tuple[Array, Any, dict[str, Any]]:
    """The logits, the targets (`Targets` if `structured`) and the keywords of `case`."""
    logits = backend.asarray(to_axis(case, case.matrix()), dtype=case.dtype)
    keywords = _keywords(case, backend)
    target = case.target
    if not structured and isinstance(target, Labels):
        keywords["ignore_index"] = target.ignore_index
        return logits, backend.asarray(_labels(target.labels, case.rows_shape)), keywords
    if not structured and isinstance(target, Dense):
        q = to_axis(case, np.asarray(target.q))
        return logits, backend.asarray(q, dtype=compute_dtype(case.dtype)), keywords
    return logits, build_targets(case, backend), keywords


def to_axis(case: Case, matrix: Array) -> Array:
    """A matrix of rows x classes in the layout of the logits of `case`."""
    return np.moveaxis(matrix.reshape(*case.rows_shape, case.num_classes), -1, case.axis)


def to_matrix(case: Case, values: Array) -> Array:
    """The inverse of `to_axis`."""
    return np.moveaxis(values, case.axis, -1).reshape(case.num_rows, case.num_classes)


def build_targets(case: Case, backend: Variant) -> st.Targets:
    """The target of `case` as the structure that the library has for it."""
    return _build(case.target, case, backend, compute_dtype(case.dtype))


def _labels(labels: list[Any], shape: tuple[int, ...]) -> Array:
    return np.asarray(labels, dtype=np.int32).reshape(shape)


def _build(target: Target, case: Case, backend: Variant, dtype: str) -> st.Targets:
    shape = case.rows_shape

    def array(values: Any, *tail: int) -> Array:
        return backend.asarray(np.asarray(values, dtype=np.float64).reshape(tail), dtype=dtype)

    def amount(value: float | list[float]) -> Any:
        return array(value, *shape) if isinstance(value, list) else value

    if isinstance(target, Labels):
        labels = backend.asarray(_labels(target.labels, shape))
        return st.Targets.from_labels(labels, target.num_classes, ignore_index=target.ignore_index)
    if isinstance(target, Dense):
        return st.Targets.from_distributions(array(target.q, *shape, case.num_classes))
    if isinstance(target, TopK):
        count = len(target.labels[0])
        labels = backend.asarray(_labels(target.labels, (*shape, count)))
        weights = array(target.weights, *shape, count)
        return st.Targets.from_top_k(
            labels, weights, target.num_classes, tail=cast(Any, target.tail)
        )
    if isinstance(target, Mix):
        first = _build(target.first, case, backend, dtype)
        return first.mix(_build(target.second, case, backend, dtype), amount(target.lam))
    inner = _build(target.of, case, backend, dtype)
    if not isinstance(target, Smooth):
        return inner.weighted(array(target.class_weight, case.num_classes))
    spread = cast(Any, target.spread)
    prior = None if target.prior is None else array(target.prior, *np.shape(target.prior))
    if target.per_class is not None:
        per_class = array(target.per_class, case.num_classes)
        return inner.smooth(per_class=per_class, prior=prior, spread=spread)
    return inner.smooth(amount(target.label_smoothing), prior=prior, spread=spread)


def _keywords(case: Case, backend: Variant) -> dict[str, Any]:
    made: dict[str, Any] = {"axis": case.axis}
    dtype = compute_dtype(case.dtype)
    for name, value in case.keywords.items():
        if not isinstance(value, list):
            made[name] = value
        elif name == "class_mask":
            mask = np.asarray(value, dtype=bool)
            made[name] = backend.asarray(mask if mask.ndim == 1 else to_axis(case, mask))
        elif name == "where":
            made[name] = backend.asarray(np.asarray(value, dtype=bool).reshape(case.rows_shape))
        else:
            values = np.asarray(value, dtype=np.float64)
            values = values if name in _PER_CLASS else values.reshape(case.rows_shape)
            made[name] = backend.asarray(values, dtype=dtype)
    return made


def numbers(backend: Variant, values: Array) -> Array:
    """An array of the backend as float64 in NumPy."""
    with warnings.catch_warnings():
        # Dask computes in threads of its own, after the library could tell NumPy to be silent.
        if backend.row == "dask":
            warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(backend.to_numpy(values), dtype=np.float64)


def loss_of(case: Case, backend: Variant, *, structured: bool = False) -> Array:
    """`cross_entropy` of the case: one value, or one per row, as a flat float64 array."""
    logits, targets, keywords = arguments(case, backend, structured=structured)
    return numbers(backend, st.cross_entropy(logits, targets, **keywords)).ravel()


def loss_and_gradient(
    case: Case, backend: Variant, *, structured: bool = False
) -> tuple[Array, Array]:
    """`value_and_grad` of the case: the flat loss and the gradient (rows x classes)."""
    logits, targets, keywords = arguments(case, backend, structured=structured)
    loss, gradient = st.value_and_grad(st.cross_entropy)(logits, targets, **keywords)
    return numbers(backend, loss).ravel(), to_matrix(case, numbers(backend, gradient))


def autograd(case: Case, backend: Variant) -> Array:
    """The gradient (rows x classes) by the differentiation of torch or JAX."""
    logits, targets, keywords = arguments(case, backend)
    if backend.row == "torch":
        logits.requires_grad_(True)
        st.cross_entropy(logits, targets, **keywords).sum().backward()
        return to_matrix(case, numbers(backend, logits.grad))
    import jax

    gradient = jax.grad(lambda x: st.cross_entropy(x, targets, **keywords).sum())(logits)
    return to_matrix(case, numbers(backend, gradient))
