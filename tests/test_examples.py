"""Every example runs: in README.md, in the pages of the documentation and in docstrings.

A fenced block ``python`` with prompts is compared with the output that it shows; one without is
run. The blocks of a page share their variables. An HTML comment in the line above a block says what
it needs: ``<!-- needs: torch -->`` leaves it out where PyTorch is not installed, and
``<!-- not run: why -->`` always.
"""

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import softtargets

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if not {"_build", "_generated"} & set(path.relative_to(ROOT).parts) and path.exists()
]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(
        softtargets.__path__, "softtargets.", onerror=lambda _: None
    )
    if not module.name.endswith("__main__")
)
#: Blocks that a reader takes for Python and that this file would not see.
UNSEEN = re.compile(
    r"^(?:[ \t>]+```python|\s*```(?:py|pycon|python3|\{.*\} *python)\b).*", re.MULTILINE
)
#: What examples import, where modules do not.
NEEDS = {"softtargets.plots": "matplotlib", "softtargets.distributed.chunks": "dask.array"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|needs): (?P<what>.*?) -->\n)?```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def run_page(text: str, name: str) -> int:
    """Run the Python blocks of a page in order and return how many were run."""
    variables: dict[str, object] = {"__name__": "__main__"}
    if unseen := UNSEEN.search(text):
        raise AssertionError(f"{name}: write ```python at the margin, not {unseen.group()!r}")
    count = 0
    for block in BLOCK.finditer(text):
        if block["mark"] == "not run":
            continue
        if block["mark"] == "needs" and not is_installed(block["what"]):
            continue
        count += 1
        first_line = text[: block.start("code")].count("\n")
        if ">>> " in block["code"]:
            examples = doctest.DocTestParser().get_doctest(
                block["code"], variables, name, name, first_line
            )
            # The parser copies the variables; the page goes on with those of this block.
            variables = examples.globs
            run_examples(examples)
        else:
            exec(compile("\n" * first_line + block["code"], name, "exec"), variables)
    return count


def run_examples(examples: doctest.DocTest) -> None:
    """Run examples and fail with doctest's own report."""
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    if runner.run(examples, out=report.append, clear_globs=False).failed:
        raise AssertionError("".join(report))


def is_installed(names: str) -> bool:
    return all(importlib.util.find_spec(name.strip()) for name in names.split(","))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The examples of a page give what the page says."""
    monkeypatch.chdir(tmp_path)
    run_page(page.read_text(encoding="utf-8"), page.name)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The examples of a docstring give what it says."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("softtargets"):
            raise
        pytest.skip(f"needs {error.name}")
    for start, needed in NEEDS.items():
        if name.startswith(start):
            pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    for examples in doctest.DocTestFinder().find(module):
        run_examples(examples)


PAGE = """# A page

```python
>>> a = 1
>>> a + 1
{result}
```

{comment}
```python
a += 5
b = 2 if True else 3
```

```python
>>> a, b
(6, 2)
```
"""


def test_pages_are_run() -> None:
    """Blocks share variables, and a comment leaves one out."""
    assert run_page(PAGE.format(result="2", comment=""), "page") == 3
    with pytest.raises(AssertionError, match="NameError"):
        run_page(PAGE.format(result="2", comment="<!-- not run: slow -->"), "page")
    assert run_page("<!-- needs: no_such_module -->\n```python\n1 / 0\n```\n", "page") == 0
    for fence in ("  ```python", "```pycon", "> ```python", "```{code-block} python"):
        with pytest.raises(AssertionError, match="write ```python at the margin"):
            run_page(f"{fence}\n>>> 1\n2\n```\n", "page")
    assert run_page("<!-- needs: numpy -->\n```python\n1 / 1\n```\n", "page") == 1


def test_a_wrong_output_fails() -> None:
    """A page that says what is not so fails, and so does one that raises."""
    with pytest.raises(AssertionError, match=r"line 5(.|\n)*Expected:\s+3\s+Got:\s+2"):
        run_page(PAGE.format(result="3", comment=""), "page")
    with pytest.raises(ZeroDivisionError):
        run_page("```python\n1 / 0\n```\n", "page")
