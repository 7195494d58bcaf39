"""What must hold of the cross-entropy whatever its arguments are, on every backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, dtype_name
from tests.golden import run
from tests.oracle import budget
from tests.oracle.case import Case, Dense, Labels
from tests.oracle.plain import compute_dtype
from tests.reference import (
    ROUNDINGS,
    assert_near,
    examples,
    host,
    shapes_for,
    widest,
)
from tests.strategies import Call, calls

PLAIN = ("labels", "dense", "smoothed", "per class", "mix")


def rows(call: Call, array: Any) -> Any:
    """The values of an array like the logits as rows x classes in NumPy."""
    return run.to_matrix(call.case, host(array))


def test_offset_changes_no_bit(backend: Variant) -> None:
    """Logits that are all moved by the same exact number give the same bits, without a z-loss."""

    @examples(backend, 0.2)
    @given(
        call=calls(widest(backend), shapes=shapes_for(backend), infinities=False),
        offset=some.sampled_from((4096.0, -8192.0)),
    )
    def try_one(call: Call, offset: float) -> None:
        # Multiples of 1/64 below 16: sums with the offset are exact, in float32 too.
        grid = np.round(64 * np.fmod(call.case.matrix(), 16.0)) / 64
        call = call.changed(z_loss=None).moved(grid)
        loss, gradient = call.evaluate(backend)
        moved_loss, moved_gradient = call.moved(grid + offset).evaluate(backend)
        assert_same_bits(moved_loss, loss)
        assert_same_bits(moved_gradient, gradient)

    try_one()


def permuted(case: Case, order: Any) -> Case:
    """The case with its classes in another order: class k of it is class order[k] of `case`."""
    names = np.argsort(order)

    def move(target: Any) -> Any:
        if isinstance(target, Labels):
            return replace(target, labels=[rename(label) for label in target.labels])
        if isinstance(target, Dense):
            return Dense(np.asarray(target.q)[:, order].tolist())
        changes: dict[str, Any] = {}
        for field in ("of", "first", "second"):
            if hasattr(target, field):
                changes[field] = move(getattr(target, field))
        if hasattr(target, "labels"):
            changes["labels"] = [[rename(y) for y in row] for row in target.labels]
        for field in ("prior", "per_class", "class_weight"):
            if getattr(target, field, None) is not None:
                changes[field] = shuffle(getattr(target, field))
        return replace(target, **changes)

    def rename(label: int) -> int:
        return label if label == -100 else int(names[label])

    def shuffle(values: Any) -> Any:
        array = np.asarray(values)
        table = array.ndim == 2 and len(array) == len(order)
        return (array[order][:, order] if table else array[..., order]).tolist()

    words = dict(case.keywords)
    for name in ("prior", "class_weight"):
        if name in words:
            words[name] = shuffle(words[name])
    if "class_mask" in words:
        words["class_mask"] = np.asarray(words["class_mask"])[..., order].tolist()
    logits = case.matrix()[:, order].tolist()
    return replace(case, logits=logits, target=move(case.target), keywords=words)


def test_order_of_classes_does_not_matter(backend: Variant) -> None:
    """Other names for the classes give the same loss, and the gradient in the new order."""

    @examples(backend, 0.3)
    @given(call=calls(widest(backend), shapes=shapes_for(backend)), data=some.data())
    def try_one(call: Call, data: Any) -> None:
        assume("ignore_index=-100" in repr(call.case.target) or "TopK" in repr(call.case.target))
        order = data.draw(some.permutations(range(call.case.num_classes)))
        other = replace(call, case=permuted(call.case, order))
        scale, dtype = budget.scale_of(call.case), call.case.dtype
        loss, gradient = call.evaluate(backend)
        other_loss, other_gradient = other.evaluate(backend)
        row_scale = np.reshape(scale.loss, host(loss).shape)
        assert_near("loss", host(other_loss), host(loss), row_scale, dtype)
        expected = rows(call, gradient)[:, order]
        assert_near(
            "gradient", rows(other, other_gradient), expected, scale.gradient[:, order], dtype
        )

    try_one()


def test_gradient_sums_to_zero(backend: Variant) -> None:
    """Without a z-loss the gradient of a row adds up to 0: an offset does not change the loss."""

    @examples(backend, 0.3)
    @given(call=calls(widest(backend), shapes=shapes_for(backend)))
    def try_one(call: Call) -> None:
        call = call.changed(z_loss=None)
        total = np.sum(rows(call, call.evaluate(backend)[1]), axis=1)
        scale = np.sum(budget.scale_of(call.case).gradient, axis=1)
        assert_near("sum", total, np.zeros_like(total), scale, call.case.dtype)

    try_one()


def test_gradient_is_the_slope(backend: Variant) -> None:
    """Central differences of the loss agree with the gradient, along a random direction."""
    if "float64" not in backend.dtypes:
        pytest.skip("differences of float32 losses say little")
    step = 2.0**-17

    @examples(backend, 0.2)
    @given(call=calls(("float64",), shapes=shapes_for(backend), infinities=False))
    def try_one(call: Call) -> None:
        if call.case.keywords["reduction"] == "none":
            call = call.changed(reduction="sum")
        loss, gradient = call.evaluate(backend)
        assume(np.isfinite(host(loss)))
        x = np.fmod(call.case.matrix(), 16.0)
        gradient = rows(call, call.moved(x).evaluate(backend)[1])
        direction = np.random.default_rng(7).standard_normal(x.shape)
        ahead = host(call.moved(x + step * direction).evaluate(backend)[0])
        behind = host(call.moved(x - step * direction).evaluate(backend)[0])
        # The third derivative times step**2 / 6 (6e-11 / 6), and the rounding of the two losses.
        scale = np.max(budget.scale_of(call.moved(x).case).loss) + 1.0
        np.testing.assert_allclose(
            (ahead - behind) / (2 * step), np.sum(gradient * direction), rtol=0, atol=1e-9 * scale
        )

    try_one()


def test_convex(backend: Variant) -> None:
    """Without penalties the loss lies below its chords."""

    @examples(backend, 0.3)
    @given(
        call=calls(widest(backend), reductions=("sum",), shapes=shapes_for(backend)),
        seed=some.integers(0, 2**32 - 1),
    )
    def try_one(call: Call, seed: int) -> None:
        call = call.changed(z_loss=None, confidence_penalty=None)
        assume(call.case.name.partition(",")[0] != "bucket")  # the difference of two logsumexp
        rng = np.random.default_rng(seed)
        shape, t = call.case.matrix().shape, rng.random()
        one, other = 8 * rng.standard_normal(shape), 8 * rng.standard_normal(shape)
        ends = [float(host(call.moved(x).evaluate(backend)[0])) for x in (one, other)]
        between = call.moved((1 - t) * one + t * other)
        unit = ROUNDINGS * budget.eps(compute_dtype(call.case.dtype))
        slack = unit * (np.sum(np.abs(ends)) + np.sum(budget.scale_of(between.case).loss))
        loss = float(host(between.evaluate(backend)[0]))
        assert loss <= (1 - t) * ends[0] + t * ends[1] + slack

    try_one()


def test_entropy_is_the_minimum(backend: Variant) -> None:
    """The loss of a distribution is at least its entropy, and equal to it at its own logarithms."""

    @examples(backend, 0.3)
    @given(
        call=calls(
            widest(backend),
            PLAIN,
            reductions=("none",),
            shapes=shapes_for(backend),
            infinities=False,
            on_top=False,
        )
    )
    def try_one(call: Call) -> None:
        bare = replace(call.case, keywords={"reduction": "none"})
        call = Call(bare, structured=True)
        logits, targets, words = call.arguments(backend)
        entropy = host(targets.entropy())
        kept = np.abs(host(targets.mass()) - 1) < 1e-3
        unit = ROUNDINGS * budget.eps(dtype_name(targets.entropy()))
        slack = unit * (1 + budget.scale_of(bare).loss.reshape(entropy.shape))
        loss = host(st.cross_entropy(logits, targets, **words))
        assert np.all((loss >= entropy - slack) | ~kept)
        best = np.log(np.maximum(host(targets.to_dense()), 1e-30)).reshape(bare.num_rows, -1)
        at_best = call.moved(best)
        loss = host(at_best.evaluate(backend)[0])
        slack = unit * (1 + budget.scale_of(at_best.case).loss.reshape(entropy.shape))
        assert np.all((np.abs(loss - entropy) <= slack) | ~kept)

    try_one()


def test_smoothing_adds_the_gap(backend: Variant) -> None:
    """Smoothing with e adds e (x_y - mean x) to the loss of a label."""

    @examples(backend, 0.2)
    @given(
        call=calls(
            widest(backend),
            ("labels",),
            shapes=shapes_for(backend),
            infinities=False,
            on_top=False,
        ),
        epsilon=some.sampled_from((0.1, 0.5, 1.0)),
    )
    def try_one(call: Call, epsilon: float) -> None:
        case = replace(call.case, keywords={"reduction": "none"})
        labels = np.asarray(case.target.labels)
        x = case.matrix() - np.max(case.matrix(), axis=1, keepdims=True)
        call = replace(call, case=case)
        hard = host(call.evaluate(backend)[0])
        soft = host(call.changed(label_smoothing=epsilon).evaluate(backend)[0])
        known = labels != case.target.ignore_index
        own = np.take_along_axis(x, np.where(known, labels, 0)[:, None], axis=1)[:, 0]
        gap = np.where(known, epsilon * (own - np.mean(x, axis=1)), 0.0).reshape(hard.shape)
        scale = budget.scale_of(call.changed(label_smoothing=epsilon).case).loss
        expected = hard + gap
        assert_near("loss", soft, expected, scale.reshape(hard.shape) + np.abs(hard), case.dtype)

    try_one()


def test_smoothing_can_be_undone(backend: Variant) -> None:
    """(q - e / K) / (1 - e) gives back what was smoothed with e: no smoothing loses anything."""

    @examples(backend, 0.2)
    @given(
        call=calls(widest(backend), ("dense",), shapes=shapes_for(backend), on_top=False),
        epsilon=some.sampled_from((0.1, 0.5)),
    )
    def try_one(call: Call, epsilon: float) -> None:
        q = np.asarray(call.case.target.q)
        array = backend.asarray(q, dtype=call.case.dtype)
        soft = host(st.smooth_labels(array, epsilon))
        assert_near("q", (soft - epsilon / q.shape[1]) / (1 - epsilon), q, 2.0, call.case.dtype)

    try_one()


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4), (2, 1, 4), (1, 3, 4), (2, 3, 4)])
@pytest.mark.parametrize("axis", [-1, 0])
def test_masks_of_classes_broadcast(backend: Variant, shape: tuple[int, ...], axis: int) -> None:
    """A mask with 1 in place of a row axis, or of the classes alone, is that mask for all rows."""
    rng = np.random.default_rng(4)
    x = backend.asarray(np.moveaxis(rng.standard_normal((2, 3, 4)), -1, axis))
    labels = backend.asarray(np.zeros((2, 3), dtype=np.int64))
    mask = rng.random(shape) < 0.5
    mask[..., 0] = True
    whole = np.broadcast_to(mask, (2, 3, 4))
    small = mask if len(shape) == 1 else np.moveaxis(mask, -1, axis)
    results = [
        st.value_and_grad(st.cross_entropy)(
            x, labels, class_mask=backend.asarray(m), axis=axis, label_smoothing=0.1
        )
        for m in (small, np.moveaxis(whole, -1, axis))
    ]
    for got, want in zip(*results, strict=True):
        assert_close(got, want, ulps=4, scale=1.0)
