"""Draw each target and the shape of each loss, from the library itself.

Run `python docs/_static/gallery.py` to write gallery_targets.png and gallery_losses.png beside it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import softtargets as st

HERE = Path(__file__).parent
#: Colours that people with any kind of colour blindness tell apart (Okabe and Ito, 2008).
BLACK, ORANGE, SKY, GREEN = "#000000", "#d55e00", "#56b4e9", "#009e73"
BLUE, PURPLE, GREY = "#0072b2", "#cc79a7", "#8a8a8a"
K, LABEL, OTHER = 8, np.array([2]), np.array([5])
TEACHER = np.array([[0.5, 1.0, 4.0, 2.0, -0.5, 3.0, 0.0, -1.0]])
COUNTS = np.array([30, 20, 14, 10, 8, 6, 4, 2])
WHO = np.array([[2, 2, 5, 2, 3]])


def targets() -> list[tuple[str, str, np.ndarray]]:
    """Return a name, a call and a dense row of each target."""
    hard, other = (st.Targets.from_labels(labels, K) for labels in (LABEL, OTHER))
    near = np.exp(-np.abs(np.arange(K)[:, None] - np.arange(K)))
    sequence = np.array([2, 2, 2, 3, 3])
    made = [
        ("a label", "Targets.from_labels(y, K)", hard),
        ("smoothed over all", "label_smoothing=0.3", hard.smooth(0.3)),
        ("over the others", 'spread="others"', hard.smooth(0.3, spread="others")),
        ("to frequencies", "prior=prior_from_counts(n)",
         hard.smooth(0.3, prior=st.prior_from_counts(COUNTS))),
        ("to similar classes", "prior=prior_from_similarity(s)",
         hard.smooth(0.3, prior=st.prior_from_similarity(near, temperature=0.3))),
        ("noise of pairs", 'noise_transition(K, 0.3, kind="pair")[y]',
         hard.smooth(1.0, prior=st.noise_transition(K, 0.3, kind="pair"))),
        ("mixup", "mix(a, b, 0.7)", st.mix(hard, other, 0.7)),
        ("mixup, smoothed", "mix(a, b, 0.7).smooth(0.3)", st.mix(hard, other, 0.7).smooth(0.3)),
        ("teacher, T = 1", "Targets.from_teacher(t)", st.Targets.from_teacher(TEACHER)),
        ("teacher, T = 4", "from_teacher(t, temperature=4)",
         st.Targets.from_teacher(TEACHER, temperature=4.0)),
        ("its best 2", 'top_k=2, tail="drop"',
         st.Targets.from_teacher(TEACHER, top_k=2, tail="drop")),
        ("its best 2, alone", 'top_k=2, tail="renormalize"',
         st.Targets.from_teacher(TEACHER, top_k=2, tail="renormalize")),
        ("five annotators", "Targets.from_votes(votes, K)", st.Targets.from_votes(WHO, K)),
        ("neighbours in time", "from_neighbours(y, K, [.2, .6, .2])",
         st.Targets.from_neighbours(sequence, K, [0.2, 0.6, 0.2])[2:3]),
    ]  # fmt: skip
    dense = [(name, call, value.to_dense()[0]) for name, call, value in made]
    smooth = 0.7 * np.isin(np.arange(K), [2, 5]) + 0.15
    return [*dense, ("yes and no, smoothed", "binary_cross_entropy", smooth)]


#: The lead of the label over all other logits, which are 0.
GAPS = np.linspace(-6.0, 12.0, 361)
CLASSES = 10
Curve = tuple[str, str, str, np.ndarray]


def curve(name: str, colour: str, dashes: str, loss: Callable[..., Any], *more: Any, **words: Any
          ) -> Curve:  # fmt: skip
    """Return the losses of one label over its lead."""
    x = np.zeros((GAPS.size, CLASSES))
    x[:, 2] = GAPS
    labels = np.full(GAPS.size, 2)
    return name, colour, dashes, np.asarray(loss(x, labels, *more, reduction="none", **words))


def distilled(name: str, colour: str, dashes: str, temperature: float) -> Curve:
    """Return the losses over the lead of a student whose teacher has a lead of 4."""
    x = np.zeros((GAPS.size, CLASSES))
    teacher = x.copy()
    x[:, 2], teacher[:, 2] = GAPS, 4.0
    found = st.distillation(x, teacher, temperature=temperature, reduction="none")
    return name, colour, dashes, np.asarray(found)


def decided(name: str, colour: str, dashes: str, **words: Any) -> Curve:
    """Return the losses of one logit, over it, where the answer is yes."""
    yes = np.ones(GAPS.size, dtype=np.int64)
    found = st.binary_cross_entropy(GAPS, yes, axis=None, reduction="none", **words)
    return name, colour, dashes, np.asarray(found)


def curves() -> list[tuple[str, list[Curve]]]:
    """Return the panels: a title, and the curves of each."""
    noise = st.noise_transition(CLASSES, 0.2)
    smooth = {"label_smoothing": 0.1}
    plain = curve("cross-entropy", GREY, "-", st.cross_entropy)
    softened = curve("label smoothing 0.1", BLACK, "-", st.cross_entropy, **smooth)
    return [
        ("cross_entropy: label smoothing", [
            curve("0", GREY, "-", st.cross_entropy),
            curve("0.1", BLACK, "-", st.cross_entropy, **smooth),
            curve("0.3", ORANGE, "--", st.cross_entropy, label_smoothing=0.3),
            curve("0.6", BLUE, "-.", st.cross_entropy, label_smoothing=0.6),
        ]),
        ("cross_entropy: penalties", [
            plain,
            curve("confidence_penalty 0.3", ORANGE, "--", st.cross_entropy, confidence_penalty=0.3),
            curve("the same below entropy 0.5", PURPLE, ":", st.cross_entropy,
                  confidence_penalty=0.3, entropy_threshold=0.5),
            curve("z_loss 0.02", BLUE, "-.", st.cross_entropy, z_loss=0.02),
        ]),
        ("max_suppression, margin_smoothing", [
            plain,
            softened,
            curve("MaxSup 0.1", ORANGE, "--", st.max_suppression, strength=0.1),
            curve("MbLS 0.1, margin 6", BLUE, "-.", st.margin_smoothing, margin=6.0, strength=0.1),
        ]),
        ("kl_divergence, js_divergence (target smoothed 0.1)", [
            curve("forward", BLACK, "-", st.kl_divergence, **smooth),
            curve("reverse", ORANGE, "--", st.kl_divergence, direction="reverse", **smooth),
            curve("Jensen-Shannon", BLUE, "-.", st.js_divergence, **smooth),
        ]),
        ("distillation (teacher leads by 4)", [
            distilled("temperature 1", BLACK, "-", 1.0),
            distilled("temperature 2", ORANGE, "--", 2.0),
            distilled("temperature 8", BLUE, "-.", 8.0),
        ]),
        ("focal_loss, poly_loss", [
            plain,
            curve("focal, gamma 2", ORANGE, "--", st.focal_loss, gamma=2.0),
            curve("Poly-1, strength 1", BLUE, "-.", st.poly_loss, strength=1.0),
        ]),
        ("losses for noisy labels (rate 0.2)", [
            plain,
            curve("forward correction", BLACK, "-", st.forward_correction, noise),
            curve("backward correction", ORANGE, "--", st.backward_correction, noise),
            curve("generalized smoothing -0.5", BLUE, "-.", st.generalized_smoothing, -0.5),
        ]),
        ("binary_cross_entropy (one logit, the answer is yes)", [
            decided("0", GREY, "-"),
            decided("label_smoothing 0.1", BLACK, "-", **smooth),
            decided("pos_weight 3", ORANGE, "--", pos_weight=3.0),
        ]),
    ]  # fmt: skip


def figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """Return an empty figure and its panels."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, dpi=110, layout="constrained")
    return drawn, drawn.subplots(rows, columns)


