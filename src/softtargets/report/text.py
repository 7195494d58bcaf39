"""The report as text, for a terminal."""

import textwrap

from softtargets.report.measure import Findings
from softtargets.report.verdict import sentences

WIDTH = 80


def heading(found: Findings) -> str:
    """Say what was looked at."""
    files = found.files
    kind = "probabilities" if found.from_probs else "logits"
    ignored = f", {found.ignored:,} ignored" if found.ignored else ""
    return (
        f"{files.scores}: {files.rows:,} rows{ignored}, {files.classes:,} classes, "
        f"{files.dtype} {kind}; labels: {files.labels}"
    )


def as_text(found: Findings) -> str:
    """Return the whole report."""
    lines = [heading(found), ""]
    for sentence in sentences(found):
        lines += textwrap.wrap(
            sentence, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
    return "\n".join([*lines, "", str(found.metrics), *changed(found)])


def changed(found: Findings) -> list[str]:
    """Return a table of the sample without and with the temperature."""
    if isinstance(found.fitted, str):
        return []
    rows = compared(found)
    lines = [f"{name:<23}{before:>9}  {after:>9}" for name, before, after in rows]
    return ["", f"{'':<23}{'before':>9}  {'after':>9}  the temperature", *lines]


def compared(found: Findings) -> list[tuple[str, str, str]]:
    """Return rows: a name, the number before the temperature and the one after it."""
    assert not isinstance(found.fitted, str)
    reports = found.fitted.before, found.fitted.after
    names = {
        "mean_confidence": "mean confidence",
        "calibration_error": "ECE",
        "noise_floor": "  if calibrated",
        "smooth_error": "smECE",
        "brier_score": "Brier score",
        "negative_log_likelihood": "negative log-likelihood",
    }
    return [
        (name, *(f"{getattr(report, field):.4f}" for report in reports))  # type: ignore[misc]
        for field, name in names.items()
    ]
