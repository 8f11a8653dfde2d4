"""A folder of odd files and names through the whole workflow: none is lost, and each ends as it should."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from list_videos import as_text
from mill import Mill
from odd_files import ODD, make_all
from odd_videos import NOTHING, PAIRS

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
def runs(tmp_path_factory) -> dict[str, Path]:
    """The results of each of RUNS on all odd files."""
    folder = tmp_path_factory.mktemp("odd")
    mill = Mill(folder / "mill")
    make_all(mill.videos, folder / "good")
    for name, options in RUNS.items():
        mill.change(results=f"results {name}").run(*options)
    return {name: mill.folder / f"results {name}" for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_every_odd_file_ends_as_it_should(runs, name):
    expected = {as_text(odd.name): odd.outcome for odd in ODD if odd.outcome != NOTHING}
    expected = {odd: outcome for odd, outcome in expected.items() if not outcome.startswith("ignored: ")}
    assert len(expected) > 120
    assert outcomes(runs[name]) == expected


@pytest.mark.parametrize("name", RUNS)
def test_what_is_left_out_is_counted(runs, name):
    left_out = [odd for odd in ODD if odd.outcome.startswith("ignored: ")]
    expected = Counter((Path(odd.name).suffix.lower(), odd.outcome.removeprefix("ignored: ")) for odd in left_out)
    rows = table(runs[name] / "tables" / "ignored.csv")
    assert {(row["extension"], row["reason"]): int(row["files"]) for row in rows} == expected


def test_ranks_change_no_byte(runs):
    for name in ("meta.csv", "rejects.csv"):
        one, two = ((results / name).read_bytes() for results in runs.values())
        assert one == two
