"""A folder that `datasets.load_dataset` loads from disk: clips by split, with a table of their columns."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from clipmill.release import typed_table
from clipmill.release.pairs import TRAIN, Pair
from clipmill.release.typed_table import TypedTable
from clipmill.release.writer import Writer

TABLE = "metadata.parquet"
"""The name by which `datasets` knows it."""


class HuggingFace(Writer):
    """`videos/` and `images/`, each a data set of its own, since `datasets` loads one kind from a folder.

    `datasets` is silent about a file without a row and a row without its file: `held` counts what has both.
    """

    name = "huggingface"
    reserved = ("file_name", "video", "image")

    def write(self, found: Iterator[Pair]) -> None:
        open_tables: dict[Path, TypedTable] = {}
        for (pair, _), digest in self.in_threads(self.place, self.states(found)):
            folder = self.split_folder(pair.kind, pair.split)
            self.sums[self.file(pair).relative_to(self.folder).as_posix()] = digest
            name = self.file(pair).relative_to(folder).as_posix()
            self.table(open_tables, folder).add(pair.row, file_name=name)
        if not open_tables:
            self.table(open_tables, self.split_folder("videos", TRAIN))
        for table in open_tables.values():
            table.close()
        for kind in {folder.parts[-3] for folder in open_tables}:
            splits = sorted(folder.name for folder in open_tables if folder.parts[-3] == kind)
            (self.folder / kind / "README.md").write_text(readme(splits), encoding="utf-8")

    def split_folder(self, kind: str, split: str) -> Path:
        """The folder of a split, with its table."""
        return self.folder / kind / "data" / split

    def file(self, pair: Pair) -> Path:
        """Where a clip lies."""
        return self.split_folder(pair.kind, pair.split) / pair.bucket / pair.name

    def table(self, open_tables: dict[Path, TypedTable], folder: Path) -> TypedTable:
        """The table of a split, opened when it is first asked for. `datasets` would guess types in a CSV."""
        if folder not in open_tables:
            folder.mkdir(parents=True, exist_ok=True)
            open_tables[folder] = TypedTable(folder / TABLE, self.columns, ("file_name",))
        return open_tables[folder]

    def place(self, work: tuple[Pair, str]) -> str:
        """Copy or link a clip; returns its SHA-256."""
        pair, state = work
        target, source = self.file(pair), self.results / pair.row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.options["link"] == "copy":
            with open(target, "wb", buffering=0) as file:
                return self.clips.sha256(pair.row["path"], state, file)
        digest = self.clips.sha256(pair.row["path"], state)
        if self.options["link"] == "hardlink":
            os.link(source, target)
        else:
            final = self.target / target.relative_to(self.folder)
            target.symlink_to(os.path.relpath(source.resolve(), final.parent.resolve()))
        return digest

    def held(self) -> Iterator[str]:
        for table in self.folder.glob(f"*/data/*/{TABLE}"):
            ids = typed_table.read(table, self.columns.names["id"])
            rows = 0
            for id, name in zip(ids, typed_table.read(table, "file_name"), strict=True):
                rows += 1
                if os.path.lexists(table.parent / name):
                    yield id
            there = sum(len(names) for _, _, names in os.walk(table.parent)) - 1
            yield from ["a file without a row"] * (there - rows)


def readme(splits: list[str]) -> str:
    """The head of the folder's README, by which `datasets` finds the splits."""
    files = [{"split": split, "path": f"data/{split}/**"} for split in splits]
    head = {"configs": [{"config_name": "default", "data_files": files, "drop_labels": True}]}
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\nThe card of this data set is README.md of the release.\n"
