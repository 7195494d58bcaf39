"""The report on files, and what nothing that looks at every logit could be faster than."""

import contextlib
import functools
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.arrays import Unsupported
from bench.cases import Case
from bench.contestants.base import Run, Setup
from bench.inputs import Inputs

#: Entries that are made at a time, and repeated until the file is full.
MADE = 2**22
#: Entries that are read at a time: 2 MiB of float32, which stay in the cache.
BLOCK_ENTRIES = 2**19


class Stored:
    """Logits and labels of a case in files, which go when nobody needs them any more."""

    def __init__(self, case: Case) -> None:
        size = case.rows * (4 * case.classes + 8)
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free < 2 * size:
            raise Unsupported(f"needs {2 * size / 1e9:.1f} GB of disk, {free / 1e9:.1f} are free")
        self.folder = tempfile.TemporaryDirectory(prefix="softtargets-bench-")
        self.logits, self.labels = (Path(self.folder.name) / f"{name}.npy" for name in ("x", "y"))
        rows = min(case.rows, max(1, MADE // case.classes))
        inputs = Inputs(replace(case, rows=rows, stored=False))
        for name, path in (("logits", self.logits), ("labels", self.labels)):
            made = inputs.get(name)
            shape = (case.rows, *made.shape[1:])
            array = np.lib.format.open_memmap(path, "w+", made.dtype, shape)
            for start in range(0, case.rows, rows):
                some = array[start : start + rows]
                some[...] = made[: len(some)]
            array.flush()


#: One case at a time: its contestants share the files.
stored = functools.lru_cache(maxsize=1)(Stored)


def report(setup: Setup) -> Run:
    """Measure all that the command prints."""
    try:
        from softtargets.report.files import open_files
        from softtargets.report.measure import measure
    except ImportError as error:
        raise Unsupported("this version of softtargets has no report") from error
    given = stored(setup.case)

    @contextlib.contextmanager
    def silent(text: str, total: int) -> Iterator[Callable[[], None]]:
        yield lambda: None

    def call() -> None:
        files = open_files(given.logits, given.labels, -1, -100)
        measure(files, from_probs=False, num_bins=15, progress=silent)

    return Run(call, setup.case.dtype)


def read_exp(setup: Setup) -> Run:
    """Read both files a block at a time, and take the exponential of each logit."""
    given, threads = stored(setup.case), setup.threads
    if setup.entry.option == "1 thread":
        threads = 1
    pool, own = ThreadPoolExecutor(threads), threading.local()
    jobs: list[tuple[Path, int, bool]] = []
    for path, is_logits in ((given.logits, True), (given.labels, False)):
        starts = range(0, path.stat().st_size, 4 * BLOCK_ENTRIES)
        jobs += [(path, start, is_logits) for start in starts]

    def work(job: tuple[Path, int, bool]) -> None:
        path, start, is_logits = job
        if not hasattr(own, "memory"):
            own.memory = np.ones(BLOCK_ENTRIES, np.float32)
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            size = file.readinto(own.memory.view(np.uint8))
        if is_logits:
            some = own.memory[: size // 4]
            # The header of the file is among them, and any bytes are a number.
            with np.errstate(all="ignore"):
                np.exp(some, out=some)

    def call() -> None:
        for _ in pool.map(work, jobs):
            pass

    return Run(call, setup.case.dtype)
