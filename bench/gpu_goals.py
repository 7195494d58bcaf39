"""The goals on a GPU, as data."""

from bench.cases import Entry
from bench.goals import Goal

LOGITS = ("4096x32000", "16384x50257", "8192x128256")
LINEAR = (
    "4096x4096->32000",
    "4096x4096->128256",
    "8192x4096->128256",
    "8192x2304->256000",
)
LONG = LINEAR[1:]
COMPILED, EAGER = "ours_torch_compiled", "ours_torch_autograd"
STEP = "ours_torch_compiled_autograd"
DTYPES = ("bfloat16", "float32")


def _for_each_dtype(
    text: str,
    top: Entry,
    bottom: Entry,
    bounds: tuple[float, float],
    *,
    at_least: bool = True,
    shapes: tuple[str, ...] = LOGITS,
) -> tuple[Goal, ...]:
    return tuple(
        Goal(
            *(f"{text}, {dtype}", f"loss_gradient_{dtype}", shapes, top, bounds, bottom),
            at_least=at_least,
        )
        for dtype in DTYPES
    )


UPSTREAM = "upstream 2"
GPU_GOALS = (
    *_for_each_dtype(
        "G1: bandwidth of ours compiled / that of a copy",
        *(Entry("limit_copy"), Entry(COMPILED), (0.60, 0.65)),
    ),
    Goal(
        "G2: bandwidth of ours compiled / that of a copy",
        *("small", ("131072x1000",), Entry("limit_copy"), (0.80, 0.90), Entry(COMPILED)),
        at_least=True,
    ),
    *_for_each_dtype(
        "G3: ours compiled, backward() / Liger-Kernel",
        *(Entry(STEP), Entry("liger"), (1.0, 0.85)),
        at_least=False,
    ),
    *_for_each_dtype(
        "G4: the same, loss times 2",
        *(Entry(STEP, option=UPSTREAM), Entry("liger", option=UPSTREAM), (0.67, 0.60)),
        at_least=False,
    ),
    *_for_each_dtype(
        "G5: torch builtin / ours compiled, backward()",
        *(Entry("torch"), Entry(STEP), (2.5, 3.0)),
    ),
    *_for_each_dtype(
        "G6: torch.compile of the builtin / ours compiled, backward()",
        *(Entry("torch_compiled"), Entry(STEP), (1.15, 1.3)),
    ),
    Goal(
        "G7: peak memory beyond the gradient (MiB), ours compiled, backward()",
        *("memory", ("4096x32000",), Entry(STEP), (25.0, 1.0)),
        measure="beyond_MiB",
        form="value",
    ),
    Goal(
        "G8: linear: ours on torch / the three products",
        *("linear", LINEAR, Entry("ours_torch"), (1.25, 1.12), Entry("limit_products_torch")),
    ),
    Goal(
        "G9: linear: Liger-Kernel / ours on torch",
        *("linear", LONG, Entry("liger"), (3.0, 5.0), Entry("ours_torch")),
        at_least=True,
    ),
    Goal(
        "G10: linear, hard labels: ours on torch / torch builtin in chunks",
        *("linear", LINEAR, Entry("ours_torch", "hard"), (1.1, 0.9)),
        Entry("torch_chunked", "hard"),
    ),
    Goal(
        "G11: linear: smoothing over hard labels, extra time (%), ours on torch",
        *("linear", LINEAR, Entry("ours_torch"), (2.0, 1.0), Entry("ours_torch", "hard")),
        form="extra",
    ),
    Goal(
        "G12: linear: torch builtin / ours, peak memory",
        *("linear_memory", LINEAR, Entry("torch"), (1.0, 2.0), Entry(EAGER)),
        measure="peak_extra_MiB",
        at_least=True,
    ),
    Goal(
        "G13: bandwidth of ours on CuPy / that of a copy, float32",
        *("loss_gradient_float32", LOGITS, Entry("limit_copy"), (0.30, 0.33)),
        Entry("ours_cupy"),
        at_least=True,
    ),
    Goal(
        "G14: ours compiled (µs)",
        *("small", ("1024x1000",), Entry(COMPILED), (15.0, 10.0)),
        measure="time_us",
        form="value",
    ),
)
