"""The report as one HTML file that needs no other: pictures are inside."""

import base64
import io
from html import escape

import softtargets as st
from softtargets import plots
from softtargets.calibration import CalibrationReport
from softtargets.report.measure import Findings
from softtargets.report.text import compared, heading
from softtargets.report.verdict import sentences

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
pre { overflow-x: auto; font-size: 0.85rem; line-height: 1.4; }
table { border-collapse: collapse; }
th, td { padding: 0.2rem 0.9rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } img { max-width: 100%; }
footer { margin-top: 2rem; color: #555; font-size: 0.85rem; }
"""
READING = (
    "A point below the dotted line is a bin whose predictions are right less often than they are "
    "sure. Bars: 95% of Wilson's interval. Grey: where 95% of calibrated models would be; a point "
    "outside of its box speaks against calibration, though one in twenty is by chance."
)


def as_page(found: Findings) -> str:
    """Return the HTML."""
    parts = [
        "<h1>Calibration report</h1>",
        f"<p>{escape(heading(found))}</p>",
        "<ul>",
        *(f"<li>{escape(sentence)}</li>" for sentence in sentences(found)),
        "</ul>",
        "<h2>Reliability</h2>",
        picture(found.metrics, "All rows, as they are"),
    ]
    if not isinstance(found.fitted, str):
        parts.append(picture(found.fitted.after, "With the temperature"))
    parts += [f"<p>{READING}</p>"]
    if not isinstance(found.fitted, str):
        parts += ["<h2>What the temperature changes</h2>", table(found)]
    parts += [
        "<h2>All numbers</h2>",
        f"<pre>{escape(str(found.metrics))}</pre>",
        f"<footer>Made by softtargets {escape(st.__version__)}.</footer>",
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Calibration of {escape(found.files.scores.name)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def picture(report: CalibrationReport, title: str) -> str:
    """Return a reliability diagram as an image that is part of the page."""
    curve = report.curve
    diagram, _ = plots.reliability(
        curve.confidence,
        curve.accuracy,
        curve.counts,
        interval=(curve.accuracy_low, curve.accuracy_high),
        consistency=(curve.consistent_low, curve.consistent_high),
        edges=curve.edges,
    )
    diagram.set_title(f"{title}: {report.num_rows:,} rows", fontsize=10)
    file = io.BytesIO()
    diagram.figure.savefig(file, format="png", dpi=120)
    data = base64.b64encode(file.getvalue()).decode()
    words = (
        f"{title}: mean confidence {report.mean_confidence:.3f}, accuracy {report.accuracy:.3f}, "
        f"ECE {report.calibration_error:.4f}"
    )
    return (
        f'<figure><img width="400" alt="{escape(words)}" src="data:image/png;base64,{data}">'
        f"</figure>"
    )


def table(found: Findings) -> str:
    """Return the numbers without and with the temperature."""
    rows = "\n".join(
        f"<tr><td>{escape(name.strip())}</td><td>{before}</td><td>{after}</td></tr>"
        for name, before, after in compared(found)
    )
    return f"<table>\n<tr><th></th><th>before</th><th>after</th></tr>\n{rows}\n</table>"
