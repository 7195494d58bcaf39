"""What is wrong with files is one line on standard error and status 2; nothing is unpickled."""

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from softtargets import cli
from softtargets.report import files
from softtargets.report.files import Files, cut

X = np.array([[2.0, 0.0, 1.0], [0.5, 3.0, 0.0], [0.0, 0.2, 0.1], [1.0, 0.0, 4.0]])
Y = np.array([0, 1, 1, 2])


class Trap:
    """A pickle of this leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two sound files, x.npy and y.npy, in the current folder."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("y.npy", Y)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], arguments: str = "x.npy y.npy") -> str:
    """Run a report that must be refused, and return what it says."""
    status = cli.main(["report", *arguments.split()])
    output, error = capsys.readouterr()
    assert (status, output, error.count("\n")) == (2, "", 1)
    assert error.startswith("softtargets report: ")
    return error.removeprefix("softtargets report: ").rstrip("\n")


def stored(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """A missing file, a folder and an empty file are named."""
    assert refused(capsys, "no.npy y.npy") == "cannot read no.npy: No such file or directory"
    assert refused(capsys, "x.npy .").startswith("cannot read .: ")
    (folder / "x.npy").write_bytes(b"")
    assert refused(capsys) == "x.npy is empty"


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        pickle.dumps(X),
        stored(X)[:5],
        b"PK\x03\x04" + bytes(200),
    ],
    ids=["text", "pickle", "start", "zip"],
)
def test_other_files(capsys: pytest.CaptureFixture[str], folder: Path, content: bytes) -> None:
    """What does not begin as a .npy file does is not looked into."""
    (folder / "x.npy").write_bytes(content)
    assert refused(capsys) == "x.npy is no .npy file"


@pytest.mark.parametrize(
    "content",
    [
        stored(X)[:7],
        stored(X)[:40],
        stored(X)[:-1],
        stored(X)[:128],
        stored(X).replace(b"(4, 3)", b"(4, -3"),
        stored(X).replace(b"'descr'", b"'deskr'"),
        stored(X).replace(b"<f8", b"<q8"),
        stored(X).replace(b"(4, 3), }    ", b"(4, 10**9), }"),
        stored(X).replace(b"(4, 3), }           ", b"(99999999, 9999999)}"),
        stored(X).replace(b"\x01\x00", b"\x09\x00", 1),
        stored(X)[:10] + b"\xff" * 300,
    ],
)
def test_damaged_files(capsys: pytest.CaptureFixture[str], folder: Path, content: bytes) -> None:
    """A damaged header, or one that promises more than there is, is said to be damaged."""
    assert content != stored(X)
    (folder / "x.npy").write_bytes(content)
    assert refused(capsys).startswith("x.npy is damaged or holds no plain numbers: ")


def test_nothing_is_unpickled(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """An array of objects is refused, whichever file it is in, and its objects are not made."""
    sprung = folder / "sprung"
    trap = np.array([Trap(sprung)] * 4, dtype=object)
    for name in ("x.npy", "y.npy"):
        np.save("x.npy", X)
        np.save(name, trap, allow_pickle=True)
        assert refused(capsys).startswith(f"{name} is damaged or holds no plain numbers: ")
    assert not sprung.exists()
    np.load("y.npy", allow_pickle=True)
    assert sprung.exists()


@pytest.mark.parametrize(
    ("x", "y", "arguments", "message"),
    [
        (Y, X, "", "x.npy must hold float16, float32 or float64, it holds int64, and the other "
         "file floats: are they in the right order?"),
        (X > 1, Y, "", "x.npy must hold float16, float32 or float64, it holds bool"),
        (X + 1j, Y, "", "x.npy must hold float16, float32 or float64, it holds complex128"),
        (X, X, "", "y.npy must hold integer labels, it holds float64"),
        (X, Y > 0, "", "y.npy must hold integer labels, it holds bool"),
        (X[0], Y, "", "x.npy must have rows and classes, its shape is (3,)"),
        (X, Y, " --axis 2", "--axis 2 is no axis of x.npy, its shape is (4, 3)"),
        (X[:0], Y[:0], "", "x.npy has no entries, its shape is (0, 3)"),
        (X[:, :1], Y, "", "x.npy has one class along axis 1, its shape is (4, 1)"),
        (X, Y[:3], "", "y.npy must have the shape (4,) of x.npy without its class axis, it has "
         "(3,) [x.npy: (4, 3), axis: 1]"),
        (X, Y + 1, "", "y.npy has the label 3 in row 3, not one of 0 to 2 or the ignored -100"),
        (X, Y - 1, "", "y.npy has the label -1 in row 0, not one of 0 to 2 or the ignored -100"),
        (X, Y * 0 - 100, "", "y.npy has no row that counts: all are ignored"),
        (np.where(X == 0.2, np.nan, X), Y, "", "x.npy has nan or infinite logits in row 2"),
        (X, Y, " --from-probs", "x.npy: rows of scores must sum to 1, got 3.0 "
         "[in the rows from row 0 on]"),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    capsys: pytest.CaptureFixture[str], x: np.ndarray, y: np.ndarray, arguments: str, message: str
) -> None:
    """Dtypes, shapes, labels and values that make no sense are named, with the first such row."""
    np.save("x.npy", x)
    np.save("y.npy", y)
    assert refused(capsys, f"x.npy y.npy{arguments}") == message


def test_rows_are_named_by_their_place_in_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In later blocks, with several axes of rows, the place is still that in the file."""
    monkeypatch.setattr(files, "ENTRIES", 6)
    x, y = np.zeros((2, 3, 5)), np.zeros((2, 5), dtype=np.uint8)
    x[1, 2, 3] = np.nan
    np.save("x.npy", x)
    np.save("y.npy", y)
    expected = "x.npy has nan or infinite logits in row (1, 3)"
    assert refused(capsys, "x.npy y.npy --axis 1") == expected
    y[1, 2] = 200
    np.save("y.npy", y)
    expected = "y.npy has the label 200 in row (1, 2), not one of 0 to 2 or the ignored -100"
    assert refused(capsys, "x.npy y.npy --axis 1") == expected


