"""Run studies: seeds are spread over processes, and studies of the same networks share them."""

import functools
import multiprocessing
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from studies import (
    accuracy,
    clusters,
    distillation,
    floor,
    gap,
    large,
    noise,
    penalty,
    temperature,
)
from studies.results import Measured, Results
from studies.study import Settings, Study

#: Studies of one line are of the same networks, and run one after the other in one process.
GROUPS: tuple[tuple[Study, ...], ...] = (
    (gap.STUDY, floor.STUDY, clusters.STUDY),
    (accuracy.STUDY, temperature.STUDY),
    (distillation.STUDY,),
    (large.STUDY,),
    (penalty.STUDY,),
    (noise.STUDY,),
)
STUDIES = {study.name: study for group in GROUPS for study in group}


def run_seed(names: Sequence[str], seed: int, settings: Settings) -> dict[str, Measured]:
    """Return the numbers of some studies of one seed."""
    # More threads only get in each other's way in matrices as small as these.
    with threadpool_limits(limits=1):
        return {name: STUDIES[name].measure(seed, settings) for name in names}


def run(
    names: Collection[str], settings: Settings, workers: int, advance: Callable[[], None]
) -> Iterator[dict[str, Results]]:
    """Yield the numbers of the studies of each group, the groups that train least first.

    Without workers everything is done in this process.
    """
    with pool_of(workers) as submit:
        for group in reversed(GROUPS):
            wanted = [study.name for study in group if study.name in names]
            if not wanted:
                continue
            tasks = [submit(wanted, seed, settings) for seed in range(settings.seeds)]
            seeds = []
            for task in tasks:
                seeds.append(task())
                advance()
            yield {name: Results.of([seed[name] for seed in seeds]) for name in wanted}


@contextmanager
def pool_of(workers: int) -> Iterator[Callable[..., Callable[[], dict[str, Measured]]]]:
    """Give a function that begins with a seed and returns one that waits for its numbers."""
    if not workers:
        yield lambda *task: functools.partial(run_seed, *task)
        return
    # A fresh process: a fork would inherit threads of array libraries that are not there.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield lambda *task: pool.submit(run_seed, *task).result
