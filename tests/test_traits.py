"""One library and one device in each call, no hidden copy; when values may be looked at."""

import re
import types
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import kinds, namespaces, traits
from tests.backends import Variant, assert_follows

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]


class Foreign:
    """An array of a library nobody has heard of, which cannot be read and lies on a device."""

    device = "far away"

    def __init__(self, data: Any, dtype: str = "float32") -> None:
        self.shape = np.shape(data)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(dtype)

    def __array_namespace__(self, **_: object) -> types.ModuleType:
        return types.ModuleType("foreign")

    def refuse(self, *_: object, **__: object) -> Any:
        raise AssertionError("an array was copied to another library")

    __array__ = __dlpack__ = __array_interface__ = __len__ = __iter__ = __getitem__ = refuse


Make = Callable[[Any], Any]


def arguments(backend: Variant, other: Make) -> dict[str, Callable[[], object]]:
    """Return calls in which the named argument is an array made by ``other``."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([2, 0, 3])
    v, w = [1.0, 2.0, 0.5], [0.5, 0.25, 0.25, 0.0]
    targets = st.Targets.from_labels(labels, 4)
    state = st.SoftmaxState.of(x, labels)
    given = {
        "where": [True, False, True],
        "sample_weight": v,
        "class_weight": w,
        "class_mask": [True, True, True, False],
        "denominator": 8.0,
        "z_loss": 0.5,
        "confidence_penalty": 0.5,
        "targets": [2, 0, 3],
    }

    def loss(name: str) -> object:
        return st.cross_entropy(x, **({"targets": labels} | {name: other(given[name])}))

    calls: dict[str, Callable[[], object]] = {
        f"logits and {name}": partial(loss, name) for name in given
    }
    calls["logits and out"] = lambda: st.value_and_grad(st.cross_entropy, out=other(X))(x, labels)
    calls["targets and prior"] = lambda: targets.smooth(0.5, prior=other(w))
    calls["targets and label_smoothing"] = lambda: st.cross_entropy(
        x, labels, label_smoothing=other(0.5)
    )
    calls["targets and per_class"] = lambda: targets.smooth(per_class=other(w))
    calls["targets and class_weight"] = lambda: targets.weighted(other(w))
    calls["targets and lam"] = lambda: targets.mix(targets, other(v))
    calls["targets and x"] = lambda: targets.dot(other(X))
    calls["labels and weights"] = lambda: st.Targets.from_top_k(
        labels[:, None], other([[0.5]] * 3), 4, tail="drop"
    )
    calls["logits and z_loss "] = lambda: state.loss(z_loss=other(0.5))
    calls["logits and denominator "] = lambda: state.loss(denominator=other(8.0))
    return calls


NAMES = list(arguments(Variant("numpy", "numpy"), Foreign))


@pytest.mark.parametrize("names", NAMES)
def test_arrays_of_two_libraries(backend: Variant, names: str) -> None:
    """An array of another library raises, the error names both, and nothing is copied."""
    message = f"{names.strip()} must come from one array library, got {backend.row} and foreign"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        arguments(backend, Foreign)[names]()


def test_numpy_beside_another_library(backend: Variant) -> None:
    """Arrays of NumPy and of another library are not mixed, whichever comes first."""
    if backend.row == "numpy":
        pytest.skip("numpy: there is no other library")
    x, labels = backend.asarray(X, "float32"), backend.asarray([2, 0, 3])
    host, host_labels = np.array(X, np.float32), np.array([2, 0, 3])
    must = "logits and targets must come from one array library, got"
    with pytest.raises(TypeError, match=f"^{must} {backend.row} and numpy$"):
        st.cross_entropy(x, host_labels)
    with pytest.raises(TypeError, match=f"^{must} numpy and {backend.row}$"):
        st.cross_entropy(host, labels)
    with pytest.raises(TypeError, match=f"^{must} numpy and {backend.row}$"):
        st.cross_entropy(host, st.Targets.from_labels(labels, 4))
    theirs = st.Targets.from_labels(labels, 4)
    ours = st.Targets.from_labels(host_labels, 4)
    message = f"targets and other must come from one array library, got {backend.row} and numpy"
    with pytest.raises(TypeError, match=f"^{message}$"):
        theirs.mix(ours, 0.5)
    message = f"state and other must come from one array library, got {backend.row} and numpy"
    with pytest.raises(TypeError, match=f"^{message}$"):
        st.SoftmaxState.of(x, labels).merge(st.SoftmaxState.of(host, host_labels))


def test_arrays_on_two_devices(backend: Variant) -> None:
    """An array on another device raises, and the error names both devices."""
    if backend.row == "torch":
        there: Any = "meta"
    elif backend.row == "array_api_strict":
        there = backend.xp.Device("device2")
    else:
        pytest.skip(f"{backend.name}: one device only")

    def move(data: Any) -> Any:
        array = backend.asarray(data, "float32" if np.asarray(data).dtype == float else None)
        return array.to(there) if backend.row == "torch" else array.to_device(there)

    for names, act in arguments(backend, move).items():
        message = f"{names.strip()} must be on one device, got {backend.device} and {there}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            act()


#: Not "numpy": a tensor in host memory is seen as an array of the same memory.
COPIES = ("__array__", "__dlpack__", "cpu", "get", "compute", "persist", "tolist")


def test_nothing_is_copied_to_another_library(
    backend: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No way out of the library of the inputs is taken, checks of values included."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([2, -100, 3])
    prior = backend.asarray([0.5, 0.25, 0.25, 0.0], "float32")
    kind, closed = type(x), []
    for name in COPIES:
        if hasattr(kind, name):
            try:
                monkeypatch.setattr(kind, name, Foreign.refuse)
            except TypeError:  # types written in C cannot be changed
                continue
            closed.append(name)
    if not closed:
        pytest.skip(f"{backend.name}: the type of arrays cannot be changed")
    words = {"label_smoothing": 0.1, "prior": prior, "class_weight": prior, "z_loss": 0.1}
    results = [
        *BOTH(x, labels, **words),
        st.cross_entropy(x, labels, reduction="none", **words),
        st.one_hot(labels, 4, dtype=backend.xp.float32),
        st.smooth_labels(labels, 0.1, num_classes=4),
        st.SoftmaxState.of(x[:, :2], labels, num_classes=4)
        .merge(st.SoftmaxState.of(x[:, 2:], labels, num_classes=4, first_class=2))
        .loss(),
    ]
    targets = st.Targets.from_labels(labels, 4).smooth(0.1, prior=prior)
    results += [targets.mix(targets, 0.5).entropy(), targets.dot(x), targets.mass()]
    monkeypatch.undo()
    for result in results:
        assert_follows(result, x, dtype=str(result.dtype).rpartition(".")[2])


def test_unknown_libraries_are_taken_to_be_elsewhere() -> None:
    """Values of an unknown kind of array are neither looked at nor changed in place."""
    array = Foreign(X)
    assert kinds.is_array(array)
    assert not traits.may_look(array)
    assert not traits.may_write(array)
    assert traits.is_eager(array)
    assert traits.look(array) is None
    assert traits.stop_gradient(array) is array


def test_looking(backend: Variant) -> None:
    """`look` gives the truth of a flag, or None where it may not be known."""
    for value in (True, False):
        assert traits.look(backend.asarray(value)) is (value if backend.may_look else None)


def test_torch_tensors_that_are_not_plain() -> None:
    """Tensors of a transform or subclass are not looked at; recorded ones are not changed."""
    torch = pytest.importorskip("torch")
    plain = torch.zeros(2, 3)
    recorded = torch.zeros(2, 3, requires_grad=True)
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    for tensor, look, write in (
        (plain, True, True),
        (recorded, True, False),
        (parameter, True, False),
        (plain.as_subclass(type("Mine", (torch.Tensor,), {})), False, False),
        (plain.to("meta"), False, True),
    ):
        assert traits.may_look(tensor) is look
        assert traits.may_write(tensor) is write
    with torch.no_grad():
        assert traits.may_write(recorded)
    seen = []

    def note(row: Any) -> Any:
        seen.append((traits.may_look(row), traits.may_write(row), traits.is_eager(row)))
        return row.sum()

    torch.func.vmap(note)(plain)
    torch.func.grad(note)(plain[0])
    assert seen == [(False, False, False)] * 2
    assert not traits.stop_gradient(recorded).requires_grad
    with traits.unrecorded(recorded):
        assert not (recorded * 2).requires_grad


def test_parameters_are_tensors() -> None:
    """A torch parameter and a tensor belong together, whichever comes first."""
    torch = pytest.importorskip("torch")
    logits, labels = torch.nn.Parameter(torch.tensor(X)), torch.tensor([2, 0, 3])
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0, 0.5, 4.0]))
    expected = st.cross_entropy(logits.detach(), labels, class_weight=weight.detach())
    assert st.cross_entropy(logits, labels, class_weight=weight).item() == expected.item()
    assert st.cross_entropy(logits.detach(), labels, class_weight=weight).item() == expected.item()


def test_jax_tracers() -> None:
    """Traced arrays are neither looked at nor eager, and constants have no derivative."""
    jax = pytest.importorskip("jax")
    seen = []

    def note(x: Any) -> Any:
        seen.append((traits.may_look(x), traits.may_write(x), traits.is_eager(x)))
        return (x * traits.stop_gradient(x)).sum()

    x = jax.numpy.asarray([1.0, 2.0])
    jax.jit(note)(x)
    assert seen == [(False, False, False)]
    assert jax.grad(note)(x).tolist() == [1.0, 2.0]
    assert (traits.may_look(x), traits.may_write(x), traits.is_eager(x)) == (True, False, True)
    with traits.unrecorded(x):
        pass


def test_numpy_is_kept_quiet(backend: Variant) -> None:
    """Overflow on the way to a result does not warn, in the library's own operations."""
    x = backend.asarray([[3e38, -3e38], [np.inf, 0.0]], "float32")
    labels = backend.asarray([1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, _ = BOTH(x, labels, reduction="none", z_loss=1.0, confidence_penalty=1.0)
        targets = st.Targets.from_labels(labels, 2).smooth(0.5)
        st.SoftmaxState.of(x, targets).loss(z_loss=1.0)
        targets.dot(x)
    if backend.row == "dask":  # computes outside of the library
        warnings.simplefilter("ignore", RuntimeWarning)
    assert np.all(backend.to_numpy(loss) == np.inf)


def test_names_of_libraries(backend: Variant) -> None:
    """Messages call a library by the name under which it is imported."""
    xp = namespaces.namespace_of(backend.asarray([1.0]), "x")
    assert namespaces.library_name(xp) == backend.row
