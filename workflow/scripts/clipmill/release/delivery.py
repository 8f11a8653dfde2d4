"""The release as a whole: its card, its description for machines, what it holds (release.json), and its checksums."""

import json
import shutil
from pathlib import Path

from clipmill.engine import files, tables, vouch
from clipmill.release import card, croissant, facts, writer
from clipmill.release.columns import Columns
from clipmill.release.pairs import pairs

FIGURES = ("funnel.svg", "scores.svg", "lengths.svg")
SUMS = "SHA256SUMS"


class Delivery:
    """Everything of a release that is of no format."""

    def __init__(self, results: Path, options: dict):
        """`options`: the configuration's block `release`."""
        self.results, self.options = results, options
        self.folder = results / "release"

    def write(self, formats: list[Path], out: Path) -> None:
        """Write the files beside the formats, whose tables of files are `formats`, and the table of them.

        Raises TableError where the release holds another file than it says.
        """
        self.remove_formats()
        account = json.loads(vouch.content(self.results / "run.json"))
        columns = Columns(self.results / "meta.csv", self.options)
        counted = facts.count(pairs(self.results / "meta.csv", self.options), self.options["splits"]["by"])
        written = [row for table in sorted(formats) for row in tables.read(table)]
        shutil.rmtree(self.folder / "figures", ignore_errors=True)
        (self.folder / "figures").mkdir(parents=True)
        for name in FIGURES:
            shutil.copyfile(self.results / "report" / "figures" / name, self.folder / "figures" / name)
        texts = {
            "README.md": card.text(self.options, account, counted, columns.names),
            "croissant.json": croissant.text(self.options, written, counted, columns),
            "release.json": json.dumps(self.contents(account, counted, written, columns), indent=1, ensure_ascii=False),
        }
        for name, text in texts.items():
            with files.whole(self.folder / name, "wb") as file:
                file.write(text.encode())
        own = [self.row(name) for name in (*texts, *(f"figures/{name}" for name in FIGURES))]
        self.write_sums([*written, *own])
        self.check([*written, *own])
        writer.remove_tables(self.results / "work" / "release" / "card")
        tables.write(out, writer.FILES, [*own, self.row(SUMS)])

    def remove_formats(self) -> None:
        """Remove what an earlier release wrote and this one was not asked for."""
        for name in set(writer.FORMATS) - set(self.options["formats"]):
            shutil.rmtree(self.results / "work" / "release" / name, ignore_errors=True)
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def contents(self, account: dict, counted: facts.Facts, written: list[dict], columns: Columns) -> dict:
        """release.json. No time and no path of this machine, so that the same pairs give the same bytes."""
        sizes: dict[str, dict] = {}
        for row in written:
            of = sizes.setdefault(row["file"].partition("/")[0], {"files": 0, "bytes": 0})
            of["files"] += 1
            of["bytes"] += int(row["bytes"])
        models = [model for block in account["models"].values() for model in block]
        return {
            "name": self.options["card"]["name"],
            "version": self.options["card"]["version"],
            "selection": counted.selection,
            "pairs": counted.pairs,
            "hours": counted.hours,
            "kinds": dict(sorted(counted.kinds.items())),
            "splits": counted.splits,
            "buckets": dict(sorted(counted.buckets.items())),
            "columns": columns.names,
            "formats": sizes,
            "thresholds": account["configuration"]["select"],
            "settings": {key: value for key, value in self.options.items() if key not in ("card", "numbers")},
            "models": [{key: model[key] for key in ("key", "source", "sha256")} for model in models],
        }

    def row(self, name: str) -> dict:
        """A row of the table of files."""
        size, changed = files.size_and_time(self.folder / name)
        return {"file": name, "bytes": size, "mtime": changed, "sha256": files.sha256(self.folder / name)}

    def write_sums(self, rows: list[dict]) -> None:
        """SHA256SUMS, as `sha256sum -c` reads it."""
        with files.whole(self.folder / SUMS, "wb") as file:
            for row in sorted(rows, key=lambda row: row["file"]):
                file.write(f"{row['sha256']}  {row['file']}\n".encode())

    def check(self, rows: list[dict]) -> None:
        """Raise TableError where the folder holds another file than these, or lacks one."""
        there = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}
        named = {SUMS, *(row["file"] for row in rows)}
        if strange := sorted(there - named):
            raise tables.TableError(f"{self.folder / strange[0]} is no file of the release: move it elsewhere")
        if lost := sorted(named - there):
            raise tables.TableError(f"{self.folder / lost[0]} is missing: run the same command again")
