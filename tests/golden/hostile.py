"""Cases that lose digits, overflow or underflow when the formula is arranged carelessly."""

from __future__ import annotations

import numpy as np

from tests.golden.build import both, make
from tests.oracle.case import Case, Dense, Labels, Recipe, TopK

_DTYPES = ("float64", "float32")


def cases() -> list[Case]:
    """All hostile cases."""
    return _offsets() + _gaps() + _extremes() + _sizes() + _halves() + _reductions()


def _offsets() -> list[Case]:
    """Sums of unshifted logits lose all digits of the offset (Liger, apex, flash-attn)."""
    made = []
    for offset in (10_000, -10_000):
        recipe = Recipe(14, 13, -10, offset)
        for dtype in _DTYPES:
            for name, words in (
                ("smooth", {"label_smoothing": 0.1}),
                ("others", {"label_smoothing": 0.1, "spread": "others"}),
                ("hard", {}),
                ("penalty", {"confidence_penalty": 0.5}),
                ("z-loss", {"z_loss": 1e-4}),
            ):
                made.append(
                    make(
                        f"offset {offset}, {name}",
                        "",
                        recipe,
                        Labels([0, 49, 17], 50),
                        dtype=dtype,
                        shape=(3, 50),
                        **words,
                    )
                )
            weights = [0.5 + 0.0625 * k for k in range(50)]
            made.append(
                make(
                    f"offset {offset}, weights",
                    "",
                    recipe,
                    Labels([0, 49, 17], 50),
                    dtype=dtype,
                    shape=(3, 50),
                    label_smoothing=0.1,
                    class_weight=weights,
                )
            )
    return made


def _gaps() -> list[Case]:
    made = []
    for dtype in _DTYPES:
        real = np.dtype(dtype).type
        up = float(np.nextafter(real(1), real(2)))
        down = float(np.nextafter(real(1), real(0)))
        made.append(
            make(
                "one-ulp gaps",
                "",
                [[1.0, up, down], [up, 1.0, 1.0]],
                Labels([1, 2], 3),
                dtype=dtype,
                label_smoothing=0.1,
                reduction="none",
            )
        )
        huge = float(real(10_000))
        above = float(np.nextafter(real(huge), real(np.inf)))
        made.append(
            make("one-ulp gaps far out", "", [[huge, above, huge]], Labels([1], 3), dtype=dtype)
        )
        small = float(np.finfo(real).smallest_subnormal)
        tiny = float(np.finfo(real).tiny)
        made.append(
            make(
                "denormals",
                "",
                [[small, -small, tiny, 0.0]],
                Labels([2], 4),
                dtype=dtype,
                label_smoothing=0.1,
            )
        )
    made += both(
        "all equal",
        "",
        [[7.0] * 7, [-0.0] * 7],
        Labels([0, 6], 7),
        label_smoothing=0.3,
        reduction="none",
    )
    return made


def _extremes() -> list[Case]:
    x = [[1e30, -1e30, 0.0]] * 3
    made = [
        *both("spread 1e30", "", x, Labels([0, 1, 2], 3), reduction="none"),
        *both("spread 1e30, smooth", "", x, Labels([0, 1, 2], 3), label_smoothing=0.1),
        *both("certain and right", "", [[90.0, 0.0, -90.0]], Labels([0], 3)),
        *both("certain and wrong", "", [[90.0, 0.0, -90.0]], Labels([2], 3)),
        *both("certain, penalty", "", [[60.0, 0.0, -90.0]], Labels([0], 3), confidence_penalty=1.0),
        *both(
            "underflow",
            "probabilities below the smallest number",
            [[0.0, -100.0, -104.0, -745.0, -1000.0]],
            Labels([0], 5),
            label_smoothing=0.1,
        ),
        *both("one class", "", [[3.25], [-1e30]], Labels([0, 0], 1), reduction="none"),
        *both("one class, smooth", "", [[3.25]], Labels([0], 1), label_smoothing=0.1),
        *both("one class, everything smoothed", "", [[3.25]], Labels([0], 1), label_smoothing=1.0),
        *both(
            "two classes",
            "",
            [[40.0, 0.0], [0.0, 40.0]],
            Labels([0, 0], 2),
            label_smoothing=0.1,
            reduction="none",
        ),
    ]
    made += both(
        "bucket far below",
        "the listed classes must not make the others vanish",
        [[0.0, -1.0, -121.0, -120.0], [0.0, -1.0, -900.0, -901.0]],
        TopK([[0, 1]] * 2, [[0.5, 0.25]] * 2, 4, "bucket"),
    )
    for dtype, largest in (("float64", 1.7e308), ("float32", 3e38)):
        edge = [[largest, -largest, 0.0]]
        made.append(make("difference overflows", "", edge, Labels([0], 3), dtype=dtype))
        one = Dense([[1.0, 0.0, 0.0]])
        made.append(make("difference overflows, dense", "", edge, one, dtype=dtype))
        above = [[0.0, float("inf"), float(np.finfo(dtype).max)]]
        made.append(make("+inf beside the largest number", "", above, Labels([1], 3), dtype=dtype))
    return made


