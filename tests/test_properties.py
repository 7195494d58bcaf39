"""The cross-entropy against a slow dense reference, over random combinations of all keywords."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import softtargets as st
from tests.backends import VARIANTS, Variant, assert_same_bits
from tests.reference import check, dtypes_of, examples, shapes_for
from tests.strategies import Call, calls


def test_any_call(backend: Variant) -> None:
    """Loss and gradient of any combination of arguments are those of the slow reference."""
    dtypes = dtypes_of(backend, "float64", "float32")

    @examples(backend, 2.0)
    @given(call=calls(dtypes, int_dtypes=backend.int_dtypes, shapes=shapes_for(backend)))
    def try_one(call: Call) -> None:
        check(call, *call.evaluate(backend))

    try_one()


def test_any_call_in_half_precision(backend: Variant) -> None:
    """Half precision is computed in float32: only the logits and the gradient are rounded."""
    dtypes = dtypes_of(backend, "float16", "bfloat16")
    if not dtypes:
        pytest.skip(f"{backend.name} has no half precision")

    @examples(backend, 0.25)
    @given(call=calls(dtypes, shapes=shapes_for(backend)))
    def try_one(call: Call) -> None:
        check(call, *call.evaluate(backend))

    try_one()


def test_loss_alone_is_the_same_loss(backend: Variant) -> None:
    """`cross_entropy` and `value_and_grad` give the same bits."""

    @examples(backend, 0.25)
    @given(call=calls(("float32",), shapes=shapes_for(backend)))
    def try_one(call: Call) -> None:
        logits, targets, words = call.arguments(backend)
        alone = st.cross_entropy(logits, targets, **words)
        assert_same_bits(alone, call.evaluate(backend)[0])

    try_one()


@pytest.mark.parametrize("kind", ["labels", "smoothed", "bucket"])
def test_reference_notices_every_keyword(kind: str) -> None:
    """The comparison fails where a keyword is left out or a number is off by 1e-6."""
    numpy = VARIANTS[0]
    seen: set[str] = set()

    @settings(max_examples=25)
    @given(call=calls(("float64",), (kind,), infinities=False))
    def try_one(call: Call) -> None:
        loss, gradient = call.evaluate(numpy)
        for name in call.case.keywords:
            without = call.changed(**{name: None}).evaluate(numpy)
            if _differ(without, (loss, gradient)):
                seen.add(name)
                with pytest.raises((AssertionError, KeyError)):
                    check(call, *without)
        if not np.any(np.isnan(loss)):
            with pytest.raises(AssertionError, match="loss is"):
                check(call, np.asarray(loss + 1e-6 * (1 + np.abs(loss))), gradient)
        with pytest.raises(AssertionError, match="gradient is"):
            check(call, loss, gradient + 1e-6)

    try_one()
    assert seen >= {"sample_weight", "where", "z_loss", "confidence_penalty", "denominator"}


def _differ(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return any(
        a.shape != b.shape or not np.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )
