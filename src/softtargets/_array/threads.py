"""A few threads of the library's own for arrays in host memory.

Array libraries release the interpreter's lock inside an operation, so blocks of rows run side by
side. The thread that calls takes part, so the pool may be busy, gone or shared by many callers.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from softtargets._array import errors
from softtargets._array.checks import check_count

#: Handles one item; made once for each thread that takes part, so that it can have memory of its
#: own.
Worker = Callable[[slice], None]

VARIABLE = "SOFTTARGETS_NUM_THREADS"


class _Pool:
    """The threads beside the one that calls."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.executor: ThreadPoolExecutor | None = None
        self.count: int | None = None

    def resize(self, count: int | None) -> None:
        with self.lock:
            old, self.executor, self.count = self.executor, None, count
        if old is not None:
            old.shutdown(wait=False)  # what was handed to it still runs

    def start(self, task: Callable[[], None], copies: int) -> list[Future[None]]:
        """Start ``task`` on up to ``copies`` threads."""
        with self.lock:
            if self.executor is None:
                size = max(1, _threads(self.count) - 1)
                self.executor = ThreadPoolExecutor(size, thread_name_prefix="softtargets")
            executor = self.executor
        futures: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):  # the interpreter, or a resize, shuts the pool down
            for _ in range(copies):
                futures.append(executor.submit(task))
        return futures


_pool = _Pool()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has neither it nor fork
    # A child has none of its parent's threads, and perhaps a lock that none will release.
    os.register_at_fork(after_in_child=_pool.__init__)  # type: ignore[misc]


def _threads(count: int | None) -> int:
    if count is not None:
        return count
    given = os.environ.get(VARIABLE, "")
    if not given:
        return _cores()
    if not given.isdecimal():
        errors.bad_value(VARIABLE, "be an int of at least 1", repr(given))
    return check_count(int(given), VARIABLE)


def _cores() -> int:
    # Linux knows which cores the process may use; macOS and Windows only how many there are.
    allowed = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if allowed is None else len(allowed(0))


def get_num_threads() -> int:
    """Return the number of threads that work on arrays in host memory.

    Returns
    -------
    int
        What :func:`set_num_threads` set, else the environment variable
        ``SOFTTARGETS_NUM_THREADS``, else the number of cores that the process may use.

    Examples
    --------
    >>> import softtargets as st
    >>> st.get_num_threads() >= 1
    True
    """
    return _threads(_pool.count)


def set_num_threads(num_threads: int | None) -> None:
    """Set the number of threads that work on arrays in host memory. Results do not depend on it.

    Parameters
    ----------
    num_threads : int or None
        At least 1; 1 starts no threads. None returns to the default of :func:`get_num_threads`.

    Returns
    -------
    None

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is below 1.

    Examples
    --------
    >>> import softtargets as st
    >>> st.set_num_threads(1)
    >>> st.get_num_threads()
    1
    >>> st.set_num_threads(None)
    """
    if num_threads is not None:
        num_threads = check_count(num_threads, "num_threads")
    _pool.resize(num_threads)


def run(make_worker: Callable[[], Worker], items: Sequence[slice], most: int | None = None) -> None:
    """Have every item handled by a worker, ``most`` of them side by side. An error is raised when
    all that had begun is done, and no item after it has begun.
    """
    if len(items) == 1:
        make_worker()(items[0])
        return
    left = iter(items)
    lock = threading.Lock()

    def drain() -> None:
        worker = make_worker()
        while True:
            with lock:
                item = next(left, None)
            if item is None:
                return
            try:
                worker(item)
            except BaseException:
                with lock:
                    for _ in left:  # nobody begins another item
                        pass
                raise

    others = min(get_num_threads(), len(items), most or len(items)) - 1
    work = [drain]
    futures = _pool.start(lambda: work[0](), others) if others > 0 else []
    try:
        drain()
    finally:
        # One that has not begun has nothing left to do. It may lie in the queue of a busy pool for
        # long, and must not keep there what the work is about.
        running = [future for future in futures if not future.cancel()]
        wait(running)
        work.clear()
    for future in running:
        future.result()
