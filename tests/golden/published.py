"""Cases whose values are known from elsewhere, with those values as they were printed.

`PUBLISHED` maps the name of a case to its loss (one number, or one per row) and `GRADIENTS` to
its first gradient row. The numbers come from runs of PyTorch, optax, fairseq and of independent
multiprecision code; the test of the oracle holds it to every printed digit.
"""

from __future__ import annotations

from tests.golden.build import both, pair
from tests.oracle.case import Case, Dense, Labels, Smooth, TopK

_X = [1.0, 2.0, 3.0]
_Z4 = [2.0, 0.5, -1.0, 0.3]
_WEIGHTED = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]

PUBLISHED: dict[str, str | list[str]] = {
    "hard": "2.407606",
    "smooth": "2.3076060",
    "smooth all": "1.407606",
    "others": "2.2576060",
    "others without the padding class": "2.2076060",
    "classy": "2.3166969",
    "prior": "2.337606",
    "one epsilon per row": ["2.307606", "1.407606", "0.407606"],
    "mixup pair": "1.807606",
    "mixup pair, smoothed": "1.767606",
    "z-loss": "2.523724",
    "confidence penalty": "2.324366",
    "top-k, drop": "1.866845",
    "top-k, renormalize": "0.979928",
    "top-k, bucket": "1.907606",
    "class weight, sum": "5.222818",
    "class weight, mean": "1.740939",
    "class weight, mean over rows": "2.611409",
    "class weight, smooth, sum": "5.13025",
    "class weight, smooth, mean": "1.71008",
    "class weight, smooth, mean over rows": "2.56512",
    "ignored row": "0.363262",
    "ignored row, other content": "0.363262",
    "switched off class": "1.313262",
    "far classes": "15.0",
    "z4 smooth": "0.5304187038",
    "z4 hard": "0.3754187038",
    "z4 confidence penalty": "0.2832864222",
    "z4 mixup, smoothed": "2.4204187038",
    "thousand": "950",
    "ten thousand": "1000",
}

GRADIENTS: dict[str, list[str]] = {
    "z4 smooth": ["-0.2379984316", "0.1282907700", "0.0092037941", "0.1005038675"],
}

# eps -> the norm of the gradient at x = 0 for K = 10, which is (1 - eps) sqrt(1 - 1/K)
GRADIENT_NORMS = {0.0: "0.9486832981", 0.1: "0.8538149682", 0.9: "0.0948683298"}
# K -> the gap log(1 + K (1 - eps) / eps) at which the smoothed loss is least, for eps = 0.1
GAPS = {2: "2.9444389792", 10: "4.5108595065", 100: "6.8035052576", 1000: "9.1050909613"}
# K -> the least loss, the entropy of the smoothed target, for eps = 0.1
FLOORS = {2: "0.1985152433", 10: "0.5002880351", 100: "0.7777970419", 1000: "1.0148479977"}
# (K, eps) -> the same gap, further out; and (K, eps, spread) -> the least loss
MORE_GAPS = {
    (10, 0.05): "5.2522734280",
    (10, 0.2): "3.7135720667",
    (32_000, 0.1): "12.5707192313",
}
MORE_FLOORS = {
    (32_000, 0.1, "all"): "1.3623896831",
    (10, 0.05, "all"): "0.2823962428",
    (10, 0.2, "all"): "0.8668939107",
    (10, 0.1, "others"): "0.5448054311",
}
# (K, eps, spread) -> target of the true class and of another one
TARGETS = {
    (10, 0.1, "all"): ("0.91", "0.01"),
    (1000, 0.1, "all"): ("0.9001", "0.0001"),
    (2, 0.1, "all"): ("0.95", "0.05"),
    (10, 0.1, "others"): ("0.9", "0.0111111111"),
}


def cases() -> list[Case]:
    """The cases above, in float64 and float32."""
    return _conventions() + _structures() + _weights() + _vectors() + _optima()


