"""The tables of docs/frameworks/coming_from.md: both calls of a row give the same number."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.frameworks import published

pytestmark = pytest.mark.repository
PAGE = Path(__file__).parents[2] / "docs/frameworks/coming_from.md"
ROW = re.compile(r"^\| `(.+)` \| `(.+)` \| (.+) \|$", re.MULTILINE)
RNG = np.random.default_rng(0)
K, E, PAD = 5, 0.1, 1
#: Every variable of the page but the packages.
X = RNG.standard_normal((6, K))
ARRAYS = {
    "x": X,
    "y": np.array([0, 3, 2, 4, 2, 0]),
    "q": np.exp(published.log_softmax(X[::-1])),
    "t": RNG.random((6, K)),
    "w": RNG.random(K) + 0.5,
    "v": RNG.random(6) + 0.5,
}
NUMBERS = {"e": E, "K": K, "pad": PAD, "st": st}


def rows() -> list[tuple[str, str, str]]:
    """Return the section and both calls of each row."""
    text = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return [
        (name, now, after)
        for name, body in zip(sections[1::2], sections[2::2], strict=True)
        for now, after, _ in ROW.findall(body)
    ]


def of_torch() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    images = RNG.standard_normal((2, K, 3, 4))
    more = {
        "images": images,
        "maps": np.argmax(images[:, ::-1], axis=1),
        "features": RNG.standard_normal((6, 3)),
        "layer": RNG.standard_normal((K, 3)),
    }
    arrays = {name: torch.asarray(np.ascontiguousarray(a)) for name, a in (ARRAYS | more).items()}
    return {"F": torch.nn.functional, **arrays}


def of_optax() -> dict[str, Any]:
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    mask = np.broadcast_to(np.arange(K) != 1, (6, K))
    q = np.where(mask, ARRAYS["q"], 0)
    more = {"mask": mask, "q": q / q.sum(axis=1, keepdims=True)}
    arrays = {name: jax.numpy.asarray(a) for name, a in (ARRAYS | more).items()}
    return {"optax": optax, "jax": jax, **arrays}


def of_keras() -> dict[str, Any]:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")

    def softmax(x: Any) -> Any:
        return np.exp(published.log_softmax(x))

    x, one_hot = ARRAYS["x"].astype(np.float32), np.eye(K)[ARRAYS["y"]]
    return {"keras": keras, "softmax": softmax, **ARRAYS, "x": x, "one_hot": one_hot}


def of_transformers() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    trainer = pytest.importorskip("transformers.trainer_pt_utils")
    losses = import_module("transformers.loss.loss_utils")
    x = torch.asarray(RNG.standard_normal((2, 4, K)), dtype=torch.float32)
    y = torch.tensor([[0, 2, -100, 4], [3, 3, 1, -100]])
    names = {"LabelSmoother": trainer.LabelSmoother, "ForCausalLMLoss": losses.ForCausalLMLoss}
    return {**names, "x": x, "y": y}


def of_formulas() -> dict[str, Any]:
    y = np.where(ARRAYS["y"] == 2, PAD, ARRAYS["y"])
    prior = np.where(np.arange(K) == PAD, 0, 1 / (K - 1))
    more = {"y": y, "prior": prior, "log_probs": published.log_softmax(X)}
    return {**vars(published), **ARRAYS, **more}


PLACES = {
    "torch": of_torch,
    "optax": of_optax,
    "Keras": of_keras,
    "transformers": of_transformers,
    **dict.fromkeys(("timm", "fairseq", "OpenNMT-py", "Megatron-LM"), of_formulas),
}


def as_numpy(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach()
    return np.asarray(value, dtype=np.float64)


@pytest.mark.parametrize(("section", "now", "after"), rows())
def test_both_calls(section: str, now: str, after: str) -> None:
    """The call now and the call after return the same, up to rounding in float32."""
    variables = SimpleNamespace(**{**PLACES[section](), **NUMBERS})
    if "linear_cross_entropy" in now and not hasattr(variables.F, "linear_cross_entropy"):
        pytest.skip("needs torch 2.13")
    got, want = (as_numpy(eval(call, vars(variables))) for call in (after, now))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


def test_every_library_has_rows() -> None:
    """The page has rows for each library that it names."""
    assert {section for section, _, _ in rows()} == set(PLACES)


def test_where_they_differ() -> None:
    """What the last column says of labels out of range, of nothing kept and of infinite logits."""
    optax = of_optax()
    jnp, x, loss = optax["jax"].numpy, optax["x"], optax["optax"].softmax_cross_entropy
    integers = optax["optax"].softmax_cross_entropy_with_integer_labels
    last = jnp.full(6, K - 1)
    np.testing.assert_array_equal(integers(x, last - K), integers(x, last))
    far = x.at[:, 0].set(-np.inf)
    assert np.isnan(loss(far, jnp.eye(K)[last])).all()
    want = as_numpy(integers(far, last))
    got = as_numpy(st.cross_entropy(far, jnp.eye(K)[last], reduction="none"))
    np.testing.assert_allclose(got, want, rtol=2e-5)
    keras = of_keras()
    nothing = np.full(6, 2)
    loss = keras["keras"].losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2)
    assert float(loss(nothing, keras["x"])) == 0
    assert np.isnan(st.cross_entropy(keras["x"], nothing, ignore_index=2))
    weights = {"class_weight": ARRAYS["w"], "reduction": "sum"}
    total = st.cross_entropy(X, ARRAYS["q"], **weights)
    share = (ARRAYS["q"] * ARRAYS["w"]).sum()
    got = st.cross_entropy(X, ARRAYS["q"], class_weight=ARRAYS["w"])
    np.testing.assert_allclose(got, total / share)
