"""The rows of a list next to the files that they name, in a database on disk, so that a list may have any length.

A row that can be used becomes a row of tables/extras.csv: the id of its file, its number, its span, and its other
columns under their own names. Every other row is a reject with its number.
"""

import marshal
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from clipmill.engine.rejects import Reject, rejected
from clipmill.engine.shown import CONTROL, shown
from clipmill.videos import lists, spans
from clipmill.videos.sources import Found, all_usable, relpath_of, require_path

PREFIX = "list_"
MANY = 10_000
"""Rows that are written to the database at once."""
TABLES = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "CREATE TABLE rows (number INTEGER PRIMARY KEY, relpath TEXT, span TEXT, reason TEXT, detail TEXT, extras BLOB)",
    "CREATE TABLE files (relpath TEXT PRIMARY KEY, id TEXT, reason TEXT, detail TEXT) WITHOUT ROWID",
    "CREATE TABLE firsts (relpath TEXT, span TEXT, first INTEGER, PRIMARY KEY (relpath, span)) WITHOUT ROWID",
)
TWICE = """INSERT INTO firsts SELECT relpath, span, MIN(number) FROM rows WHERE reason = ''
    GROUP BY relpath, span HAVING COUNT(*) > 1"""
ACCEPTED = """SELECT files.id, rows.number, rows.span, rows.extras FROM rows JOIN files USING (relpath)
    LEFT JOIN firsts USING (relpath, span)
    WHERE rows.reason = '' AND files.reason = '' AND (firsts.first IS NULL OR firsts.first = rows.number)
    ORDER BY files.id, rows.number"""
REFUSED = """SELECT COALESCE(files.id, ''), rows.number, rows.relpath, rows.extras, firsts.first,
    COALESCE(NULLIF(rows.reason, ''), files.reason, ''), rows.detail, COALESCE(files.detail, '')
    FROM rows LEFT JOIN files USING (relpath) LEFT JOIN firsts USING (relpath, span)
    WHERE rows.reason <> '' OR files.reason IS NULL OR files.reason <> '' OR firsts.first < rows.number
    ORDER BY 1, 3, 2"""


class Entries:
    """The rows of one list. Use it as a context: the database is a temporary file."""

    def __init__(self, table: Path, root: Path | str, ours: Iterable[str] = (), captions: bool = True):
        """Read the whole list. `ours`: more names that are ours; `captions`: whether its column `text` holds them."""
        self.table, self.root = table, root
        self.ours = lists.OURS.union(ours) - ({"text"} if captions else set())
        self.names: dict[str, str] = {}
        """The list's other columns: the name in the list, and the name under which it goes on."""
        self.spanned = False
        self.folder = tempfile.TemporaryDirectory(prefix="clipmill-list-")
        self.base = sqlite3.connect(Path(self.folder.name) / "rows.sqlite", isolation_level=None)
        for statement in TABLES:
            self.base.execute(statement)
        self.put("rows", 6, self.read())
        self.base.execute(TWICE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.base.close()
        self.folder.cleanup()

    def put(self, table: str, width: int, rows: Iterable[tuple]) -> None:
        """Add rows to a table of the database."""
        self.base.execute("BEGIN")
        self.base.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)
        self.base.execute("COMMIT")

    def read(self) -> Iterator[tuple]:
        """Every row of the list, as the database holds it."""
        names, known, kind = [], None, ()
        for number, row in lists.rows(self.table):
            if row.keys() != known:
                if number == 1:
                    require_path(self.table, row)
                known, kind = row.keys(), spans.columns(row.keys())
                self.take({name for name in row if name != "path" and name not in kind}, row)
                names = list(self.names)
            extras = marshal.dumps([row.get(name, "") for name in names])
            relpath = relpath_of(row["path"], self.root) if row.get("path") else ""
            span, reason, detail = "", "" if relpath else "empty path in the list", ""
            if kind and relpath:
                try:
                    span = spans.text(row, kind)
                except Reject as error:
                    reason, detail = error.reason, error.detail
            self.spanned = self.spanned or bool(span)
            yield number, relpath, span, reason, detail, extras

    def take(self, others: set[str], row: dict) -> None:
        """Note the columns that pass through; a name that is ours gets a prefix."""
        for column in row:
            if column in others and column not in self.names:
                name = column
                while name in self.ours or name.startswith("cut_") or name in self.names.values():
                    name = f"{PREFIX}{name or 'column'}"
                self.names[column] = name

    @property
    def renamed(self) -> dict[str, str]:
        """The columns whose name is ours: the name in the list, and the one that they have now."""
        return {column: name for column, name in self.names.items() if column != name}

    def found(self) -> Iterator[Found]:
        """Every file that a row names and that is there, sorted; the others are noted."""
        gone = []
        rows = self.base.execute("SELECT DISTINCT relpath FROM rows WHERE reason = '' ORDER BY relpath")
        for one in all_usable(self.root, (relpath for (relpath,) in rows)):
            if not one.reason:
                yield one
                continue
            gone.append((one.relpath, "", one.reason, one.detail))
            if len(gone) == MANY:
                self.put("files", 4, gone)
                gone.clear()
        self.put("files", 4, gone)

    def join(self, rows: Iterable[dict], rejects: Iterable[dict]) -> None:
        """Learn the ids of the files, and which of them are not taken in, as `list_videos.listing` gives them."""
        names = sorted((row["relpath"], row["id"], "", "") for row in rows)  # in the order of the table: twice as fast
        self.put("files", 4, names)
        faulty = ((row.get("file", row["relpath"]), row["id"], row["reason"], row["detail"]) for row in rejects)
        self.put("files", 4, faulty)

    def extras(self, packed: bytes) -> dict[str, str]:
        """The other columns of a row."""
        return dict(zip(self.names.values(), marshal.loads(packed), strict=False))

    def accepted(self) -> Iterator[dict]:
        """The rows of tables/extras.csv, sorted by the id of their file, then by number."""
        names = [*self.names.values()]
        for identity, number, span, extras in self.base.execute(ACCEPTED):
            row = dict(zip(names, marshal.loads(extras), strict=False))
            row["id"], row["row"], row["span"] = identity, str(number), span
            yield row

    def refused(self) -> Iterator[dict]:
        """The rows of the list that cannot be used, as rejects, sorted by id."""
        for identity, number, relpath, extras, first, reason, why, of_file in self.base.execute(REFUSED):
            place = f"row {number} of {self.table.name}"
            if not reason:
                reason, place = "listed twice", f"row {number}, first in row {first}"
            row = {"id": identity, "relpath": shown(relpath) if CONTROL.search(relpath) else relpath}
            detail = "; ".join(filter(None, (why or of_file, place)))
            yield rejected({**self.extras(extras), **row}, "list_videos", reason, detail)
