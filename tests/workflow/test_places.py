"""Footage in a bucket gives the same tables and clips as in a folder, whatever the server does meanwhile."""

import json
import struct
import threading
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numbered_video
import pytest
from clipmill.engine import remote
from mill import Mill
from s3_server import S3Server


def clips(mill: Mill) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (mill.results / "clips").glob("[!.]*")}


def whole(server: S3Server, folder: Path) -> Counter:
    """How often each file was sent from end to end by one request."""
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return Counter(get["key"] for get in server.gets() if get["bytes"] == sizes[get["key"]])


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "disk"


def test_a_bucket_gives_what_a_folder_gives(finished_mill, scratch, tmp_path, monkeypatch):
    with S3Server(finished_mill.videos, tmp_path / "gets", share=0.1) as server:
        server.known(monkeypatch)
        mill = Mill(tmp_path / "mill", videos="s3://footage", scratch=str(scratch))
        mill.run()
        pairs, rejects = mill.final()
        assert (pairs, rejects.replace(b"s3://footage/", b"file:videos/")) == finished_mill.final()
        assert clips(mill) == clips(finished_mill)
        sent = whole(server, finished_mill.videos)
        assert sent
        assert max(sent.values()) <= 2, sent

        account = json.loads((mill.results / "run.json").read_text())["stages"]
        moved = sum(stage.get("fetched_bytes", 0) for stage in account.values())
        assert moved == sum(get["bytes"] for get in server.gets())
    text = "".join(path.read_text(errors="replace") for path in (mill.results / "logs").rglob("*.log"))
    assert "secret" not in text


def many(folder: Path, count: int) -> None:
    """Small videos of a few kinds, each of its own bytes."""
    for number in range(count):
        path = folder / f"shoot {number % 7}" / f"take {number:03d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = folder.parent / f"kind {number % 4}.mp4"
        if not kind.exists():
            numbered_video.write(kind, 24 + number, Fraction(25), cuts=[12])
        free = struct.pack(">I4s16s", 24, b"free", f"{number:016d}".encode())
        path.write_bytes(kind.read_bytes() + free)


@pytest.mark.slow
def test_200_files_come_whole_from_a_server_that_fails_and_restarts(scratch, tmp_path, monkeypatch):
    here = Mill(tmp_path / "here")
    many(here.videos, 200)
    here.run()
    with S3Server(here.videos, tmp_path / "gets", share=0.05) as server:
        server.known(monkeypatch)
        mill = Mill(tmp_path / "mill", videos="s3://footage", scratch=str(scratch))
        run = threading.Thread(target=mill.run)
        run.start()
        while run.is_alive() and len(server.gets()) < 300:
            run.join(0.05)
        assert run.is_alive()
        server.stop()
        server.start()
        run.join()
        sent = whole(server, here.videos)
        print("GETs of whole objects:", Counter(sent.values()), "all GETs:", len(server.gets()))
        assert mill.final() == here.final()
        assert clips(mill) == clips(here)
        assert len(sent) == 200
        assert max(sent.values()) <= 2, sent
        assert mill.run().idle

        mill.change(release={"to": "s3://out/set", "formats": ["webdataset"]}).run("release")
        there, release = remote.find("s3://out/set"), mill.results / "release"
        files = {path.relative_to(release).as_posix(): path for path in release.rglob("*") if path.is_file()}
        assert there.keys() == files.keys() >= {"README.md", "SHA256SUMS"}
        for name, path in files.items():
            assert remote.read(f"s3://out/set/{name}", 0, there[name][0]) == path.read_bytes()
        assert mill.run("release").idle
