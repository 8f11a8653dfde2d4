"""A folder of odd files and names through the whole workflow: none is lost, and each ends as it should."""

import csv
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from list_videos import as_text
from mill import Mill
from odd_files import ODD, make_all
from odd_videos import NOTHING, PAIRS

RANKED = ["scan_videos", "score_aesthetic", "cut_clips"]
RUNS = {"one rank": [], "two ranks": ["--set-resources", *[f"{rule}:ranks=2" for rule in RANKED]]}
NAMES = ["one rank", pytest.param("two ranks", marks=pytest.mark.slow)]


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
def results(tmp_path_factory):
    """Of a name in RUNS, the results of that run on all odd files; each runs when it is first asked for."""
    folder = tmp_path_factory.mktemp("odd")
    mill = Mill(folder / "mill")
    make_all(mill.videos, folder / "good")

    @cache
    def of(name: str) -> Path:
        mill.change(results=f"results {name}").run(*RUNS[name])
        return mill.folder / f"results {name}"

    return of


@pytest.mark.parametrize("name", NAMES)
def test_every_odd_file_ends_as_it_should(results, name):
    expected = {as_text(odd.name): odd.outcome for odd in ODD if odd.outcome != NOTHING}
    expected = {odd: outcome for odd, outcome in expected.items() if not outcome.startswith("ignored: ")}
    assert len(expected) > 120
    assert outcomes(results(name)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_out_is_counted(results, name):
    left_out = [odd for odd in ODD if odd.outcome.startswith("ignored: ")]
    expected = Counter((Path(odd.name).suffix.lower(), odd.outcome.removeprefix("ignored: ")) for odd in left_out)
    rows = table(results(name) / "tables" / "ignored.csv")
    assert {(row["extension"], row["reason"]): int(row["files"]) for row in rows} == expected


@pytest.mark.slow
def test_ranks_change_no_byte(results):
    for name in ("meta.csv", "rejects.csv"):
        one, two = ((results(run) / name).read_bytes() for run in RUNS)
        assert one == two
