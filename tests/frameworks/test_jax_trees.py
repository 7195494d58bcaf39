"""Values of the library are trees of JAX: what is a leaf, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.frameworks.jax_targets import (
    EPSILON,
    LABELS,
    PRIOR,
    TARGETS,
    K,
    X,
    close,
    loss_of,
    of,
    on_jax,
    same_bits,
    teacher,
)

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
sj = pytest.importorskip("softtargets.jax")
trees = pytest.importorskip("softtargets.jax.trees")


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