def _conventions() -> list[Case]:
    y = Labels([0], 3)
    return [
        *both("hard", "no smoothing", _X, y),
        *both("smooth", "mass over all classes", _X, y, label_smoothing=0.1),
        *both("smooth all", "all the mass is the prior", _X, y, label_smoothing=1.0),
        *both("others", "mass over the others", _X, y, label_smoothing=0.1, spread="others"),
        *both(
            "others without the padding class",
            "annotated transformer, OpenNMT",
            _X,
            y,
            label_smoothing=0.1,
            spread="others",
            prior=[0.0, 0.0, 1.0],
        ),
        *both("classy", "ClassyVision: eps / (1 + eps)", _X, y, label_smoothing=0.1 / 1.1),
        *both("prior", "a prior", _X, y, label_smoothing=0.1, prior=[0.5, 0.3, 0.2]),
        *both(
            "one epsilon per row",
            "",
            [_X, _X, _X],
            Labels([0, 1, 2], 3),
            label_smoothing=[0.1, 0.2, 0.0],
            reduction="none",
        ),
    ]


def _structures() -> list[Case]:
    def teacher(tail: str) -> TopK:
        return TopK([[0, 1]], [[0.6, 0.3]], 3, tail)

    return [
        *both("mixup pair", ".7 on 0 and .3 on 2", _X, pair(0, 2, 0.7, 3)),
        *both("mixup pair, smoothed", "", _X, pair(0, 2, 0.7, 3), label_smoothing=0.1),
        *both("dense", "the cross-entropy behind KL(q || p)", _X, Dense([[0.0, 0.25, 0.75]])),
        *both("z-loss", "2.407606 + 0.116118", _X, Labels([0], 3), z_loss=1e-2),
        *both("confidence penalty", "", _X, Labels([0], 3), confidence_penalty=0.1),
        *both("top-k, drop", "", _X, teacher("drop"), reduction="sum"),
        *both("top-k, renormalize", "", _X, teacher("renormalize")),
        *both("top-k, bucket", "", _X, teacher("bucket")),
    ]


def _weights() -> list[Case]:
    y, w = Labels([0, 1], 3), [1.0, 2.0, 3.0]
    made = []
    for smooth, words in (("", {}), (", smooth", {"label_smoothing": 0.1})):
        name = f"class weight{smooth}"
        more = {"class_weight": w, **words}
        made += both(f"{name}, sum", "", _WEIGHTED, y, reduction="sum", **more)
        made += both(f"{name}, mean", "", _WEIGHTED, y, **more)
        made += both(f"{name}, mean over rows", "", _WEIGHTED, y, denominator=2.0, **more)
    return made


def _vectors() -> list[Case]:
    ignoring = Labels([-100, 1], 2)
    inf = float("inf")
    return [
        *both(
            "ignored row",
            "smoothing must not count it (tinygrad#3570)",
            [[0.3, 0.4], [1.0, 2.0]],
            ignoring,
            label_smoothing=0.1,
        ),
        *both(
            "ignored row, other content",
            "the same value",
            [[0.3, 0.6], [1.0, 2.0]],
            ignoring,
            label_smoothing=0.1,
        ),
        *both("switched off class", "optax#896", [0.0, 1.0, -inf], Labels([0], 3)),
        *both(
            "far classes",
            "log(softmax) underflows in float32",
            [0.0, -200.0, -200.0, -200.0],
            Labels([0], 4),
            label_smoothing=0.1,
        ),
        *both("z4 smooth", "", _Z4, Labels([0], 4), label_smoothing=0.1),
        *both("z4 hard", "", _Z4, Labels([0], 4)),
        *both("z4 confidence penalty", "", _Z4, Labels([0], 4), confidence_penalty=0.1),
        *both("z4 mixup, smoothed", "", _Z4, pair(0, 2, 0.3, 4), label_smoothing=0.1),
        *both("thousand", "", [1000.0, 0.0], Labels([1], 2), label_smoothing=0.1),
        *both("ten thousand", "", [1e4, -1e4, 0.0], Labels([0], 3), label_smoothing=0.1),
    ]


def _optima() -> list[Case]:
    made = []
    for epsilon in GRADIENT_NORMS:
        made += both(
            f"at zero, epsilon {epsilon}",
            "gradient norm",
            [0.0] * 10,
            Labels([3], 10),
            label_smoothing=epsilon,
        )
    for num_classes, gap in GAPS.items():
        x = [0.0] * num_classes
        x[num_classes // 2] = float(gap)
        made += both(
            f"optimum, {num_classes} classes",
            "the gradient vanishes",
            x,
            Smooth(Labels([num_classes // 2], num_classes), 0.1),
        )
    return made
