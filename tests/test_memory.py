"""Memory: losses of arrays in host memory need blocks of rows, and nothing of the size of all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import assert_same_bits

MIB = 2**20
#: 64 MiB of float32, far more than a block.
ROWS, CLASSES = 16_384, 1024
#: What may be needed beside the gradient: blocks for two threads, and a few numbers per row.
ALLOWED = 32 * MIB
BOTH = st.value_and_grad(st.cross_entropy)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Each thread has a block of its own, so their number is fixed."""
    st.set_num_threads(2)
    yield
    st.set_num_threads(None)


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    """Logits that nobody writes into."""
    x = np.random.default_rng(3).standard_normal((ROWS, CLASSES), dtype=np.float32)
    x.flags.writeable = False
    return x


def peak_of(act: Callable[[], Any]) -> tuple[Any, int]:
    """What ``act`` returns, and the most memory that NumPy held at once in it, beyond before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = act()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return result, peak - before


def test_peaks_are_seen() -> None:
    """The measure of the tests here counts an array that is made on the way."""
    x = np.ones((1024, 1024), np.float32)
    result, peak = peak_of(lambda: float(np.sum(np.exp(x))))
    assert result == pytest.approx(np.e * 2**20, rel=1e-4)
    assert 4 * MIB <= peak < 5 * MIB


LABELS = np.arange(ROWS) * 7 % CLASSES
OTHERS = LABELS[::-1].copy()
IGNORED = np.where(LABELS % 5 == 0, -100, LABELS)
AMOUNTS = np.linspace(0, 0.5, ROWS).astype(np.float32)


def mixup() -> st.Targets:
    first, second = (st.Targets.from_labels(labels, CLASSES) for labels in (LABELS, OTHERS))
    return first.mix(second, AMOUNTS)


#: Targets and keywords, without anything of rows x classes.
TARGETS: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "hard": lambda: (LABELS, {}),
    "ignored": lambda: (IGNORED, {"where": LABELS % 3 != 0}),
    "smoothed": lambda: (LABELS, {"label_smoothing": 0.1}),
    "others": lambda: (LABELS, {"label_smoothing": 0.1, "spread": "others"}),
    "per row": lambda: (LABELS, {"label_smoothing": AMOUNTS, "sample_weight": AMOUNTS}),
    "prior": lambda: (
        LABELS,
        {"label_smoothing": 0.1, "prior": np.full(CLASSES, 1 / CLASSES, np.float32)},
    ),
    "mixup": lambda: (mixup(), {}),
    "smoothed mixup": lambda: (mixup().smooth(0.1), {"reduction": "none"}),
    "class weights": lambda: (LABELS, {"class_weight": np.arange(1.0 * CLASSES)}),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_labels_of_any_kind(logits: np.ndarray, kind: str) -> None:
    """With `out=`, and for the loss alone, a block for each thread is all that is needed."""
    targets, words = TARGETS[kind]()
    out = np.empty_like(logits)
    (loss, gradient), peak = peak_of(
        lambda: st.value_and_grad(st.cross_entropy, out=out)(logits, targets, **words)
    )
    assert gradient is out
    assert peak < ALLOWED
    alone, peak = peak_of(lambda: st.cross_entropy(logits, targets, **words))
    assert_same_bits(alone, loss)
    assert peak < ALLOWED


def test_dense_targets(logits: np.ndarray) -> None:
    """Dense targets are used where they lie: no copy of them is made."""
    q = np.zeros_like(logits)
    q[np.arange(ROWS), LABELS] += np.float32(0.75)
    q[np.arange(ROWS), OTHERS] += np.float32(0.25)
    out = np.empty_like(logits)
    for words in ({}, {"label_smoothing": 0.1}):
        both = st.value_and_grad(st.cross_entropy, out=out)
        _, peak = peak_of(lambda both=both, words=words: both(logits, q, **words))
        assert peak < ALLOWED
        _, peak = peak_of(lambda words=words: st.cross_entropy(logits, q, **words))
        assert peak < ALLOWED


def test_the_gradient_itself(logits: np.ndarray) -> None:
    """Without `out=` the gradient is what is needed beside the blocks."""
    _, peak = peak_of(lambda: BOTH(logits, LABELS, label_smoothing=0.1))
    assert logits.nbytes <= peak < logits.nbytes + ALLOWED


def test_files_larger_than_memory(logits: np.ndarray, tmp_path: Path) -> None:
    """Logits in a file that may only be read, gradients in another: a block is in memory."""
    np.save(tmp_path / "logits.npy", logits)
    given = np.load(tmp_path / "logits.npy", mmap_mode="r")
    path = tmp_path / "gradient.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=logits.shape)
    (loss, gradient), peak = peak_of(
        lambda: st.value_and_grad(st.cross_entropy, out=out)(given, LABELS, label_smoothing=0.1)
    )
    assert gradient is out
    assert peak < ALLOWED
    out.flush()
    want, expected = BOTH(logits, LABELS, label_smoothing=0.1)
    assert_same_bits(loss, want)
    assert_same_bits(np.load(path, mmap_mode="r"), expected)
    alone, peak = peak_of(lambda: st.cross_entropy(given, LABELS, label_smoothing=0.1))
    assert_same_bits(alone, loss)
    assert peak < ALLOWED


#: 16,000 rows of 2,000 classes: logits would take 122 MiB.
FEATURES = np.random.default_rng(4).standard_normal((16_000, 8), dtype=np.float32)
WEIGHT = np.random.default_rng(5).standard_normal((2000, 8), dtype=np.float32)
PLACES = np.arange(16_000) % 2000
LINEAR: dict[str, tuple[Any, dict[str, Any]]] = {
    "smoothed": (PLACES, {"label_smoothing": 0.1, "bias": np.ones(2000, np.float32)}),
    "ignored": (np.where(PLACES % 5 == 0, -100, PLACES), {"where": PLACES % 3 != 0}),
    "mixup": (
        st.Targets.from_labels(PLACES, 2000).mix(
            st.Targets.from_labels(PLACES[::-1].copy(), 2000), np.full(16_000, 0.3, np.float32)
        ),
        {"z_loss": 0.01},
    ),
}
LINEAR_BOTH = st.value_and_grad(st.linear_cross_entropy)


@pytest.mark.parametrize("kind", LINEAR)
def test_a_linear_layer(kind: str) -> None:
    """Of the logits of a layer one block exists, whatever the number of rows."""
    targets, words = LINEAR[kind]
    (loss, _), peak = peak_of(lambda: LINEAR_BOTH(FEATURES, WEIGHT, targets, **words))
    assert peak < ALLOWED
    alone, peak = peak_of(lambda: st.linear_cross_entropy(FEATURES, WEIGHT, targets, **words))
    assert_same_bits(alone, loss)
    assert peak < ALLOWED


def test_distillation_between_layers() -> None:
    """Of the logits of student and teacher a few blocks exist, whatever the number of rows."""
    teacher = FEATURES[:, :5].copy(), WEIGHT[:, :5].copy()
    words = {"temperature": 2.0, "labels": PLACES, "hard_weight": 0.5}
    both = st.value_and_grad(st.linear_distillation)
    (loss, _), peak = peak_of(lambda: both(FEATURES, WEIGHT, teacher, **words))
    assert peak < 2 * ALLOWED
    alone, peak = peak_of(lambda: st.linear_distillation(FEATURES, WEIGHT, teacher, **words))
    assert_same_bits(alone, loss)
    assert peak < 2 * ALLOWED


def test_the_memory_of_a_block() -> None:
    """`block_bytes` is about what the logits of a block take: more of it, more memory."""
    small, large = (
        peak_of(lambda size=size: LINEAR_BOTH(FEATURES, WEIGHT, PLACES, block_bytes=size * MIB))[1]
        for size in (2, 64)
    )
    assert small < 16 * MIB
    assert 48 * MIB < large < 96 * MIB
