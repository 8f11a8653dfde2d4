"""Files elsewhere: they come whole, once per node, within a budget; what fails for now is tried again or says why."""

import functools
import http.server
import os
import random
import subprocess
import sys
import threading

import pytest
from clipmill.engine import compute, fetched, job, remote
from clipmill.engine.step import Step, change_of_source
from s3_server import S3Server

FILES = {"empty.mp4": 0, "small.mp4": 10, "large one.MP4": 300_000, "other.mp4": 300_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for name, size in FILES.items():
        (folder / name).write_bytes(random.Random(name).randbytes(size))
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with S3Server(folder, tmp_path_factory.mktemp("counts") / "gets") as server:
        yield server


@pytest.fixture(autouse=True)
def node(server, tmp_path, monkeypatch):
    """A node of its own, that knows the server; no pauses, and requests of 64 KiB."""
    server.known(monkeypatch)
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "disk"))
    monkeypatch.setattr(fetched, "CHUNK", 1 << 16)
    monkeypatch.setattr(fetched, "_seen", {})
    monkeypatch.setattr(remote, "PAUSES", (0.1, 0.1))
    server.counts.unlink(missing_ok=True)
    return tmp_path / "disk"


@pytest.fixture
def plain_server(folder):
    """A web server that knows neither ranges nor entity tags."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def held(node) -> list[bytes]:
    return [path.read_bytes() for path in node.glob("clipmill-sources-*/*")]


def test_a_source_is_a_file_of_this_machine(server, folder, plain_server):
    places = ["s3://footage", f"http://127.0.0.1:{server.port}/footage", plain_server, str(folder)]
    for root in places:
        for name in FILES:
            name = name.replace(" ", "%20") if root.startswith("http") else name
            path = fetched.Sources(root) / name
            assert path.read_bytes() == (folder / name.replace("%20", " ")).read_bytes()
            assert path.suffix.lower() == ".mp4"


def test_a_list_may_mix_paths_and_addresses(folder):
    sources = fetched.Sources(folder)
    assert sources / "small.mp4" == folder / "small.mp4"
    assert (sources / "s3://footage/small.mp4").read_bytes() == (folder / "small.mp4").read_bytes()


def test_what_is_held_is_not_fetched_again(server, node):
    for _ in range(3):
        fetched.here("s3://footage/other.mp4")
    assert sum(get["bytes"] for get in server.gets()) == FILES["other.mp4"]
    assert next(node.glob("clipmill-sources-*")).stat().st_mode & 0o777 == 0o700


def test_processes_of_a_node_share_one_fetch(server):
    program = "import sys; from clipmill.engine import fetched; print(len(fetched.here(sys.argv[1]).read_bytes()))"
    command = [sys.executable, "-c", program, "s3://footage/other.mp4"]
    environment = os.environ | {"PYTHONPATH": fetched.__file__.rpartition("/clipmill/engine/")[0]}
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(3)]
    assert [int(program.communicate()[0]) for program in programs] == [FILES["other.mp4"]] * 3
    assert sum(get["bytes"] for get in server.gets()) == FILES["other.mp4"]


def test_a_fetch_goes_on_where_it_was_ended(server, folder, monkeypatch):
    reads, read = [], remote.received

    def ended(address, start, end):
        reads.append(start)
        if len(reads) == 3:
            raise KeyboardInterrupt
        return read(address, start, end)

    monkeypatch.setattr(remote, "received", ended)
    with pytest.raises(KeyboardInterrupt):
        fetched.here("s3://footage/other.mp4")
    assert fetched.here("s3://footage/other.mp4").read_bytes() == (folder / "other.mp4").read_bytes()
    assert reads[2] == reads[3] == 2 << 16
    assert sum(get["bytes"] for get in server.gets()) == FILES["other.mp4"]


def test_the_budget_removes_what_was_used_longest_ago_and_nobody_reads(node, folder, monkeypatch):
    monkeypatch.setenv(fetched.GIGABYTES, "0.00045")
    read, done = threading.Event(), threading.Event()

    def hold():
        fetched.here("s3://footage/small.mp4")
        read.set()
        done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    read.wait()
    for name in ("other.mp4", "large one.MP4", "other.mp4"):
        fetched.here(f"s3://footage/{name}")
    done.set()
    thread.join()
    assert sorted(map(len, held(node))) == [10, 300_000]
    assert (folder / "other.mp4").read_bytes() in held(node)


def test_a_changed_source_is_told_by_its_entity_tag(tmp_path, folder):
    source = tmp_path / "source.mp4"
    source.write_bytes(b"before")
    size, tag = remote.write(source, "s3://out/source.mp4")
    step = Step({}, tmp_path, fetched.Sources("s3://out"), tmp_path)
    row = {"relpath": "source.mp4", "bytes": str(size), "mtime": tag}
    assert step.source(row).read_bytes() == b"before"
    assert change_of_source(step, row) == ""
    source.write_bytes(b"AFTER!")
    remote.write(source, "s3://out/source.mp4")
    assert change_of_source(step, row) == "", "what was read is what was listed"
    assert step.source(row).read_bytes() == b"AFTER!"
    assert "entity tag" in change_of_source(step, row)


def test_a_server_that_does_not_answer_is_named_with_its_reason(tmp_path, folder):
    with S3Server(folder, tmp_path / "gets") as other:
        address = f"http://me:hunter22@127.0.0.1:{other.port}/footage/small.mp4?token=hunter22"
    with pytest.raises(remote.Unreachable, match=r"127\.0\.0\.1") as caught:
        remote.state(address)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("root", ["s3://footage", "s3://no-bucket", "http"])
def test_a_file_that_is_not_there_is_no_such_file(root, server):
    root = f"http://127.0.0.1:{server.port}/footage" if root == "http" else root
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4: no such file"):
        fetched.here(f"{root}/gone.mp4")


def test_a_package_that_is_missing_is_named():
    with pytest.raises(SystemExit, match="install gcsfs"):
        remote.require("gs://bucket/folder")


def test_what_cannot_be_fetched_for_now_is_a_reject_that_is_tried_again(tmp_path):
    step = Step({}, tmp_path, fetched.Sources("s3://footage"), tmp_path)
    error = remote.Unreachable("s3://footage/small.mp4: OSError: 503 Slow Down")
    fault = compute.fault_of(step, "scan_videos 00000", 15, [{"id": "1", "relpath": "small.mp4"}], error)
    assert (fault["reason"], fault["detail"]) == ("cannot be fetched", str(error))
    assert job.tried_again(fault["fault"], 15)
    assert fault["fault"] in job.AGAIN, "the next run runs the job again"


@pytest.mark.parametrize("name", ["small.mp4", "gone.mp4"])
def test_only_a_source_that_is_gone_has_changed(name, tmp_path):
    step = Step({}, tmp_path, fetched.Sources("s3://footage"), tmp_path)
    step.reads_source, row = True, {"id": "1", "relpath": name}
    if name == "gone.mp4":
        fault = compute.fault_of(step, "scan_videos 00000", 15, [row], FileNotFoundError("gone"))
        assert (fault["fault"], fault["detail"]) == ("changed", "the file is gone")
    else:
        with pytest.raises(FileNotFoundError):
            compute.fault_of(step, "scan_videos 00000", 15, [row], FileNotFoundError("a file of ours"))


def test_messages_name_the_address_and_not_the_copy():
    copy = fetched.here("s3://footage/other.mp4")
    assert fetched.told(f"cannot open 'file:{copy}'") == "cannot open 's3://footage/other.mp4'"
