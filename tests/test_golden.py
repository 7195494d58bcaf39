"""Every golden case on every backend, against exact values and within the error budget."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant
from tests.golden import run
from tests.golden.build import make
from tests.golden.load import PATH, Golden, check_gradient, check_loss, goldens, yardstick
from tests.oracle import budget
from tests.oracle.case import Case, Dense, Labels, Mix, Recipe, Target, TopK, encode
from tests.oracle.plain import compute_dtype

GOLDENS = goldens()
WITH_TWO_FORMS = [golden for golden in GOLDENS if run.has_two_forms(golden.case)]
WITH_TARGETS = [golden for golden in GOLDENS if golden.targets is not None]


def skip_without_dtype(case: Case, backend: Variant) -> None:
    if case.dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {case.dtype}")


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_values(golden: Golden, backend: Variant) -> None:
    """Loss and gradient are within the budget, and so is the loss without the gradient."""
    skip_without_dtype(golden.case, backend)
    loss, gradient = run.loss_and_gradient(golden.case, backend)
    check_loss(golden, loss)
    check_gradient(golden, gradient)
    check_loss(golden, run.loss_of(golden.case, backend), "loss alone")


@pytest.mark.parametrize("golden", WITH_TWO_FORMS[::5], ids=lambda golden: golden.name)
def test_plain_arrays_are_targets(golden: Golden, backend: Variant) -> None:
    """Labels and distributions mean the `Targets` that are made of them, to the last bit."""
    skip_without_dtype(golden.case, backend)
    plain = run.loss_and_gradient(golden.case, backend)
    structured = run.loss_and_gradient(golden.case, backend, structured=True)
    for ours, expected in zip(structured, plain, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("golden", WITH_TARGETS, ids=lambda golden: golden.name)
def test_targets(golden: Golden, backend: Variant) -> None:
    """The dense form of a structure is exact up to a few roundings of each entry."""
    case = golden.case
    skip_without_dtype(case, backend)
    dtype = compute_dtype(case.dtype)
    targets = run.build_targets(case, backend)
    dense = run.numbers(backend, targets.to_dense(dtype=getattr(backend.xp, dtype)))
    # An entry is a sum of products of numbers at most 1, such as 1 - eps.
    scale = np.maximum(np.abs(golden.targets.high), 0.25)
    allowed = budget.ULPS * budget.eps(dtype) * scale
    budget.assert_within("targets", dense, golden.targets, allowed)


def equal_targets(case: Case) -> list[Target]:
    """The labels of `case` as labels, one-hot rows, a mixup pair and a list of one class."""
    assert isinstance(case.target, Labels)
    count, labels = case.num_classes, case.target.labels
    one_hot = np.eye(count)[labels].tolist()
    ones = [[1.0] for _ in labels]
    other = Labels([(y + 1) % count for y in labels], count)
    return [
        case.target,
        Dense(one_hot),
        Mix(case.target, other, 1.0),
        Mix(case.target, case.target, 0.25),
        TopK([[y] for y in labels], ones, count, "drop"),
    ]


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("epsilon", [0.0, 0.25])
def test_kinds_of_target_agree(backend: Variant, epsilon: float, reduction: str) -> None:
    """Labels, one-hot rows, mixup pairs and teachers with the same q give the same numbers."""
    words: dict[str, Any] = {
        "label_smoothing": epsilon,
        "class_weight": [1.0, 2.0, 0.5, 4.0],
        "where": [True, False, True],
        "reduction": reduction,
    }
    case = make(
        "equal", "", Recipe(6, 10, -7), Labels([2, 0, 3], 4), dtype="float32", shape=(3, 4), **words
    )
    results = [
        run.loss_and_gradient(replace(case, target=target), backend, structured=structured)
        for target in equal_targets(case)
        for structured in ((False, True) if isinstance(target, Labels | Dense) else (True,))
    ]
    for loss, gradient in results[1:]:
        np.testing.assert_allclose(loss, results[0][0], rtol=4 * 2.0**-23)
        np.testing.assert_allclose(gradient, results[0][1], rtol=0, atol=16 * 2.0**-23)


def test_chunks_add_up(backend: Variant) -> None:
    """Sums and weights of chunks with unequal numbers of kept rows give the mean of the whole."""
    labels = [0, -100, 2, -100, -100, -100, 3, 1, 1]
    logits = Recipe(7, 10, -7).values(36).reshape(9, 4).tolist()
    words: dict[str, Any] = {"label_smoothing": 0.1, "class_weight": [1.0, 2.0, 0.5, 4.0]}
    whole = make("whole", "", logits, Labels(labels, 4), dtype="float32", **words)
    weight = float(sum(words["class_weight"][y] for y in labels if y >= 0))
    total = 0.0
    for start, stop in ((0, 2), (2, 6), (6, 9)):
        chunk = make(
            "chunk",
            "",
            logits[start:stop],
            Labels(labels[start:stop], 4),
            dtype="float32",
            denominator=weight,
            **words,
        )
        total += run.loss_of(chunk, backend)[0]
    np.testing.assert_allclose(total, run.loss_of(whole, backend)[0], rtol=8 * 2.0**-23)


@pytest.mark.parametrize("name", ["1000 classes", "100000 classes", "offset 10000, smooth"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_of_classes_merge(backend: Variant, name: str, dtype: str) -> None:
    """States of unequal blocks of classes, merged, give the golden loss."""
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    golden = next(g for g in GOLDENS if g.name == f"{name}/{dtype}")
    case = golden.case
    targets = run.build_targets(case, backend).smooth(case.keywords["label_smoothing"])
    logits = run.arguments(case, backend)[0]
    edges = [0, 1, case.num_classes // 3, case.num_classes]
    state = None
    for first, last in pairwise(edges):
        block = st.SoftmaxState.of(logits[:, first:last], targets, first_class=first)
        state = block if state is None else state.merge(block)
    check_loss(golden, run.numbers(backend, state.loss()).ravel(), "merged loss")


def test_blocks_of_minus_infinity_merge(backend: Variant) -> None:
    """Blocks that are all -inf take part in a merge without making it nan."""
    logits = np.full((2, 100_000), -np.inf)
    logits[:, 50_000] = 10.0
    logits[1, 99_999] = 10.0
    x = backend.asarray(logits, dtype="float32")
    labels = backend.asarray(np.array([50_000, 99_999], dtype=np.int32))
    targets = st.Targets.from_labels(labels, 100_000)
    state = None
    for first in range(0, 100_000, 32_768):
        last = min(first + 32_768, 100_000)
        block = st.SoftmaxState.of(x[:, first:last], targets, first_class=first)
        state = block if state is None else state.merge(block)
    loss = run.numbers(backend, state.loss(reduction="none"))
    np.testing.assert_allclose(loss, [0.0, np.log(2.0)], rtol=2.0**-23)


def test_golden_file_is_current() -> None:
    """golden.json holds the cases of the generator, and values that the oracle gives again."""
    pytest.importorskip("mpmath")
    from tests.golden.make_golden import all_cases, entry

    stored = json.loads(PATH.read_text(encoding="utf-8"))
    cases = all_cases()
    assert [made["case"] for made in stored] == [encode(case) for case in cases]
    for made, case in zip(stored[::9], cases[::9], strict=True):
        if case.num_rows * case.num_classes <= 1000:
            assert made == entry(case)


def test_yardstick_is_not_vacuous() -> None:
    """Moving the loss or one gradient entry by 100 units of its budget fails."""
    golden = next(g for g in GOLDENS if g.name == "z4 smooth/float64")
    given = yardstick(golden)
    check_loss(golden, golden.loss.high)
    check_gradient(golden, golden.gradient.high)
    step = 100 * budget.eps("float64")
    with pytest.raises(AssertionError, match=r"loss\[0\]"):
        check_loss(golden, golden.loss.high + step * given.loss_scale)
    moved = golden.gradient.high.copy()
    moved[2] += step * given.gradient_scale[2]
    with pytest.raises(AssertionError, match=r"gradient\[2\]"):
        check_gradient(golden, moved)
