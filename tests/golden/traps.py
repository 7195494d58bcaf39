"""Cases that other libraries are known to get wrong, and every keyword at least once."""

from __future__ import annotations

from tests.golden.build import both, make
from tests.oracle.case import Case, Dense, Labels, Mix, Recipe, Smooth

_INF = float("inf")
_NAN = float("nan")
_ROWS = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
_Y = Labels([2, 0, 3], 4)
_MASK = [True, True, True, False]
_MASK_ROWS = [[True, False, True, True], [True, True, False, False], [True, True, True, True]]


def cases() -> list[Case]:
    """All trap cases."""
    return _ignored() + _nothing() + _infinite() + _masks() + _layouts()


def _ignored() -> list[Case]:
    made = []
    for sentinel in (-1, 0, 3, 4, 255):
        y = Labels([2, sentinel, 1], 4, ignore_index=sentinel)
        for reduction in ("none", "sum", "mean"):
            made += both(
                f"ignore_index {sentinel}, {reduction}",
                "any sentinel works",
                _ROWS,
                y,
                label_smoothing=0.1,
                reduction=reduction,
            )
    made += both(
        "ignored row and class weights",
        "no class weight is looked up for it (pytorch#69339)",
        [[1.0, 2.0], [3.0, 0.4]],
        Labels([-100, 1], 2),
        class_weight=[0.2, 0.3],
        label_smoothing=0.1,
    )
    for content, bad in (("nan", _NAN), ("inf", _INF), ("-inf", -_INF)):
        made += both(
            f"ignored row of {content}",
            "it is removed before arithmetic (pytorch#11551)",
            [_ROWS[0], [bad, bad, 1.0, bad], _ROWS[2]],
            Labels([2, -100, 3], 4),
            label_smoothing=0.1,
            z_loss=0.01,
            confidence_penalty=0.1,
        )
    made += both(
        "where and a nan row",
        "a row that is not kept",
        [_ROWS[0], [_NAN] * 4, _ROWS[2]],
        _Y,
        where=[True, False, True],
        class_weight=[1.0, 2.0, 0.5, 4.0],
        label_smoothing=0.25,
    )
    dense = Dense([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]])
    made += both("where and dense targets", "", _ROWS, dense, where=[False, True, True])
    return made


def _nothing() -> list[Case]:
    made = []
    for reduction in ("none", "sum", "mean"):
        made += both(
            f"all ignored, {reduction}",
            "mean nan, sum 0, gradient 0 (pytorch#70348)",
            _ROWS,
            Labels([-100] * 3, 4),
            label_smoothing=0.1,
            reduction=reduction,
        )
        made += both(
            f"class weight zero, {reduction}",
            "no weight is left",
            _ROWS,
            Labels([1, 1, 1], 4),
            class_weight=[1.0, 0.0, 1.0, 1.0],
            reduction=reduction,
        )
    made += both("all ignored, denominator", "", _ROWS, Labels([-100] * 3, 4), denominator=4.0)
    return made


def _infinite() -> list[Case]:
    x = [[0.0, 1.0, -_INF]]
    one_hot = Dense([[1.0, 0.0, 0.0]])
    y = Labels([0], 3)
    return [
        *both("-inf and one-hot", "0 * inf is 0", x, one_hot),
        *both(
            "-inf and smoothing", "the smoothing mass needs the class", x, y, label_smoothing=0.1
        ),
        *both("-inf at the label", "loss inf, gradient finite", x, Labels([2], 3)),
        *both(
            "-inf and class mask",
            "two classes share the smoothing mass",
            x,
            y,
            label_smoothing=0.1,
            class_mask=[True, True, False],
        ),
        *both(
            "-inf and class weight 0",
            "",
            x,
            y,
            label_smoothing=0.1,
            class_weight=[1.0, 1.0, 0.0],
        ),
        *both("-inf row", "nothing is left", [[-_INF] * 3], y),
        *both(
            "-inf row among others",
            "",
            [[-_INF] * 3, [1.0, 2.0, 3.0]],
            Labels([0, 1], 3),
            reduction="none",
        ),
        *both("+inf at the label", "", [[0.0, _INF, 2.0]], Labels([1], 3)),
        *both("+inf elsewhere", "", [[0.0, _INF, 2.0]], y),
        *both("+inf and smoothing", "", [[0.0, _INF, 2.0]], Labels([1], 3), label_smoothing=0.1),
        *both(
            "nan logit",
            "",
            [[0.0, _NAN, 2.0], [1.0, 2.0, 3.0]],
            Labels([0, 0], 3),
            reduction="none",
        ),
        *both("-inf and confidence penalty", "", x, y, confidence_penalty=0.5, z_loss=0.01),
        *both("-inf and mixup", "", x, Mix(Labels([0], 3), Labels([1], 3), 0.25)),
    ]


def _masks() -> list[Case]:
    made = []
    for name, mask in (("mask", _MASK), ("mask rows", _MASK_ROWS)):
        for spread in ("all", "others"):
            made += both(
                f"{name}, {spread}",
                "",
                _ROWS,
                Labels([2, 1, 0], 4),
                class_mask=mask,
                label_smoothing=0.25,
                spread=spread,
                z_loss=0.01,
                confidence_penalty=0.1,
            )
    made += both(
        "mask and smoothed target",
        "the same as the keyword",
        _ROWS,
        Smooth(Labels([2, 1, 0], 4), 0.25),
        class_mask=_MASK,
    )
    return made


def _layouts() -> list[Case]:
    y = Labels([0, 1, 2, 3, 0, 1], 4)
    recipe = Recipe(28, 11, -8)
    made = []
    for dtype in ("float64", "float32"):
        for shape, axis in (((2, 4, 3), 1), ((4, 2, 3), 0), ((2, 3, 4), -1), ((2, 3, 4), 2)):
            made.append(
                make(
                    f"shape {shape}, axis {axis}",
                    "the class axis decides K (keras 3.15.1)",
                    recipe,
                    y,
                    dtype=dtype,
                    shape=shape,
                    axis=axis,
                    label_smoothing=0.1,
                )
            )
        made.append(
            make(
                "square, axis 1",
                "as many classes as positions",
                recipe,
                Labels([0, 1, 2, 3] * 2, 4),
                dtype=dtype,
                shape=(2, 4, 4),
                axis=1,
                label_smoothing=[0.125 * i for i in range(8)],
                reduction="none",
            )
        )
    return made
