"""README and pages say what is so: commands, public names, links, numbers in tables, pictures.

That their Python blocks run is for test_examples.py, and their length for test_project.py.
"""

import inspect
import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest

import softtargets
from softtargets import cli
from softtargets._array import backends
from tests.test_public import FUNCTIONS

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    path
    for path in (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
    if not {"_build", "_generated"} & set(path.relative_to(ROOT).parts)
]
SHELL = re.compile(r"^```sh\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAME = re.compile(r"\bst\.([A-Za-z_]\w*(?:\.[a-z_]\w*)*)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


README = read(ROOT / "README.md")


def test_readme_commands() -> None:
    """The README has two commands; each part of them exists, and the second is what CI runs."""
    demo, tests = SHELL.findall(README)
    assert tests == read(ROOT / ".ci/run").strip().splitlines()[-1]
    for command in (demo, tests):
        make, install, run = command.split(" && ")
        assert make == "python3 -m venv .venv"
        assert install.startswith(".venv/bin/python -m pip install -q -c constraints.txt ")
        assert (ROOT / "constraints.txt").exists()
        assert run.startswith(".venv/bin/")
    extras = re.findall(r'"\.\[([\w,]+)\]"', demo)
    known = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    assert extras == ["demo"]
    assert set(extras) <= set(known)
    _, arguments = demo.split(" -m softtargets ")
    assert cli.make_parser().parse_args(arguments.split()).run is cli.run_demo
    assert tests.endswith("/nox")
    assert (ROOT / "noxfile.py").exists()


def five_lines() -> list[str]:
    """Return the three blocks at the top of the README."""
    return [block for block in PYTHON.findall(README) if "import softtargets as st" in block]


def test_readme_same_five_lines() -> None:
    """Between NumPy, CuPy and PyTorch only the import and the creation of arrays change."""
    blocks = five_lines()
    assert [block.split()[1] for block in blocks] == ["numpy", "cupy", "torch"]
    for block in blocks:
        lines = block.strip().splitlines()
        assert len(lines) == 5
        name = lines[0].split()[-1]
        common = [line.replace(f"{name}.asarray(", "xp.asarray(") for line in lines[1:]]
        assert common == [
            "import softtargets as st",
            "logits = xp.asarray([[1.0, 2.0, 3.0]])",
            "labels = xp.asarray([0])",
            "loss, gradient = st.value_and_grad(st.cross_entropy)"
            "(logits, labels, label_smoothing=0.1)",
        ]


@pytest.mark.parametrize("name", ["numpy", "cupy", "torch"])
def test_readme_numbers(name: str) -> None:
    """The five lines give what the README says below them, where the library works."""
    if why := backends.find(name).why_unusable():
        pytest.skip(why)
    block = next(block for block in five_lines() if block.startswith(f"import {name}"))
    variables: dict[str, object] = {}
    exec(block, variables)
    loss, gradient = float(variables["loss"]), variables["gradient"].tolist()[0]
    assert f"`loss` is {loss:.4f} and" in README
    assert f"`gradient` is {[round(value, 4) for value in gradient]} each time" in README


def test_api_page_is_complete() -> None:
    """The API pages document every public function, class and method, and no other."""
    documented, owner = set(), ""
    text = read(DOCS / "api.md") + read(DOCS / "api_measuring.md")
    for kind, name in re.findall(r"^ *\.\. auto(\w+):: ([\w.]+)", text, re.M):
        if kind == "module":
            continue
        name = name.removeprefix("softtargets.")
        owner = name if kind == "class" else owner
        documented.add(f"{owner}.{name}" if kind in ("method", "attribute") else name)
    assert documented == set(FUNCTIONS)
    assert all(name in text for name in softtargets.__all__)


def test_command_line_is_documented() -> None:
    """The API page has every command, and every command that a page names exists."""
    commands = set(re.findall(r"^ {4}(\w+) ", cli.make_parser().format_help(), re.MULTILINE))
    assert {"demo", "backends"} <= commands
    table = set(re.findall(r"^\| `softtargets (\w+)", read(DOCS / "api.md"), re.MULTILINE))
    assert table == commands
    for path in PAGES:
        named = set(re.findall(r"`(?:python -m )?softtargets (\w+)", read(path)))
        assert named <= commands, path


def missing_names(text: str) -> list[str]:
    """Return the names after ``st.`` in a text that the library does not have."""
    missing = []
    for dotted in NAME.findall(text):
        value: object = softtargets
        for part in dotted.split("."):
            if inspect.isfunction(value):
                break
            value = getattr(value, part, None)
        if value is None:
            missing.append(dotted)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_exist(page: Path) -> None:
    """A page never shows a name of the library that is not there."""
    assert missing_names(read(page)) == []


def test_a_missing_name_would_be_seen() -> None:
    """A function and a method that are not there are found; text around names is not."""
    text = "`st.nothing(x)`, st.Targets.nowhere, st.mix(a, b).shape, and the best. Next"
    assert missing_names(text) == ["nothing", "Targets.nowhere"]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(text: str, page: Path) -> list[str]:
    """Return the links of a page to files and headings that are not there."""
    dead = []
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        there = target == page or target.is_file()
        if there and anchor:
            there = anchor in anchors(text if target == page else read(target))
        if not there:
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links(page: Path) -> None:
    """Every link to a page, a heading, or a picture leads somewhere."""
    assert dead_links(read(page), page) == []


def test_a_dead_link_would_be_seen() -> None:
    """Links to a missing file, a missing heading, and over plain http are found."""
    text = "# Here we are\n[a](no.md) [b](#here-we-are) [c](#there) [d](http://x) [e](https://x)"
    assert dead_links(text, DOCS / "page.md") == ["no.md", "#there", "http://x"]
    assert dead_links("[a](docs/numerics.md#infinities-and-nan)", ROOT / "README.md") == []


def test_every_page_is_in_a_contents_list() -> None:
    """Each page of the documentation is reached from the index of its folder."""
    for index in (DOCS / name / "index.md" for name in (".", "decisions", "studies")):
        entries = "\n".join(re.findall(r"```\{toctree\}\n(.*?)```", read(index), re.DOTALL))
        listed = set(re.findall(r"^(?:.*<)?([\w/-]+)>?$", entries, re.MULTILINE))
        pages = {path.stem for path in index.parent.glob("*.md")} - {"index"}
        assert pages - listed == set()


def test_paths_exist() -> None:
    """The page on structure names files and folders that are there, and every layer that is."""
    text = read(DOCS / "structure.md")
    named = set(re.findall(r"`([\w./*]+(?:/|\.py|\.txt|\.md|/run))`", text))
    roots = (ROOT, ROOT / "src" / "softtargets")
    assert len(named) > 20
    assert {path for path in named if not any(any(root.glob(path)) for root in roots)} == set()
    package = ROOT / "src" / "softtargets"
    layers = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert layers | {path.name for path in package.glob("*.py")} <= named


def test_decisions_have_one_form() -> None:
    """Decisions are numbered without gaps and say question, others, decision and consequence."""
    pages = sorted(DOCS.glob("decisions/0*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, start=1):
        text = read(page)
        assert text.startswith(f"# {number}. ")
        found = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
        assert found == ["Question", "What others do", "Decision", "Consequence"], page


def test_numbers_of_tables_are_computed() -> None:
    """Each loss in a table of the page on conventions is the output of an example below it."""
    text = read(DOCS / "conventions.md")
    in_tables = set(re.findall(r"^\|.*?\b(\d\.\d{6})\b", text, re.MULTILINE))
    outputs = "".join(PYTHON.findall(text))
    assert len(in_tables) == 5
    assert {number for number in in_tables if f"\n'{number}'\n" not in outputs} == set()


def test_only_blocks_for_a_gpu_are_not_run() -> None:
    """The examples' test leaves out one block of the README and two of the page on GPUs."""
    marks = {
        page.name: found
        for page in PAGES
        if (found := re.findall(r"^<!-- not run: (.*) -->", read(page), re.M))
    }
    assert {name: len(found) for name, found in marks.items()} == {"README.md": 1, "gpu.md": 2}
    assert all(mark.startswith("needs a GPU") for found in marks.values() for mark in found)


def test_pictures_are_up_to_date() -> None:
    """The picture of the idea is what its script draws."""
    drawn = runpy.run_path(str(DOCS / "_static" / "idea.py"))["draw"]()
    assert drawn == read(DOCS / "_static" / "idea.svg")


def test_changelog() -> None:
    """The changelog begins with this version, and explains what it lists as changed values."""
    text = read(ROOT / "CHANGELOG.md")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == softtargets.__version__
    assert "**Changed values**" in text.partition("\n## ")[0]


def test_bars_of_the_picture() -> None:
    """The bars of the picture are targets: each row sums to 1, or to 0.9 for the listed top 3."""
    rows = runpy.run_path(str(DOCS / "_static" / "idea.py"))["rows"]()
    np.testing.assert_allclose([q.sum() for _, q, *_ in rows], [1, 1, 1, 0.9], rtol=1e-12)


def test_gallery_is_drawn_by_the_library(tmp_path: Path) -> None:
    """The script of the gallery makes its pictures, of targets that sum to 1 or less and of losses
    whose best leads are the closed forms.
    """
    pytest.importorskip("matplotlib")
    script = runpy.run_path(str(DOCS / "_static" / "gallery.py"))
    masses = {name: q.sum() for name, _, q in script["targets"]()}
    low = {name for name, mass in masses.items() if abs(mass - 1) > 1e-12}
    assert low == {"its best 2", "yes and no, smoothed"}
    gaps, count = script["GAPS"], script["CLASSES"]
    best = {
        (title, name): gaps[np.argmin(values)]
        for title, curves in script["curves"]()
        for name, _, _, values in curves
    }
    for e in (0.1, 0.3, 0.6):
        gap = np.log(1 + count * (1 - e) / e)
        assert abs(best["cross_entropy: label smoothing", str(e)] - gap) < 0.026
    teacher = "distillation (teacher leads by 4)"
    assert {best[key] for key in best if key[0] == teacher} == {4.0}
    for name in ("targets", "losses"):
        path = tmp_path / f"gallery_{name}.png"
        script[f"draw_{name}"]().savefig(path)
        assert path.stat().st_size > 20_000
        assert (DOCS / "_static" / path.name).is_file()
