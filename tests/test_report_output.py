"""How the report on files looks: text, a page with pictures, and a bar while it is made."""

import base64
import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from softtargets import cli
from softtargets.calibration import calibration_report
from softtargets.report import command, files
from tests.reports import coarse, predictions, printed


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    coarse(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command on arrays, saved before: what it prints."""
    return functools.partial(printed, capsys)


def test_text(report: Callable[..., str]) -> None:
    """The text has the sentences, the report of the library, and what the temperature changes."""
    x, y = predictions(2.0)
    y[5] = -1
    output = report(x, y, "--ignore-index -1 --bins 10")
    assert output.startswith(
        "x.npy: 2,000 rows, 1 ignored, 4 classes, float64 logits; labels: y.npy\n\n- The model "
    )
    assert str(calibration_report(x, y, num_bins=10, ignore_index=-1)) in output
    assert re.search(r"\n {26}before {6}after  the temperature\nmean confidence +0\.\d{4}", output)


def test_page(report: Callable[..., str], folder: Path) -> None:
    """The page needs no other file: both pictures are in it; names are no markup."""
    pytest.importorskip("matplotlib")
    x, y = predictions(2.0, rows=300)
    report(x, y, "--html page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(images) == text.count("<img ") == 2
    assert len(set(images)) == 2
    for image in images:
        data = base64.b64decode(image, validate=True)
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert data[16:24] == (504).to_bytes(4, "big") + (648).to_bytes(4, "big")
    assert str(calibration_report(x, y)) in text
    assert "<td>mean confidence</td>" in text
    assert "http" not in text
    (folder / "x.npy").rename("<b>&.npy")
    assert cli.main(["report", "<b>&.npy", "y.npy", "--html", "page.html"]) == 0
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;.npy" in text
    assert "<b>" not in text


def test_page_without_a_temperature(report: Callable[..., str], folder: Path) -> None:
    """Where there is none, one picture is left."""
    pytest.importorskip("matplotlib")
    report(np.where(np.eye(4) > 0, -np.inf, 0), np.arange(4), "--html page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert text.count("<img ") == 1
    assert "<table>" not in text


def test_a_page_that_fails_late(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full is said in one line as well."""
    pytest.importorskip("matplotlib")
    x, y = predictions(1.0, rows=20)
    np.save("x.npy", x)
    np.save("y.npy", y)

    def fail(path: Path, text: str, encoding: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    assert cli.main(["report", "x.npy", "y.npy", "--html", "page.html"]) == 2
    output, error = capsys.readouterr()
    expected = "softtargets report: cannot write page.html: No space left on device\n"
    assert (output, error) == ("", expected)


def test_progress(report: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the blocks are counted, and the fit as one more; elsewhere nothing is shown."""
    seen: list[object] = []

    @contextlib.contextmanager
    def fake(text: str, total: int) -> Iterator[Callable[[], None]]:
        seen.extend((text, total))
        yield lambda: seen.append(1)

    monkeypatch.setattr(command, "progress", fake)
    monkeypatch.setattr(files, "ENTRIES", 400)
    x, y = predictions(1.0, rows=200)
    report(x, y)
    assert seen == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    report(x, y)
    assert seen == ["reading x.npy", 3, 1, 1, 1]
