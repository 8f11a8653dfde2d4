"""Shards are contiguous ranges of about equal remaining work, and the same question has the same answer."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import plan
import pytest
from clipmill.engine import tables
from clipmill.engine.memo import Memo
from clipmill.plan import shards
from clipmill.plan.costs import seconds

COLUMNS = ("id", "num_frames", "fps", "resolution")


def clips(count):
    return [
        {"id": f"{n:04d}", "num_frames": str(50 + n % 7), "fps": "25", "resolution": "230400"} for n in range(count)
    ]


class Phase:
    """A table and a plan's folder."""

    def __init__(self, folder: Path, rows: list[dict]):
        self.folder, self.table = folder, folder / "clips.csv"
        self.write(rows)

    def write(self, rows):
        self.rows = rows
        tables.write(self.table, COLUMNS, rows)

    @property
    def tenth(self) -> float:
        """Minutes of a tenth of the work of score_ocr on the whole table."""
        return sum(seconds("score_ocr", row) for row in self.rows) / 600

    def memo(self, step: str, ids=(), fault="") -> str:
        held = [{"id": identity, "key": "k", "fault": fault} for identity in ids]
        Memo(self.folder / step, ()).write(held)
        return f"{step}={self.folder / step}"

    def plan(self, *steps, minutes, most=100) -> list[dict]:
        """Run the script; the manifest's rows."""
        command = ["plan", "--table", self.table, "--manifest", self.folder / "plan" / "manifest.csv"]
        command += ["--minutes", minutes, "--max", most, *(["--steps", *steps] if steps else [])]
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(sys, "argv", [str(part) for part in command])
            plan.main()
        with open(self.folder / "plan" / "manifest.csv", newline="") as file:
            return list(csv.DictReader(file))

    def shards(self, manifest) -> list[list[dict]]:
        return [list(tables.read(self.folder / "plan" / f"{row['shard']}.csv")) for row in manifest]


@pytest.mark.parametrize(("costs", "target", "most"), [
    ([1.0] * 100, 10, 1000), ([1.0] * 100, 10, 3), ([1.0] * 3, 0.1, 1000), ([100.0, *[0.1] * 50], 10, 1000),
    ([0.1] * 50 + [100.0], 10, 1000), ([5.0], 0.1, 10), ([1e-4] * 1000, 60, 1000), ([0.0] * 5, 60, 10),
    ([float(n % 13) for n in range(997)], 37, 2000), ([3.0, 1e9, 3.0, 3.0], 60, 2),
])  # fmt: skip
def test_ranges_hold_everything_once_and_none_is_empty(costs, target, most):
    ranges = shards.ranges(costs, target, most)
    assert sum(items for items, _ in ranges) == len(costs)
    assert all(items for items, _ in ranges)
    assert 1 <= len(ranges) <= most
    assert sum(cost for _, cost in ranges) == pytest.approx(sum(costs))


def test_ranges_are_about_as_long_as_asked():
    costs = [0.5 + (n * 7919 % 100) / 100 for n in range(5000)]
    ranges = shards.ranges(costs, 100, 1000)
    assert len(ranges) == pytest.approx(sum(costs) / 100, abs=1)
    even = sum(costs) / len(ranges)
    assert all(abs(cost - even) <= 2 * max(costs) for _, cost in ranges)


def test_shards_concatenate_to_the_table(tmp_path):
    phase = Phase(tmp_path, clips(200))
    manifest = phase.plan(phase.memo("score_ocr"), minutes=phase.tenth)
    assert len(manifest) == pytest.approx(10, abs=1)
    shards = phase.shards(manifest)
    assert [row for shard in shards for row in shard] == phase.rows
    for told, shard in zip(manifest, shards, strict=True):
        assert (told["first"], told["last"], int(told["items"])) == (shard[0]["id"], shard[-1]["id"], len(shard))


def test_an_empty_table_is_one_empty_shard(tmp_path):
    phase = Phase(tmp_path, [])
    (shard,) = phase.plan(phase.memo("score_ocr"), minutes=1)
    assert (shard["items"], phase.shards([shard])) == ("0", [[]])


def test_the_work_that_is_left_decides(tmp_path):
    def count(remembered, *steps):
        folder = tmp_path / f"{remembered}{steps}"
        folder.mkdir()
        phase = Phase(folder, clips(200))
        ocr = phase.memo("score_ocr", [row["id"] for row in phase.rows[:remembered]])
        return len(phase.plan(ocr, *map(phase.memo, steps), minutes=phase.tenth))

    assert (count(200), count(190)) == (1, 1)
    assert (count(100), count(0)) == (pytest.approx(5, abs=1), pytest.approx(10, abs=1))
    assert 1 < count(190, "cut_clips") < 20


def test_an_item_costs_the_most_expensive_step_that_it_lacks(tmp_path):
    phase = Phase(tmp_path, clips(100))
    ocr, flow = phase.memo("score_ocr"), phase.memo("score_flow")
    together, alone = phase.plan(ocr, flow, minutes=phase.tenth), phase.plan(ocr, minutes=phase.tenth)
    assert [row["first"] for row in together] == [row["first"] for row in alone]
    assert seconds("score_ocr", phase.rows[0]) > seconds("score_flow", phase.rows[0])


