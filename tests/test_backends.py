"""The table of capabilities says what is true of each library, and of this machine."""

import importlib.util
import subprocess
import sys

import pytest

import softtargets as st
from softtargets._array import backends
from softtargets._array.traits import is_eager, may_look, may_write
from tests.backends import Variant, assert_same_bits, dtype_name


def test_looking_and_writing(backend: Variant) -> None:
    """The library looks at values and writes in place where the table says so, nowhere else."""
    array = backend.asarray([[1.0, 2.0], [3.0, 4.0]], "float32")
    assert may_look(array) is backend.may_look
    assert may_write(array) is backend.backend.writable
    assert is_eager(array) is backend.backend.eager


def test_floating_dtypes(backend: Variant) -> None:
    """Arrays of the listed dtypes compute in their dtype."""
    for dtype in backend.dtypes:
        array = backend.asarray([1.0, 2.0], dtype)
        assert dtype_name(array + array) == dtype
        assert backend.to_numpy(array + array).tolist() == [2.0, 4.0]


def test_float32_stays_float32(backend: Variant) -> None:
    """Nothing becomes float64 on the way, not even where JAX allows 64-bit numbers."""
    logits = backend.asarray([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], "float32")
    words = {"label_smoothing": 0.1, "z_loss": 0.01, "confidence_penalty": 0.1}
    for name in ("class_weight", "prior"):
        words[name] = backend.asarray([0.2, 0.3, 0.5], "float32")
    labels = backend.asarray([0, 2])
    for targets in (labels, st.Targets.from_labels(labels, 3).smooth(0.1, spread="others")):
        loss, gradient = st.value_and_grad(st.cross_entropy)(logits, targets, **words)
        assert dtype_name(loss) == dtype_name(gradient) == "float32"
        assert dtype_name(st.cross_entropy(logits, targets, **words)) == "float32"


def test_half_precision_that_is_not_listed_is_not_there(backend: Variant) -> None:
    """The namespace has no half precision beyond the listed dtypes."""
    for dtype in {"float16", "bfloat16"} - set(backend.backend.dtypes):
        assert not hasattr(backend.xp, dtype)


def test_writing_in_place(backend: Variant) -> None:
    """Where arrays are writable, positions given by arrays can be changed."""
    if not backend.backend.writable or backend.read_only:
        pytest.skip(f"{backend.name}: not writable")
    array = backend.asarray([[1.0, 2.0], [3.0, 4.0]], "float32")
    array[backend.asarray([0, 1]), backend.asarray([1, 0])] -= 1.0
    assert_same_bits(array, backend.asarray([[1.0, 1.0], [2.0, 4.0]], "float32"))


def test_device_is_listed(backend: Variant) -> None:
    """The device of a variant is one that the library offers and finds here."""
    assert backend.device_kind in backend.backend.devices
    assert backend.device_kind in backend.backend.devices_present()


def test_autograd_and_compiler(backend: Variant) -> None:
    """What the table calls a compiler or differentiator exists under that name."""
    root = backend.backend.module.partition(".")[0]
    for text in (backend.backend.autograd, backend.backend.compiler):
        for path in [word.strip(",") for word in (text or "").split() if word.startswith(root)]:
            found = importlib.import_module(root)
            for name in path.split(".")[1:]:
                found = getattr(found, name)


def test_names_are_unique() -> None:
    """A name finds its row; another one raises and lists the names."""
    for row in backends.BACKENDS:
        assert backends.find(row.name) is row
    with pytest.raises(ValueError, match=r"backend must be one of numpy, torch, .*, got 'mxnet'"):
        backends.find("mxnet")


def test_table_has_a_row_per_library() -> None:
    """The printable table has the same columns for all, and NumPy is usable everywhere."""
    rows = backends.table()
    assert [row["name"] for row in rows] == [row.name for row in backends.BACKENDS]
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["here"] == "usable"
    assert all(isinstance(text, str) for row in rows for text in row.values())


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not there has no version and says so."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    row = backends.Backend(**(vars(backends.find("jax")) | {"distributions": ("no-such-package",)}))
    assert row.why_unusable() == "JAX is not installed"
    assert row.version() is None


def test_what_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that fails to load gives its error, one without a device says which it needs."""
    row = backends.find("numpy")

    def fail(name: str) -> None:
        raise ImportError("libfoo.so is missing")

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", fail)
        expected = "NumPy cannot be used: ImportError: libfoo.so is missing"
        assert row.why_unusable() == expected
    with monkeypatch.context() as patch:
        patch.setattr(backends.Backend, "devices_present", lambda self: ())
        assert row.why_unusable() == "NumPy finds no cpu device"


def test_devices_that_are_present() -> None:
    """A CUDA device is listed only where the library finds one."""
    for row in backends.BACKENDS:
        if row.why_unusable() is None:
            assert row.devices_present()
            assert set(row.devices_present()) <= set(row.devices)


def test_cuda_is_asked_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself says whether there is a GPU, and JAX lists what it has."""

    class Cuda:
        @staticmethod
        def is_available() -> bool:
            return True

    class Device:
        platform = "gpu"

    class Module:
        cuda = Cuda

        @staticmethod
        def devices() -> list[Device]:
            return [Device(), Device()]

    monkeypatch.setattr(importlib, "import_module", lambda name: Module)
    assert backends.find("cupy").devices_present() == ("cuda",)
    assert backends.find("torch").devices_present() == ("cpu", "cuda")
    assert backends.find("jax").devices_present() == ("gpu",)
    monkeypatch.setattr(Cuda, "is_available", lambda: False)
    assert backends.find("cupy").devices_present() == ()


def test_asking_what_is_installed_imports_nothing() -> None:
    """`installed` and `version` leave the library unimported."""
    code = """
import sys
from softtargets._array import backends
for row in backends.BACKENDS:
    row.installed(), row.version(), row.capabilities()
roots = {row.module.partition(".")[0] for row in backends.BACKENDS} - {"numpy"}
print(sorted(roots & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
