"""Videos elsewhere are listed as in a folder: the same ids under the same names, and a reason for what is left out."""

import csv
import functools
import http.server
import json
import random
import threading
from pathlib import Path

import list_videos
import pytest
from clipmill.engine import remote
from clipmill.videos import contents, sources
from s3_server import S3Server

SIZES = {
    "empty.mp4": 0,
    "a/one.mp4": 1,
    "a/64k.mov": 1 << 16,
    "b c/192k.mkv": 3 << 16,
    "b c/more.MP4": 700_001,
    "b c/what? #1 100%.png": 9,
}
OTHERS = {"a/notes.txt": b"told", ".hidden.mp4": b"h", "a/.cache/x.mp4": b"x", "a/twin.mov": None, "é.png": b"png",
          "b c/what? #1 100%.png": b"odd"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(random.Random(name).randbytes(size))
    for name, content in OTHERS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((folder / "a/64k.mov").read_bytes() if content is None else content)
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with S3Server(folder, tmp_path_factory.mktemp("counts") / "gets", share=0.1) as server:
        yield server


@pytest.fixture(autouse=True)
def node(server, tmp_path, monkeypatch):
    server.known(monkeypatch)
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "disk"))
    monkeypatch.setattr(remote, "PAUSES", (0.05,) * 8)
    server.counts.unlink(missing_ok=True)


def listed(videos, memo: Path, root=None):
    rows, rejects = list_videos.listing(sources.root_of(videos, root), sources.found(videos, None, root), memo)
    return [dict(row) for row in rows], rejects


def alike(rows: list[dict]) -> list[dict]:
    return [{name: row[name] for name in ("id", "relpath", "kind", "bytes")} for row in rows]


def test_ids_are_those_of_a_folder(folder, tmp_path, server):
    here, there = listed(folder, tmp_path / "here.csv"), listed("s3://footage", tmp_path / "there.csv")
    assert alike(there[0]) == alike(here[0])
    assert there[1] == here[1]
    assert {row["path"] for row in there[0]} == {f"s3://footage/{row['relpath']}" for row in here[0]}
    large = [get["bytes"] for get in server.gets() if get["key"] == "b c/more.MP4"]
    assert large == [contents.SAMPLE] * 3, "samples only"


def test_ids_are_the_same_from_a_server_without_ranges(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{plain.server_port}/b%20c/more.MP4"
        size = remote.state(address)[0]
        assert list_videos.identity(address, size) == list_videos.identity(folder / "b c/more.MP4", size)
        plain.shutdown()


def test_a_known_file_is_not_read_again(tmp_path, server):
    first = listed("s3://footage", tmp_path / "memo.csv")
    server.counts.unlink()
    assert listed("s3://footage/", tmp_path / "memo.csv") == first
    assert {get["key"] for get in server.gets()} <= {"a/64k.mov", "a/twin.mov"}, "twins are compared whole"


def test_the_state_of_a_place_is_that_of_its_files(tmp_path):
    source = tmp_path / "clip.mp4"
    states = []
    for content in (b"before", b"AFTER!"):
        source.write_bytes(content)
        remote.write(source, "s3://out/set/clip.mp4")
        remote.find.cache_clear()
        states.append(sources.state("s3://out/set"))
    remote.find.cache_clear()
    assert sources.state("s3://out/set") == states[1] != states[0]


def test_what_is_left_out_is_counted(folder, tmp_path):
    everything = sources.found("s3://footage")
    counted = {(row["extension"], row["reason"]): row["files"] for row in list_videos.ignored("", everything)}
    assert counted == {
        (".txt", "extension not taken in"): 1,
        (".mp4", "hidden"): 1,
        (".mp4", "hidden folder"): 1,
    }


def write(path: Path, names: list[str]) -> Path:
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerows([["path"], *[[name] for name in names]])
    return path


def test_a_list_names_addresses(folder, tmp_path, server):
    web = f"http://127.0.0.1:{server.port}/footage"
    names = ["s3://footage/a/one.mp4", f"{web}/b%20c/more.MP4?download=1", "s3://footage/gone.mp4", "s3://footage/a"]
    rows, rejects = listed(write(tmp_path / "list.csv", names), tmp_path / "memo.csv")
    here = {row["relpath"]: row["id"] for row in listed(folder, tmp_path / "here.csv")[0]}
    ids = {row["relpath"]: (row["id"], row["kind"]) for row in rows}
    assert ids == {names[0]: (here["a/one.mp4"], "video"), names[1]: (here["b c/more.MP4"], "video")}
    assert {row["relpath"]: row["reason"] for row in rejects} == {
        names[2]: "no such file",
        names[3]: "a folder, not a file",
    }


def test_the_paths_of_a_list_start_from_a_place(folder, tmp_path):
    names = ["a/one.mp4", "./b c//more.MP4", "s3://footage/a/64k.mov"]
    rows, rejects = listed(write(tmp_path / "list.csv", names), tmp_path / "memo.csv", "s3://footage")
    here = {row["relpath"]: row["id"] for row in listed(folder, tmp_path / "here.csv")[0]}
    found = {row["relpath"]: row["id"] for row in rows}
    assert found == {name: here[name] for name in ("a/one.mp4", "b c/more.MP4", "a/64k.mov")}
    assert not rejects


@pytest.mark.parametrize("address", [
    "https://host/a.mp4?X-Amz-Signature=hunter22&X-Amz-Credential=hunter22", "https://me:hunter22@host/a.mp4",
    "https://host/a.mp4?sv=1&sig=hunter22", "s3://footage/a.mp4?token=hunter22",
    "https://host/a.mp4?%73ig=hunter22", "https://me:hunter22@host/a.mp4?s%69g=hunter22",
])  # fmt: skip
def test_a_signed_address_is_a_reject_without_its_secret(address, tmp_path):
    _, [reject] = listed(write(tmp_path / "list.csv", [address]), tmp_path / "memo.csv")
    assert reject["reason"] == "its address holds a key or password"
    assert "hunter22" not in json.dumps(reject)


@pytest.mark.parametrize(("videos", "told"), [
    ("s3://footage/list.csv", "a list must lie on this machine"), ("https://host/folder", "name them in a list"),
    ("s3://no-bucket", "cannot be listed"), ("s3://footage/nothing", "no video or image in it"),
])  # fmt: skip
def test_a_place_that_cannot_be_taken_in_says_why(videos, told):
    with pytest.raises(SystemExit, match=told):
        sources.require(videos)


def test_a_caption_may_lie_next_to_its_source(tmp_path):
    source = tmp_path / "clip.txt"
    source.write_text("A dog runs.\n")
    remote.write(source, "s3://out/beside/clip.txt")
    rows = [{"id": "1", "relpath": "clip.mp4", "path": "s3://out/beside/clip.mp4"}]
    assert list_videos.with_captions(rows, [], "sidecars")[0][0]["text"] == "A dog runs."
    rows = [{"id": "1", "relpath": "other.mp4", "path": "s3://out/beside/other.mp4"}]
    assert list_videos.with_captions(rows, [], "sidecars")[0][0]["text"] == ""