def test_faults_that_are_tried_again_are_work(tmp_path):
    phase = Phase(tmp_path, clips(200))
    everyone = [row["id"] for row in phase.rows]
    assert len(phase.plan(phase.memo("score_ocr", everyone, fault="unexpected"), minutes=phase.tenth)) > 5


def test_the_same_question_has_the_same_answer_whatever_is_remembered_since(tmp_path):
    phase = Phase(tmp_path, clips(200))
    memo = phase.memo("score_ocr")
    first = phase.plan(memo, minutes=phase.tenth)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "plan").glob("0*.csv")}
    phase.memo("score_ocr", [row["id"] for row in phase.rows])
    assert phase.plan(memo, minutes=phase.tenth) == first
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert len(phase.plan(memo, minutes=2 * phase.tenth)) == 1


def test_another_question_has_a_new_answer_and_leaves_unchanged_shards_alone(tmp_path):
    phase = Phase(tmp_path, clips(200))
    memo = phase.memo("score_ocr")
    phase.plan(memo, minutes=phase.tenth)
    files = {path.name: path.stat().st_ino for path in (tmp_path / "plan").glob("0*.csv")}
    phase.write([*clips(199), {**clips(200)[199], "resolution": "9"}])
    phase.plan(memo, minutes=phase.tenth)
    changed = [name for name, inode in files.items() if (tmp_path / "plan" / name).stat().st_ino != inode]
    assert changed == [max(files)]


def test_a_lost_shard_is_written_again(tmp_path):
    phase = Phase(tmp_path, clips(100))
    memo = phase.memo("score_ocr")
    before = phase.plan(memo, minutes=phase.tenth)
    (tmp_path / "plan" / "00001.csv").unlink()
    after = phase.plan(memo, minutes=phase.tenth)
    assert [row for shard in phase.shards(after) for row in shard] == phase.rows
    assert after == before


def test_the_manifest_comes_last(tmp_path):
    phase = Phase(tmp_path, clips(10))
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "00000.csv").mkdir()
    with pytest.raises(OSError, match="00000"):
        phase.plan(phase.memo("score_ocr"), minutes=1)
    assert not (tmp_path / "plan" / "manifest.csv").exists()
    assert not (tmp_path / "plan" / "plan.json").exists()


def test_videos_cost_their_frames_and_pixels(tmp_path):
    from numbered_video import write

    for name, count, size in [("short.mp4", 10, (64, 36)), ("long.mp4", 200, (64, 36)), ("large.mp4", 200, (320, 180))]:
        write(tmp_path / name, count, 25, size)
    (tmp_path / "broken.mp4").write_text("no video")
    cost = {path.name: seconds("scan_videos", {"path": str(path), "kind": "video"}) for path in tmp_path.glob("*.mp4")}
    assert cost["large.mp4"] > 5 * cost["long.mp4"]
    assert cost["long.mp4"] >= cost["short.mp4"] > 0
    assert cost["broken.mp4"] > 0


def test_the_command_line(tmp_path):
    phase = Phase(tmp_path, clips(30))
    script = Path(plan.__file__)
    command = [sys.executable, script, "--table", phase.table, "--manifest", tmp_path / "p" / "manifest.csv"]
    done = subprocess.run(
        [*command, "--minutes", "30", "--max", "20", "--steps", phase.memo("score_ocr")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "30 items in" in done.stderr
    assert json.loads((tmp_path / "p" / "plan.json").read_text())["shards"]


def test_columns_that_no_rule_needs_stand_next_to_the_shards_and_change_no_plan(tmp_path):
    table, extras = tmp_path / "clips.csv", tmp_path / "extras.csv"
    tables.write(extras, ("id", "row", "span", "license", "text"), [])
    found = []
    for licence in ("cc0", "nc"):
        rows = [{"id": str(number), "license": licence, "text": "said", "kind": "image"} for number in range(3)]
        tables.write(table, ("id", "kind", "license", "text"), rows)
        command = [sys.executable, plan.__file__, "--table", table, "--manifest", tmp_path / "plan" / "manifest.csv"]
        options = ["--minutes", "30", "--max", "10", "--extras", extras, "--needed", "text"]
        subprocess.run([*command, *options], check=True)
        shard = tmp_path / "plan" / "00000.csv"
        beside = (tmp_path / "plan" / "00000.extras.csv").read_text()
        answered = json.loads((tmp_path / "plan" / "plan.json").read_text())
        found.append((shard.read_text(), shard.stat().st_mtime_ns, answered))
        assert beside == f"id,license\n0,{licence}\n1,{licence}\n2,{licence}\n"
    assert found[0] == found[1]
    assert found[0][0] == "id,kind,text\n0,image,said\n1,image,said\n2,image,said\n"
