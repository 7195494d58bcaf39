"""Boxes of cutmix: where they lie, how large they really are, and what they carry over."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy

Y = [0, 2, 1, 1]


def paste(x: Any, plan: st.Mixing, axes: tuple[int, ...]) -> Any:
    """Return the mixture of NumPy arrays, row by row with slices."""
    result = x.copy()
    boxes = np.broadcast_to(plan.box, (len(x), *np.shape(plan.box)[-2:]))
    for row, (partner, box) in enumerate(zip(plan.partner, boxes, strict=True)):
        key = [slice(None)] * x.ndim
        for axis, (start, stop) in zip(axes, box, strict=True):
            key[axis] = slice(start, stop)
        place = tuple(key[1:])
        result[row][place] = x[partner][place]
    return result


@pytest.mark.parametrize("per", ["batch", "row"])
@pytest.mark.parametrize(("shape", "axes"), [((4, 3, 6, 5), (2, 3)), ((4, 6, 5, 3), (1, 2))])
def test_definition(backend: Variant, per: Any, shape: Any, axes: Any) -> None:
    """The box of each row is that of its partner, in any layout and dtype."""
    x = np.arange(math.prod(shape)).reshape(shape)
    plan = st.Mixing.sample_cutmix(4, (6, 5), per=per, rng=5)
    for dtype in (*backend.dtypes, backend.int_dtypes[2]):
        inputs = backend.asarray(x % 113, dtype)
        mixed = plan.mix_inputs(inputs, axes=axes)
        assert_follows(mixed, inputs)
        np.testing.assert_array_equal(to_numpy(mixed), paste(to_numpy(inputs), plan, axes))
    if axes == (2, 3):  # the last ones are the default
        assert_same_bits(plan.mix_inputs(inputs), mixed)


@settings(max_examples=100)
@given(
    seed=some.integers(0, 2**32 - 1),
    sizes=some.lists(some.integers(1, 9), min_size=1, max_size=3),
    per=some.sampled_from(("batch", "pair", "row")),
    alpha=some.sampled_from((0.1, 1.0, 5.0)),
)
def test_share_is_the_area(seed: int, sizes: list[int], per: Any, alpha: float) -> None:
    """Boxes lie inside, and lam is exactly the part of the area that stays as it was."""
    pairing: Any = "flip" if per == "pair" else "permutation"
    plan = st.Mixing.sample_cutmix(3, sizes, per=per, alpha=alpha, pairing=pairing, rng=seed)
    x = np.zeros((3, *sizes)) + np.arange(3).reshape(3, *(1 for _ in sizes))
    assert np.all(plan.box[..., 0] >= 0)
    assert np.all(plan.box[..., 1] <= sizes)
    assert np.all(plan.box[..., 0] <= plan.box[..., 1])
    apart = st.Mixing(np.roll(np.arange(3), 1), plan.lam, plan.box, plan.sizes)
    mixed = apart.mix_inputs(x)
    kept = np.mean((mixed == x).reshape(3, -1), axis=1)
    # An area and its complement: one rounding each.
    np.testing.assert_allclose(np.broadcast_to(plan.lam, 3), kept, rtol=0, atol=2.0**-52)
    assert np.all(plan.mix_targets(np.arange(3), num_classes=3).mass() == 1)


@settings(max_examples=60)
@given(seed=some.integers(0, 2**32 - 1), height=some.integers(1, 40), width=some.integers(1, 40))
def test_published_boxes(seed: int, height: int, width: int) -> None:
    """The box is that of the reference code and of timm for the same draws, whole pixels and all.

    torchvision cuts half of the side down to whole pixels, which comes to the same.
    """
    plan = st.Mixing.sample_cutmix(6, (height, width), pairing="roll", rng=seed)
    rng = np.random.default_rng(seed)
    lam = rng.beta(1.0, 1.0)
    cut_h, cut_w = (int(size * math.sqrt(1 - lam)) for size in (height, width))
    cy, cx = int(rng.integers(height)), int(rng.integers(width))
    ends = [
        [max(cy - cut_h // 2, 0), min(cy + cut_h // 2, height)],
        [max(cx - cut_w // 2, 0), min(cx + cut_w // 2, width)],
    ]
    assert plan.box.tolist() == ends
    half_h, half_w = (int(0.5 * math.sqrt(1 - lam) * size) for size in (height, width))
    assert (half_h, half_w) == (cut_h // 2, cut_w // 2)
    area = (ends[0][1] - ends[0][0]) * (ends[1][1] - ends[1][0])
    assert plan.lam == 1 - area / (height * width)


def test_clipping_is_told() -> None:
    """Boxes that stick out are smaller than drawn, and lam says so (CutMix, section 3.1)."""
    plan = st.Mixing.sample_cutmix(2000, (64, 64), per="row", rng=0)
    drawn = np.random.default_rng(0)
    drawn.permutation(2000)
    lam = drawn.beta(1.0, 1.0, size=2000)
    # Rounding down to whole, even pixels takes away at most 2 of 64 along each side.
    assert np.all(plan.lam >= lam - 1e-12)
    assert np.mean(plan.lam > lam + 4 / 64) > 0.5
    assert 0.6 < np.mean(plan.lam) < 0.8


def test_a_pair_shares_its_box() -> None:
    """With one draw for a pair the two rows trade the same box."""
    plan = st.Mixing.sample_cutmix(5, (8, 8), per="pair", pairing="flip", rng=1)
    np.testing.assert_array_equal(plan.box, plan.box[::-1])
    np.testing.assert_array_equal(plan.lam, plan.lam[::-1])
    assert len(np.unique(plan.box.reshape(5, -1), axis=0)) == 3


def test_series_and_volumes() -> None:
    """A box in one axis covers 1 - lam of it, in three the cube root along each."""
    series = st.Mixing.sample_cutmix(500, (1000,), per="row", rng=2)
    length = series.box[:, 0, 1] - series.box[:, 0, 0]
    np.testing.assert_allclose(series.lam, 1 - length / 1000, atol=1e-15)
    rng = np.random.default_rng(2)
    rng.permutation(500)
    lam = rng.beta(1.0, 1.0, size=500)
    unclipped = (series.box[:, 0, 0] > 0) & (series.box[:, 0, 1] < 1000)
    assert np.sum(unclipped) > 50
    assert np.all(np.abs(series.lam - lam)[unclipped] <= 2 / 1000)
    volume = st.Mixing.sample_cutmix(1, (100, 100, 100), alpha=1.0, rng=6)
    sides = (volume.box[:, 1] - volume.box[:, 0]).tolist()
    cube = np.random.default_rng(6)
    cube.permutation(1)
    side = int(100 * (1 - cube.beta(1.0, 1.0, size=1)[0]) ** (1 / 3)) // 2 * 2
    assert max(sides) <= side


def test_cutmix(backend: Variant) -> None:
    """One call is one plan for inputs and targets; label maps are cut like inputs."""
    x = np.arange(4 * 6 * 5 * 2.0).reshape(4, 6, 5, 2)
    inputs, labels = backend.asarray(x, "float32"), backend.asarray(Y)
    plan = st.Mixing.sample_cutmix(4, (6, 5), per="row", rng=13)
    words: dict[str, Any] = {"num_classes": 3, "per": "row", "rng": 13}
    mixed, soft = st.cutmix(inputs, labels, axes=(1, 2), **words)
    np.testing.assert_array_equal(to_numpy(mixed), paste(x, plan, (1, 2)))
    lam = plan.lam[:, None]
    rows = lam * np.eye(3)[Y] + (1 - lam) * np.eye(3)[np.array(Y)[plan.partner]]
    # Without float64 lam is rounded, and 1 - lam carries its error.
    assert_close(soft.to_dense(), rows, ulps=2, scale=1.0, dtype="float32")
    channels_first = backend.asarray(np.moveaxis(x, -1, 1), "float32")
    again, _ = st.cutmix(channels_first, labels, **words)
    np.testing.assert_array_equal(np.moveaxis(to_numpy(again), 1, -1), to_numpy(mixed))
    maps = np.arange(4 * 6 * 5).reshape(4, 6, 5) % 7
    cut = plan.mix_inputs(backend.asarray(maps))
    np.testing.assert_array_equal(to_numpy(cut), paste(maps, plan, (1, 2)))


def test_boxes_of_the_library(backend: Variant) -> None:
    """A plan may hold a box of the library of the inputs."""
    box = backend.asarray([[1, 2], [0, 3]])
    plan = st.Mixing(backend.asarray([1, 0]), 0.5, box, (2, 3))
    x = backend.asarray([[[1, 1, 1], [1, 1, 1]], [[2, 2, 2], [2, 2, 2]]])
    mixed = to_numpy(plan.mix_inputs(x)).tolist()
    assert mixed == [[[1, 1, 1], [2, 2, 2]], [[2, 2, 2], [1, 1, 1]]]
