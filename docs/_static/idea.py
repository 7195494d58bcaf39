"""Draw the picture of the idea: ``python docs/_static/idea.py`` writes idea.svg beside this file.

The bars are targets made by the library. The card is opaque, so that the picture reads the same on
light and dark pages.
"""

from html import escape
from pathlib import Path

import numpy as np

import softtargets as st

PICTURE = Path(__file__).with_suffix(".svg")
CLASSES = 8
WIDTH, HEIGHT = 960, 416
INK, FAINT, RULE = "#1f2328", "#59636e", "#d0d7de"
OWN, SPREAD, SPREAD_TEXT, PAPER = "#0b5cad", "#d97b29", "#a3540f", "#ffffff"
SANS = "font-family='Helvetica, Arial, Liberation Sans, sans-serif'"
MONO = "font-family='Menlo, Consolas, DejaVu Sans Mono, monospace'"


def text(
    x: float, y: float, words: str, *, size: int = 14, fill: str = INK, style: str = ""
) -> str:
    """Return one line of text."""
    return f"<text x='{x}' y='{y}' font-size='{size}' fill='{fill}' {style}>{escape(words)}</text>"


def bars(top: float, own: np.ndarray, q: np.ndarray) -> list[str]:
    """Return a bar per class: mass at labels below, spread mass above it."""
    base, height, step, wide = top + 62, 58, 25, 17
    marks = [f"<line x1='22' y1='{base}' x2='228' y2='{base}' stroke='{RULE}'/>"]
    for k in range(CLASSES):
        x, low, high = 25 + k * step, own[k] * height, q[k] * height
        for bottom, size, colour in ((base, low, OWN), (base - low, high - low, SPREAD)):
            if size > 1e-9:
                marks.append(
                    f"<rect x='{x}' y='{bottom - size:.1f}' width='{wide}' height='{size:.1f}' "
                    f"fill='{colour}'/>"
                )
        marks.append(
            text(x + wide / 2, base + 13, str(k), size=10, fill=FAINT, style="text-anchor='middle'")
        )
    return marks


def rows() -> list[tuple[np.ndarray, np.ndarray, str, str, str]]:
    """Return for each row of the picture: mass at labels, all mass, name, formula, what is kept."""
    two, five = (st.Targets.from_labels(np.array([k]), CLASSES) for k in (2, 5))
    classes, weights = np.array([[2, 6, 5]]), np.array([[0.6, 0.2, 0.1]])
    teacher = st.Targets.from_top_k(classes, weights, CLASSES, tail="drop")

    def dense(targets: st.Targets) -> np.ndarray:
        return np.asarray(targets.to_dense()[0])

    return [
        (dense(two), dense(two), "a label", "onehot(2)", "1 integer"),
        (
            0.5 * dense(two),
            dense(two.smooth(0.5)),
            "a smoothed label",
            "0.5 onehot(2) + 0.5 prior",
            "1 integer, 1 number",
        ),
        (
            dense(two.mix(five, 0.7)),
            dense(two.mix(five, 0.7)),
            "a mixup pair",
            "0.7 onehot(2) + 0.3 onehot(5)",
            "2 integers, 1 number",
        ),
        (
            dense(teacher),
            dense(teacher),
            "a top-3 teacher",
            "0.6, 0.2, 0.1 at 2, 6, 5",
            "3 integers, 3 numbers",
        ),
    ]


def draw() -> str:
    """Return the picture as SVG."""
    bold, middle = f"{SANS} font-weight='bold'", f"{SANS} text-anchor='middle'"
    marks = [
        f"<rect x='1' y='1' width='{WIDTH - 2}' height='{HEIGHT - 2}' rx='10' fill='{PAPER}' "
        f"stroke='{RULE}'/>",
        text(25, 34, "target of one row", style=bold),
        text(160, 34, "= sum of weight · onehot(label)", style=bold, fill=OWN),
        text(384, 34, "+ background · prior", style=bold, fill=SPREAD_TEXT),
        text(
            WIDTH - 25,
            34,
            "dense rows would keep K numbers each",
            size=13,
            fill=FAINT,
            style="text-anchor='end'",
        ),
        f"<line x1='22' y1='48' x2='{WIDTH - 22}' y2='48' stroke='{RULE}'/>",
    ]
    for number, (own, q, name, formula, kept) in enumerate(rows()):
        top = 60 + 86 * number
        marks += bars(top, own, q)
        marks += [
            text(256, top + 20, name, size=15, style=bold),
            text(256, top + 41, formula, size=13, style=MONO),
            text(256, top + 60, f"kept: {kept}", size=13, fill=FAINT, style=SANS),
        ]
    left, centre = 612, 774
    marks += [
        f"<path d='M 560 64 h 14 v 332 h -14 M 574 230 h 26 m -8 -7 l 9 7 l -9 7' fill='none' "
        f"stroke='{FAINT}' stroke-width='1.5'/>",
        f"<rect x='{left}' y='99' width='324' height='262' rx='8' fill='#f6f8fa' stroke='{RULE}'/>",
        text(
            centre,
            129,
            "one softmax pass over the logits x",
            size=15,
            style=f"{middle} font-weight='bold'",
        ),
        text(
            centre, 153, "a = q · class weights,  A = sum of a", size=13, fill=FAINT, style=middle
        ),
        text(left + 22, 197, "loss", style=bold),
        text(left + 22, 221, "A · logsumexp(x) - ⟨a, x⟩", style=MONO),
        text(left + 22, 265, "gradient", style=bold),
        text(left + 22, 289, "A · softmax(x) - a", style=MONO),
        text(
            centre,
            335,
            "the same in NumPy, CuPy, PyTorch, JAX, Dask",
            size=13,
            fill=FAINT,
            style=middle,
        ),
    ]
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' "
        f"height='{HEIGHT}' role='img' {SANS}>"
    )
    title = "<title>Targets of four kinds are a few numbers per row; one pass gives loss and "
    return "\n".join([head, f"{title}gradient.</title>", *marks, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
