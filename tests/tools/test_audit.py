"""An audit names every damage of a finished folder and what heals it, and finds nothing in a sound one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import accidents
import pytest
from clipmill.engine import files, tables, vouch
from clipmill.tools.audit import Audit
from mill import ROOT


def command(results: Path, *more: str) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "clipmill.tools.audit", str(results), *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    return subprocess.run(line, env=environment, capture_output=True, text=True)


@pytest.fixture
def results(finished_mill, tmp_path) -> Path:
    """A copy of a finished results folder, at another place than the run's."""
    return Path(shutil.copytree(finished_mill.results, tmp_path / "elsewhere"))


def found(results: Path, deep: bool = False) -> list[str]:
    """The findings, with names from the results folder on."""
    return [str(finding).removeprefix(f"{results}/") for finding in Audit(results).findings(deep)]


def test_a_sound_folder_has_no_findings_wherever_it_is(results):
    done = command(results, "--deep")
    assert (done.returncode, "all is well" in done.stdout) == (0, True), done.stdout + done.stderr
    assert done.stdout.count("\n") == 1


def test_a_folder_without_a_run_is_a_plain_message(tmp_path):
    done = command(tmp_path)
    assert (done.returncode, "not a finished run" in done.stderr, done.stderr.count("\n")) == (1, True, 1)


def silently(accident):
    """An accident that leaves the time of the file as it was: only its content tells."""

    def happens(path: Path, random: Random) -> None:
        status = path.stat()
        accident(path, random)
        if path.exists():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return happens


