"""Losses whose classes and rows several members of a group hold; here each is a thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets import distributed
from softtargets.distributed import agreement
from tests.backends import assert_close, assert_same_bits
from tests.frameworks import distributed_cases as shared
from tests.frameworks.distributed_cases import CASES, LABELS, LINEAR, SPLITS, Case, X
from tests.frameworks.threads import ThreadGroup, results

BOTH = distributed.value_and_grad(distributed.cross_entropy)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_classes_of_several(name: str, size: int) -> None:
    """However classes are given to members, some perhaps none, the loss is that of all of them on
    each, and the gradients are parts of that of all.
    """
    case = CASES[name]
    loss, gradient = case.whole()
    for split in shared.splits(size):
        found = results(
            size, lambda group, split=split: shared.evaluate(case, group, split, group.rank)
        )
        for value, _ in found:
            assert_close(value, loss, ulps=64, scale=4.0)
            assert_same_bits(value, found[0][0])
        axis = case.options.get("axis", -1)
        parts = shared.joined([part for _, part in found], axis)
        assert_close(parts, gradient, ulps=64, scale=1.0)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("size", [1, 3])
def test_layers_of_several(name: str, size: int) -> None:
    """A layer of which each member holds some classes has the loss of the whole layer, and
    gradients that are parts of its; those for the features are added up, or left as they are.
    """
    case, split = LINEAR[name], SPLITS[size]
    layer = shared.FEATURES, shared.LAYER
    loss, gradients = case.whole()

    def work(group: ThreadGroup) -> Any:
        return shared.evaluate_linear(case, group, split, group.rank, layer)

    found = results(size, work)
    for value, (features, *_) in found:
        assert_close(value, loss, ulps=64, scale=4.0)
        assert_close(features, gradients[0], ulps=64, scale=1.0)
    for i, whole in enumerate(gradients[1:], start=1):
        parts = shared.joined([part[i] for _, part in found], 0)
        assert_close(parts, whole, ulps=64, scale=1.0)
    whole = results(
        1,
        lambda group: distributed.linear_cross_entropy(
            *layer, case.targets, class_group=group, bias=case.bias, **case.options
        ),
    )
    assert_close(whole[0], loss, ulps=64, scale=4.0)
    own = {**case.options, "reduce_features": False}
    partial = results(
        size,
        lambda group: shared.evaluate_linear(
            shared.LinearCase(case.targets, own, case.bias), group, split, group.rank, layer
        ),
    )
    assert_close(sum(g[0] for _, g in partial), gradients[0], ulps=64, scale=1.0)
    assert_same_bits(partial[0][0], found[0][0])


def test_bytes_per_row() -> None:
    """A row of float32 or lower costs 16 bytes in two collectives, and the gradient none; what
    asks for more of the softmax pays for it.
    """
    for name, case in CASES.items():
        rows = case.logits.size // 8
        low = case.converted(lambda a: a.astype(np.float32) if a.dtype == np.float64 else a)
        for kind in (np.float32, np.float16):
            part = Case(low.logits.astype(kind), low.targets, low.options)
            calls: list[list[tuple[str, int]]] = []

            def work(group: ThreadGroup, part: Case = part, calls: Any = calls) -> None:
                loss, gradient = shared.evaluate(part, group, (3, 5), group.rank)
                assert gradient.dtype == part.logits.dtype
                assert loss.dtype == np.float32
                calls.append(group.calls)

            results(2, work)
            kinds = [name for name, _ in calls[0]]
            tail = ["maximum"] if name == "bucket" else []
            assert kinds == ["gather", "maximum", *tail, "sum"]
            assert calls[0] == calls[1]
            assert sum(size for _, size in calls[0]) == case.row_bytes * rows
    for name, case in LINEAR.items():
        calls = []
        layer = shared.FEATURES.astype(np.float32), shared.LAYER.astype(np.float32)
        low = case.converted(lambda a: a.astype(np.float32) if a.dtype == np.float64 else a)

        def linear(
            group: ThreadGroup, low: Any = low, layer: Any = layer, calls: Any = calls
        ) -> None:
            shared.evaluate_linear(low, group, (3, 5), group.rank, layer)
            calls.append(sum(size for _, size in group.calls))

        results(2, linear)
        # And the gradients of the features, which have 4 numbers per row.
        assert calls == [6 * (case.row_bytes + 4 * 4)] * 2, name


def test_rows_of_several() -> None:
    """Members with rows of their own, as many as they like, find the mean of all rows; averaged,
    and added up if so asked, their gradients are those of it.
    """
    x = np.concatenate([X, X + 1, -X])
    labels = np.concatenate([LABELS, shared.IGNORED, LABELS])
    weight = np.linspace(0.5, 2.0, 18)
    words = {"label_smoothing": 0.1, "class_weight": shared.WEIGHT, "z_loss": 0.01}
    sizes = (5, 12, 1)
    for reduction in ("mean", "sum", "none", 7.0):
        more: dict[str, Any] = {"reduction": reduction}
        if reduction == 7.0:
            more = {"denominator": 7.0}
        evaluate = st.value_and_grad(st.cross_entropy)
        loss, gradient = evaluate(x, labels, sample_weight=weight, **words, **more)
        for averaged in (True, False):

            def work(group: ThreadGroup, averaged: bool = averaged, more: Any = more) -> Any:
                own = [shared.block(a, sizes, group.rank) for a in (x, labels, weight)]
                options = {"row_group": group, "averaged": averaged, "sample_weight": own[2]}
                return BOTH(own[0], own[1], **options, **words, **more)

            found = results(3, work)
            factor = 3 if averaged and reduction != "none" else 1
            values = [value for value, _ in found]
            if reduction == "none":
                values = [shared.joined(values, 0)]
            for value in values:
                assert_close(value, loss, ulps=64, scale=4.0)
            parts = shared.joined([part for _, part in found], 0) / factor
            assert_close(parts, gradient, ulps=64, scale=1.0)


def test_nothing_to_average() -> None:
    """The mean is nan, with a gradient of 0, where no member has a row that counts, and only
    there.
    """
    nothing, something = np.array([-100, -100]), np.array([-100, 1])

    def work(group: ThreadGroup, *labels: Any) -> Any:
        return BOTH(X[:2], labels[group.rank], row_group=group)

    for loss, gradient in results(2, lambda group: work(group, nothing, nothing)):
        assert np.isnan(loss)
        assert np.all(gradient == 0)
    found = results(2, lambda group: work(group, nothing, something))
    for loss, _ in found:
        assert_close(loss, st.cross_entropy(X[1:2], something[1:]), ulps=8)
    assert np.all(found[0][1] == 0)


def test_classes_and_rows_of_several() -> None:
    """On a mesh of 3 x 2 members with rows and classes of their own, plain and linear losses are
    those of all rows and classes.
    """
    sizes, split = (1, 3, 2), (5, 3)
    words = {"label_smoothing": 0.1, "spread": "others"}
    whole = st.value_and_grad(st.cross_entropy)(X, LABELS, **words)
    evaluate = distributed.value_and_grad(distributed.linear_cross_entropy)
    layer = st.value_and_grad(st.linear_cross_entropy)(
        shared.FEATURES, shared.LAYER, LABELS, **words
    )

    def work(rows: ThreadGroup, classes: ThreadGroup) -> Any:
        groups = {"row_group": rows, "class_group": classes, **words}
        x, labels = (shared.block(a, sizes, rows.rank) for a in (X, LABELS))
        x = shared.block(x, split, classes.rank, 1)
        y = shared.block(shared.FEATURES, sizes, rows.rank)
        weight = shared.block(shared.LAYER, split, classes.rank)
        return BOTH(x, labels, **groups), evaluate(y, weight, labels, **groups)

    found = results((3, 2), work)
    for (loss, _), (linear, _) in found:
        assert_close(loss, whole[0], ulps=64, scale=4.0)
        assert_close(linear, layer[0], ulps=64, scale=4.0)
    parts = [shared.joined([found[2 * i + j][0][1] for j in range(2)], 1) for i in range(3)]
    assert_close(shared.joined(parts, 0) / 3, whole[1], ulps=64, scale=1.0)
    weights = [sum(found[2 * i + j][1][1][1] for i in range(3)) / 3 for j in range(2)]
    assert_close(shared.joined(weights, 0), layer[1][1], ulps=64, scale=1.0)
    features = shared.joined([found[2 * i][1][1][0] for i in range(3)], 0) / 3
    assert_close(features, layer[1][0], ulps=64, scale=1.0)


def test_without_groups() -> None:
    """Without a group a loss is that of this process, to the last bit."""
    assert_same_bits(
        distributed.cross_entropy(X, LABELS, label_smoothing=0.1),
        st.cross_entropy(X, LABELS, label_smoothing=0.1),
    )
    layer = shared.FEATURES, shared.LAYER, LABELS
    loss, gradients = distributed.value_and_grad(distributed.linear_cross_entropy)(*layer)
    want = st.value_and_grad(st.linear_cross_entropy)(*layer)
    assert_same_bits(loss, want[0])
    assert_same_bits(distributed.linear_cross_entropy(*layer), want[0])
    for one, other in zip(gradients, want[1], strict=True):
        assert_same_bits(one, other)


def test_blocks_in_any_order() -> None:
    """Members may hold any block of the classes, if they say which."""
    split, first, of_rank = (2, 5, 1), {0: 2, 1: 7, 2: 0}, {0: 1, 1: 2, 2: 0}

    def work(group: ThreadGroup) -> Any:
        x = shared.block(X, split, of_rank[group.rank], 1)
        return distributed.cross_entropy(
            x, LABELS, class_group=group, first_class=first[group.rank], label_smoothing=0.1
        )

    for loss in results(3, work):
        assert_close(loss, st.cross_entropy(X, LABELS, label_smoothing=0.1), ulps=16)


def test_one_comparison_where_looking_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device members compare their parts at the first call of a kind, or always, or never."""
    monkeypatch.setattr(agreement, "may_look", lambda _: False)

    def gathers(group: ThreadGroup, **words: Any) -> int:
        before = len(group.calls)
        x = shared.block(X, (3, 5), group.rank, 1)
        loss = distributed.cross_entropy(x, LABELS, class_group=group, **words)
        assert_close(loss, st.cross_entropy(X, LABELS), ulps=16)
        return [name for name, _ in group.calls[before:]].count("gather")

    def work(group: ThreadGroup) -> list[int]:
        place = {"first_class": 3 * group.rank, "num_classes": 8}
        return [
            gathers(group),
            gathers(group),
            gathers(group, check=True),
            gathers(group, check=False),
            gathers(group, check=False, **place),
            gathers(group, **place),
            gathers(group, **place),
        ]

    assert results(2, work) == [[1, 0, 1, 0, 0, 1, 0]] * 2
    # What is never checked is still to be found out once.
    assert results(2, lambda group: gathers(group, check=False)) == [1, 1]
