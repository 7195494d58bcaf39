"""Threads for arrays in host memory: how many, what each does, the same bits from any number."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import threads
from softtargets.execution import plan
from tests.backends import assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
LINEAR = st.value_and_grad(st.linear_cross_entropy)
RNG = np.random.default_rng(8)
X = RNG.normal(0, 3, (600, 50)).astype(np.float32)
LABELS = RNG.integers(0, 50, 600)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of few rows, so that small arrays have many, and the default number afterwards."""
    monkeypatch.setattr(plan, "HOST_ENTRIES", 2**10)
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    yield
    st.set_num_threads(None)


def script(text: str, **environment: str) -> str:
    """What a Python of its own prints; it must end without an error, and soon."""
    given = {k: v for k, v in os.environ.items() if k != threads.VARIABLE} | environment
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=given,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_number_of_threads() -> None:
    """It is what was set, else that of the environment, else the cores of the process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert st.get_num_threads() == cores
    for count in (1, 3, np.int64(2)):
        st.set_num_threads(count)
        assert st.get_num_threads() == count
    st.set_num_threads(None)
    assert st.get_num_threads() == cores


def test_systems_that_do_not_know_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says which cores the process may use, all of them count, and at least one."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for found, want in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda found=found: found)
        assert st.get_num_threads() == want


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork to take away")
def test_systems_that_do_not_fork() -> None:
    """The library can be imported where Python has no fork."""
    text = "import os\ndel os.fork, os.register_at_fork\nimport softtargets\nprint('done')"
    assert script(text) == "done\n"


@pytest.mark.parametrize(("given", "want"), [("3", 3), ("1", 1)])
def test_the_environment(given: str, want: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read when it is needed, and what was set goes before it."""
    monkeypatch.setenv(threads.VARIABLE, given)
    assert st.get_num_threads() == want
    st.set_num_threads(2)
    assert st.get_num_threads() == 2
    text = "import softtargets as st\nprint(st.get_num_threads())"
    assert script(text, SOFTTARGETS_NUM_THREADS=given) == f"{want}\n"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable may be there without a value."""
    default = st.get_num_threads()
    monkeypatch.setenv(threads.VARIABLE, "")
    assert st.get_num_threads() == default


def test_a_bad_number_changes_nothing() -> None:
    """A number that is refused (tests/messages.py) leaves the one that was set."""
    st.set_num_threads(2)
    with pytest.raises(ValueError, match=r"^num_threads must"):
        st.set_num_threads(0)
    assert st.get_num_threads() == 2


def test_a_bad_variable_is_named_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment that is no number of threads stops a loss, by its name."""
    monkeypatch.setenv(threads.VARIABLE, "many")
    with pytest.raises(ValueError, match=r"^SOFTTARGETS_NUM_THREADS must be .*, got 'many'$"):
        BOTH(X, LABELS)


def results_of(count: int, act: Callable[[], Any]) -> list[Any]:
    """All arrays that ``act`` returns with so many threads."""
    st.set_num_threads(count)
    value, gradients = act()
    return [value, *(gradients if isinstance(gradients, tuple) else (gradients,))]


def linear_of(seed: int, classes: int, dtype: Any) -> Callable[[], Any]:
    rng = np.random.default_rng(seed)
    y, weight, bias = (
        rng.standard_normal(shape).astype(dtype) for shape in ((70, 6), (classes, 6), (classes,))
    )
    labels = rng.integers(0, classes, 70)
    block = 4 * classes * 16
    return lambda: LINEAR(y, weight, labels, bias=bias, label_smoothing=0.1, block_bytes=block)


def loss_of(shape: tuple[int, int], dtype: Any, **words: Any) -> Callable[[], Any]:
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(0, 3, shape).astype(dtype)
    labels = rng.integers(0, shape[1], shape[0])
    return lambda: BOTH(x, labels, label_smoothing=0.1, **words)


