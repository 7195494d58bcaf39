"""Measure the sizes of a block on the host: ``python -m bench.blocks``.

The numbers behind HOST_ENTRIES in softtargets/execution/plan.py and the table in docs/fast.md.
"""

import statistics
import time

import numpy as np

import softtargets as st
from softtargets.execution import plan

SHAPES = ((65536, 10), (1024, 1000), (4096, 1000), (512, 32000), (256, 128256))
SIZES = tuple(2**power for power in range(16, 22))
ROUNDS = 9


def main() -> None:
    rng = np.random.default_rng(0)
    print("median ms of loss and gradient with label_smoothing=0.1, float32, out= given")
    print("| rows x classes |", " | ".join(f"{size * 4 // 1024} KiB" for size in SIZES), "|")
    print("|---|" + "---|" * len(SIZES))
    for rows, classes in SHAPES:
        x = rng.normal(size=(rows, classes)).astype(np.float32)
        labels = rng.integers(0, classes, rows)
        call = st.value_and_grad(st.cross_entropy, out=np.empty_like(x))
        times: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(ROUNDS):
            for size in SIZES:
                plan.HOST_ENTRIES = size
                call(x, labels, label_smoothing=0.1)
                start = time.perf_counter()
                call(x, labels, label_smoothing=0.1)
                times[size].append(time.perf_counter() - start)
        medians = [f"{1e3 * statistics.median(times[size]):.2f}" for size in SIZES]
        print(f"| {rows} x {classes} |", " | ".join(medians), "|", flush=True)


if __name__ == "__main__":
    main()
