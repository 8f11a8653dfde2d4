"""Sends a finished release to a place elsewhere, and removes there what an earlier one sent and this one lacks."""

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clipmill.engine import remote, tables
from clipmill.release.delivery import SUMS
from clipmill.release.writer import FILES

THREADS = 4
"""Files that are sent at the same time."""


class Sending:
    """A release on its way to `to`. A journal says what arrived, so that a sending goes on where one was ended."""

    def __init__(self, results: Path, to: str):
        self.folder, self.to = results / "release", to.rstrip("/")
        self.journal = results / "work" / "release" / "to" / "sent.jsonl"
        self.sent = {record["address"]: record for record in self.records()}

    def records(self) -> Iterable[dict]:
        """What earlier sendings noted; lines that a kill cut short do not count."""
        for line in self.journal.read_text().splitlines() if self.journal.exists() else ():
            try:
                record = json.loads(line)
                yield {name: record[name] for name in ("address", "sha256", "state")}
            except (ValueError, KeyError, TypeError):
                continue

    def run(self, written: list[Path], out: Path) -> None:
        """Send the files that these tables name, the checksums last, and write the table of them.

        Raises remote.Unreachable where a file cannot be sent.
        """
        rows = sorted((row for table in written for row in tables.read(table)), key=lambda row: row["file"])
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(THREADS) as pool:
            fresh = sum(pool.map(self.send, [row for row in rows if row["file"] != SUMS]))
        self.remove_others({self.address(row) for row in rows})
        fresh += sum(self.send(row) for row in rows if row["file"] == SUMS)
        tables.write(out, FILES, rows)
        total = sum(int(row["bytes"]) for row in rows)
        print(f"release_to: {len(rows)} files, {total} bytes at {self.to}; {fresh} sent now", file=sys.stderr)

    def address(self, row: dict) -> str:
        """Where a file of the release goes."""
        return f"{self.to}/{row['file']}"

    def send(self, row: dict) -> bool:
        """Send a file unless it is there as it was sent; returns whether it was sent."""
        address = self.address(row)
        known = self.sent.get(address)
        if known and known["sha256"] == row["sha256"] and self.is_there(known):
            return False
        state = remote.write(self.folder / row["file"], address)
        self.note({"address": address, "sha256": row["sha256"], "state": state})
        return True

    def remove_others(self, addresses: set[str]) -> None:
        """Remove what was sent here before, is as it was sent, and is no part of this release."""
        for address, record in self.sent.items():
            if address.startswith(f"{self.to}/") and address not in addresses and self.is_there(record):
                remote.remove(address)

    def is_there(self, record: dict) -> bool:
        """Whether a file is at its place as it was sent."""
        try:
            return list(remote.state(record["address"])) == list(record["state"])
        except (FileNotFoundError, IsADirectoryError):
            return False

    def note(self, record: dict) -> None:
        """Add a line to the journal."""
        with open(self.journal, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
