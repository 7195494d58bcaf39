"""Threads that are shared: by several callers, by forked processes, until the interpreter ends."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import softtargets as st
from softtargets._array import threads
from tests.backends import assert_same_bits
from tests.test_threads import CASES, loss_of, results_of, script, small_blocks

__all__ = ["small_blocks"]  # a fixture that every test here uses

#: The start of a script: arrays of many blocks, and their gradient on one thread.
BEGINNING = """
import numpy as np
import softtargets as st
from softtargets.execution import plan

plan.HOST_ENTRIES = 2**10
x = np.sin(np.arange(30000.0)).reshape(600, 50)
labels = np.arange(600) % 50
both = st.value_and_grad(st.cross_entropy)
st.set_num_threads(1)
want = both(x, labels)
st.set_num_threads(4)


def same():
    got = both(x, labels)
    return all((a == b).all() for a, b in zip(got, want))


"""


def test_called_from_several_threads_at_once() -> None:
    """Many callers share the pool, more than it has threads, and each gets its own result."""
    calls = [loss_of((50 * i, 50), np.float32) for i in range(1, 9)]
    st.set_num_threads(1)
    want = [call() for call in calls]
    st.set_num_threads(3)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda call: call(), calls))
            for got, expected in zip(found, want, strict=True):
                assert_same_bits(got[0], expected[0])
                assert_same_bits(got[1], expected[1])


def test_the_number_changes_while_others_work() -> None:
    """Setting the number of threads while others work changes none of their results."""
    call = CASES["few classes"]
    st.set_num_threads(1)
    want = call()
    stop = threading.Event()

    def change() -> None:
        count = 0
        while not stop.is_set():
            count = count % 4 + 1
            st.set_num_threads(count)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda _: call(), range(30)))
    finally:
        stop.set()
        changing.join()
    for got in found:
        assert_same_bits(got[1], want[1])


def test_a_pool_that_is_gone() -> None:
    """Where no thread can be had, the caller does all the work."""
    call = CASES["few classes"]
    want = results_of(1, call)
    st.set_num_threads(4)
    call()  # there is a pool now
    threads._pool.executor.shutdown()
    assert_same_bits(call()[1], want[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child() -> None:
    """A child made after the parent used its threads computes with threads of its own."""
    # Python 3.12 warns of every fork beside threads, whoever's they are.
    text = """
import os, threading, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
assert same()
child = os.fork()
if child == 0:
    ok = same() and threading.active_count() > 1
    os._exit(0 if ok else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), same(), st.get_num_threads())
"""
    assert script(BEGINNING + text) == "0 True 4\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_pool_of_processes() -> None:
    """Processes that `multiprocessing` forks use the library too."""
    text = """
import multiprocessing

if __name__ == "__main__":
    assert same()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.starmap(same, [()] * 4))
"""
    assert script(BEGINNING + text) == "[True, True, True, True]\n"


def test_after_the_end_of_the_main_thread() -> None:
    """Functions that run at exit, when no thread can be started, still compute."""
    text = """
import atexit
import threading

assert same()
atexit.register(lambda: print("at exit", same()))
threading._register_atexit(lambda: print("before", same()))
"""
    lines = script(BEGINNING + text).splitlines()
    assert lines == ["before True", "at exit True"]


def test_a_pool_that_begins_at_exit() -> None:
    """Where the first call of all is made at exit, the caller does the work."""
    text = """
import atexit

st.set_num_threads(3)
atexit.register(lambda: print(same()))
"""
    assert script(BEGINNING + text) == "True\n"