def _sizes() -> list[Case]:
    made = []
    for dtype in _DTYPES:
        for rows, num_classes in ((4, 2), (4, 3), (3, 10), (3, 1000), (2, 100_000)):
            y = Labels([(7 * row + 1) % num_classes for row in range(rows)], num_classes)
            made.append(
                make(
                    f"{num_classes} classes",
                    "",
                    Recipe(num_classes, 23, -19),
                    y,
                    dtype=dtype,
                    shape=(rows, num_classes),
                    label_smoothing=0.1,
                )
            )
        made.append(
            make(
                "100000 classes, offset, penalties",
                "",
                Recipe(5, 13, -10, 10_000),
                Labels([99_999, 0], 100_000),
                dtype=dtype,
                shape=(2, 100_000),
                label_smoothing=0.1,
                confidence_penalty=0.1,
                sample_weight=[1.0, 2.0],
            )
        )
    return made


def _halves() -> list[Case]:
    """Half precision: the arithmetic is that of float32, whatever the logits are."""
    made = []
    for dtype, exponent in (("float16", -7), ("bfloat16", -4)):
        small = Recipe(18, 8, exponent)
        y = Labels([3, 0, 9, 1], 10)
        for name, words in (
            ("hard", {}),
            ("smooth", {"label_smoothing": 0.1}),
            ("weights", {"label_smoothing": 0.1, "class_weight": [0.5 + k / 8 for k in range(10)]}),
            ("none", {"label_smoothing": 0.1, "reduction": "none"}),
            ("penalties", {"z_loss": 0.01, "confidence_penalty": 0.1}),
        ):
            made.append(make(f"half, {name}", "", small, y, dtype=dtype, shape=(4, 10), **words))
        made.append(
            make(
                "half, 60000 classes",
                "epsilon / K is subnormal in half precision",
                small,
                Labels([3, 59_999], 60_000),
                dtype=dtype,
                shape=(2, 60_000),
                label_smoothing=0.1,
            )
        )
        rows = [[1000.0, 0.0]] * 100
        made.append(
            make(
                "half, large sum",
                "the sum does not fit float16",
                rows,
                Labels([1] * 100, 2),
                dtype=dtype,
                reduction="sum",
            )
        )
        made.append(
            make(
                "half, confident",
                "p - q is formed before rounding",
                [[12.0, 0.0, -3.0]],
                Labels([0], 3),
                dtype=dtype,
            )
        )
        made.append(
            make(
                "half, ignored nan",
                "",
                [[float("nan")] * 3, [1.0, 2.0, 3.0]],
                Labels([-100, 0], 3),
                dtype=dtype,
                label_smoothing=0.1,
            )
        )
    return made


def _reductions() -> list[Case]:
    made = []
    num_rows = 1001
    y = Labels([(5 * row) % 3 for row in range(num_rows)], 3)
    for dtype in _DTYPES:
        for reduction in ("sum", "mean"):
            made.append(
                make(
                    f"many rows, {reduction}",
                    "",
                    Recipe(3, 20, -12),
                    y,
                    dtype=dtype,
                    shape=(num_rows, 3),
                    label_smoothing=0.1,
                    reduction=reduction,
                    sample_weight=[0.5 + (row % 8) / 8 for row in range(num_rows)],
                )
            )
    return made
