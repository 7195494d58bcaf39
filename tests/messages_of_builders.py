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


COUNTS = np.array([[2, 1, 1], [0, 4, 0], [1, 1, 6]])
LOGITS = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
NAN, INF = float("nan"), float("inf")
similar, counted = st.prior_from_similarity, st.prior_from_counts
teacher, votes = st.Targets.from_teacher, st.Targets.from_votes
OLS = st.OnlineLabelSmoothing(3)


def near(kernel: Any = (0.25, 0.5, 0.25), labels: Any = COUNTS % 3, **words: Any) -> Any:
    """Return a call that makes targets of neighbours."""
    return lambda: st.Targets.from_neighbours(labels, 3, kernel, **words)


KERNEL = "kernel must be numbers on the host, a list or a NumPy array, with an axis at least"
ODD = "kernel must have one odd size along each axis"
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
    ("counts must be an array, got list", lambda: counted([1, 2])),
    ("counts must have a real dtype, got bool", lambda: counted(Y > 1)),
    ("pseudocount must be a number, got NoneType", lambda: counted(Y, pseudocount=None)),
    ("power must be a number, got bool", lambda: counted(Y, power=True)),
    ("dtype must have a real floating-point dtype, got int64", lambda: counted(Y, dtype=np.int64)),
    ("similarity must have a real floating-point dtype, got int64", lambda: similar(COUNTS)),
    ("temperature must be a number or an array, got '1'",
     lambda: similar(COUNTS * 1.0, temperature="1")),
    ("logits must have a real floating-point dtype, got int64", lambda: teacher(COUNTS)),
    ("top_k must be an int, got float", lambda: teacher(LOGITS, top_k=2.0, tail="drop")),
    ("votes must have an integer dtype, got float64", lambda: votes(LOGITS, 3)),
    (f"{KERNEL}, got float", near(1.0)),
    (f"{KERNEL}, got ndarray", near(np.array(1.0))),
    ("kernel must hold numbers, got bool", near([True])),
    ("kernel must hold numbers, got list", near([0.5, [0.5], 0.5])),
    ("label_smoothing must be a number, got str", lambda: st.neighbour_kernel("0.1")),
    ("rate must be a number or an array, got NoneType", lambda: st.noise_transition(3, None)),
    ("num_classes must be an int, got str", lambda: st.noise_transition("3", 0.1)),
    ("step must be a number or an array, got '1'", lambda: st.linear_warmup("1", 4, 0.1)),
    ("step must have a real dtype, got bool", lambda: st.linear_warmup(np.array(True), 4, 0.1)),
    ("label_smoothing must be a number, got ndarray", lambda: st.linear_warmup(1, 4, np.ones(()))),
    ("hard_weight must be a number, got bool",
     lambda: st.OnlineLabelSmoothing(3, hard_weight=True)),
    ("logits must have a real floating-point dtype, got int64", lambda: OLS.count(COUNTS, Y)),
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
    ("counts must be finite and at least 0, got -2 at position (0,)", lambda: counted(-Y)),
    ("counts must have at least one class, got (0,) [axis: -1]", lambda: counted(Y[:0])),
    ("sums of counts must be above 0, got 0.0 at position ()", lambda: counted(Y * 0)),
    ("pseudocount must be finite and at least 0, got -1", lambda: counted(Y, pseudocount=-1)),
    ("power must be finite and above 0, got 0", lambda: counted(Y, power=0)),
    ("confusion must have shape (K, K), got (2, 3)",
     lambda: st.transition_from_confusion(COUNTS[:2])),
    ("sums of confusion must be above 0, got 0.0 at position (1,)",
     lambda: st.transition_from_confusion(COUNTS * [[1], [0], [1]])),
    ("similarity must have shape (K, K), got (2, 3)", lambda: similar(LOGITS)),
    ("similarity must have a class beside the label, got shape (1, 1)",
     lambda: similar(np.ones((1, 1)))),
    ("similarity must be finite or -inf, got inf at position (0, 1)",
     lambda: similar(np.array([[0.0, INF], [0.0, 0.0]]))),
    ("rows of similarity must have an entry above -inf, got -inf at position (0,)",
     lambda: similar(np.array([[0.0, -INF], [0.0, 0.0]]))),
    ("temperature must be finite and above 0, got 0", lambda: teacher(LOGITS, temperature=0)),
    ("logits must be finite or -inf, got nan at position (1, 0)",
     lambda: teacher(LOGITS * [[1.0], [NAN]])),
    ("tail must be None without top_k, got 'drop'", lambda: teacher(LOGITS, tail="drop")),
    ("tail must be one of 'bucket', 'drop', 'renormalize', got None",
     lambda: teacher(LOGITS, top_k=2)),
    ("top_k must be at most 3, the number of classes, got 4",
     lambda: teacher(LOGITS, top_k=4, tail="drop")),
    ("votes must have a last axis of at least one annotator, got (3, 0)",
     lambda: votes(COUNTS[:, :0], 3)),
    ("votes must be in [0, 2) or ignore_index -100, got 2 at position (0,)", lambda: votes(Y, 2)),
    (f"{ODD}, got 2 entries along axis 0", near([0.5, 0.5])),
    (f"{ODD}, got 0 entries along axis 0", near([])),
    (f"{ODD}, got 3 entries along axis 1", near([[0.1] * 3, [0.4], [0.3]])),
    ("kernel must be finite and at least 0, got -0.5 at position (1,)", near([0.5, -0.5, 1.0])),
    ("kernel must sum to 1, got 0.75", near([0.5, 0.25, 0.0])),
    ("labels must have 2 axes at least, those of kernel, got shape (3,)", near([[1.0]], Y)),
    ("axes must be 1 axes, those of kernel, got (0, 1)", near(axes=(0, 1))),
    ("axes must be 2 axes, those of kernel, got (1, -1)", near([[1.0]], axes=(1, -1))),
    ("size must be odd and at least 3, got 4", lambda: st.neighbour_kernel(0.1, size=4)),
    ("label_smoothing must be in [0, 1], got 2", lambda: st.neighbour_kernel(2)),
    ("rate must be in [0, 1], got 1.5", lambda: st.noise_transition(3, 1.5)),
    ("rate must have shape () or (3,), got (2,)", lambda: st.noise_transition(3, np.ones(2))),
    ("kind must be one of 'symmetric', 'pair', got 'flip'",
     lambda: st.noise_transition(3, 0.1, kind="flip")),
    ("num_steps must be at least 1, got 0", lambda: st.linear_warmup(1, 0, 0.1)),
    ("step must be finite and at least 0, got -1", lambda: st.linear_warmup(-1, 4, 0.1)),
    ("step must be finite and at least 0, got -1 at position ()",
     lambda: st.linear_warmup(np.array(-1), 4, 0.1)),
    ("step must have shape (), got (3,)", lambda: st.linear_warmup(Y, 4, 0.1)),
    ("start must be in [0, 1], got -0.1", lambda: st.linear_warmup(1, 4, 0.1, start=-0.1)),
    ("num_classes must be at least 2, got 1", lambda: st.OnlineLabelSmoothing(1)),
    ("logits must have 3 classes, got (2, 2) [axis: -1]",
     lambda: OLS.update(LOGITS[:, :2], Y[:2])),
    ("labels must have shape (2,), got (3,) [the shape of logits without its class axis]",
     lambda: OLS.update(LOGITS, Y)),
    ("counts must have shape (3,), got (3, 3)", lambda: OLS.add(COUNTS * 1.0, COUNTS)),
    ("state must have the names rows, sums and counts, the last two together, got row",
     lambda: OLS.load_state_dict({"row": COUNTS})),
    ("state must have the names rows, sums and counts, the last two together, got rows, sums",
     lambda: OLS.load_state_dict({"sums": COUNTS, "rows": COUNTS})),
    ("rows must have shape (3, 3), got (3,)", lambda: OLS.load_state_dict({"rows": Y})),
]  # fmt: skip
