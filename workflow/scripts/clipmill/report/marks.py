"""Marks: a CSV of `id,mark`, in which a person has called clips `good` or `bad`. The page writes and shows them."""

from pathlib import Path

from clipmill.engine import tables, vouch

MARKS = ("good", "bad")


def state(path: str | Path | None) -> str:
    """A digest of the file of marks, so that the page follows it; empty where there is none."""
    return vouch.digest(path) if path and Path(path).is_file() else ""


def read(path: str | Path | None) -> dict[str, str]:
    """The marks by clip id; of a clip that is named twice, the last one counts. None: no marks.

    Raises SystemExit with a plain message where the file is no table of marks.
    """
    if not path:
        return {}
    try:
        rows = list(tables.read(path))
        absent = {"id", "mark"} - set(tables.columns(path))
    except (OSError, ValueError) as error:
        raise SystemExit(
            f"marks: {path} cannot be read: {error}. Save it on the page, or set `marks` to null"
        ) from None
    if absent:
        raise SystemExit(f"marks: {path} has no column {' or '.join(sorted(absent))}; it must be a CSV with `id,mark`")
    wrong = [(number, row) for number, row in enumerate(rows, 2) if row["mark"] not in MARKS]
    if wrong:
        number, row = wrong[0]
        raise SystemExit(f"marks: line {number} of {path} has the mark {row['mark']!r}; a mark is {' or '.join(MARKS)}")
    return {row["id"]: row["mark"] for row in rows}
