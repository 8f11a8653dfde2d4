"""What changed between two selections, and why: runs, earlier runs of a folder, releases and bare tables."""

import contextlib
import csv
import io
import json
import random
import shutil
import sys

import accidents
import pandas as pd
import pytest
from clipmill.engine import files, rejects, tables
from clipmill.release import selection
from clipmill.tools.diff import main

A, B, C, D = (f"{letter * 16}" for letter in "abcd")
"""Videos."""
META = ("path", "id", "relpath", "text", "aes", "video_id", "frames_digest")


class Diff:
    """What the command said, and its status. It runs in this process: starting one for each call would take minutes."""

    def __init__(self, *args):
        said, complained = io.StringIO(), io.StringIO()
        argv, sys.argv = sys.argv, ["diff.py", *map(str, args)]
        try:
            with (
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(complained),
                pytest.raises(SystemExit) as end,
            ):
                main()
        finally:
            sys.argv = argv
        self.returncode, self.stdout, self.stderr = end.value.code or 0, said.getvalue(), complained.getvalue()


def clip(video: str, first: int = 0) -> str:
    return f"{video}-{first:08d}"


def results(folder, pairs: dict, rejected=(), listed=(A, B, C, D), undrawn=(), config=None, models=None):
    """A results folder: `pairs`, {id: (text, digest of the frames)}; `rejected`, (id, stage, reason, detail)."""
    rows = [
        {"path": f"clips/{name}.mp4", "id": name, "relpath": f"{name[:1]}.mp4", "text": text, "frames_digest": frames}
        for name, (text, frames) in sorted(pairs.items())
    ]
    lost = [
        rejects.rejected({"id": name, "relpath": f"{name[:1]}.mp4"}, *about) for name, *about in sorted(rejected)
    ]  # fmt: skip
    sampled = [
        {"id": name, "relpath": f"{name[:1]}.mp4", "drawn": "" if name in undrawn else "1"}
        for name in sorted({*listed, *undrawn})
    ]
    tables.write(folder / "meta.csv", META, rows)
    tables.write(folder / "rejects.csv", rejects.TABLE, lost)
    listing = [{"id": name, "relpath": f"{name[:1]}.mp4"} for name in listed]
    tables.write(folder / "tables/listing.csv", ("id", "relpath"), listing)
    tables.write(folder / "tables/sample.csv", ("id", "relpath", "drawn"), sampled if undrawn else [])
    account = {
        "finished": "2026-01-01T00:00:00+00:00",
        "selection": selection.digest(rows),
        "counts": {"pairs": len(rows)},
        "configuration": {"results": str(folder), "select": {"aes": {"min": 5.0}}, "caption": {"model": "m"}}
        | (config or {}),
        "models": models or {},
    }
    with files.whole(folder / "run.json") as file:
        json.dump(account, file)
    return folder, account


@pytest.fixture
def two(tmp_path):
    """Two runs: every kind of change once."""
    old = {clip(A): ("a", "1"), clip(A, 9): ("b", "1"), clip(B): ("c", "1"), clip(C): ("d", "1"), clip(D): ("e", "1")}
    new = {clip(A): ("a", "1"), clip(A, 9): ("B", "1"), clip(B): ("c", "2"), clip(B, 5): ("f", "1")}
    first, _ = results(
        tmp_path / "one",
        old,
        [(clip(B, 5), "select_clips", "aes below 5", "aes 4.5 < 5"), ("", "list_videos", "cannot be read", "")],
    )
    second, _ = results(
        tmp_path / "two",
        new,
        [(C, "scan_videos", "empty file", ""), (D, "list_videos", "duplicate", "duplicate of a.mp4")],
        listed=(A, B, C),
        config={"select": {"aes": {"min": 4.0}}, "caption": {"model": "n"}},
        models={"caption": [{"key": "caption.model", "sha256": "0" * 64}]},
    )
    return first, second


def changes(path) -> dict[str, tuple]:
    with open(path, newline="") as file:
        return {row["id"]: (row["change"], row["stage"], row["reason"], row["because"]) for row in csv.DictReader(file)}


