"""Values of the library go through the transformations of JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.frameworks.jax_targets import (
    DENSE,
    EPSILON,
    LABELS,
    PRIOR,
    TARGETS,
    K,
    N,
    X,
    close,
    loss_of,
    of,
    on_jax,
    same_bits,
)

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
sj = pytest.importorskip("softtargets.jax")
trees = pytest.importorskip("softtargets.jax.trees")


#: Kinds of targets in which every leaf has the rows.
OWN = ("labels", "ignored", "per row", "bucket", "drop", "renormalize")


def test_mapped_rows() -> None:
    """One row at a time, by `row_axes`, is all rows at once: no row owns a prior."""
    everything = {name: make() for name, make in TARGETS.items()}
    axes = {name: sj.row_axes(targets) for name, targets in everything.items()}

    def rows(x: Any, some: dict[str, Any]) -> Any:
        return some, {name: loss_of(x, t) for name, t in some.items()}

    mapped = jax.jit(jax.vmap(rows, in_axes=(0, axes), out_axes=(axes, 0)))
    back, losses = mapped(X, on_jax(everything))
    for name, targets in everything.items():
        assert repr(back[name]) == repr(targets)
        close(losses[name], loss_of(X, targets))
    own = {name: everything[name] for name in OWN}
    losses = jax.jit(jax.vmap(rows))(X, on_jax(own))[1]
    for name, targets in own.items():
        close(losses[name], loss_of(X, targets))


def test_row_axes_of_more_axes() -> None:
    """The first axis of rows is mapped; anything may stand for the leaves of either kind."""
    x, labels = X.reshape(2, 3, K), LABELS.reshape(2, 3)
    targets = of(labels).smooth(EPSILON.reshape(2, 3), prior=PRIOR).weighted(PRIOR)
    axes = sj.row_axes(targets, "rows", "shared")
    found = {
        jax.tree_util.keystr(path): mark
        for path, mark in jax.tree.leaves_with_path(axes)
        if mark == "shared"
    }
    assert sorted(found) == [".class_weight", ".parts[0].spills[0].prior"]
    mapped = jax.jit(jax.vmap(loss_of, in_axes=(0, sj.row_axes(targets))))
    close(mapped(x, on_jax(targets)), loss_of(x, targets))
    for message, wrong in (
        ("targets must be Targets, got ndarray", LABELS),
        (
            "targets must have rows to be mapped, got the target of a single row",
            of(np.asarray(1)),
        ),
    ):
        with pytest.raises(TypeError, match=f"^{message}$"):
            sj.row_axes(wrong)


def test_scanned_batches() -> None:
    """A scan takes one batch after the other off stacked targets."""
    labels = np.stack([LABELS, LABELS[::-1]])
    x = jnp.asarray(X)

    @jax.jit
    def scanned(labels: Any) -> Any:
        batches = jax.vmap(lambda y: of(y).smooth(0.1))(labels)
        assert batches.shape == (2, N, K)

        def step(total: Any, batch: Any) -> Any:
            return total + st.cross_entropy(x, batch), batch.mix(batch[::-1], 0.25).to_dense()

        return jax.lax.scan(step, 0.0, batches)

    total, mixed = scanned(labels)
    each = [of(y).smooth(0.1) for y in labels]
    close(total, sum(st.cross_entropy(X, t) for t in each))
    close(mixed, np.stack([t.mix(t[::-1], 0.25).to_dense() for t in each]))


def test_donated_targets() -> None:
    """The memory of targets may be donated to those that are made of them."""
    targets = on_jax(of())
    smooth = jax.jit(lambda t: t.smooth(0.1), donate_argnums=0)(targets)
    assert targets.parts[0].labels.is_deleted()
    assert repr(smooth) == repr(of().smooth(0.1))
    same_bits(smooth.parts[0].labels, jnp.asarray(LABELS[:, None]))


def test_derivatives_for_targets() -> None:
    """A gradient for targets is a tree like them: numbers for amounts, float0 for labels."""
    targets = of().mix(of(LABELS[::-1]), EPSILON)
    gradient = jax.jit(jax.grad(st.cross_entropy, argnums=1, allow_int=True))
    found = gradient(jnp.asarray(X), on_jax(targets))
    assert type(found) is st.Targets
    assert found.parts[0].labels.dtype == jax.dtypes.float0
    along = np.log(np.take_along_axis(DENSE, LABELS[:, None], axis=1))
    close(found.parts[0].weight, -along / N)
    # The denominator is made of what was there before smoothing, and moves by itself.
    close(found.parts[0].base, np.full((N, 1), -float(st.cross_entropy(X, targets)) / N))


def test_states_in_compiled_code() -> None:
    """States of blocks of classes merge in a scan, and leave compiled code as what they are."""
    labels = np.minimum(LABELS, 3)

    @jax.jit
    def merged(x: Any, y: Any) -> Any:
        blocks = [
            st.SoftmaxState.of(x[:, i : i + 2], y, first_class=i, num_classes=4) for i in (0, 2)
        ]
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)
        # The left block is in it twice.
        last, _ = jax.lax.scan(lambda carry, one: (carry.merge(one), None), blocks[0], both)
        cut = jax.tree.map(lambda leaf: leaf[:2], blocks[0].merge(blocks[1]))
        return blocks, last, cut

    (left, right), last, cut = merged(X, labels)
    assert {type(state) for state in (left, right, last, cut)} == {st.SoftmaxState}
    close(left.merge(right).loss(), st.cross_entropy(X[:, :4], labels))
    e = np.exp(X)
    close(last.logsumexp(), np.log(e[:, :4].sum(axis=1) + e[:, :2].sum(axis=1)))
    assert repr(cut) == "SoftmaxState(rows=(2,))"
    close(cut.logsumexp(), np.log(e[:2, :4].sum(axis=1)))


@pytest.mark.parametrize("kind", ["CalibrationBins", "CalibrationSummary"])
def test_counters_in_compiled_code(kind: str) -> None:
    """Counters go through compiled code as values, and count what is counted outside."""
    new = getattr(st.calibration, kind)

    @jax.jit
    def counted(counters: Any, x: Any, y: Any) -> Any:
        counters.update(x, y)
        return counters

    want, got = new(from_logits=True), new(from_logits=True)
    for part in (slice(0, 3), slice(3, 6)):
        want.update(X[part], LABELS[part])
        got = counted(got, X[part], LABELS[part])
    assert type(got) is new
    assert jax.tree.structure(got) == jax.tree.structure(want)
    counted_bins, wanted_bins = (got, want) if kind == "CalibrationBins" else (got.bins, want.bins)
    assert int(counted_bins.tally.counts.sum()) == N
    close(counted_bins.error(), wanted_bins.error())
    if kind == "CalibrationSummary":
        close(np.stack(got.proper), np.stack(want.proper))


def test_online_smoothing_is_no_constant() -> None:
    """Its rows are an argument of compiled code: those of the next epoch compile nothing."""
    count = []

    @jax.jit
    def loss(smoothing: Any, x: Any, y: Any) -> Any:
        count.append(1)
        return st.cross_entropy(x, smoothing.targets(y))

    smoothing, values = st.OnlineLabelSmoothing(K), []
    for _ in range(3):
        smoothing.update(X, LABELS)
        smoothing.next_epoch()
        values.append(float(loss(on_jax(smoothing), X, LABELS)))
        close(values[-1], st.cross_entropy(X, smoothing.targets(LABELS)))
        smoothing.rows = np.roll(smoothing.rows, 1, axis=1)
    assert len(set(values)) > 1
    assert len(count) == 1


MESH = """
import jax, jax.numpy as jnp, numpy as np
import softtargets as st, softtargets.jax as sj
from jax.sharding import PartitionSpec as P
jax.config.update("jax_num_cpu_devices", 2)
x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 4)), jnp.float32)
labels, prior = jnp.arange(8) % 4, jnp.asarray([0.5, 0.25, 0.125, 0.125])
t = st.Targets.from_labels(labels, 4).smooth(0.25, prior=prior)
mesh = jax.sharding.Mesh(jax.devices(), ("data",))
def part(x, t):
    assert t.shape == (4, 4)
    return jax.lax.psum(st.cross_entropy(x, t, reduction="sum"), "data"), t
rows = sj.row_axes(t, P("data"), P())
split = jax.shard_map(part, mesh=mesh, in_specs=(P("data"), rows), out_specs=(P(), rows))
total, back = jax.jit(split)(x, t)
want = st.cross_entropy(x, t, reduction="sum")
print(len(jax.devices()), back.shape, bool(jnp.allclose(total, want)))
split = jax.shard_map(st.SoftmaxState.of, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
state = jax.jit(split)(x, labels)
print(state, bool(jnp.allclose(state.loss(), st.cross_entropy(x, labels))))
"""


def test_rows_over_a_mesh() -> None:
    """Targets and states are split over two devices by `shard_map`, and know their rows there."""
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", MESH], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["2 (8, 4) True", "SoftmaxState(rows=(8,)) True"]
