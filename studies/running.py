"""Run studies: seeds are spread over processes, and studies of the same networks share them."""

import multiprocessing
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

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
) -> dict[str, Results]:
    """Return the numbers of these studies; without workers in this process."""
    groups = [[study.name for study in group if study.name in names] for group in GROUPS]
    tasks = [(group, seed) for group in groups if group for seed in range(settings.seeds)]
    found: dict[tuple[str, int], Measured] = {}
    for (_, seed), numbers in outcomes(tasks, settings, workers):
        found |= {(name, seed): each for name, each in numbers.items()}
        advance()
    return {
        name: Results.of([found[name, seed] for seed in range(settings.seeds)])
        for group in groups
        for name in group
    }


def outcomes(
    tasks: Sequence[tuple[list[str], int]], settings: Settings, workers: int
) -> Iterator[tuple[tuple[list[str], int], dict[str, Measured]]]:
    """Yield each task with its numbers, in the order in which they are done."""
    if not workers:
        for names, seed in tasks:
            yield (names, seed), run_seed(names, seed, settings)
        return
    # A fresh process: a fork would inherit threads of array libraries that are not there.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(run_seed, *task, settings): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
