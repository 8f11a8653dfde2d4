"""The sample of a pilot: which files a run takes in where the configuration has `sample`.

Videos and images are sampled apart. The files of a kind are put in order by folder and, within a folder, by length (of
images: by size), and the order is divided into strata of equal weight, a file's weight being the root of its length: so
every folder and every length is in the sample, and long films, which hold most of the clips, more often than short
ones. Of each stratum three files are drawn by a hash of the seed and the file's id. Neither the order in which files
are listed nor their names within a folder count.

Many strata make the totals of a corpus exact, but two files at least must be drawn of each to tell how exact
(W. G. Cochran, Sampling Techniques, 3rd edition, 1977, sections 5A.8 and 5A.12). With three, the margins of the survey
(release/survey.py) are nearly those of many, and steadier than with two.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import av

from clipmill.engine import remote, tables, vouch
from clipmill.videos.containers import opened

COLUMNS = ("id", "relpath", "kind", "seconds", "stratum", "drawn")
"""Of tables/sample.csv, a row per file that is taken in: `stratum` is empty where the file had no chance to be drawn
(see OPENED), `drawn` is 1 or empty."""
OPENED = 20_000
"""Videos whose length is looked up, at most: of a larger corpus, as many are chosen at random before any is opened."""
PER_DRAWN = 20
"""Videos that are opened per video that is drawn, at least."""
EACH = 3
"""Files that are drawn of each stratum, at least; all of a smaller one."""
THREADS = 16
"""Videos that are opened at the same time."""
BYTES_A_SECOND = 500_000
"""What a second of a video elsewhere is taken to hold: its stratum may be wrong, the estimates allow for that."""
LONGEST = 36_000.0
"""Seconds of the longest film that is believed."""


def drawn(rows: list[dict], settings: dict, memo: Path, table: Path | None = None) -> list[dict]:
    """Those rows of the listing that the sample holds; all of them where the configuration's `sample` (`settings`)
    asks for none. Writes the `table` of the sample, which then is empty; lengths are remembered in `memo`."""
    chosen = design(rows, **settings, lengths=lengths(memo)) if settings.get("videos") else []
    if table:
        tables.write(table, COLUMNS, chosen)
    if not chosen:
        return rows
    ids = {row["id"] for row in chosen if row["drawn"]}
    print(f"sample: {len(ids)} of {len(rows)} files are drawn", file=sys.stderr)
    return [row for row in rows if row["id"] in ids]


def design(rows: list[dict], videos: int, seed: int, lengths: Callable[[list[dict]], list[float]]) -> list[dict]:
    """A row of COLUMNS per row of the listing, sorted by id: `videos` of each kind are drawn, or all where there are
    fewer. `lengths` gives the seconds of these videos."""
    out = {}
    for kind in sorted({row["kind"] for row in rows}):
        chosen = sorted((row for row in rows if row["kind"] == kind), key=lambda row: luck(seed, row))
        out |= {row["id"]: (row, "", "", "") for row in chosen}
        chosen = chosen[: max(OPENED, PER_DRAWN * videos)]
        seconds = lengths(chosen) if kind == "video" else [0.0] * len(chosen)
        for number, stratum in enumerate(strata(list(zip(chosen, seconds, strict=True)), videos)):
            for row, length, drawn in drawn_of(*stratum, seed):
                out[row["id"]] = (row, tables.number(length), f"{kind}-{number:05d}", "1" if drawn else "")
    return [
        {
            **{name: row[name] for name in ("id", "relpath", "kind")},
            "seconds": length,
            "stratum": stratum,
            "drawn": drawn,
        }
        for _, (row, length, stratum, drawn) in sorted(out.items())
    ]


def luck(seed: int, row: dict) -> bytes:
    """The place of a file in a random order that depends on the seed and its content only."""
    return hashlib.blake2b(f"{seed} {row['id']}".encode(), digest_size=8).digest()


def strata(files: list[tuple[dict, float]], videos: int) -> list[tuple[list[tuple[dict, float]], int]]:
    """(files, how many of them to draw) of each stratum, for (row, seconds) of each file."""
    count = min(videos, len(files))
    files = sorted(files, key=place)
    weights = [max(1.0, seconds) ** 0.5 for _, seconds in files]
    ends, of_each = list(accumulate(weights)), {}
    for file, weight, end in zip(files, weights, ends, strict=True):
        number = int((end - weight / 2) / ends[-1] * max(1, count // EACH))
        of_each.setdefault(number, []).append((file, weight))
    members = list(of_each.values())
    draws = [min(EACH, count, len(stratum)) for stratum in members]
    heavy = [sum(weight for _, weight in stratum) for stratum in members]
    while sum(draws) < count:  # each further draw goes where it makes the variance least: Wright, Am. Stat. 66 (2012)
        left = [number for number, stratum in enumerate(members) if draws[number] < len(stratum)]
        draws[max(left, key=lambda number: heavy[number] ** 2 / (draws[number] * (draws[number] + 1)))] += 1
    return [([file for file, _ in stratum], draw) for stratum, draw in zip(members, draws, strict=True)]


def place(file: tuple[dict, float]) -> tuple:
    """A file's place in the order: folder by folder, then by length, size and content."""
    row, seconds = file
    return Path(row["relpath"]).parent.parts, seconds, int(row["bytes"]), row["id"]


def drawn_of(files: list[tuple[dict, float]], count: int, seed: int) -> Iterator[tuple[dict, float, bool]]:
    """(row, seconds, whether it is drawn) of each file of a stratum of which `count` are drawn."""
    in_turn = sorted(files, key=lambda file: luck(seed, file[0]))
    yield from ((row, seconds, number < count) for number, (row, seconds) in enumerate(in_turn))


def lengths(memo: Path) -> Callable[[list[dict]], list[float]]:
    """The seconds of videos by their headers; those of earlier samples are in the table `memo`, which is kept."""
    known = remembered(memo)

    def of(rows: list[dict]) -> list[float]:
        new = [row for row in rows if row["id"] not in known]
        with ThreadPoolExecutor(THREADS) as pool:
            known.update(zip((row["id"] for row in new), pool.map(length_of, new), strict=True))
        if new:
            tables.write(memo, ("id", "seconds"), ({"id": key, "seconds": known[key]} for key in sorted(known)))
        return [known[row["id"]] for row in rows]

    return of


def remembered(memo: Path) -> dict[str, float]:
    """The seconds by id of the videos that earlier samples opened; a damaged memo is a forgotten memo."""
    with contextlib.suppress(FileNotFoundError, vouch.Damaged):
        return {row["id"]: float(row["seconds"]) for row in tables.read(memo)}
    return {}


def length_of(row: dict) -> float:
    """Seconds of a video by its header; of one elsewhere, which is not opened for this, a guess by its size."""
    return int(row["bytes"]) / BYTES_A_SECOND if remote.is_remote(row["path"]) else length(row["path"])


def length(path: str) -> float:
    """Seconds of a video by its header; 0 where it tells none."""
    try:
        with opened(path) as container:
            return min(LONGEST, max(0.0, (container.duration or 0) / av.time_base))
    except Exception:  # the scan says what is wrong with it, if it is drawn
        return 0.0
