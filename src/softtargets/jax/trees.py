"""Values of this library as trees of JAX: arrays and amounts are leaves, the rest is structure.

Amounts change from batch to batch, as the share of a mixup does, and must not compile anew. Those
of plain labels, 0 and 1, never change: as structure they do not stand in the way of ``vmap``. What
a value holds is never looked at or checked here, because JAX also makes values of shapes, of axes,
of specifications and of plain objects.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple

import jax
import numpy as np

from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.report import CalibrationSummary
from softtargets.losses.softmax_state import SoftmaxState
from softtargets.softmax.state import RowState, TailState
from softtargets.targets.mixing import Mixing
from softtargets.targets.online import OnlineLabelSmoothing
from softtargets.targets.parts import Bucket, Dense, Labels, Spill
from softtargets.targets.value import Targets

#: Shapes: tuples that are no trees.
_SHAPES = frozenset({"row_shape", "sizes"})
#: Scalars of NumPy are no numbers here: arithmetic with its arrays of 0 dimensions makes them.
_PLAIN = frozenset({type(None), bool, int, float, str})
#: Parts that are amounts of mass: numbers among them are leaves.
_AMOUNTS = frozenset({"weight", "base", "amount", "lam"})
#: What stands for a part with leaves in the structure.
_LEAVES = Ellipsis

Made = dict[str, Any]


class _Leaf(NamedTuple):
    """A leaf of a kind that would be taken for structure, as in a tree of axes."""

    value: Any


class Node(NamedTuple):
    """A type, the names of its parts, and how one is made of them."""

    kind: type
    names: tuple[str, ...]
    make: Callable[[Made], Any]

    def flatten_with_keys(self, value: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        """Return the parts that hold leaves with their keys, and the structure."""
        children, structure = [], []
        for name in self.names:
            part = getattr(value, name)
            inside = _is_inside(name, part)
            structure.append(_LEAVES if inside else part)
            if inside:
                child = part.value if type(part) is _Leaf else part
                children.append((jax.tree_util.GetAttrKey(name), child))
        return children, tuple(structure)

    def flatten(self, value: Any) -> tuple[list[Any], tuple[Any, ...]]:
        """Return the parts that hold leaves, and the structure."""
        children, structure = self.flatten_with_keys(value)
        return [child for _, child in children], structure

    def unflatten(self, structure: tuple[Any, ...], children: Iterable[Any]) -> Any:
        """Return the value with these parts, unchecked."""
        left: Iterator[Any] = iter(children)
        parts = zip(self.names, structure, strict=True)
        return self.make(
            {n: _held(n, next(left)) if part is _LEAVES else part for n, part in parts}
        )


def _is_inside(name: str, part: Any) -> bool:
    """Whether a part holds leaves."""
    if name in _AMOUNTS and type(part) is float:
        return part not in (0.0, 1.0)
    return not (name in _SHAPES or type(part) in _PLAIN)


def _held(name: str, child: Any) -> Any:
    """Return what a value holds of a leaf, so that it is a leaf again."""
    if type(child) not in _PLAIN or _is_inside(name, child):
        return child
    # A number of NumPy is as good a number, and never structure.
    return np.float64(child) if name in _AMOUNTS and type(child) is float else _Leaf(child)


def _plainly(kind: type) -> Callable[[Made], Any]:
    """Return what makes a ``kind`` without its checks."""

    def make(parts: Made) -> Any:
        value: Any = object.__new__(kind)
        value.__dict__.update(parts)
        return value

    return make


def _targets(parts: Made) -> Any:
    """Return targets of the rows that their arrays have now: fewer within vmap or shard_map."""
    some = parts["parts"]
    entries = getattr(some[0], "entries", None) if type(some) is tuple else None
    return _plainly(Targets)({**parts, "row_shape": tuple(getattr(entries, "shape", ())[:-1])})


def _state(parts: Made) -> Any:
    """Return a state of the rows that its columns have now: fewer on each device of a mesh."""
    shape: tuple[int, ...] = getattr(getattr(parts["state"], "exp_sum", None), "shape", ())
    before = parts["row_shape"]
    if len(shape) == 2 and before and shape[0] != math.prod(before):
        parts["row_shape"] = (shape[0] // max(1, math.prod(before[1:])), *before[1:])
    return _plainly(SoftmaxState)(parts)


def _node(kind: Any, make: Callable[[Made], Any] | None = None, without: str = "") -> Node:
    names = tuple(field.name for field in fields(kind) if field.name != without)
    return Node(kind, names, make or _plainly(kind))


def _named(kind: Any) -> Node:
    return Node(kind, kind._fields, lambda parts: kind(**parts))


def _object(kind: type, *names: str) -> Node:
    return Node(kind, names, _plainly(kind))


NODES = (
    # The number of rows is no part of the structure, so that trees of axes fit inside of vmap too.
    _node(Targets, _targets, without="row_shape"),
    *(_node(kind) for kind in (Labels, Dense, Bucket, Spill, Mixing)),
    _node(SoftmaxState, _state),
    # JAX knows named tuples, but would take the flags and numbers in these for leaves.
    _named(RowState),
    _named(TailState),
    _object(
        OnlineLabelSmoothing,
        *("num_classes", "hard_weight", "label_smoothing", "ignore_index"),
        *("rows", "sums", "counts"),
    ),
    _object(CalibrationBins, "from_logits", "num_bins", "scope", "tally"),
    _object(CalibrationSummary, "num_bins", "bins", "proper"),
)


def register() -> None:
    """Make the types above known to JAX."""
    for node in NODES:
        jax.tree_util.register_pytree_with_keys(
            node.kind, node.flatten_with_keys, node.unflatten, node.flatten
        )