CASES: dict[str, Callable[[], Any]] = {
    "few classes": loss_of((3000, 7), np.float32),
    "two classes": loss_of((3000, 2), np.float64, reduction="none"),
    "many classes": loss_of((11, 3001), np.float32, z_loss=0.01, confidence_penalty=0.1),
    "half": loss_of((100, 301), np.float16),
    "one row": loss_of((1, 9000), np.float32),
    "linear": linear_of(1, 300, np.float32),
    "linear, few classes": linear_of(2, 5, np.float64),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits(case: str) -> None:
    """Loss and gradients have the same bits from 1, 2, 3 and 8 threads."""
    want = results_of(1, CASES[case])
    for count in (2, 3, 8):
        for got, expected in zip(results_of(count, CASES[case]), want, strict=True):
            assert_same_bits(got, expected)


def test_other_threads_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several threads blocks are worked on by more than the one that calls; with 1 by it."""
    st.set_num_threads(3)
    both, meet = set(), threading.Barrier(3, timeout=60)

    def worker(_: slice) -> None:
        both.add(threading.get_ident())
        meet.wait()

    threads.run(lambda: worker, [slice(i, i + 1) for i in range(3)])
    assert len(both) == 3
    assert threading.get_ident() in both
    st.set_num_threads(1)
    both.clear()
    meet = threading.Barrier(1)
    threads.run(lambda: worker, [slice(i, i + 1) for i in range(3)])
    assert both == {threading.get_ident()}


def test_every_item_once() -> None:
    """Each item is handled once, none twice, and nothing at all is no item."""
    for count in (1, 4):
        st.set_num_threads(count)
        for size in (0, 1, 2, 100):
            found: list[slice] = []
            items = [slice(i, i + 1) for i in range(size)]
            threads.run(lambda found=found: found.append, items)
            assert sorted(found, key=lambda item: item.start) == items


def test_each_thread_has_a_worker_of_its_own() -> None:
    """Workers are made on the threads that use them, so that they may have memory of their own."""
    st.set_num_threads(4)
    strangers = []

    def make() -> threads.Worker:
        owner = threading.get_ident()

        def worker(_: slice) -> None:
            if threading.get_ident() != owner:
                strangers.append(owner)

        return worker

    threads.run(make, [slice(i, i + 1) for i in range(200)])
    assert strangers == []


def test_no_more_side_by_side_than_asked_for() -> None:
    """Of many threads as many work as are wanted."""
    st.set_num_threads(4)
    working: list[int] = []
    counts: list[int] = []

    def worker(item: slice) -> None:
        working.append(item.start)
        counts.append(len(working))
        threading.Event().wait(0.01)
        working.remove(item.start)

    threads.run(lambda: worker, [slice(i, i + 1) for i in range(20)], most=2)
    assert max(counts) == 2


def test_a_busy_pool_keeps_nothing() -> None:
    """What is run inside of a worker, when no thread is left, is gone when it is done."""
    st.set_num_threads(2)
    meet = threading.Barrier(2, timeout=60)
    kept: list[object] = []

    def count() -> Callable[[], object]:
        seen = np.zeros(4)

        def inner(item: slice) -> None:
            seen[item] += 1

        threads.run(lambda: inner, [slice(i, i + 1) for i in range(4)])
        assert seen.tolist() == [1, 1, 1, 1]
        return weakref.ref(seen)

    def worker(_: slice) -> None:
        meet.wait()  # both threads are here
        kept.append(count()())
        meet.wait()

    threads.run(lambda: worker, [slice(0, 1), slice(1, 2)])
    assert kept == [None, None]


class Broken(Exception):
    """Raised by a worker."""


def test_an_error_is_raised_and_stops_the_rest() -> None:
    """An error of any thread reaches the caller, and no thread begins another item after it."""
    st.set_num_threads(4)
    done: list[int] = []
    meet = threading.Barrier(4, timeout=60)

    def worker(item: slice) -> None:
        if item.start < 4:
            meet.wait()  # all four have begun
            raise Broken(item.start)
        done.append(item.start)

    with pytest.raises(Broken):
        threads.run(lambda: worker, [slice(i, i + 1) for i in range(1000)])
    assert done == []


@pytest.mark.parametrize("fails", ["MainThread", "softtargets_0", "softtargets_1"])
def test_nobody_works_after_an_error_is_raised(fails: str) -> None:
    """When the error is raised all threads are through: none writes into memory any more."""
    st.set_num_threads(3)
    working: list[str] = []
    meet = threading.Barrier(3, timeout=60)

    def worker(_: slice) -> None:
        name = threading.current_thread().name
        slow = name not in (fails, "MainThread")
        if slow:
            working.append(name)
        meet.wait()
        if name == fails:
            raise Broken
        if slow:
            # Long enough for a caller that does not wait to be seen leaving.
            threading.Event().wait(0.2)
            working.remove(name)

    with pytest.raises(Broken):
        threads.run(lambda: worker, [slice(i, i + 1) for i in range(3)])
    assert working == []


def test_it_goes_on_after_an_error() -> None:
    """A call after one that failed gives the numbers it should."""
    st.set_num_threads(4)
    with pytest.raises(Broken):
        threads.run(lambda: raiser, [slice(0, 1)] * 10)
    assert_same_bits(results_of(4, CASES["few classes"])[1], results_of(1, CASES["few classes"])[1])


def raiser(_: slice) -> None:
    raise Broken
