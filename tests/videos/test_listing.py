"""Every file of the folder is taken in once, under an id that is its content's, or is a reject that says why."""

import os
import subprocess
import sys
from pathlib import Path

import list_videos
import pytest
from clipmill.engine import tables
from clipmill.videos import sources
from one_file import Scanned, ffmpeg
from PIL import Image

SCRIPT = Path(list_videos.__file__)


def listed(folder, memo=None):
    """(relpath -> row, rejects) of a folder or CSV."""
    rows, rejects = list_videos.listing(
        sources.root_of(folder), sources.found(folder), (memo or folder.parent / "memo") / "files.csv"
    )
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    return {row["relpath"]: row for row in rows}, rejects


@pytest.fixture
def folder(tmp_path):
    """A folder of videos and other files."""
    videos = tmp_path / "videos"
    for number, name in enumerate([
        "a.mp4", "B.MOV", "c.webm", "sub/a.mp4", "sub/deep/d.Mkv", "e.jpeg", "f.PNG", "g.gif", "h.m2ts", "i.ts",
        "j.webp", "notes.txt", ".hidden.mp4", ".cache/k.mp4", "no_extension", "x.mp4/inside.avi",
    ]):  # fmt: skip
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).write_bytes(f"content {number}".encode())
    return videos


def test_videos_and_images_of_the_folder_are_listed_and_nothing_else(folder):
    rows, rejects = listed(folder)
    assert {name: row["kind"] for name, row in rows.items()} == {
        "a.mp4": "video", "B.MOV": "video", "c.webm": "video", "sub/a.mp4": "video", "sub/deep/d.Mkv": "video",
        "e.jpeg": "image", "f.PNG": "image", "g.gif": "video", "h.m2ts": "video", "i.ts": "video", "j.webp": "image",
        "x.mp4/inside.avi": "video",
    }  # fmt: skip
    assert rejects == []
    assert rows["a.mp4"]["bytes"] == "9"
    assert Path(rows["sub/a.mp4"]["path"]).read_bytes() == b"content 3"


def test_an_id_survives_a_move_and_a_rename(folder, tmp_path):
    before, _ = listed(folder)
    (folder / "a.mp4").rename(folder / "sub" / "z.mp4")
    folder.rename(tmp_path / "elsewhere")
    after, _ = listed(tmp_path / "elsewhere", tmp_path / "other memo")
    assert after["sub/z.mp4"]["id"] == before["a.mp4"]["id"]
    assert {row["id"] for row in after.values()} == {row["id"] for row in before.values()}
    assert all(len(row["id"]) == 16 and int(row["id"], 16) >= 0 for row in after.values())


def test_a_duplicate_is_a_reject_that_names_the_first(folder):
    (folder / "zz copy.mp4").write_bytes(b"content 0")
    (folder / "sub" / "copy.avi").write_bytes(b"content 0")
    rows, rejects = listed(folder)
    assert "a.mp4" in rows
    assert len(rows) == 12
    found = {reject["relpath"]: (reject["id"], reject["reason"], reject["detail"]) for reject in rejects}
    expected = (rows["a.mp4"]["id"], "duplicate", "duplicate of a.mp4")
    assert found == {"zz copy.mp4": expected, "sub/copy.avi": expected}
    assert {reject["stage"] for reject in rejects} == {"list_videos"}


