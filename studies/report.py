"""From files of numbers to what the pages include: tables, pictures and verdicts."""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from studies import lessons
from studies.findings import findings_table, markdown
from studies.results import Results
from studies.running import STUDIES
from studies.study import Study

#: What is said of the whole run.
RUN, VERDICTS, LESSONS = "run.csv", "verdicts.md", "lessons.md"


def page_lines(study: Study, results: Results) -> list[str]:
    """Return what the page of a study includes."""
    return [
        f"![{study.alt}]({study.name}.png)",
        "",
        f"Means over {results.seeds} seeds, each with its standard error; "
        "changes are paired, seed by seed.",
        "",
        *study.tables(results),
        "",
        *findings_table(study.findings(results)),
    ]


def verdict_lines(found: Mapping[str, Results], about: Mapping[str, str]) -> list[str]:
    """Return all claims with their verdicts, and how they were made."""
    rows = [
        [name, finding.claim, finding.measured, f"**{finding.verdict}**"]
        for name, results in found.items()
        for finding in STUDIES[name].findings(results)
    ]
    verdicts = Counter(row[-1].strip("*") for row in rows)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    facts = ", ".join(f"{key} {value}" for key, value in about.items())
    table = markdown(["study", "claim", "measured", "verdict"], rows)
    return [f"{len(rows)} claims: {counted}.", "", *table, "", f"Run: {facts}."]


def write_page(study: Study, results: Results, folder: Path) -> None:
    """Write tables and picture of a study."""
    write_lines(folder / f"{study.name}.md", page_lines(study, results))
    study.draw(results).savefig(folder / f"{study.name}.png", dpi=110, metadata={"Software": None})


def write_all(folder: Path) -> None:
    """Write every page for which there are numbers, the verdicts, and what to take from them."""
    found = read_all(folder)
    for name, results in found.items():
        write_page(STUDIES[name], results, folder)
    write_lines(folder / VERDICTS, verdict_lines(found, read_about(folder)))
    if set(found) == set(STUDIES):
        write_lines(folder / LESSONS, lessons.lines(found))


def read_all(folder: Path) -> dict[str, Results]:
    """Return the numbers of every study of which there is a file."""
    paths = {name: folder / f"{name}.csv" for name in STUDIES}
    return {name: Results.read(path) for name, path in paths.items() if path.exists()}


def write_about(folder: Path, about: Mapping[str, str]) -> None:
    """Write what is said of the run."""
    with (folder / RUN).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(about.items())


def read_about(folder: Path) -> dict[str, str]:
    """Return what is said of the run of all studies, if there was one."""
    if not (folder / RUN).exists():
        return {"not all of the studies": "yet"}
    with (folder / RUN).open(encoding="utf-8", newline="") as file:
        return dict(csv.reader(file))


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a text."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