def draw_targets() -> Any:
    """Return the figure of the targets."""
    drawn, panels = figure(5, 3, (9.5, 10.5))
    for panel, (name, call, q) in zip(panels.flat, targets(), strict=True):
        colours = [BLUE if k == LABEL[0] else SKY for k in range(K)]
        panel.bar(np.arange(K), q, color=colours, edgecolor=BLACK, linewidth=0.5)
        for k, mass in enumerate(q):
            if mass > 0:
                panel.text(k, mass + 0.02, f"{mass:.2f}".lstrip("0"), ha="center", fontsize=7)
        panel.set(ylim=(0, 1.15), xticks=range(K), yticks=[0, 0.5, 1])
        panel.tick_params(labelsize=8)
        panel.set_title(f"{name}\n", fontsize=11, fontweight="bold", loc="left")
        panel.text(0, 1.03, call, transform=panel.transAxes, fontsize=8, family="monospace")
        panel.spines[["top", "right"]].set_visible(False)
    return drawn


def draw_losses() -> Any:
    """Return the figure of the losses. A dot marks the least value of a curve that has one."""
    drawn, panels = figure(4, 2, (9.5, 13.0))
    for panel, (title, lines) in zip(panels.flat, curves(), strict=True):
        for name, colour, dashes, values in lines:
            panel.plot(GAPS, values, dashes, color=colour, label=name, linewidth=1.8)
            best = int(np.argmin(values))
            if 0 < best < GAPS.size - 1:
                panel.plot(GAPS[best], values[best], "o", color=colour, markersize=6)
        least = min(float(np.min(values)) for *_, values in lines)
        panel.set(xlim=(GAPS[0], GAPS[-1]), ylim=(min(-0.3, max(least, -4.0) - 0.3), 9.0))
        panel.set_title(title, fontsize=10, fontweight="bold", loc="left")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, loc="upper right")
        panel.tick_params(labelsize=8)
    for panel in panels[-1]:
        panel.set_xlabel("lead of the label over the other logits (or the logit)", fontsize=9)
    for panel in panels[:, 0]:
        panel.set_ylabel("loss in nats", fontsize=9)
    return drawn


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    draw_targets().savefig(where / "gallery_targets.png")
    draw_losses().savefig(where / "gallery_losses.png")
