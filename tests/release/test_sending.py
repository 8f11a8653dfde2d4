"""A release at another place: what is here is there, sent once, the checksums last; nothing of others is lost."""

import pytest
from clipmill.engine import files, remote, tables
from clipmill.release.sending import Sending
from clipmill.release.writer import FILES
from s3_server import S3Server

PLACE = "s3://out/set"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bucket")
    with S3Server(folder, folder / "gets", share=0.2) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(server, monkeypatch):
    server.known(monkeypatch)
    monkeypatch.setattr(remote, "PAUSES", (0.05,) * 8)
    server.stop()
    server.start()


def released(results, **contents: str):
    """A release of these files, and the table that names them."""
    rows = []
    for name, content in sorted(contents.items()):
        path = results / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        size, changed = files.size_and_time(path)
        rows.append({"file": name, "bytes": size, "mtime": changed, "sha256": files.sha256(path)})
    table = results / "work/release/card/0.csv"
    tables.write(table, FILES, rows)
    return table


def there() -> dict[str, bytes]:
    remote.find.cache_clear()
    return {name: remote.read(f"{PLACE}/{name}", 0, size) for name, (size, _) in remote.find(PLACE).items()}


def sent(results, table, capsys) -> int:
    Sending(results, f"{PLACE}/").run([table], results / "work/release/to/1.csv")
    return int(capsys.readouterr().err.rpartition("; ")[2].partition(" ")[0])


def test_a_release_is_sent_once_and_what_it_lacks_is_removed(tmp_path, capsys):
    (tmp_path / "other.txt").write_text("of somebody else")
    remote.write(tmp_path / "other.txt", f"{PLACE}/other.txt")
    first = {"csv/train.csv": "a", "csv/test.csv": "b", "SHA256SUMS": "1"}
    table = released(tmp_path, **first)
    assert sent(tmp_path, table, capsys) == 3
    assert sent(tmp_path, table, capsys) == 0
    second = {"csv/train.csv": "changed", "SHA256SUMS": "2"}
    assert sent(tmp_path, released(tmp_path, **second), capsys) == 2
    assert there() == {name: text.encode() for name, text in second.items()} | {"other.txt": b"of somebody else"}


def test_the_checksums_come_last(tmp_path, monkeypatch):
    order, write = [], remote.write
    monkeypatch.setattr(remote, "write", lambda path, address: (write(path, address), order.append(path.name))[0])
    table = released(tmp_path, **{"a.csv": "a", "SHA256SUMS": "1", "z/b.tar": "b"})
    Sending(tmp_path, PLACE).run([table], tmp_path / "out.csv")
    assert order[-1] == "SHA256SUMS"
    assert sorted(order) == ["SHA256SUMS", "a.csv", "b.tar"]


def test_a_sending_goes_on_where_it_was_killed(tmp_path, capsys):
    table = released(tmp_path, **{"a.csv": "a", "b.csv": "b", "SHA256SUMS": "1"})
    assert sent(tmp_path, table, capsys) == 3
    journal = tmp_path / "work/release/to/sent.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    assert sent(tmp_path, table, capsys) == 1


def test_a_place_that_cannot_be_written_to_says_why(tmp_path):
    table = released(tmp_path, SHA256SUMS="1")
    with pytest.raises(remote.Unreachable, match="no-bucket"):
        Sending(tmp_path, "s3://no-bucket/set").run([table], tmp_path / "out.csv")
