"""Values of the library are trees of JAX: arguments and results of its transformations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

import softtargets as st

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
sj = pytest.importorskip("softtargets.jax")
trees = pytest.importorskip("softtargets.jax.trees")

K, N = 5, 6
RNG = np.random.default_rng(71)
X = RNG.standard_normal((N, K)).astype(np.float32)
LABELS = np.asarray([0, 1, 2, 3, 4, 2])
PRIOR = np.asarray([0.5, 0.25, 0.125, 0.0625, 0.0625])
EPSILON = np.linspace(0.0, 0.5, N)
PAIRS = np.asarray([[0, 1], [2, 3], [4, 0], [1, 2], [3, 4], [0, 2]])
SHARES = np.asarray([[0.5, 0.25]] * N)
DENSE = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)


def of(labels: Any = LABELS) -> st.Targets:
    return st.Targets.from_labels(labels, K)


def on_jax(tree: Any) -> Any:
    """The same tree with arrays of JAX. NumPy's are leaves too, and quicker to compute with."""
    return jax.tree.map(jnp.asarray, tree)


def teacher(tail: Any) -> st.Targets:
    return st.Targets.from_top_k(PAIRS, SHARES, K, tail=tail)


TARGETS: dict[str, Callable[[], st.Targets]] = {
    "labels": of,
    "ignored": lambda: of(np.where(np.arange(N) == 1, -100, LABELS)),
    "smooth": lambda: of().smooth(0.1),
    "schedule": lambda: of().smooth(np.asarray(0.1)),
    "per row": lambda: of().smooth(EPSILON),
    "others": lambda: of().smooth(0.1, prior=PRIOR, spread="others"),
    "prior per label": lambda: of().smooth(0.1, prior=np.full((K, K), 1 / K)),
    "per class": lambda: of().smooth(per_class=PRIOR),
    "mixup": lambda: of().mix(of(LABELS[::-1]), EPSILON).smooth(0.1, prior=PRIOR),
    "dense": lambda: st.Targets.from_distributions(DENSE).smooth(0.1),
    "weighted": lambda: of().weighted(PRIOR),
    "bucket": lambda: teacher("bucket"),
    "drop": lambda: teacher("drop"),
    "renormalize": lambda: teacher("renormalize"),
}


def same_bits(got: Any, want: Any) -> None:
    """Fail unless two arrays are the same, dtype and bits."""
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-6, atol=1e-6)


def loss_of(x: Any, t: Any) -> Any:
    return st.cross_entropy(x, t, reduction="none")


@pytest.mark.parametrize("name", TARGETS)
def test_targets_come_back(name: str) -> None:
    """A tree that is taken apart and put together is what it was."""
    targets = TARGETS[name]()
    leaves, structure = jax.tree.flatten(targets)
    assert all(isinstance(leaf, np.ndarray | np.generic | float) for leaf in leaves)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is st.Targets
    assert repr(again) == repr(targets)
    others, same = jax.tree.flatten(again)
    assert [id(leaf) for leaf in others] == [id(leaf) for leaf in leaves]
    assert (same, hash(same)) == (structure, hash(structure))


