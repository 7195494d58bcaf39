"""Work that is cut into blocks of rows, micro-batches or blocks of classes adds up to the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_same_bits
from tests.oracle import budget
from tests.reference import assert_near, dtypes_of, examples, host, shapes_for, widest
from tests.strategies import ONE_SHAPE, Call, calls

PENALTIES = ("z_loss", "confidence_penalty")


def test_blocks_of_rows_change_no_bit(backend: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are cut into blocks, loss and gradient have the same bits."""
    whole_block = plan.HOST_ENTRIES

    @examples(backend, 0.3)
    @given(
        call=calls(dtypes_of(backend, "float64", "float32")[-1:], shapes=shapes_for(backend)),
        size=some.sampled_from((1, 4, 11)),
    )
    def try_one(call: Call, size: int) -> None:
        monkeypatch.setattr(plan, "HOST_ENTRIES", whole_block)
        loss, gradient = call.evaluate(backend)
        monkeypatch.setattr(plan, "HOST_ENTRIES", size)
        block_loss, block_gradient = call.evaluate(backend)
        assert_same_bits(block_loss, loss)
        assert_same_bits(block_gradient, gradient)

    try_one()


def test_micro_batches_add_up(backend: Variant) -> None:
    """Means of parts of a batch over the denominator of the whole add up to the mean."""

    @examples(backend, 0.2)
    @given(
        call=calls(
            widest(backend),
            ("labels",),
            reductions=("mean",),
            shapes=ONE_SHAPE,
            infinities=False,
            on_top=False,
        ),
        cut=some.sampled_from((2, 3)),
    )
    def try_one(call: Call, cut: int) -> None:
        call = call.changed(class_mask=None, denominator=None)
        case = call.case
        words, labels = case.keywords, np.asarray(case.target.labels)
        weight = np.asarray(words.get("class_weight", [1.0] * 4))
        known = (labels != case.target.ignore_index) & np.asarray(words.get("where", True))
        mine = np.where(known, weight[np.where(known, labels, 0)], 0.0)
        total = float(np.sum(mine * np.asarray(words.get("sample_weight", 1.0))))
        assume(total > 0)
        whole = host(call.evaluate(backend)[0])
        parts = [call.changed(denominator=total) for _ in range(2)]
        losses = [
            host(_slice_rows(part, piece).evaluate(backend)[0])
            for part, piece in zip(parts, (slice(0, cut), slice(cut, 5)), strict=True)
        ]
        scale = budget.scale_of(case).loss
        assert_near("sum", np.sum(losses), whole, scale, case.dtype)

    try_one()


def _slice_rows(call: Call, piece: slice) -> Call:
    case, words = call.case, dict(call.case.keywords)
    for name in ("sample_weight", "where", "label_smoothing"):
        if isinstance(words.get(name), list):
            words[name] = words[name][piece]
    target = replace(case.target, labels=case.target.labels[piece])
    logits = case.logits[piece]
    shape = (len(logits), 4) if case.axis % 2 else (4, len(logits))
    return replace(
        call, case=replace(case, shape=shape, logits=logits, target=target, keywords=words)
    )


def test_blocks_of_classes_merge(backend: Variant) -> None:
    """States of two blocks of classes, merged in either order, give the loss of the whole."""

    @examples(backend, 0.4)
    @given(call=calls(widest(backend), shapes=shapes_for(backend)), data=some.data())
    def try_one(call: Call, data: Any) -> None:
        count, axis = call.case.num_classes, call.case.axis
        assume(count > 1)
        cut = data.draw(some.integers(1, count - 1))
        logits, targets, words = call.arguments(backend)
        want = st.cross_entropy(logits, targets, **words)
        last = {n: words.pop(n) for n in ("reduction", "denominator", *PENALTIES) if n in words}
        index = [slice(None)] * len(call.case.shape)
        states = []
        for start, stop in ((0, cut), (cut, count)):
            index[axis] = slice(start, stop)
            block = logits[tuple(index)]
            state = st.SoftmaxState.of(
                block, targets, first_class=start, num_classes=count, **words
            )
            states.append(state)
        scale = np.reshape(budget.scale_of(call.case).loss, host(want).shape)
        for one, other in (states, reversed(states)):
            loss = one.merge(other).loss(**last)
            assert_near("loss", host(loss), host(want), scale, call.case.dtype)

    try_one()
