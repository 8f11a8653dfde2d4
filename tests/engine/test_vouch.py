"""What we wrote is told from what was damaged since: every byte of a table counts, and so does the sum beside it."""

import json
import os
import shutil
from random import Random

import pytest
from accidents import ACCIDENTS, changed
from clipmill.engine import accounts, files, tables, vouch

ROWS = [{"id": f"{number:03d}", "text": f'caption "{number}",\nof two lines é'} for number in range(30)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.csv"
    tables.write(path, ("id", "text"), ROWS)
    return path


def test_a_whole_table_is_read(table):
    assert list(tables.read(table)) == ROWS
    assert vouch.check(table).size == table.stat().st_size


def test_no_changed_byte_of_a_table_is_believed(table):
    whole = table.read_bytes()
    for index in range(len(whole)):
        table.write_bytes(whole[:index] + bytes([whole[index] ^ 1 << index % 8]) + whole[index + 1 :])
        with pytest.raises(vouch.Damaged, match=r"a\.csv is damaged"):
            list(tables.read(table))


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_accident_to_a_table_or_its_sum_is_found(table, accident):
    whole = table.read_bytes()
    for seed in range(20):
        table.write_bytes(whole)
        tables.write(table, ("id", "text"), ROWS)
        accident(table if seed % 2 else vouch.place(table), Random(seed))
        with pytest.raises(vouch.Damaged, match="run the same command again"):
            vouch.check(table)


def test_a_table_cut_at_a_row_is_named_and_not_its_books(table, tmp_path):
    tables.write(tmp_path / "shard.csv", ("id", "text"), ROWS)
    for path in (table, tmp_path / "shard.csv"):
        whole = path.read_bytes()
        for damage in (
            whole[: len(whole) // 2],
            whole.replace(b"\n001,", b"\n000,"),
            whole.replace(b"\n001,", b"\n007,"),
        ):
            path.write_bytes(damage)
            with pytest.raises(vouch.Damaged, match=path.name):
                list(tables.balanced(table, tables.concatenate([tmp_path / "shard.csv"])))
        path.write_bytes(whole)


def test_a_table_written_by_hand_is_read_unchecked(tmp_path):
    path = tmp_path / "by hand.csv"
    path.write_text("id\n1\n")
    assert list(tables.read(path)) == [{"id": "1"}]
    with pytest.raises(vouch.Damaged, match="its sum is missing"):
        vouch.check(path)


def test_a_damaged_file_of_equal_text_is_written_again(tmp_path):
    path = tmp_path / "plan.json"
    files.write_if_changed(path, "{}")
    vouch.place(path).unlink()
    assert files.write_if_changed(path, "{}")
    vouch.check(path)


def test_a_sum_holds_the_files_of_the_rows(tmp_path):
    clip = tmp_path / "clips" / "a clip, with blanks.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"clip")
    belonging = []
    with files.whole(tmp_path / "a.csv", belonging=belonging) as file:
        file.write("id\n")
        belonging.append(("clips/a clip, with blanks.mp4", vouch.state(clip)))
    assert vouch.check(tmp_path / "a.csv").files == {"clips/a clip, with blanks.mp4": vouch.state(clip)}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_accident_to_a_clip_is_found(tmp_path, accident):
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)))
    recorded = vouch.state(path)
    assert vouch.fault(path, recorded) is None
    accident(path, Random(1))
    if path.exists():
        os.utime(path, ns=(0, int(recorded.split()[2]) + 1))  # a clock that stands still must not hide it
    assert vouch.fault(path, recorded)


def test_a_copied_folder_is_read_once_and_not_taken_for_damaged(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a clip")
    recorded = vouch.state(path)
    os.utime(path, ns=(0, 5))
    assert vouch.fault(path, recorded) is None
    assert vouch.state(path) == recorded


def test_a_kill_between_a_sum_and_its_file_never_looks_whole(table, tmp_path):
    other = tmp_path / "b.csv"
    tables.write(other, ("id", "text"), ROWS[:3])
    shutil.copy(vouch.place(other), vouch.place(table))
    with pytest.raises(vouch.Damaged):
        list(tables.read(table))


def test_a_damaged_line_of_an_account_is_left_out(tmp_path):
    for shard in ("00000", "00001"):
        counts = dict.fromkeys(("items", "computed", "remembered", "rejects"), 1)
        accounts.write(tmp_path, tmp_path / f"work/clips.x/a/{shard}.csv", counts, 1, 1)
    path = tmp_path / "logs" / "clips.x" / "00000.jsonl"
    whole = path.read_bytes()
    for seed in range(50):
        path.write_bytes(whole)
        changed(path, Random(seed))
        assert all(isinstance(record["seconds"], int | float) for _, record in accounts.read(tmp_path))
    path.write_text("[1, 2]\nnull\n" + json.dumps({"rule": "clips.x"}) + "\n")
    assert [record["shard"] for _, record in accounts.read(tmp_path)] == ["00001"]