def test_every_change_is_told_with_its_reason_and_its_setting(two, tmp_path):
    done = Diff(*two, "--out", tmp_path / "diff.csv")
    assert done.returncode == 0, done.stderr
    assert changes(tmp_path / "diff.csv") == {
        clip(A, 9): ("another caption", "", "", 'caption.model: "m" -> "n"'),
        clip(B): ("other pixels", "", "", ""),
        clip(B, 5): ("entered", "select_clips", "aes below 5", "select.aes.min: 5.0 -> 4.0"),
        clip(C): ("left", "scan_videos", "empty file", ""),
        clip(D): ("left", "list_videos", "its video is not there", ""),
    }
    assert "5 -> 4 pairs: 1 entered, 2 left, 1 another caption, 1 other pixels; 1 are the same" in done.stdout
    assert "  select.aes.min: 5.0 -> 4.0\n" in done.stdout
    assert "  weights of caption.model: none -> 000000000000\n" in done.stdout
    assert "  results: " not in done.stdout
    assert Diff(*two, "--exit-code").returncode == 1


def test_the_same_two_have_no_change(two):
    done = Diff(two[0], two[0], "--exit-code")
    assert done.returncode == 0
    assert "5 -> 5 pairs: none changed; 5 are the same" in done.stdout


def test_what_a_sample_leaves_out_and_what_is_cut_otherwise_is_told_so(tmp_path):
    whole, _ = results(tmp_path / "whole", {clip(A): ("a", "1"), clip(B): ("b", "1")}, listed=(A, B))
    part, _ = results(tmp_path / "part", {clip(A, 3): ("a", "1")}, listed=(A,), undrawn=(B,))
    Diff(whole, part, "--out", tmp_path / "diff.csv")
    found = changes(tmp_path / "diff.csv")
    assert found[clip(A)][:3] == ("left", "scan_videos", "its video is divided otherwise")
    assert found[clip(B)][:3] == ("left", "list_videos", "its video is not in the sample")


def release(folder, source, kind: str, order=1):
    """The pairs of a results folder as a release may have them, without its books."""
    folder.mkdir()
    pairs = pd.read_csv(source / "meta.csv", dtype=str)[::order]
    if kind == "csv":
        pairs.to_csv(folder / "meta.csv", index=False)
    else:
        pairs.to_parquet(folder / "pairs.parquet", index=False)
    return folder


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("order", [1, -1], ids=["sorted", "reversed"])
def test_releases_and_tables_are_compared_in_any_order(two, tmp_path, kind, order):
    one, other = (release(tmp_path / f"release {part.name}", part, kind, order) for part in two)
    table = next(other.iterdir())
    for given in ((one, other), (one, table), (one, two[1]), (two[0], other)):
        done = Diff(*given)
        assert "5 -> 4 pairs: 1 entered, 2 left, 1 another caption, 1 other pixels; 1 are the same" in done.stdout
    assert "not among its pairs" in Diff(one, other).stdout
    assert "aes below 5" in Diff(two[0], other).stdout
    assert "settings are not compared" in Diff(one, other).stdout


def test_a_release_in_parts_and_with_other_names_is_compared(two, tmp_path):
    """As `snakemake release` writes it: a file per split, and release.json, which says how columns are called."""
    pairs = pd.read_csv(two[1] / "meta.csv", dtype=str).rename(columns={"text": "caption"})
    folder = tmp_path / "release"
    (folder / "parquet").mkdir(parents=True)
    pairs[::2].to_parquet(folder / "parquet/train-00000.parquet")
    pairs[1::2].to_parquet(folder / "parquet/test-00000.parquet")
    columns = {"id": "id", "text": "caption", "relpath": "relpath", "frames_digest": "frames_digest"}
    told = {"columns": columns, "thresholds": {"aes": {"min": 4.0}}, "models": [], "selection": "0" * 16}
    (folder / "release.json").write_text(json.dumps(told))
    done = Diff(two[0], folder)
    assert "5 -> 4 pairs: 1 entered, 2 left, 1 another caption, 1 other pixels; 1 are the same" in done.stdout
    assert "select.aes.min: 5.0 -> 4.0" in done.stdout
    assert "caption.model" not in done.stdout
    assert "4 -> 4 pairs: none changed" in Diff(folder, two[1]).stdout


