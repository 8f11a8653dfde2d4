"""A folder of odd files and names through the whole workflow: none is lost, and each ends as it should."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from list_videos import as_text
from mill import Mill
from odd_files import NOTHING, ODD, PAIRS, make_all

RANKED = ["scan_videos", "score_aesthetic", "cut_clips"]
RUNS = {"one rank": [], "two ranks": ["--set-resources", *[f"{rule}:ranks=2" for rule in RANKED]]}


def table(path: Path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outcomes(results: Path) -> dict[str, str]:
    """What became of each file that was taken in, in the words of the table of odd files."""
    found = defaultdict(set)
    for row in table(results / "meta.csv"):
        found[as_text(row["relpath"])].add(PAIRS)
    for row in table(results / "rejects.csv"):
        found[as_text(row["relpath"])].add(row["reason"])
    return {name: " + ".join(sorted(ends, key=lambda end: (end != PAIRS, end))) for name, ends in found.items()}


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Mill:
    """A mill on the odd files, not run yet."""
    folder = tmp_path_factory.mktemp("odd")
    mill = Mill(folder / "mill")
    make_all(mill.videos, folder / "good")
    return mill


@pytest.fixture(scope="module", params=RUNS)
def results(request, odd) -> Path:
    """The results of a run on all odd files."""
    odd.change(results=f"results {request.param}")
    odd.results = odd.folder / f"results {request.param}"
    odd.run(*RUNS[request.param])
    return odd.results


def test_every_odd_file_ends_as_it_should(results):
    taken = {as_text(odd.name): odd.outcome for odd in ODD if odd.outcome != NOTHING}
    taken = {name: outcome for name, outcome in taken.items() if not outcome.startswith("ignored: ")}
    assert len(taken) > 120
    assert outcomes(results) == taken


def test_what_is_left_out_is_counted(results):
    left_out = [odd for odd in ODD if odd.outcome.startswith("ignored: ")]
    expected = Counter((Path(odd.name).suffix.lower(), odd.outcome.removeprefix("ignored: ")) for odd in left_out)
    counted = {(row["extension"], row["reason"]): int(row["files"]) for row in table(results / "tables/ignored.csv")}
    assert counted == expected


def test_ranks_change_no_byte(odd):
    one, two = (odd.folder / f"results {name}" for name in RUNS)
    for name in ("meta.csv", "rejects.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