def test_the_first_of_several_errors_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks are read side by side, and what is said does not depend on which fails first."""
    monkeypatch.setattr(files, "ENTRIES", 30)
    x, y = np.zeros((400, 3)), np.zeros(400, dtype=int)
    y[[25, 399]] = 7
    x[15, 1] = np.nan
    np.save("x.npy", x)
    np.save("y.npy", y)
    for _ in range(5):
        expected = "x.npy has nan or infinite logits in row 15"
        assert refused(capsys, "x.npy y.npy") == expected


def test_pages_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read, a page is refused that could not be made, or would overwrite."""
    assert refused(capsys, "x.npy y.npy --html ./y.npy") == (
        "--html y.npy would overwrite what is read"
    )
    for place in (".", "no/page.html"):
        expected = f"cannot write {place}: no such folder, or a folder itself"
        assert refused(capsys, f"x.npy y.npy --html {place}") == expected
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert refused(capsys, "x.npy y.npy --html page.html") == (
        "softtargets.plots needs matplotlib: python -m pip install 'softtargets[plots]'"
    )


@pytest.mark.parametrize("places", [(0, 2, 3), (3, 2, 0)])
@pytest.mark.parametrize("entries", [1, 7, 40, 10**6])
def test_blocks(monkeypatch: pytest.MonkeyPatch, places: tuple[int, ...], entries: int) -> None:
    """Blocks cover every entry once, hold whole rows, and no more entries than are allowed."""
    monkeypatch.setattr(files, "ENTRIES", entries)
    shape = (3, 2, 4, 5)
    seen = np.zeros(shape, dtype=int)
    for block in cut(shape, places, tuple(slice(0, size) for size in shape)):
        assert block[1] == slice(0, 2)
        assert seen[block].size <= max(entries, 2)
        seen[block] += 1
    assert np.all(seen == 1)


def test_a_file_of_the_other_byte_order_is_turned(folder: Path) -> None:
    """Blocks have the byte order of the machine."""
    np.save("x.npy", X.astype(">f4"))
    np.save("y.npy", Y.astype(">u2"))
    found = Files(folder / "x.npy", folder / "y.npy", (4, 3), ">f4", 1, -100)
    x, y = found.read((slice(1, 3), slice(0, 3)))
    assert (x.dtype, y.dtype) == (np.float32, np.uint16)
    np.testing.assert_array_equal(x, X[1:3].astype(np.float32))
    np.testing.assert_array_equal(y, Y[1:3])
