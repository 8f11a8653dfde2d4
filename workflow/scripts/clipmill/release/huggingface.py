"""A folder that `datasets.load_dataset` loads from disk: clips by split, with a table of their columns."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from clipmill.engine import remote
from clipmill.engine.tables import TableError
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
        open_tables: dict[str, TypedTable] = {}
        self.made: set[str] = set()
        for (pair, _), digest in self.in_threads(self.place, self.states(found)):
            split, name = self.place_of(pair)
            self.sums[f"{split}/{name}"] = digest
            self.table(open_tables, split).add(pair.row, file_name=name)
        if not open_tables:
            self.table(open_tables, f"videos/data/{TRAIN}")
        for table in open_tables.values():
            table.close()
        for kind in {split.partition("/")[0] for split in open_tables}:
            splits = sorted(split.rpartition("/")[2] for split in open_tables if split.startswith(f"{kind}/"))
            (self.folder / kind / "README.md").write_text(readme(splits), encoding="utf-8")

    def place_of(self, pair: Pair) -> tuple[str, str]:
        """(folder of the split, name of the clip in it); plain text, since paths would take longer than the copying."""
        name = f"{pair.bucket}/{pair.name}" if pair.bucket else pair.name
        return f"{pair.kind}/data/{pair.split}", name

    def table(self, open_tables: dict[str, TypedTable], split: str) -> TypedTable:
        """The table of a split, opened when it is first asked for. `datasets` would guess types in a CSV."""
        if split not in open_tables:
            (self.folder / split).mkdir(parents=True, exist_ok=True)
            open_tables[split] = TypedTable(self.folder / split / TABLE, self.columns, ("file_name",))
        return open_tables[split]

    def place(self, work: tuple[Pair, str]) -> str:
        """Copy or link a clip; returns its SHA-256."""
        pair, state = work
        target, source = "/".join([str(self.folder), *self.place_of(pair)]), pair.row["path"]
        if (folder := target.rpartition("/")[0]) not in self.made:
            os.makedirs(folder, exist_ok=True)
            self.made.add(folder)
        if self.options["link"] == "copy":
            with open(target, "wb", buffering=0) as file:
                return self.clips.sha256(source, state, file)
        if remote.is_remote(source):
            raise TableError(f"{source} lies elsewhere, so it cannot be linked: set release.link to copy")
        digest = self.clips.sha256(source, state)
        if self.options["link"] == "hardlink":
            self.link(self.results / source, target)
        else:
            final = self.target.joinpath(*self.place_of(pair)).parent
            os.symlink(os.path.relpath((self.results / source).resolve(), final.resolve()), target)
        return digest

    def link(self, source: Path, target: str) -> None:
        """Another name for a clip. Raises TableError where the disk, or its owner, allows none."""
        try:
            os.link(source.resolve(), target)
        except OSError as error:
            raise TableError(
                f"{source} cannot be hard-linked ({error.strerror}): set release.link to copy or symlink"
            ) from error

    def held(self) -> Iterator[str]:
        for table in self.folder.glob(f"*/data/*/{TABLE}"):
            ids = typed_table.read(table, self.columns.names["id"])
            rows, folder = 0, str(table.parent)
            for id, name in zip(ids, typed_table.read(table, "file_name"), strict=True):
                rows += 1
                if os.path.lexists(f"{folder}/{name}"):
                    yield id
            there = sum(len(names) for _, _, names in os.walk(table.parent)) - 1
            yield from ["a file without a row"] * (there - rows)


def readme(splits: list[str]) -> str:
    """The head of the folder's README, by which `datasets` finds the splits."""
    files = [{"split": split, "path": f"data/{split}/**"} for split in splits]
    head = {"configs": [{"config_name": "default", "data_files": files, "drop_labels": True}]}
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\nThe card of this data set is README.md of the release.\n"
