"""What must hold of targets in any form: smoothing, mixing, weights, lists of the best classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_same_bits, dtype_name
from tests.golden import run
from tests.oracle import budget
from tests.oracle.case import Case, Dense, Labels, Smooth, TopK
from tests.oracle.dense import dense_rows
from tests.oracle.plain import compute_dtype
from tests.reference import assert_near, dtypes_of, examples, host, shapes_for, widest
from tests.strategies import KINDS, ONE_SHAPE, Call, calls

SMOOTHING = ("label_smoothing", "prior", "spread")
PENALTIES = ("z_loss", "confidence_penalty")
#: Kinds of target with one mass per class over all classes.
COMPLETE = ("labels", "dense", "smoothed", "per class", "mix", "drop")


def some_calls(backend: Variant, *kinds: str, **options: Any) -> Any:
    """Finite calls without smoothing or class weights on top of what the kinds of target have."""
    words = {"shapes": shapes_for(backend), "infinities": False, "on_top": False} | options
    return calls(widest(backend), kinds or KINDS, **words)


def evaluate(call: Call, targets: st.Targets, backend: Variant) -> tuple[Any, Any]:
    """Loss and gradient for other targets than those of the call."""
    logits, _, words = call.arguments(backend)
    words.pop("ignore_index", None)
    return st.value_and_grad(st.cross_entropy)(logits, targets, **words)


def assert_equal(call: Call, got: tuple[Any, Any], want: tuple[Any, Any]) -> None:
    """Fail unless two losses with their gradients are equal up to rounding in ``call``."""
    scale, dtype = budget.scale_of(call.case), compute_dtype(call.case.dtype)
    size = np.reshape(scale.loss, host(want[0]).shape)
    assert_near("loss", host(got[0]), host(want[0]), size, dtype)
    first, second = (run.to_matrix(call.case, host(gradient)) for gradient in (got[1], want[1]))
    assert_near("gradient", first, second, scale.gradient, dtype)


def mass_of(case: Case) -> Any:
    """The mass of each row, that of a bucket included."""
    rows = dense_rows(case, "float64")
    bucket = 0.0 if rows.bucket is None else np.where(rows.dropped, 0.0, rows.bucket)
    return np.sum(rows.q, axis=1) + bucket


def test_smoothing_is_the_keyword(backend: Variant) -> None:
    """`targets.smooth(e)` and `label_smoothing=e` give the same bits for every reduction."""

    @examples(backend, 0.2)
    @given(call=calls(dtypes_of(backend, "float64", "float32")[-1:], shapes=shapes_for(backend)))
    def try_one(call: Call) -> None:
        if "label_smoothing" not in call.case.keywords:
            call = call.changed(label_smoothing=0.25, prior=None, spread=None)
        words = call.case.keywords
        target = Smooth(call.case.target, **{n: words[n] for n in SMOOTHING if n in words})
        call = replace(call, as_arrays=False)
        for reduction in ("none", "sum", "mean"):
            by_word = call.changed(reduction=reduction, denominator=None)
            by_method = by_word.changed(**dict.fromkeys(SMOOTHING)).aimed(target)
            pairs = zip(by_method.evaluate(backend), by_word.evaluate(backend), strict=True)
            for got, want in pairs:
                assert_same_bits(got, want)

    try_one()


def test_no_smoothing_changes_no_bit(backend: Variant) -> None:
    """A label smoothing of 0 is none, whatever the prior and the spread are."""

    @examples(backend, 0.2)
    @given(call=some_calls(backend, infinities=True))
    def try_one(call: Call) -> None:
        count = call.case.num_classes
        ways: list[dict[str, Any]] = [{}, {"prior": [1.0 / count] * count}]
        if "bucket" not in call.case.name:
            ways.append({"spread": "others"})
        hard = replace(call, as_arrays=False)
        for way in ways:
            pairs = zip(
                hard.changed(label_smoothing=0.0, **way).evaluate(backend),
                hard.evaluate(backend),
                strict=True,
            )
            for got, want in pairs:
                assert_same_bits(got, want)

    try_one()


def test_measures(backend: Variant) -> None:
    """The dense form, the mass, the entropy and the inner product are those of the definition."""

    @examples(backend, 0.3)
    @given(call=some_calls(backend).map(lambda call: call.changed(class_mask=None)))
    def try_one(call: Call) -> None:
        case = call.case
        shape, targets = case.rows_shape, run.build_targets(case, backend)
        want = dense_rows(case, "float64")
        dtype = dtype_name(targets.mass())
        assert_near("mass", host(targets.mass()), mass_of(case).reshape(shape), 1.0, dtype)
        if want.bucket is not None:
            return
        dense = host(targets.to_dense())
        assert_near("dense", dense, want.q.reshape(dense.shape), 1.0, dtype)
        log = np.log(np.where(want.q > 0, want.q, 1.0))
        entropy = np.sum(-want.q * log, axis=1).reshape(shape)
        # The slope of -q log q: a rounding of q counts log q times.
        assert_near("entropy", host(targets.entropy()), entropy, 2.0 + np.max(-log), dtype)
        x = case.matrix()
        values = backend.asarray(x.reshape(*shape, -1), dtype=case.dtype)
        size = np.sum(want.q * np.abs(x), axis=1).reshape(shape)
        dot = np.sum(want.q * x, axis=1).reshape(shape)
        assert_near("dot", host(targets.dot(values)), dot, size, case.dtype)

    try_one()


def test_mixing_is_linear(backend: Variant) -> None:
    """Loss and gradient of a mixture are the mixture of the losses and gradients."""

    @examples(backend, 0.3)
    @given(
        call=some_calls(backend, *COMPLETE, shapes=ONE_SHAPE, reductions=("none",)),
        other=some_calls(backend, *COMPLETE, "bucket", shapes=ONE_SHAPE),
        lam=some.sampled_from((0.25, 0.0, 1.0, [0.5, 0.0, 1.0, 0.25, 0.3])),
    )
    def try_one(call: Call, other: Call, lam: Any) -> None:
        has_bucket = "bucket" in other.case.name
        call = call.changed(class_mask=None, **({"class_weight": None} if has_bucket else {}))
        first = run.build_targets(call.case, backend)
        second = run.build_targets(other.case, backend)
        share = lam
        if isinstance(lam, list):
            share = backend.asarray(np.asarray(lam), dtype=compute_dtype(call.case.dtype))
        mixed = evaluate(call, first.mix(second, share), backend)
        one, two = (evaluate(call, targets, backend) for targets in (first, second))
        part = np.asarray(lam, dtype=np.float64)
        loss = part * host(one[0]) + (1 - part) * host(two[0])
        sizes = [budget.scale_of(c.case) for c in (call, call.aimed(other.case.target))]
        dtype = compute_dtype(call.case.dtype)
        assert_near("loss", host(mixed[0]), loss, sizes[0].loss + sizes[1].loss, dtype)
        slope = [run.to_matrix(call.case, host(pair[1])) for pair in (mixed, one, two)]
        column = part[..., None] if part.ndim else part
        expected = column * slope[1] + (1 - column) * slope[2]
        size = sizes[0].gradient + sizes[1].gradient
        assert_near("gradient", slope[0], expected, size, dtype)

    try_one()


def test_smoothing_is_linear(backend: Variant) -> None:
    """Smoothing with e takes e of the mass from the targets and gives it to the prior."""

    @examples(backend, 0.3)
    @given(
        call=some_calls(backend, *COMPLETE, "bucket", shapes=ONE_SHAPE, reductions=("none",)),
        epsilon=some.sampled_from((0.1, 0.5, 1.0)),
    )
    def try_one(call: Call, epsilon: float) -> None:
        words = dict.fromkeys(("class_mask", *PENALTIES))
        call = call.changed(**words)
        dtype = compute_dtype(call.case.dtype)
        u = np.array([0.5, 0.25, 0.125, 0.125])
        hard = run.build_targets(call.case, backend)
        soft = hard.smooth(epsilon, prior=backend.asarray(u, dtype=dtype))
        prior = call.aimed(Dense([u.tolist()] * 5))
        got, one, two = (
            evaluate(call, targets, backend)
            for targets in (soft, hard, run.build_targets(prior.case, backend))
        )
        amount = epsilon * mass_of(call.case)
        sizes = [budget.scale_of(c.case) for c in (call, prior)]
        expected = (1 - epsilon) * host(one[0]) + amount * host(two[0])
        assert_near("loss", host(got[0]), expected, sizes[0].loss + sizes[1].loss, dtype)
        slope = [run.to_matrix(call.case, host(pair[1])) for pair in (got, one, two)]
        expected = (1 - epsilon) * slope[1] + amount[:, None] * slope[2]
        size = sizes[0].gradient + sizes[1].gradient
        assert_near("gradient", slope[0], expected, size, dtype)

    try_one()


def test_structure_is_only_a_form(backend: Variant) -> None:
    """The compact form and the dense one have the same loss, also after smoothing once more."""

    @examples(backend, 0.3)
    @given(
        call=some_calls(backend, *COMPLETE, reductions=("sum", "none")),
        prior=some.sampled_from(("uniform", "vector")),
    )
    def try_one(call: Call, prior: str) -> None:
        call = call.changed(**dict.fromkeys(("class_mask", *PENALTIES)))
        dtype = compute_dtype(call.case.dtype)
        compact = run.build_targets(call.case, backend)
        rows = compact.to_dense(dtype=getattr(backend.xp, dtype))
        dense = st.Targets.from_distributions(rows, check=False)
        assert_equal(call, evaluate(call, compact, backend), evaluate(call, dense, backend))
        u = np.arange(1.0, call.case.num_classes + 1)
        words = {"prior": backend.asarray(u / np.sum(u), dtype=dtype)} if prior == "vector" else {}
        smoothed = call.aimed(Smooth(call.case.target, 0.25))
        one, two = (evaluate(call, t.smooth(0.25, **words), backend) for t in (compact, dense))
        assert_equal(smoothed, one, two)

    try_one()


def test_conversion(backend: Variant) -> None:
    """Mass for the others is mass for all with the converted fraction, and back again."""

    @examples(backend, 0.2)
    @given(call=some_calls(backend, "labels", shapes=ONE_SHAPE), as_rows=some.booleans())
    def try_one(call: Call, as_rows: bool) -> None:
        call = call.changed(class_mask=None)
        fraction = [0.1, 0.2, 0.3, 0.4, 0.5] if as_rows else 0.1
        others = call.changed(label_smoothing=fraction, spread="others")
        factor = st.convert_smoothing(1.0 / 4, 4, source="others", to="all") * 4
        converted = (np.asarray(fraction) * factor).tolist()
        same = call.changed(label_smoothing=converted)
        assert_equal(same, others.evaluate(backend), same.evaluate(backend))

    try_one()


def test_class_weight_of_a_label_is_a_sample_weight(backend: Variant) -> None:
    """For hard labels a class weight is a weight of the row, penalties and mean included."""

    @examples(backend, 0.3)
    @given(call=some_calls(backend, "labels", shapes=ONE_SHAPE))
    def try_one(call: Call) -> None:
        words, target = call.case.keywords, call.case.target
        assert isinstance(target, Labels)
        labels = np.asarray(target.labels)
        safe = np.where(labels == target.ignore_index, 0, labels)
        weight = np.asarray([1.0, 2.0, 0.5, 0.0])
        base = call.changed(class_weight=None)
        mine = np.asarray(words.get("sample_weight", [1.0] * 5)) * weight[safe]
        by_class = base.changed(class_weight=weight.tolist())
        by_row = base.changed(sample_weight=mine.tolist())
        assert_equal(by_class, by_row.evaluate(backend), by_class.evaluate(backend))

    try_one()


def test_renormalized_list_is_masked_dense(backend: Variant) -> None:
    """A renormalized list is a distribution over the listed classes, the others masked."""

    @examples(backend, 0.3)
    @given(call=some_calls(backend, "renormalize", shapes=ONE_SHAPE))
    def try_one(call: Call) -> None:
        call = call.changed(class_weight=[1.0, 0.5, 2.0, 1.5], class_mask=None)
        target, words = call.case.target, call.case.keywords
        assert isinstance(target, TopK)
        want = dense_rows(call.case, "float64")
        gone = want.dropped
        q = np.where(gone[:, None], 0.25, want.q).tolist()
        kept = (~gone & np.asarray(words.get("where", [True] * 5))).tolist()
        dense = call.aimed(Dense(q)).changed(class_mask=want.support.tolist(), where=kept)
        for epsilon in (None, 0.3):
            one, two = (c.changed(label_smoothing=epsilon) for c in (call, dense))
            assert_equal(two, one.evaluate(backend), two.evaluate(backend))

    try_one()


def test_list_of_all_classes_is_dense(backend: Variant) -> None:
    """A list of all classes is the dense distribution, whatever rounding does to its sum."""

    @examples(backend, 0.3)
    @given(call=some_calls(backend, "dense", shapes=ONE_SHAPE), seed=some.integers(0, 2**32 - 1))
    def try_one(call: Call, seed: int) -> None:
        call = call.changed(class_mask=None, class_weight=None)
        dtype = call.case.dtype
        powers = np.exp(np.random.default_rng(seed).standard_normal((5, 4))).astype(dtype)
        q = (powers / np.sum(powers, axis=1, keepdims=True)).tolist()
        dense = call.aimed(Dense(q))
        for tail in ("drop", "renormalize", "bucket"):
            listed = call.aimed(TopK([[0, 1, 2, 3]] * 5, q, 4, tail))
            assert_equal(dense, listed.evaluate(backend), dense.evaluate(backend))

    try_one()
