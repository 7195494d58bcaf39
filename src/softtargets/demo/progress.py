"""How far long work has come: a bar on a terminal where rich is installed, else a line of text."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def progress(text: str, total: int, stream: TextIO | None = None) -> Iterator[Callable[[], None]]:
    """Give a function to be called ``total`` times; show its calls on standard error."""
    stream = stream or sys.stderr
    has_rich = importlib.util.find_spec("rich") is not None
    show = bar if has_rich and stream.isatty() else line
    with show(text, total, stream) as advance:
        yield advance


@contextmanager
def bar(text: str, total: int, stream: TextIO) -> Iterator[Callable[[], None]]:
    """Draw a bar, which is gone at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        task = bars.add_task(text, total=total)
        yield lambda: bars.advance(task)


@contextmanager
def line(text: str, total: int, stream: TextIO) -> Iterator[Callable[[], None]]:
    """Write a line that grows by each tenth of the work."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:
            print(f" {done * 100 // total} %", end="", file=stream, flush=True)

    print(f"{text}:", end="", file=stream, flush=True)
    try:
        yield advance
    finally:
        print(file=stream, flush=True)
