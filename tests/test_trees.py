"""Arrays inside of arguments: found, converted, and seen by NumPy as the same memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import softtargets as st
from softtargets._array import host, trees
from tests.backends import Variant, assert_same_bits, selected


@dataclass(frozen=True)
class Pair:
    """A value made of others."""

    first: Any
    second: Any = None


class Named(NamedTuple):
    """A tuple with names."""

    one: Any
    two: Any


PLAIN = (None, True, 3, 0.5, "mean", [1, 2], Pair, len)


def test_arrays_are_found_everywhere(backend: Variant) -> None:
    """Arrays in tuples, dicts and dataclasses, of any depth, in the order in which they stand."""
    a, b, c, d = (backend.asarray([float(i)]) for i in range(4))
    value = (a, {"k": Named(b, "text"), "n": None}, Pair(Pair((c,)), 0.5), *PLAIN, a, d)
    found = trees.arrays_in(value)
    assert [id(array) for array in found] == [id(array) for array in (a, b, c, a, d)]
    (alone,) = trees.arrays_in(a)
    assert alone is a


@pytest.mark.parametrize("value", PLAIN, ids=str)
def test_what_holds_no_array(value: Any) -> None:
    """Anything else holds none, and is handed on as it is: a class, too, and a list."""
    assert trees.arrays_in(value) == []
    assert trees.with_arrays(value, lambda array: pytest.fail("converted")) is value


def test_arrays_are_converted(backend: Variant) -> None:
    """Each array is converted, and what holds them is made anew: named tuples as tuples."""
    a, b = backend.asarray([1.0]), backend.asarray([2.0])
    value = (a, {"k": Named(b, "text"), "n": None}, Pair(Pair((a,)), 0.5))
    made = trees.with_arrays(value, lambda array: ("array", id(array)))
    x, y = ("array", id(a)), ("array", id(b))
    assert made == (x, {"k": (y, "text"), "n": None}, Pair(Pair((x,)), 0.5))
    assert type(made[1]["k"]) is tuple


def test_targets_are_made_of_arrays(backend: Variant) -> None:
    """A value of targets is found through to its last array."""
    labels, lam = backend.asarray([1, 0]), backend.asarray([0.25, 0.5], "float32")
    first = st.Targets.from_labels(labels, 3)
    prior = backend.asarray([0.5, 0.25, 0.25], "float32")
    targets = first.mix(first.smooth(lam, prior=prior), 0.5).weighted(prior)
    found = {id(array) for array in trees.arrays_in(targets)}
    assert id(prior) in found
    dtypes = {str(array.dtype).rpartition(".")[2] for array in trees.arrays_in(targets)}
    assert "float32" in dtypes
    assert dtypes & {"int32", "int64"}


torch_is_tested = any(variant.name == "torch" for variant in selected())


@pytest.fixture
def torch() -> Any:
    """PyTorch, whose tensors in host memory have views."""
    if not torch_is_tested:
        pytest.skip("SOFTTARGETS_BACKENDS leaves torch out")
    return pytest.importorskip("torch")


def test_views_are_the_same_memory(torch: Any) -> None:
    """A tensor and its view are the same memory, in both directions, of any layout and dtype."""
    base = torch.arange(24.0).reshape(4, 6)
    for tensor in (
        base,
        base.T,
        base[:, ::2],
        base[1],
        base.sum(),
        base.expand(3, 4, 6),
        base.double(),
        base.long(),
        base > 3,
        base.to(torch.uint8),
        torch.nn.Parameter(base.clone()),
    ):
        view = host.numpy_views(tensor, tensor)
        assert isinstance(view, np.ndarray)
        assert view.shape == tuple(tensor.shape)
        assert view.ctypes.data == tensor.data_ptr()
        assert_same_bits(host.from_view(view), tensor.detach())
    array = np.zeros(3, np.float32)
    host.from_view(array)[1] = 5.0
    assert array.tolist() == [0.0, 5.0, 0.0]


def test_a_scalar_becomes_a_tensor(torch: Any) -> None:
    """NumPy's scalars, which sums over everything are, become tensors without an axis."""
    made = host.from_view(np.float32(1.5))
    assert made.shape == ()
    assert made.dtype == torch.float32
    made += 1  # it is memory of its own
    assert float(made) == 2.5


def test_the_same_array_twice(torch: Any) -> None:
    """An array that appears twice is seen as one: what is the logits stays recognisable."""
    x, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    targets = st.Targets.from_labels(labels, 3)
    view = host.numpy_views(x, (x, targets, {"out": x, "e": 0.1, "n": np.float64(0.5)}))
    assert view[0] is view[2]["out"]
    assert view[2]["e"] == 0.1
    assert view[2]["n"] == 0.5
    assert isinstance(view[1], st.Targets)
    assert {type(array) for array in trees.arrays_in(view[1])} == {np.ndarray}


def test_what_has_no_view(torch: Any) -> None:
    """One array that NumPy cannot see, or should not, and there are no views at all."""
    x = torch.zeros(2, 3)
    negated = torch.complex(x, x).conj().imag
    assert negated.is_neg()

    class Mine(torch.Tensor):
        pass

    for other in (
        x.to(torch.bfloat16),
        x.half(),
        x.to("meta"),
        x.to_sparse(),
        negated,
        x.as_subclass(Mine),
        np.zeros(3),
    ):
        assert host.numpy_views(x, (x, {"other": other})) is None
        assert host.numpy_views(other, other) is None
    assert host.numpy_views(x, (x, None)) is not None
    seen = torch.func.vmap(lambda row: row * float(host.numpy_views(row, row) is None))
    assert bool(torch.all(seen(torch.ones(2, 3)) == 1))


def test_only_tensors_have_views() -> None:
    """Where the first array is of another library nothing is looked for."""
    x = np.zeros(3)
    assert host.numpy_views(x, (x, None)) is None


def test_changes_are_counted(torch: Any) -> None:
    """Autograd learns of what was written into the memory of a tensor."""
    x = torch.zeros(3)
    before = x._version
    host.was_changed(x)
    assert x._version == before + 1


def test_a_class_is_no_value(torch: Any) -> None:
    """Where a class is handed in for a value of it, the argument is named."""
    with pytest.raises(TypeError, match=r"^targets must be an array, got \w+$"):
        st.cross_entropy(torch.zeros(2, 3), st.Targets)