def test_a_folder_keeps_its_last_selections_and_is_compared_with_the_former(two, tmp_path):
    folder = tmp_path / "again"
    for source in two:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        account = json.loads((folder / "run.json").read_text())
        for _ in range(2):  # a run that changes nothing adds nothing
            selection.keep(folder, account)
    kept = selection.history(folder)
    assert [path.stem.partition("_")[0] for path in kept] == [
        f"{number:05d}-{json.loads((source / 'run.json').read_text())['selection']}"
        for number, source in enumerate(two)
    ]
    alone, both = Diff(folder, "--out", tmp_path / "alone.csv"), Diff(*two, "--out", tmp_path / "both.csv")
    assert alone.stdout.splitlines()[2:-1] == both.stdout.splitlines()[2:-1]
    assert (tmp_path / "alone.csv").read_bytes() == (tmp_path / "both.csv").read_bytes()
    for number in range(20):
        selection.keep(folder, account | {"selection": f"{number:016x}"})
    assert len(selection.history(folder)) == selection.KEPT
    assert selection.history(folder)[-1].stem.startswith("00021-")


def test_a_damaged_history_is_told(two, tmp_path):
    folder, account = results(tmp_path / "damaged", {clip(A, number): ("a", "1") for number in range(5000)})
    selection.keep(folder, account | {"selection": "0" * 16})
    selection.keep(folder, account)
    path = selection.history(folder)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    for done in (Diff(path, two[0]), Diff(folder)):
        assert done.returncode == 2
        assert "is damaged" in done.stderr


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "missing", "no such file or folder"),
        (lambda folder: folder, "neither a results folder nor a release"),
        (lambda folder: (folder / "a.csv").write_text("path,text\n") and folder / "a.csv", "no column id"),
        (lambda folder: (folder / "a.parquet").write_text("no parquet") and folder / "a.parquet", "cannot be read"),
    ],
)
def test_what_holds_no_pairs_is_a_plain_message(two, tmp_path, make, said):
    (tmp_path / "odd").mkdir()
    done = Diff(make(tmp_path / "odd"), two[0])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_first_run_has_nothing_to_be_compared_with(two):
    done = Diff(two[0])
    assert done.returncode == 2
    assert "keeps no earlier selection" in done.stderr
    assert "Examples:" in Diff("--help").stdout


def test_hostile_text_reaches_no_terminal(tmp_path):
    one, _ = results(tmp_path / "one", {clip(A): ("a", "1")})
    two, _ = results(tmp_path / "two", {}, [(clip(A), "select_clips", "\x1b[31mred", "")])
    assert "\x1b" not in Diff(one, two).stdout


def test_the_digest_of_a_selection_is_that_of_its_pairs_captions_and_pixels():
    pairs = [{"id": "a", "text": "one", "frames_digest": "1"}, {"id": "b", "text": "two", "frames_digest": "2"}]
    digest = selection.digest(pairs)
    assert selection.digest([{**row, "path": "elsewhere"} for row in pairs]) == digest
    others = [pairs[:1], [pairs[0], {**pairs[1], "text": "too"}], [pairs[0], {**pairs[1], "frames_digest": "3"}]]
    assert len({digest, *map(selection.digest, others)}) == 4


def test_a_run_is_compared_with_its_own_former_run(finished):
    aes = sorted(float(row["aes"]) for row in tables.read(finished.results / "tables" / "scores.csv"))
    before = {row["id"] for row in tables.read(finished.results / "meta.csv")}
    finished.change(select={"aes": {"min": aes[len(aes) // 2]}}).run()
    after = {row["id"] for row in tables.read(finished.results / "meta.csv")}
    done = Diff(finished.results, "--out", finished.folder / "diff.csv")
    assert done.returncode == 0, done.stderr
    found = changes(finished.folder / "diff.csv")
    assert found.keys() == before - after
    assert {row[:2] for row in found.values()} == {("left", "select_clips")}
    assert all(row[3].startswith("select.aes.min: null -> ") for row in found.values())
    assert json.loads((finished.results / "run.json").read_text())["selection"] in done.stdout
    # A damaged selection is forgotten by the next run, which says so.
    path = selection.history(finished.results)[0]
    accidents.changed(path, random.Random(1))
    said = finished.run().text
    assert f"history/{path.name} is damaged (its content has changed): it is forgotten" in said
    assert "keeps no earlier selection" in Diff(finished.results).stderr
