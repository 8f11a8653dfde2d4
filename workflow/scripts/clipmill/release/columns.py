"""The columns of a release: which, under which names, and which are numbers."""

from pathlib import Path

from clipmill.engine import tables

WHOLE = frozenset(("num_frames", "height", "width", "resolution", "ocr"))
FRACTIONS = frozenset(("aspect_ratio", "fps", "aes", "flow", "ocr_area", "match", "start", "end"))


class Columns:
    """Chosen and renamed columns of meta.csv, in order."""

    def __init__(self, meta: Path, options: dict, reserved: tuple[str, ...] = ()):
        """`options`: `columns`, `rename` and `numbers` (what has thresholds) of a release; `reserved`: names that a
        format needs for itself. Raises TableError where meta.csv lacks a column, or a name stands for two."""
        there = tables.columns(meta)
        for key in ("columns", "rename"):
            for name in options[key]:
                if name not in there:
                    raise tables.TableError(
                        f"release.{key}: meta.csv has no column {name} (it has: {', '.join(there)})"
                    )
        self.names = {name: options["rename"].get(name, name) for name in options["columns"] or there}
        """{name in meta.csv: name in the release}"""
        self.fractions = FRACTIONS | set(options["numbers"]) - WHOLE
        taken = [*self.names.values(), *reserved]
        if double := sorted({name for name in self.names.values() if taken.count(name) > 1}):
            raise tables.TableError(f"release.rename: another name is needed for the column {', '.join(double)}")

    def texts(self, row: dict[str, str]) -> dict[str, str]:
        """The cells of a row of meta.csv as they are, by their names in the release."""
        return {new: row[name] for name, new in self.names.items()}

    def values(self, row: dict[str, str]) -> dict[str, str | int | float | None]:
        """The same with numbers as numbers (None where there is none). Text stays as it is: a label 007 is none."""
        return {new: self.value(name, row[name]) for name, new in self.names.items()}

    def value(self, name: str, text: str) -> str | int | float | None:
        """One cell as a value."""
        if name in WHOLE:
            return int(text) if text else None
        if name in self.fractions:
            return float(text) if text else None
        return text
