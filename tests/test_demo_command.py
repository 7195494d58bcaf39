"""The demo from beginning to end: progress, what it needs, what fails on the way."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from softtargets.demo import command, data, libraries, needs, progress
from softtargets.demo.agreement import Curve


def test_progress_as_a_line() -> None:
    """Where there is no terminal, each tenth is written once, and a line is always ended."""
    stream = io.StringIO()
    with progress.progress("working", 20, stream) as advance:
        for _ in range(20):
            advance()
    assert stream.getvalue() == "working:" + "".join(f" {i}0 %" for i in range(1, 11)) + "\n"
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), progress.progress("working", 3, stream):
        raise KeyboardInterrupt
    assert stream.getvalue() == "working:\n"


def test_progress_as_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there is a bar where rich is installed, and the same line where it is not."""
    pytest.importorskip("rich")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress("working", 2, stream) as advance:
        advance()
        advance()
    assert "working" in stream.getvalue()
    assert "100 %" in stream.getvalue()
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    with progress.progress("again", 1, stream):
        pass
    assert stream.getvalue().endswith("again:\n")


def tiny(monkeypatch: pytest.MonkeyPatch) -> command.Plan:
    """Return a plan of a few steps on a few random images instead of the digits."""
    pytest.importorskip("threadpoolctl")
    rng = np.random.default_rng(7)
    digits = data.Part(rng.uniform(size=(650, 64)), rng.integers(0, 10, 650))
    monkeypatch.setattr(data, "load_digits", lambda: digits)
    return command.Plan(epsilons=(0.0, 0.1), seeds=2, steps=3, common_steps=2)


def test_the_whole_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo prints its tables and sentences and says where the picture is."""
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "folder"
    assert command.run(tiny(monkeypatch), ["numpy"], folder) == 0
    output = capsys.readouterr()
    for text in ("as trained", "a temperature", "Logit gap", "every library", "What was seen"):
        assert text in output.out
    assert output.out.endswith(f"Picture: {folder / command.PICTURE}\n")
    assert (folder / command.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert "training 4 networks: 16 % " in output.err
    assert max(len(line) for line in output.out.splitlines()[:-1]) <= 80


def test_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without matplotlib the demo runs and says what the picture needs."""
    plan = tiny(monkeypatch)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    numpy = libraries.Place(libraries.BACKENDS[0], "cpu")
    monkeypatch.setattr(command, "places", lambda names, advance: ([numpy], ["JAX is away"]))
    assert command.run(plan, None, tmp_path) == 0
    output = capsys.readouterr().out
    assert "\nJAX is away.\n" in output
    install = 'python -m pip install "softtargets[demo]"'
    assert output.endswith(f"No picture: the picture needs matplotlib: {install}\n")
    assert list(tmp_path.iterdir()) == []


def test_status_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo goes on after a library has failed, says so, and its status is 1."""
    plan = tiny(monkeypatch)
    monkeypatch.setattr(command, "save_picture", lambda study, folder: "Picture: none")
    compare = command.compare
    monkeypatch.setattr(command, "compare", lambda *a: (compare(*a)[0], ["JAX failed: no"]))
    assert command.run(plan, ["numpy"], tmp_path) == 1
    assert "\nJAX failed: no.\n" in capsys.readouterr().out


def test_a_library_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that fails on the way is told in one line; NumPy must not fail."""
    numpy, other = (libraries.Place(row, "cpu") for row in libraries.BACKENDS[:2])
    curve = Curve("NumPy", "1.0", "float64", np.ones((1, 1)), 0.0)

    def train(place: libraries.Place, *arguments: object) -> Curve:
        if place is other:
            raise RuntimeError("no kernel\nand a long story")
        return curve

    monkeypatch.setattr(command, "learning_curve", train)
    monkeypatch.setattr(libraries.Place, "dtypes", lambda self: ["float64", "float32"])
    digits = data.Part(np.zeros((700, 64)), np.zeros(700, dtype=np.int64))
    curves, failed = command.compare(command.QUICK, digits, [numpy, other])
    assert curves == [curve, curve]
    assert failed == ["PyTorch failed: RuntimeError: no kernel"]
    with pytest.raises(RuntimeError, match="no kernel"):
        command.compare(command.QUICK, digits, [other])


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A folder that cannot be made is refused before anything is trained."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(needs.DemoError, match=r"cannot write into .*file: File exists"):
        command.make_folder(file)


def test_digits_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits are 1797 images of 64 pixels in [0, 1]; without scikit-learn that is said."""
    pytest.importorskip("sklearn")
    digits = data.load_digits()
    assert digits.images.shape == (1797, 64)
    assert (digits.images.min(), digits.images.max()) == (0.0, 1.0)
    assert set(digits.labels) == set(range(10))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(needs.DemoError, match="the demo needs scikit-learn: python -m pip"):
        data.load_digits()