def test_files_that_differ_only_between_the_samples_are_two_items(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for name, byte in [("a.mp4", 0), ("b.mp4", 1), ("c.mp4", 1), ("d.mp4", 0)]:
        content = bytearray(1_000_000)
        content[150_000] = byte
        (videos / name).write_bytes(content)
    for _ in range(2):
        rows, rejects = listed(videos)
        assert sorted(rows) == ["a.mp4", "b.mp4"]
        assert rows["a.mp4"]["id"] != rows["b.mp4"]["id"]
        assert [(reject["relpath"], reject["detail"]) for reject in sorted(rejects, key=lambda r: r["relpath"])] == [
            ("c.mp4", "duplicate of b.mp4"),
            ("d.mp4", "duplicate of a.mp4"),
        ]


@pytest.mark.parametrize("offset", [0, 500_000, 999_999])
def test_a_changed_byte_in_head_middle_or_tail_is_another_id(tmp_path, offset):
    content = bytearray(1_000_000)
    (tmp_path / "a").write_bytes(content)
    content[offset] = 1
    (tmp_path / "b").write_bytes(content)
    first, second = (list_videos.identity(tmp_path / name, 1_000_000) for name in "ab")
    assert first != second


def test_only_new_or_changed_files_are_opened_again(folder, monkeypatch):
    opened = []
    real = list_videos.identity
    monkeypatch.setattr(list_videos, "identity", lambda path, size: opened.append(Path(path).name) or real(path, size))
    listed(folder)
    assert len(opened) == 12
    opened.clear()
    before, _ = listed(folder)
    assert opened == []
    (folder / "new.mp4").write_bytes(b"new")
    (folder / "a.mp4").write_bytes(b"content X")
    os.utime(folder / "a.mp4", ns=(1, 1))
    (folder / "c.webm").unlink()
    after, _ = listed(folder)
    assert sorted(opened) == ["a.mp4", "new.mp4"]
    assert after["a.mp4"]["id"] != before["a.mp4"]["id"]
    assert "c.webm" not in after


def test_the_state_of_a_folder_changes_with_its_files_and_only_with_them(folder):
    states = [sources.state(folder)]
    (folder / "notes.txt").write_text("changed")
    assert sources.state(folder) == states[0]
    (folder / "new.mp4").write_bytes(b"")
    states.append(sources.state(folder))
    (folder / "new.mp4").rename(folder / "newer.mp4")
    states.append(sources.state(folder))
    os.utime(folder / "a.mp4", ns=(1, 1))
    states.append(sources.state(folder))
    (folder / "B.MOV").unlink()
    states.append(sources.state(folder))
    assert len(set(states)) == 5


def test_names_that_are_not_text_and_files_that_cannot_be_read_are_rejects(folder):
    Path(os.fsdecode(bytes(folder) + b"/\xff\xfe.mp4")).write_bytes(b"x")
    (folder / "broken link.mp4").symlink_to("nowhere.mp4")
    os.mkfifo(folder / "pipe.mp4")
    rows, rejects = listed(folder)
    assert len(rows) == 12
    assert {(reject["relpath"], reject["reason"]) for reject in rejects} == {
        ("\\xff\\xfe.mp4", "name is not UTF-8"),
        ("broken link.mp4", "cannot be read"),
        ("pipe.mp4", "cannot be read"),
    }
    assert len(sources.state(folder)) == 12


@pytest.mark.parametrize("name", ["a\x1b[31m.mp4", "a\rb.mp4", "\x07.png", "a\x7f.mp4", "a\x9b2J.mp4", "d\x1b/a.mp4"])
def test_a_name_that_a_terminal_would_obey_is_a_reject_with_its_name_in_escapes(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    (folder / os.fsdecode(b"\xff\x1b.mp4")).write_bytes(b"y")
    rows, rejects = listed(folder)
    assert name not in rows
    said = {reject["relpath"]: reject["reason"] for reject in rejects}
    assert said == {repr(name)[1:-1]: "name holds control characters", r"\xff\x1b.mp4": "name is not UTF-8"}


@pytest.mark.parametrize("name", ["a\nb.mp4", "a\tb.mp4", "\u202egnp.mp4", "$(touch x);`y`.mp4", "-rf.mp4", "=1+1.mp4"])
def test_other_odd_names_are_taken_in_under_their_own_name(folder, name):
    (folder / name).write_bytes(b"x")
    assert name in listed(folder)[0]


def test_links_are_followed_and_loops_end(folder, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "linked.mp4").write_bytes(b"linked")
    (folder / "link").symlink_to(tmp_path / "other")
    (folder / "sub" / "loop").symlink_to(folder)
    rows, rejects = listed(folder)
    assert "link/linked.mp4" in rows
    assert (len(rows), rejects) == (13, [])


def test_a_csv_names_the_files(folder, tmp_path):
    (tmp_path / "list.csv").write_text(
        'note,path\n"x, y",videos/a.mp4\n,videos/gone.mp4\n,videos/e.jpeg\n,videos/a.mp4\n,\nx\n'
    )
    rows, rejects = listed(tmp_path / "list.csv")
    assert {name: row["kind"] for name, row in rows.items()} == {"videos/a.mp4": "video", "videos/e.jpeg": "image"}
    assert {reject["relpath"]: reject["reason"] for reject in rejects}["videos/gone.mp4"] == "no such file"
    before = sources.state(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("path\nvideos/a.mp4\n")
    assert sources.state(tmp_path / "list.csv") != before


@pytest.mark.parametrize(("content", "line"), [
    ("path\na.mp4\nb\u00fc.mp4\n".encode("latin-1"), "line 3: not UTF-8"),
    ("path\na.mp4\n".encode("utf-16"), "line 1: not UTF-8"),
    (b"path\na.mp4\nb\0.mp4\n", "line 3: a NUL character"),
])  # fmt: skip
def test_a_list_that_is_no_text_is_a_plain_message_with_the_line(tmp_path, content, line):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(SystemExit, match=line):
        sources.found(tmp_path / "list.csv")
    assert line in sources.state(tmp_path / "list.csv")


def counted(folder):
    """(extension, reason) -> (files, bytes, example) of what is left out."""
    rows = list_videos.ignored(folder, sources.found(folder))
    return {(row["extension"], row["reason"]): (row["files"], row["bytes"], row["example"]) for row in rows}


def test_what_is_left_out_is_counted_by_extension_and_reason(folder):
    (folder / "sub" / "more.TXT").write_bytes(b"12345")
    (folder / "again").symlink_to(folder / "sub")
    (folder / "loop").symlink_to("loop")
    assert counted(folder) == {
        (".txt", "extension not taken in"): (2, 15, "again/more.TXT"),
        ("", "extension not taken in"): (2, 10, "loop"),
        (".mp4", "hidden"): (1, 10, ".hidden.mp4"),
        ("", "hidden folder"): (1, 0, ".cache"),
        ("", "a folder that was seen under another name"): (1, 0, "sub"),
    }


def test_a_new_ignored_file_or_folder_changes_the_state(folder):
    states = [sources.state(folder)]
    for name in ("new.txt", ".new.mp4"):
        (folder / name).touch()
        states.append(sources.state(folder))
    (folder / ".new").mkdir()
    states.append(sources.state(folder))
    assert len(set(states)) == 4


def test_the_folder_of_results_is_left_out_by_any_name(folder, tmp_path):
    before = sources.found(folder)
    results = folder / "out"
    (results / "clips").mkdir(parents=True)
    (results / "clips" / "own.mp4").write_bytes(b"own")
    (folder / "linked").symlink_to(results)
    assert sources.found(folder, results) == before
    assert sources.state(folder, folder / "linked") == sources.state(folder, results)
    assert "out/clips/own.mp4" not in {one.relpath for one in sources.taken(folder, results)}


def test_a_folder_that_cannot_be_read_is_a_reject(folder, tmp_path):
    command = [sys.executable, SCRIPT, "--videos", folder, "--out", tmp_path / "out.csv"]
    command += ["--rejects", tmp_path / "rejects.csv", "--memo", tmp_path / "memo"]
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    (folder / "sub").chmod(0)
    try:
        subprocess.run(command, check=True)
    finally:
        (folder / "sub").chmod(0o755)
    (reject,) = tables.read(tmp_path / "rejects.csv")
    assert (reject["relpath"], reject["reason"], reject["detail"]) == (
        "sub", "folder cannot be read", "Permission denied"
    )  # fmt: skip
    assert "sub/a.mp4" not in {row["relpath"] for row in tables.read(tmp_path / "out.csv")}


def test_ids_of_files_with_the_same_samples_depend_on_no_order_and_no_history(tmp_path):
    for folder, names in [("one", "ab"), ("other", "ba")]:
        (tmp_path / folder).mkdir()
        for name, byte in zip(names, (0, 1), strict=True):
            content = bytearray(1_000_000)
            content[150_000] = byte
            (tmp_path / folder / f"{name}.mp4").write_bytes(content)
    one, _ = listed(tmp_path / "one")
    other, _ = listed(tmp_path / "other", tmp_path / "other memo")
    again, _ = listed(tmp_path / "one")
    assert one == again
    assert (one["a.mp4"]["id"], one["b.mp4"]["id"]) == (other["b.mp4"]["id"], other["a.mp4"]["id"])


CODECS = {
    "flv": "flv", "wmv": "wmv2", "asf": "wmv2", "mpeg": "mpeg2video", "vob": "mpeg2video", "3gp": "libx264",
    "ogv": "libvpx", "mxf": "mpeg2video", "f4v": "libx264", "mts": "libx264", "m2v": "mpeg2video", "qt": "libx264",
}  # fmt: skip
FORMATS = {"mts": "mpegts", "qt": "mov"}


@pytest.mark.parametrize("extension", CODECS)
def test_every_usual_extension_of_videos_is_taken_in_and_read(tmp_path, extension):
    name = tmp_path / f"a.{extension}"
    made = ["-f", FORMATS[extension]] if extension in FORMATS else []
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-c:v", CODECS[extension], *made, name)
    (row,) = list_videos.listing(tmp_path, sources.found(tmp_path), tmp_path / "memo.csv")[0]
    assert row["kind"] == "video"
    video = Scanned(name, tmp_path).video
    assert (video["width"], video["height"]) == ("320", "180")
    assert int(video["num_frames"]) in range(24, 27)


@pytest.mark.parametrize(("extension", "kind"), [
    ("jfif", "JPEG"), ("jpe", "JPEG"), ("avif", "AVIF"), ("jp2", "JPEG2000"), ("pnm", "PPM"), ("pbm", "PPM"),
])  # fmt: skip
def test_every_usual_extension_of_images_is_taken_in_and_read(tmp_path, extension, kind):
    name = tmp_path / f"a.{extension}"
    Image.new("1" if extension == "pbm" else "RGB", (320, 180)).save(name, format=kind)
    (row,) = list_videos.listing(tmp_path, sources.found(tmp_path), tmp_path / "memo.csv")[0]
    assert row["kind"] == "image"
    video = Scanned(name, tmp_path).video
    assert (video["width"], video["height"], video["num_frames"]) == ("320", "180", "1")


@pytest.mark.parametrize(("make", "message"), [
    (lambda path: None, "no such"),
    (lambda path: path.mkdir(), "no video or image"),
    (lambda path: path.write_text("a,b\n1,2\n"), "no column `path`"),
])  # fmt: skip
def test_nothing_to_take_in_is_a_plain_error(tmp_path, make, message):
    source = tmp_path / ("videos.csv" if "column" in message else "videos")
    make(source)
    command = [sys.executable, SCRIPT, "--videos", source, "--out", tmp_path / "out.csv"]
    command += ["--rejects", tmp_path / "rejects.csv", "--memo", tmp_path / "memo"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_the_tables_hold_what_was_listed(folder, tmp_path):
    (folder / "copy.mp4").write_bytes(b"content 0")
    command = [sys.executable, SCRIPT, "--videos", folder, "--out", tmp_path / "out.csv"]
    command += ["--rejects", tmp_path / "rejects.csv", "--memo", tmp_path / "memo"]
    subprocess.run(command, check=True)
    rows, rejects = listed(folder)
    assert list(tables.read(tmp_path / "out.csv")) == [
        {name: row[name] for name in sources.COLUMNS} for row in sorted(rows.values(), key=lambda row: row["id"])
    ]
    assert [row["relpath"] for row in tables.read(tmp_path / "rejects.csv")] == [row["relpath"] for row in rejects]
