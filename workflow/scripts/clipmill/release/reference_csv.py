"""The reference's CSV: what a trainer reads that asks for `path,text,num_frames,height,width,fps`."""

from collections.abc import Iterator
from contextlib import ExitStack

from clipmill.engine import remote, tables
from clipmill.release.pairs import Pair
from clipmill.release.writer import Writer


class ReferenceCsv(Writer):
    """A CSV per split and bucket, its cells as in meta.csv; a path is absolute, or begins with the prefix."""

    name = "csv"

    def write(self, found: Iterator[Pair]) -> None:
        prefix = self.options["path_prefix"]
        if prefix is None:
            prefix = f"{self.results.resolve()}/"
        with ExitStack() as stack:
            parts = {}
            for part, pair in self.placed(found):
                if part not in parts:
                    path = self.folder / f"{part}.csv"
                    file = stack.enter_context(open(path, "w", encoding="utf-8", newline=""))
                    parts[part] = tables.writer(file, self.columns.names.values())
                if pair:
                    path = pair.row["path"]
                    row = pair.row | {"path": path if path.startswith("/") or remote.is_remote(path) else prefix + path}
                    parts[part].writerow(self.columns.texts(row))

    def held(self) -> Iterator[str]:
        for path in self.folder.glob("*.csv"):
            yield from (row[self.columns.names["id"]] for row in tables.read(path))