def test_targets_keep_their_bits() -> None:
    """Compiled code hands back the bits that it got, and computes what eager code does."""
    everything = on_jax({name: make() for name, make in TARGETS.items()})

    @jax.jit
    def passed(x: Any, some: dict[str, Any]) -> Any:
        return some, {name: loss_of(x, t) for name, t in some.items()}

    back, losses = passed(X, everything)
    assert jax.tree.structure(back) == jax.tree.structure(everything)
    for got, want in zip(jax.tree.leaves(back), jax.tree.leaves(everything), strict=True):
        same_bits(got, want)
    for name, make in TARGETS.items():
        close(losses[name], loss_of(X, make()))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "stand_in",
    [
        lambda leaf: object(),
        lambda leaf: None,
        lambda leaf: 0,
        lambda leaf: "a name",
        lambda leaf: 0.5,
        lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), "float32"),
        lambda leaf: jax.sharding.PartitionSpec("data"),
    ],
    ids=["object", "None", "int", "str", "float", "shape", "specification"],
)
def test_leaves_that_are_no_arrays(name: str, stand_in: Callable[[Any], Any]) -> None:
    """Anything may stand for a leaf: nothing is looked at, and its place in the tree remains."""
    targets = TARGETS[name]()
    leaves, structure = jax.tree.flatten(targets)
    marks = [stand_in(leaf) for leaf in leaves]
    held = jax.tree.unflatten(structure, marks)
    found, place = jax.tree.flatten(held, is_leaf=lambda leaf: leaf is None)
    assert all(a is b for a, b in zip(found, marks, strict=True))
    if None not in marks:
        assert place == structure
        filled = jax.tree.map(lambda _, leaf: leaf, held, targets)
        assert jax.tree.structure(filled) == structure
        assert repr(filled) == repr(targets)
        for got, leaf in zip(jax.tree.leaves(filled), leaves, strict=True):
            same_bits(got, leaf)


def test_what_belongs_to_the_structure() -> None:
    """Options and the number of classes do; arrays and amounts do not. Paths name the leaves."""
    structure = jax.tree.structure
    same = [of().smooth(0.1), of(LABELS[:3]).smooth(0.2), of().smooth(np.asarray(0.1))]
    same += [of().smooth(EPSILON)]
    assert len({structure(t) for t in same}) == 1
    different = [of(), of().smooth(0.1), of().smooth(0.1, spread="others")]
    different += [st.Targets.from_labels(LABELS, K + 1), of().smooth(0.1, prior=PRIOR)]
    assert len({structure(t) for t in different}) == len(different)
    paths = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(of().weighted(PRIOR))]
    assert paths == [".parts[0].labels", ".class_weight"]


def test_amounts_are_numbers_still() -> None:
    """What becomes of a number in a tree is one that can be computed with, and a leaf again."""
    targets = of().smooth(0.5)
    twice = jax.tree.map(lambda leaf: 2 * leaf if type(leaf) is float else leaf, targets)
    assert jax.tree.structure(twice) == jax.tree.structure(targets)
    np.testing.assert_array_equal(twice.to_dense(), 2 * targets.to_dense())


def instances() -> list[Any]:
    """One value of each registered type, with all that it can hold."""
    state = st.SoftmaxState.of(X, teacher("bucket"))
    smoothing = st.OnlineLabelSmoothing(K)
    smoothing.update(X, LABELS)
    smoothing.next_epoch()
    smoothing.update(X, LABELS)
    bins = st.calibration.CalibrationBins(from_logits=True)
    summary = st.calibration.CalibrationSummary(from_logits=True)
    for counters in (bins, summary):
        counters.update(X, LABELS)
    labels, bucket = teacher("bucket").parts
    plan = st.Mixing(LABELS, EPSILON, np.zeros((2, 2)), (3, 3))
    parts = [labels, bucket, *TARGETS["dense"]().parts, *of().smooth(0.1).parts[0].spills]
    return [of(), plan, state, state.state, *state.state.tails, smoothing, bins, summary, *parts]


def test_every_type_and_every_part() -> None:
    """Each registered type has all of its parts in the tree, and comes back with them."""
    values = instances()
    assert {type(value) for value in values} == {node.kind for node in trees.NODES}
    nodes = {node.kind: node for node in trees.NODES}
    for value in values:
        if is_dataclass(value):
            names = {field.name for field in fields(value)}
        else:
            names = set(getattr(value, "_fields", None) or vars(value))
        # The rows of targets are those of their arrays.
        assert names - set(nodes[type(value)].names) == (
            {"row_shape"} if type(value) is st.Targets else set()
        )
        leaves, structure = jax.tree.flatten(value)
        again = jax.tree.unflatten(structure, leaves)
        assert type(again) is type(value)
        assert jax.tree.structure(again) == structure
        flat, same = jax.tree_util.tree_flatten_with_path(value)
        assert same == structure
        assert [id(leaf) for _, leaf in flat] == [id(leaf) for leaf in leaves]


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