@pytest.mark.parametrize("accident", accidents.ACCIDENTS, ids=lambda accident: accident.__name__)
def test_every_damaged_file_is_named(results, accident):
    """One file of each kind, one after the other."""
    kinds = accidents.kinds(results)
    assert len(kinds) > 20
    for kind, paths in kinds.items():
        path = paths[len(paths) // 2]
        if kind.startswith(("memo/", "history/")) and accident is accidents.deleted:
            continue  # what is forgotten is computed again where it is needed
        before = path.read_bytes(), path.stat()
        silently(accident)(path, Random(7))
        named = str(path.relative_to(results))
        if path.suffix == ".sum":
            named = named.replace(f"/{path.name}", "/").replace(path.name, "") + path.name[1:].removesuffix(".sum")
        told = found(results) if (results / "run.json").exists() else ["run.json"]
        assert any(line.startswith(named) for line in told), (kind, told)
        assert len(told) <= 2, (kind, told)
        path.write_bytes(before[0])
        os.utime(path, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert found(results) == []


def test_the_command_that_it_names_heals(finished):
    """Silent damages of many kinds at once, and a table that is lost with its sum."""
    products = accidents.products(finished.results)
    (table,) = finished.results.glob("work/captions.cut_clips/*/00000.csv")
    kinds = [paths for kind, paths in accidents.kinds(finished.results).items() if "run.json" not in kind]
    random = Random(3)
    for number, paths in enumerate(kinds):
        if path := next((path for path in paths if path.exists()), None):
            silently(accidents.ACCIDENTS[number % 4])(path, random)
    table.unlink(missing_ok=True)
    vouch.place(table).unlink(missing_ok=True)
    done = command(finished.results, "--remove")
    assert done.returncode == 1
    assert "run the command that made this folder again" in done.stdout
    finished.run()
    assert accidents.products(finished.results) == products
    healed = command(finished.results, "--deep")
    assert healed.returncode == 0, healed.stdout


def test_a_run_that_cuts_first_is_sound_and_has_the_same_digests(finished):
    before = finished.final()
    finished.change(cut={"when": "first"}).run()
    assert finished.final() == before
    assert tables.columns(finished.results / "meta.csv")[-1] == "frames_digest"
    assert found(finished.results, deep=True) == []


def test_an_audit_changes_nothing(results):
    """Not even the times of a folder that was copied without them."""
    for path in results.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    assert found(results, deep=True) == []
    assert {path.stat().st_mtime_ns for path in results.rglob("*")} == {10**18}


def rewritten(path: Path, change) -> None:
    """A table with other rows, vouched for: what an error of ours would write."""
    rows = list(tables.read(path))
    tables.write(path, tables.columns(path), change(rows))


def without_first(rows):
    return rows[1:]


def twice(rows):
    return [rows[0], *rows]


def backwards(rows):
    return rows[::-1]


def from_nowhere(rows):
    return [*rows, rows[-1] | {"id": f"f{'0' * 15}-00000000", "video_id": f"f{'0' * 15}"}]


def stranger(rows):
    return [*rows, rows[-1] | {"id": "f" * 16}]


def shifted(rows):
    return [rows[0] | {"end": "99"}, *rows[1:]]


def renamed(rows):
    return [rows[0] | {"path": "clips/other.mp4"}, *rows[1:]]


WRONG = [
    ("meta.csv", without_first, "rejects.csv does not account for a clip"),
    ("meta.csv", twice, "meta.csv is not sorted by id: row 2"),
    ("meta.csv", backwards, "meta.csv is not sorted by id: row 2"),
    ("meta.csv", from_nowhere, "has a clip that is not in tables/clips.csv"),
    ("meta.csv", shifted, "meta.csv has another end than tables/clips.csv"),
    ("meta.csv", renamed, "meta.csv names another file for a clip"),
    ("rejects.csv", without_first, "rejects.csv does not account for a file"),
    ("rejects.csv", twice, "rejects.csv and tables/videos.csv have a file twice"),
    ("rejects.csv", stranger, "rejects.csv has a file that is not in tables/listing.csv"),
    ("tables/videos.csv", without_first, "rejects.csv does not account for a file"),
    ("tables/videos.csv", backwards, "tables/videos.csv is not sorted by id"),
    ("tables/clips.csv", without_first, "has a clip that is not in tables/clips.csv"),
    ("tables/selected.csv", without_first, "meta.csv has a clip that is not in tables/selected.csv"),
    ("tables/listing.csv", without_first, "has a file that is not in tables/listing.csv"),
]


@pytest.mark.parametrize(("table", "change", "named"), WRONG)
def test_books_that_do_not_balance_are_named(results, table, change, named):
    rewritten(results / table, change)
    told = found(results)
    assert any(named in line for line in told), told
    if change not in (backwards, shifted, renamed):
        assert any(line.startswith("run.json counts") for line in told), told


def test_a_file_both_read_and_rejected_is_named(results):
    (video, *_) = tables.read(results / "tables" / "videos.csv")
    reject = {"id": video["id"], "relpath": video["relpath"], "stage": "scan_videos", "reason": "no frame"}
    rewritten(results / "rejects.csv", lambda rows: sorted([*rows, reject], key=lambda row: row["id"]))
    assert f"rejects.csv and tables/videos.csv have a file twice: {video['id']}" in found(results)


def test_what_no_table_names_is_left_over(results):
    (clip,) = (results / "clips").glob("*.png")
    shutil.copy(clip, results / "clips" / f"{'0' * 16}-00000000.mp4")
    shutil.copy(clip, clip.with_suffix(".jpg"))
    (results / "notes.txt").write_text("ours, and no concern of an audit")
    assert found(results) == [
        f"clips/{'0' * 16}-00000000.mp4 belongs to no row",
        f"clips/{clip.stem}.jpg belongs to no row",
    ]
    done = command(results, "--remove")
    assert "make tidy" in done.stdout
    assert clip.with_suffix(".jpg").exists(), "an audit removed a file of the user"


def test_only_deep_sees_a_clip_that_never_held_its_frames(results):
    """What was written wrong is vouched for as well."""
    rows = [row for row in tables.read(results / "meta.csv") if row["path"].endswith(".mp4")]
    row = next(row for row in rows if row["num_frames"] != rows[0]["num_frames"])
    shutil.copy(results / rows[0]["path"], results / row["path"])
    (table,) = results.glob("work/captions.cut_clips/*/00000.csv")
    known = vouch.read(table).files | {row["path"]: vouch.state(results / row["path"])}
    content = table.read_text()
    with files.whole(table, belonging=known.items()) as file:
        file.write(content)
    assert found(results) == []
    (told,) = found(results, deep=True)
    assert told.startswith(f"{row['path']} is not as its row says")


def test_names_reach_the_terminal_without_control_characters(results):
    (results / "clips" / "a\x1b[2Jb\nc.mp4").write_text("")
    done = command(results)
    assert "\x1b" not in done.stdout
    assert r"clips/a\x1b[2Jb\nc.mp4" in done.stdout


def test_a_changed_account_is_named(results):
    account = json.loads((results / "run.json").read_text())
    account["rejects"][0]["rows"] += 1
    with files.whole(results / "run.json") as file:
        json.dump(account, file)
    assert found(results) == ["run.json counts other rejects than rejects.csv has"]
