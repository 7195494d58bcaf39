"""Every structure of targets with every kind of prior and spread: mixtures, teachers, weights."""

from __future__ import annotations

from tests.golden.build import both
from tests.oracle.case import Case, Dense, Labels, Mix, Smooth, TopK, Weighted

_ROWS = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
_Y = Labels([2, 0, 3], 4)
_PRIOR = [0.5, 0.125, 0.25, 0.125]
_PRIOR_ROWS = [
    [0.0, 0.5, 0.25, 0.25],
    [0.25, 0.25, 0.25, 0.25],
    [0.125, 0.125, 0.25, 0.5],
    [0.5, 0.5, 0.0, 0.0],
]
_MASK = [True, True, True, False]


def cases() -> list[Case]:
    """All structures."""
    return _priors() + _mixtures()


def _priors() -> list[Case]:
    made = []
    for spread in ("all", "others"):
        for name, prior in (("uniform", None), ("prior", _PRIOR), ("prior rows", _PRIOR_ROWS)):
            words = {} if prior is None else {"prior": prior}
            made += both(
                f"{name}, {spread}",
                "",
                _ROWS,
                _Y,
                label_smoothing=0.3,
                spread=spread,
                class_weight=[1.0, 2.0, 0.5, 4.0],
                sample_weight=[1.0, 0.25, 3.0],
                **words,
            )
            made += both(
                f"{name}, {spread}, masked",
                "",
                _ROWS,
                Labels([2, 0, 1], 4),
                class_mask=_MASK,
                label_smoothing=[0.3, 0.0, 0.5],
                spread=spread,
                **words,
            )
            made += both(
                f"{name}, {spread}, dense",
                "",
                _ROWS[:2],
                Dense([[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 1.0, 0.0]]),
                label_smoothing=0.3,
                spread=spread,
                **words,
            )
    per_class = Smooth(_Y, 0.0, per_class=[0.0, 0.1, 0.2, 0.3])
    made += both("one epsilon per class", "", _ROWS, per_class)
    made += both(
        "smoothed twice", "1 - (1 - e1)(1 - e2)", _ROWS, Smooth(_Y, 0.1), label_smoothing=0.2
    )
    made += both(
        "smoothed twice, two priors", "", _ROWS, Smooth(_Y, 0.1, _PRIOR), label_smoothing=0.2
    )
    return made


def _mixtures() -> list[Case]:
    other = Labels([0, 0, 1], 4)
    half = Labels([-100, 1, -100], 4)
    lam = [0.25, 1.0, 0.625]
    first = Smooth(_Y, 0.1, _PRIOR)
    second = Smooth(other, 0.25, spread="others")
    made = [
        *both("one lambda per row", "", _ROWS, Mix(_Y, other, lam), label_smoothing=0.1),
        *both(
            "mixed with ignored",
            "the missing label has no mass",
            _ROWS,
            Mix(_Y, half, lam),
            label_smoothing=0.1,
        ),
        *both(
            "both ignored",
            "the row is dropped",
            _ROWS,
            Mix(Labels([-100, 0, 1], 4), Labels([-100, 1, 2], 4), 0.5),
            reduction="none",
        ),
        *both("mixed with itself", ".7 + .3 = 1", _ROWS, Mix(_Y, _Y, 0.7)),
        *both("two priors and spreads mixed", "", _ROWS, Mix(first, second, lam)),
        *both(
            "mixed three times",
            "",
            _ROWS,
            Mix(Mix(_Y, other, 0.5), Labels([1, 1, 1], 4), 0.75),
            label_smoothing=0.1,
        ),
        *both("weighted", "", _ROWS, Weighted(Smooth(_Y, 0.1), [1.0, 2.0, 0.5, 4.0])),
    ]
    for tail in ("drop", "renormalize", "bucket"):
        teacher = TopK(
            [[2, 0], [1, 0], [3, -100]], [[0.5, 0.25], [0.625, 0.25], [0.875, 0.0]], 4, tail
        )
        for reduction in ("none", "mean"):
            made += both(
                f"teacher, {tail}, {reduction}",
                "",
                _ROWS,
                teacher,
                sample_weight=[1.0, 0.5, 2.0],
                reduction=reduction,
            )
        everything = TopK([[0, 1, 2, 3]], [[0.5, 0.25, 0.125, 0.125]], 4, tail)
        made += both(
            f"teacher, {tail}, all classes", "equals the dense target", _ROWS[:1], everything
        )
        repeated = TopK([[2, 2]], [[0.5, 0.25]], 4, tail)
        made += both(f"teacher, {tail}, repeated", "accumulates", _ROWS[:1], repeated)
    return made
