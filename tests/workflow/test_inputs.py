"""Whatever lies in the folder, every file is a row or a reject, and a user's mistake is a plain message."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mill import Mill, footage

CHECK = Path("checks") / "check_results.py"


def table(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def check(shared: Path, results: Path) -> None:
    """The independent check of a results folder."""
    done = subprocess.run([sys.executable, shared / CHECK, results], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_folder_of_broken_files_gives_empty_tables_and_a_plain_message(tmp_path):
    mill = Mill(tmp_path / "mill")
    mill.videos.mkdir()
    (mill.videos / "empty.mp4").write_bytes(b"")
    (mill.videos / "text.mkv").write_text("no video\n" * 20)
    (mill.videos / "text.png").write_text("no picture\n" * 20)
    done = mill.run()
    assert "No file could be read" in done.text
    assert table(mill.results / "meta.csv") == table(mill.results / "tables" / "clips.csv") == []
    assert {row["relpath"]: row["stage"] for row in table(mill.results / "rejects.csv")} == dict.fromkeys(
        ["empty.mp4", "text.mkv", "text.png"], "scan_videos"
    )
    assert mill.run().idle


@pytest.mark.parametrize("content", ["missing", "empty", "no video"])
def test_nothing_to_take_in_is_a_plain_error(tmp_path, content):
    mill = Mill(tmp_path / "mill")
    if content != "missing":
        mill.videos.mkdir()
    if content == "no video":
        (mill.videos / "notes.txt").write_text("hello")
    done = mill.run(ok=False)
    assert done.code != 0
    assert "videos: no " in done.text
    assert "Traceback" not in done.text


def test_one_image(tmp_path):
    mill = Mill(tmp_path / "mill")
    footage(mill.videos, videos=0)
    (mill.videos / "broken.mp4").unlink()
    mill.run()
    (pair,) = table(mill.results / "meta.csv")
    assert (pair["path"], pair["num_frames"], pair["width"], pair["height"]) == (
        f"clips/{pair['id']}.png",
        "1",
        "400",
        "300",
    )
    assert (pair["flow"], pair["cmotion"], pair["fps"], pair["start"]) == ("", "", "", "")
    assert pair["text"]
    assert pair["aes"]
    assert (mill.results / pair["path"]).read_bytes() == (mill.videos / "coffee.png").read_bytes()


def test_a_csv_of_paths(tmp_path):
    mill = Mill(tmp_path / "mill")
    footage(tmp_path / "elsewhere", videos=2)
    (mill.folder / "list.csv").write_text(
        f"path,licence\n{tmp_path}/elsewhere/video 0.mp4,CC0\n../elsewhere/coffee.png,CC0\nmissing.mp4,\n"
    )
    mill.change(videos="list.csv").run()
    assert len({row["video_id"] for row in table(mill.results / "meta.csv")}) == 2
    (reject,) = table(mill.results / "rejects.csv")
    assert (reject["relpath"], reject["stage"]) == ("missing.mp4", "list_videos")


NAMES = [
    "a b.mp4",
    "é ü.mp4",
    'comma, quote".mp4',
    "-dash.mp4",
    "100%03d.mp4",
    "#?&.mp4",
    "$HOME.mp4",
    "{shard}.mp4",
    "*[1].mp4",
]
NAMES += [
    "back\\slash.mp4",
    "UPPER.MP4",
    "new\nline.mp4",
    "it's.mp4",
    "$(touch pwned);`touch pwned`.mp4",
    "=1+1.mp4",
    "folder.mp4/a b.mp4",
    "x" * 200 + ".mp4",
]


def test_names_of_every_kind(tmp_path, shared):
    mill = Mill(tmp_path / "mill")
    footage(tmp_path / "some", videos=1, image=False)
    for number, name in enumerate(NAMES):
        path = mill.videos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tmp_path / "some" / "video 0.mp4", path)
        with open(path, "ab") as file:
            file.write(b"\0\0\0\x10free" + number.to_bytes(8, "big"))
    (mill.videos / "broken link.mp4").symlink_to("nowhere.mp4")
    (mill.videos / os.fsdecode(b"latin \xe9.mp4")).write_bytes(b"x")
    (mill.videos / "red \x1b[31m.mp4").write_bytes(b"x")
    mill.run()
    assert not list(tmp_path.rglob("pwned*"))
    assert {row["relpath"] for row in table(mill.results / "meta.csv")} == set(NAMES)
    assert {row["relpath"]: row["reason"] for row in table(mill.results / "rejects.csv")} == {
        "broken link.mp4": "cannot be read",
        "latin \\xe9.mp4": "name is not UTF-8",
        "red \\x1b[31m.mp4": "name holds control characters",
    }
    check(shared, mill.results)


@pytest.mark.slow
def test_real_footage_keeps_every_promise(tmp_path, shared):
    mill = Mill(tmp_path / "mill", detector="adaptive", shards={"minutes": 0.02, "max": 4})
    shutil.copytree(shared / "footage", mill.videos)
    mill.run()
    check(shared, mill.results)


def test_a_wrong_key_is_named_before_anything_runs(tmp_path):
    mill = Mill(tmp_path / "mill", select={"aess": {"min": 5}})
    footage(mill.videos, videos=1)
    done = mill.run(ok=False)
    assert "select.aes" in done.text
    assert not mill.results.exists()
