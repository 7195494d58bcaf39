"""The messages of what makes targets: mixing, priors, teachers, votes, noise. Tested in
test_messages.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import softtargets as st

Y = np.array([2, 0, 1])
IMAGES = np.zeros((3, 4, 4))
STEPS = st.Targets.from_labels(np.zeros((3, 4), dtype=int), 3)


def mixup(**words: Any) -> Callable[[], object]:
    """Return a call of mixup."""
    words = {"inputs": IMAGES, "targets": Y, "num_classes": 3, "rng": 0} | words
    return lambda: st.mixup(**words)


def cutmix(**words: Any) -> Callable[[], object]:
    """Return a call of cutmix."""
    words = {"inputs": IMAGES, "targets": Y, "num_classes": 3, "rng": 0} | words
    return lambda: st.cutmix(**words)


def plan(partner: Any = Y, lam: Any = 0.5, **words: Any) -> Callable[[], object]:
    """Return a call that mixes inputs by a plan."""
    return lambda: st.Mixing(partner, lam).mix_inputs(**({"inputs": IMAGES} | words))


BOX = st.Mixing.sample_cutmix(3, (4, 4), rng=0)
INTEGERS = "partner must be an array of integers of shape (N,)"
PLACES = "axes must be 2 axes of sizes (4, 4) after the first"
TUPLE = "must be a list or a tuple of ints, not empty"
TYPES: list[tuple[str, Callable[[], object]]] = [
    ("inputs must be an array, got list", mixup(inputs=IMAGES.tolist())),
    ("inputs must have a real floating-point dtype, got int64", mixup(inputs=IMAGES.astype(int))),
    ("alpha must be a number, got str", mixup(alpha="1")),
    ("rng must be a seed, a numpy.random.Generator or None, got str", mixup(rng="1")),
    ("rng must be a seed, a numpy.random.Generator or None, got -1", cutmix(rng=-1)),
    ("num_classes must be given for integer labels, got None", mixup(num_classes=None)),
    ("num_rows must be an int, got float", lambda: st.Mixing.sample_mixup(3.0)),
    (f"axes {TUPLE}, got int", cutmix(axes=1)),
    (f"axes {TUPLE}, got ()", cutmix(axes=())),
    (f"sizes {TUPLE}, got int", lambda: st.Mixing.sample_cutmix(3, 32)),
    ("sizes must be an int, got float", lambda: st.Mixing.sample_cutmix(3, (32.0, 32))),
    (f"{INTEGERS}, got list", plan([1, 0, 2])),
    (f"{INTEGERS}, got shape (3,)", plan(Y * 1.0)),
    (f"{INTEGERS}, got shape (1, 3)", plan(Y[None])),
    ("lam must be a number or an array, got list", plan(lam=[0.5])),
    ("lam must have a real floating-point dtype, got int64", plan(lam=Y)),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    ("alpha must be finite and above 0, got 0", mixup(alpha=0)),
    ("alpha must be finite and above 0, got inf", cutmix(alpha=float("inf"))),
    ("pairing must be one of 'permutation', 'flip', 'roll', got 'next'", mixup(pairing="next")),
    ("pairing must be 'flip' where per is 'pair', got 'permutation'", mixup(per="pair")),
    ("per must be one of 'batch', 'pair', 'row', got 'elem'", cutmix(per="elem")),
    ("num_rows must be at least 1, got 0", mixup(inputs=IMAGES[:0])),
    ("num_classes must be 3, the number of classes of targets, got 4",
     mixup(targets=st.Targets.from_labels(Y, 3), num_classes=4)),
    ("inputs must have rows, got shape ()", mixup(inputs=np.array(1.0))),
    ("targets must have 3 rows, the number of partners, got shape (2,)", mixup(targets=Y[:2])),
    ("inputs must have 3 rows, the number of partners, got shape (2, 4, 4)",
     plan(inputs=IMAGES[:2])),
    ("partner must be in [0, 3), got 3 at position (1,)", plan(np.array([0, 3, 1]))),
    ("lam must be in [0, 1], got 1.5", plan(lam=1.5)),
    ("lam must have shape () or (3,), got (2,)", plan(lam=np.array([0.5, 0.5]))),
    ("axes must be None for mixup, got (1,)", plan(axes=(1,))),
    ("axis must be in [-3, 3), got 3", cutmix(axes=(1, 3))),
    (f"{PLACES}, got (1, 1) [inputs: (3, 4, 4)]", cutmix(axes=(1, 1))),
    (f"{PLACES}, got (0, 1) [inputs: (4, 4, 3)]",
     lambda: st.Mixing(np.arange(4), 0.5, BOX.box, (4, 4)).mix_inputs(IMAGES.T, axes=[0, 1])),
    (f"{PLACES}, got (1, 2) [inputs: (3, 4, 5)]",
     lambda: BOX.mix_inputs(np.zeros((3, 4, 5)))),
    ("targets must have one row per input for cutmix (mix_inputs cuts label maps), "
     "got rows of shape (3, 4)", lambda: BOX.mix_targets(STEPS)),
    ("sizes must be at least 1, got 0", lambda: st.Mixing.sample_cutmix(3, (4, 0))),
]  # fmt: skip
