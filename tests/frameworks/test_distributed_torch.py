"""Process groups of torch: three processes over gloo, which are started once, and a group of one.

What the processes find is compared with what one finds for all of it, in float64.
"""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets import distributed
from tests.backends import EPSILON, assert_close, assert_same_bits
from tests.frameworks import distributed_cases as shared
from tests.frameworks.distributed_cases import CASES, LABELS, LINEAR, X
from tests.frameworks.measured import ROOT, command, environment

torch = pytest.importorskip("torch")
dist = torch.distributed


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of three processes found."""
    place = tmp_path_factory.mktemp("processes")
    outs = [place / f"out{rank}" for rank in range(3)]
    processes = [
        subprocess.Popen(
            command("distributed_worker", str(rank), "3", str(place / "store"), str(out)),
            cwd=ROOT,
            env=environment(OMP_NUM_THREADS="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, out in enumerate(outs)
    ]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(said)
    return [pickle.loads(out.read_bytes()) for out in outs]


@pytest.mark.parametrize("where", ["losses 3", "losses 2", "losses, one empty"])
@pytest.mark.parametrize("name", CASES)
def test_losses(found: list[dict[str, Any]], where: str, name: str) -> None:
    """Every process has the loss of all classes, and its part of the gradient, the same from
    autograd; a row of float32 costs what is promised, and backward() nothing.
    """
    case = CASES[name]
    loss, gradient = case.whole()
    members = [part[where][name] for part in found if where in part]
    assert len(members) == (2 if where == "losses 2" else 3)
    for (value, _, recorded, _), silent, sent in members:
        assert_close(value, loss, ulps=64, scale=4.0)
        assert_same_bits(recorded, members[0][0][0])
        assert_same_bits(value, recorded)
        assert silent == []
        kinds = [kind for kind, _ in sent]
        assert kinds == ["all_gather"] + ["all_reduce"] * (3 if name == "bucket" else 2)
        assert sum(size for _, size in sent[1:]) == case.row_bytes * (case.logits.size // 8)
    axis = case.options.get("axis", -1)
    for place in (1, 3):
        parts = shared.joined([part[0][place] for part in members], axis)
        assert_close(parts, gradient, ulps=64, scale=1.0)


@pytest.mark.parametrize("where", ["layers 3", "layers 2"])
@pytest.mark.parametrize("name", LINEAR)
def test_layers(found: list[dict[str, Any]], where: str, name: str) -> None:
    """Every process has the loss of the whole layer, the gradient for the features, added up in
    one collective, and its parts of the others.
    """
    loss, gradients = LINEAR[name].whole()
    members = [part[where][name] for part in found if where in part]
    for (value, first, recorded, second), sent in members:
        assert_close(value, loss, ulps=64, scale=4.0)
        assert_same_bits(recorded, value)
        assert sent == [("all_reduce", 6 * 4 * 8)]
        for one in (first, second):
            assert_close(one[0], gradients[0], ulps=64, scale=1.0)
    for i, whole in enumerate(gradients[1:], start=1):
        for place in (1, 3):
            parts = shared.joined([part[0][place][i] for part in members], 0)
            assert_close(parts, whole, ulps=64, scale=1.0)


def leaf(array: Any) -> Any:
    return torch.from_numpy(array.copy()).requires_grad_(True)


def test_second_derivatives(found: list[dict[str, Any]]) -> None:
    """Derivatives of the gradient are those of one process, across all classes."""
    words = {"label_smoothing": 0.1, "confidence_penalty": 0.1}
    x, labels = leaf(X), torch.from_numpy(LABELS)
    loss = st.cross_entropy(x, labels, reduction="none", **words)
    (first,) = torch.autograd.grad(loss, x, torch.arange(6.0).double(), create_graph=True)
    (second,) = torch.autograd.grad(first, x, -x.detach())
    parts = [part["second"][0] for part in found]
    for i, whole in enumerate((first, second)):
        got = shared.joined([part[i] for part in parts], 1)
        assert_close(got, whole.detach(), ulps=64, scale=4.0)
    layer = [leaf(shared.FEATURES), leaf(shared.LAYER)]
    loss = st.linear_cross_entropy(*layer, labels, **words)
    gradients = torch.autograd.grad(loss, layer, create_graph=True)
    towards = [torch.ones_like(a) for a in layer]
    (second,) = torch.autograd.grad(gradients, layer[1], towards)
    got = [part["second"][1] for part in found]
    assert_close(shared.joined([g[0][0] for g in got], 0), second, ulps=64, scale=4.0)
    for part in got:
        assert_close(part[1], gradients[0].detach(), ulps=64, scale=1.0)
    # Not reduced, each process's gradient for the features is what its classes contribute.
    assert_close(sum(part[3] for part in got), gradients[0].detach(), ulps=64, scale=1.0)


def test_half_precision(found: list[dict[str, Any]]) -> None:
    """Losses of half precision are of float32, and gradients of the dtype of the logits."""
    for i, name in enumerate(("float16", "bfloat16")):
        x = torch.from_numpy(X).to(getattr(torch, name)).double().numpy()
        loss, gradient = st.value_and_grad(st.cross_entropy)(x, LABELS)
        members = [part["half"][i] for part in found]
        for dtype, value, kind, _ in members:
            assert (dtype, kind) == ("torch.float32", f"torch.{name}")
            assert abs(value - loss) <= 16 * EPSILON["float32"] * loss
        parts = shared.joined([part[3] for part in members], 1)
        assert np.max(np.abs(parts - gradient)) <= EPSILON[name]


def test_averages(found: list[dict[str, Any]]) -> None:
    """Behind DistributedDataParallel, which averages, uneven rows have the gradient of the mean of
    all rows; where gradients are added up they do, too, if the loss is told.
    """
    want = st.value_and_grad(st.linear_cross_entropy)(
        shared.FEATURES, shared.LAYER, LABELS, label_smoothing=0.1
    )
    x = leaf(X)
    loss = st.cross_entropy(x, torch.from_numpy(LABELS), label_smoothing=0.1)
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, x.detach())
    for part in found:
        for loss, gradient in (part["averages"][0], part["averages"][2]):
            assert_close(loss, want[0], ulps=64)
            assert_close(gradient, want[1][1], ulps=64, scale=1.0)
    for i, factor in ((1, 3), (3, 1)):
        rows = shared.joined([part["averages"][i][0] for part in found], 0)
        assert_close(rows / factor, second, ulps=64, scale=1.0)


def test_merged(found: list[dict[str, Any]]) -> None:
    """States and counts of tensors merge into those of all classes and rows."""
    state = st.SoftmaxState.of(X, LABELS)
    summary = st.calibration.CalibrationSummary(from_logits=True)
    summary.update(X, LABELS)
    for part in found:
        measures, counts, likelihood = part["merged"]
        assert_close(measures[0], state.loss(), ulps=16)
        assert_close(measures[1], state.variance(), ulps=64, scale=1.0)
        for name, array in summary.bins.state_dict().items():
            assert_same_bits(counts[name], array)
        assert abs(likelihood - summary.report().negative_log_likelihood) < 1e-14


def test_t41(found: list[dict[str, Any]]) -> None:
    """Two shards of uneven size have the smoothed loss of all classes (T41)."""
    for part in found[:2]:
        sharded, whole = part["t41"]
        assert abs(sharded - whole) <= 1e-15 * 8
        assert abs(sharded - float(CASES["others"].whole()[0])) < 1e-5  # X has 6 decimals


def test_a_mesh_of_devices(found: list[dict[str, Any]]) -> None:
    """A mesh of one dimension stands for its group."""
    for part in found:
        assert abs(part["mesh"] - float(st.cross_entropy(X, LABELS))) < 1e-14


def test_processes_that_do_not_fit(found: list[dict[str, Any]]) -> None:
    """Labels that differ raise on every process, and a group of others is refused."""
    message = (
        "targets must be the same on every rank of class_group, got other ones on rank 2 than on "
        "rank 0"
    )
    assert [part["different labels"] for part in found] == [("ValueError", message)] * 3
    message = "class_group must have this process in it, got a group of others"
    assert found[2]["others"] == ("ValueError", message)


def test_a_process_that_is_gone(found: list[dict[str, Any]]) -> None:
    """Where a process has left, the others raise at once, and say which connection is closed."""
    for rank, part in enumerate(found[:2]):
        kind, message = part["lost"]
        assert kind == "RuntimeError"
        assert message.startswith("class_group must have 3 processes, got a closed connection to ")
        ranks, _, reason = message.partition(" [")
        assert "2" in ranks.rpartition("rank ")[2].split(", ")
        assert reason.startswith(f"rank {rank}, comparison: ")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A process group of this process alone."""
    store = tmp_path_factory.mktemp("alone") / "store"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_what_is_refused(alone: Any) -> None:
    """Derivatives for other tensors, transforms, and arrays of other libraries raise."""
    x, labels = leaf(X), torch.from_numpy(LABELS)
    smoothing = torch.tensor(0.1, requires_grad=True)
    rule = (
        "be all that is differentiated, outside of torch.func and torch.compile, got another "
        "tensor that requires grad, or a transform"
    )
    with pytest.raises(TypeError, match=f"^logits must {rule}$"):
        distributed.cross_entropy(x, labels, class_group=alone, label_smoothing=smoothing)
    layer = leaf(shared.FEATURES), leaf(shared.LAYER)
    with pytest.raises(TypeError, match=f"^features, weight and bias must {rule}$"):
        distributed.linear_cross_entropy(
            *layer, labels, class_group=alone, label_smoothing=smoothing
        )
    mesh = dist.init_device_mesh("cpu", (1, 1))
    message = r"^class_group must have one dimension, got a mesh of shape \(1, 1\)$"
    with pytest.raises(ValueError, match=message):
        distributed.cross_entropy(x, labels, class_group=mesh)
    rule = "be a process group, the name of a mesh axis, or a Group"
    with pytest.raises(TypeError, match=f"^class_group must {rule}, got int$"):
        distributed.cross_entropy(x, labels, class_group=3)
    jnp = pytest.importorskip("jax.numpy")
    rule = "be a mesh axis or a Group, unless arrays are those of PyTorch or NumPy"
    with pytest.raises(TypeError, match=f"^row_group must {rule}, got a process group$"):
        distributed.cross_entropy(jnp.asarray(X), jnp.asarray(LABELS), row_group=alone)


def test_numpy_arrays(alone: Any) -> None:
    """A process group takes NumPy arrays, too."""
    loss, gradient = CASES["others"].whole()
    got = shared.evaluate(CASES["others"], alone, (8,), 0)
    assert_close(got[0], loss, ulps=4)
    assert_close(got[1], gradient, ulps=4, scale=1.0)
    assert isinstance(got[1], np.ndarray)
