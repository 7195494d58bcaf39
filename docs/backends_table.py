"""Write the table of docs/backends.md from the table of capabilities in the library.

docs/conf.py does it before each build; what it writes is not committed.
"""

from pathlib import Path

from softtargets._array import backends

#: Include this file in a page; pages themselves are never generated.
GENERATED = Path(__file__).parent / "_generated" / "backends.md"


def markdown() -> str:
    """Return the capabilities as a Markdown table, one column per library."""
    rows = [backend.capabilities() for backend in backends.BACKENDS]
    lines = []
    for key in rows[0]:
        cells = [row[key] or "-" for row in rows]
        if key == "library":
            lines.append(f"| | {' | '.join(cells)} |")
            lines.append("|---" * (len(rows) + 1) + "|")
        else:
            lines.append(f"| **{key}** | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the table where the page includes it."""
    GENERATED.parent.mkdir(exist_ok=True)
    GENERATED.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    print(markdown())
