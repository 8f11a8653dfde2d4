"""Accidents to a results folder: files deleted, cut, emptied, one byte changed; and what must be there afterwards."""

import hashlib
from pathlib import Path
from random import Random

PRODUCTS = ("meta.csv", "rejects.csv", "tables/*.csv", "clips/*")
"""What a run delivers, and what must have the same bytes whatever happened before."""


def deleted(path: Path, random: Random) -> None:
    path.unlink()


def cut(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes()[: random.randrange(1, path.stat().st_size)])


def emptied(path: Path, random: Random) -> None:
    path.write_bytes(b"")


def changed(path: Path, random: Random) -> None:
    """Flip one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


ACCIDENTS = (deleted, cut, emptied, changed)


def kinds(results: Path) -> dict[str, list[Path]]:
    """Every file of a results folder by its kind: the folders that it lies in, without their digests, and its suffix.

    Logs, benchmarks and the progress of jobs are left out: no result depends on them.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        parts = path.relative_to(results).parts
        if parts[0] in ("logs", "benchmarks") or path.suffix == ".progress":
            continue
        sums = "sum of " if path.suffix == ".sum" else ""
        name = parts[-1] if parts[0] in ("tables", "plan", "work") or len(parts) == 1 else f"*{path.suffix}"
        found.setdefault("/".join([sums + parts[0], *parts[1:2][: len(parts) > 2], name]), []).append(path)
    return found


def products(results: Path) -> dict[str, str]:
    """The digest of each product, by name."""
    paths = [path for pattern in PRODUCTS for path in results.glob(pattern) if not path.name.startswith(".")]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}
