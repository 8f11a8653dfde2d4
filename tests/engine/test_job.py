"""The engine under every map rule: what is remembered is not computed again, a fault is its item's alone, a process
that is told to stop keeps what it has, and any number of ranks, threads and shards gives the same table."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clipmill.engine import progress, tables

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
TOY = '''
import os, signal, sys, threading
from pathlib import Path
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step
from clipmill.engine.job import main


class Toy(Step):
    """Halves a number. The settings say which items misbehave, and how."""
    columns = ("half",)
    depends_on = ("number",)

    def note(self, what):
        with open(self.results / "notes.txt", "a") as file:
            file.write(f"{what}\\\\n")

    def listed(self, name, row):
        return row["id"] in self.settings.get(name, ())

    def load(self):
        self.note("load")

    def prepare(self, row):
        if self.listed("unreadable", row):
            raise Reject("cannot be read", f"item  {row['id']}")
        if self.listed("gone", row):
            raise FileNotFoundError(row["id"])
        return float(row["number"])

    def compute(self, rows, prepared):
        for row in rows:
            self.note(row["id"])
            if self.listed("poison", row):
                raise RuntimeError("poison")
            if self.listed("fatal", row):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.listed("slow", row):
                (self.results / f"waiting.{os.environ.get('RANK', 0)}").touch()
                threading.Event().wait()
        return [Reject("is odd") if self.listed("odd", row) else {"half": number / 2}
                for row, number in zip(rows, prepared, strict=True)]
EXTRA

if __name__ == "__main__":
    main(Toy, __doc__)
'''
WRITES = """
    remembers = ("file",)

    def compute(self, rows, prepared):
        for row in rows:
            self.note(row["id"])
            (self.results / row["id"]).write_text(row["number"])
        return [{"half": number / 2, "file": row["id"]} for row, number in zip(rows, prepared)]

    def valid(self, row, remembered):
        return (self.results / remembered["file"]).exists()
"""
HANGS = """
    def source(self, row):
        return self.videos / "toy.py"

    def prepare(self, row):
        if self.listed("hang", row):
            threading.Event().wait()
        if self.listed("long", row):
            from clipmill.engine.workers import progress
            for _ in range(8):
                threading.Event().wait(0.5)
                progress()
        return float(row["number"])
"""
OPENS = """
    reads_source = True
    depends_on = ("number",)

    def source(self, row):
        return self.videos / "source"

    def prepare(self, row):
        if self.listed("replaced", row):
            self.source(row).write_text("another file")
        if self.listed("deleted", row):
            self.source(row).unlink()
        return float(row["number"]) + 0 * len(self.source(row).read_bytes())
"""
FINISHES = """
    def finish(self, row, values):
        if float(values["half"]) < self.settings["least"]:
            raise Reject("too small", values["half"])
        return {"half": values["half"] + self.settings["unit"]}
"""
NARROW = '\n    def passes_on(self, names):\n        return ["id"]\n'
IN_THREADS = """
    in_threads = True

    def compute(self, rows, prepared):
        return [{"half": self.prepare(row) / 2} for row in rows if not self.note(row["id"])]
"""


class Toy:
    """A toy step and its table of ten items; `run` runs it on a shard and gives its table."""

    def __init__(self, folder: Path, extra: str = "", count: int = 10):
        self.folder, self.results = folder, folder / "results"
        self.results.mkdir()
        self.script = folder / "toy.py"
        self.script.write_text(TOY.replace("\\\\n", "\\n").replace("EXTRA", extra))
        self.rows = [{"id": f"{n:03d}", "number": str(n), "note": f"{n}.50"} for n in range(count)]
        self.environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "CUDA_VISIBLE_DEVICES": ""}

    def command(self, shard="00000", threads=1, share=0.5, minutes=15, ranks=0, rows=None, **settings) -> list[str]:
        rows = self.rows if rows is None else rows
        table = self.folder / "plan" / f"{shard}.csv"
        tables.write(table, rows[0] if rows else ("id", "number", "note"), rows)
        out = self.folder / "work" / "toy" / "digest" / f"{shard}.csv"
        launch = [SCRIPTS / "launch.py", "--ranks", ranks, "--threads", ranks] if ranks else []
        places = ["--table", table, "--out", out, "--memo", self.folder / "memo", "--results", self.results]
        options = ["--settings", json.dumps(settings), "--threads", threads, "--max-error-share", share]
        options += ["--item-minutes", minutes, "--videos", self.folder]
        return [str(part) for part in [sys.executable, *launch, self.script, *places, *options]]

    def start(self, **options) -> subprocess.Popen:
        command = self.command(**options)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env=self.environment, start_new_session=True, **pipes)

    def run(self, ok=True, **options) -> list[dict]:
        process = self.start(**options)
        self.said = process.communicate(timeout=120)[0]
        assert (process.returncode == 0) is ok, self.said
        return list(tables.read(self.out(**options))) if ok else []

    def out(self, shard="00000", **_) -> Path:
        return self.folder / "work" / "toy" / "digest" / f"{shard}.csv"

    def computed(self) -> list[str]:
        """What was computed since the last call; with "load" where a model was loaded."""
        path = self.results / "notes.txt"
        notes = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return notes

    def progress(self, *names) -> list:
        """These values of its progress."""
        record = progress.read(progress.place(self.out()))
        return [record[name] for name in names]

    def waits(self, process, rank=0) -> None:
        """Return when a rank has reached its slow item."""
        while not (self.results / f"waiting.{rank}").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


def halves(rows):
    return {row["id"]: row["half"] for row in rows if not row["reason"]}


def test_a_step_adds_its_columns_and_leaves_the_others_as_they_are(toy):
    rows = toy.run()
    assert [{name: row[name] for name in ("id", "number", "note")} for row in rows] == toy.rows
    assert halves(rows) == {f"{n:03d}": tables.number(n / 2) for n in range(10)}
    assert tables.columns(toy.out()) == ["id", "number", "note", "half", "stage", "reason", "detail"]


def test_what_is_remembered_is_not_computed_again_and_no_model_is_loaded(toy):
    first = toy.run()
    assert toy.computed() == ["load", *(row["id"] for row in toy.rows)]
    before = toy.out().read_bytes()
    assert toy.run() == first
    assert toy.computed() == []
    assert toy.out().read_bytes() == before
    toy.rows[3]["note"] = "no step reads this"
    assert toy.run()[3]["note"] == "no step reads this"
    assert toy.computed() == []
    toy.rows[4]["number"] = "100"
    assert halves(toy.run())["004"] == "50"
    assert toy.computed() == ["load", "004"]


def test_new_items_cost_only_themselves(toy):
    toy.run(rows=toy.rows[:6])
    toy.computed()
    toy.run()
    assert toy.computed() == ["load", "006", "007", "008", "009"]


def test_other_models_are_other_results(toy):
    for digest in ("1", "2"):
        manifest = toy.folder / "models.json"
        manifest.write_text(json.dumps({"toy": [{"key": "toy.model", "sha256": digest}]}))
        command = [*toy.command(), "--models", str(manifest), "--block", "toy"]
        for _ in range(2):
            subprocess.run(command, env=toy.environment, check=True, capture_output=True)
        assert len(toy.computed()) == 11


def test_a_fault_is_its_items_alone_and_is_remembered(toy):
    settings = {"unreadable": ["002"], "odd": ["005"], "batch": 4}
    rows = toy.run(**settings)
    faults = {row["id"]: (row["stage"], row["reason"], row["detail"], row["half"]) for row in rows if row["reason"]}
    assert faults == {"002": ("toy", "cannot be read", "item 002", ""), "005": ("toy", "is odd", "", "")}
    assert len(halves(rows)) == 8
    toy.computed()
    assert toy.run(**settings) == rows
    assert toy.computed() == []


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_an_unexpected_error_costs_no_neighbour_and_is_tried_again(toy, batch):
    rows = toy.run(poison=["005"], batch=batch)
    assert [row["id"] for row in rows if row["reason"]] == ["005"]
    assert (rows[5]["stage"], rows[5]["reason"]) == ("toy", "unexpected error")
    assert "poison" in rows[5]["detail"]
    assert "Traceback" in toy.said
    toy.computed()
    assert len(halves(toy.run(batch=batch))) == 10
    assert toy.computed() == ["load", "005"]


def test_too_many_unexpected_errors_fail_the_job_but_not_what_was_done(toy):
    poison = ["003", "004", "005", "006"]
    toy.run(ok=False, poison=poison, share=0.35)
    assert "max_error_share" in toy.said
    assert not toy.out().exists()
    assert len(halves(toy.run(poison=poison, share=0.4))) == 6


def test_a_job_that_fails_writes_no_table_and_keeps_what_it_computed(toy):
    toy.run(ok=False, poison=["004"], share=0)
    assert "1 of 10 items failed unexpectedly" in toy.said
    assert not toy.out().exists()
    toy.computed()
    assert len(halves(toy.run())) == 10
    assert toy.computed() == ["load", "004", "005", "006", "007", "008", "009"]


def test_a_fault_of_the_environment_fails_the_job_and_is_not_remembered(toy):
    toy.run(ok=False, gone=["006"])
    assert "the environment failed, not an item" in toy.said
    assert not toy.out().exists()
    toy.computed()
    assert len(halves(toy.run())) == 10
    assert set(toy.computed()) >= {"006", "007", "008", "009"}
    assert "000" not in toy.computed()


@pytest.mark.parametrize("extra", [HANGS, HANGS + IN_THREADS], ids=["prepare", "in threads"])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_item_that_hangs_is_given_up_and_costs_no_neighbour(tmp_path, extra, threads):
    toy = Toy(tmp_path, extra)
    hang = {"hang": ["000", "004", "009"], "threads": threads, "batch": 2}
    rows = toy.run(minutes=0.02, **hang)
    assert [row["id"] for row in rows if row["reason"]] == hang["hang"]
    assert {row["reason"] for row in rows} == {"", "takes too long"}
    assert "item_minutes" in rows[0]["detail"]
    toy.computed()
    assert toy.run(minutes=0.01, **hang) == rows
    assert toy.computed() == []


def test_a_longer_limit_tries_what_was_given_up_again(tmp_path):
    toy = Toy(tmp_path, HANGS)
    toy.run(minutes=0.02, hang=["003"])
    toy.computed()
    assert len(halves(toy.run(minutes=0.03))) == 10
    assert toy.computed() == ["load", "003"]


def test_an_item_that_goes_on_is_not_given_up(tmp_path):
    toy = Toy(tmp_path, HANGS)
    assert len(halves(toy.run(minutes=0.03, long=["002"]))) == 10


def test_what_the_system_does_not_let_be_read_is_no_fault_of_an_item(tmp_path):
    toy = Toy(tmp_path, HANGS.replace("toy.py", "gone"))
    toy.run(ok=False, minutes=0.02, hang=["003"])
    assert "the environment failed, not an item" in toy.said


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_a_source_that_changes_while_it_is_read_is_no_result_and_is_tried_again(tmp_path, how):
    toy = Toy(tmp_path, OPENS, count=1)
    source = tmp_path / "source"

    def listed():
        status = source.stat()
        toy.rows[0] |= {"bytes": str(status.st_size), "mtime": str(status.st_mtime_ns)}

    source.write_text("as it was listed")
    listed()
    (row,) = toy.run(**{how: ["000"]})
    assert (row["reason"], row["half"]) == ("changed during the run", "")
    source.write_text("whole again")
    listed()
    (row,) = toy.run()
    assert (row["reason"], row["half"]) == ("", "0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_stop_keeps_what_it_computed(toy, number):
    process = toy.start(slow=["006"])
    toy.waits(process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, said
    assert "6 computed items are kept" in said
    assert not toy.out().exists()
    assert toy.progress("state", "done", "total", "left") == ["stopped", 6, 10, 4]
    toy.computed()
    assert len(halves(toy.run())) == 10
    assert toy.computed() == ["load", "006", "007", "008", "009"]
    assert toy.progress("state", "done", "left", "computed", "of") == ["finished", 10, 0, 4, ["000", "009", 10]]


def test_a_process_that_is_killed_leaves_nothing_false(toy):
    process = toy.start(slow=["006"])
    toy.waits(process)
    process.kill()
    process.communicate()
    assert not toy.out().exists()
    state, done = toy.progress("state", "done")
    toy.computed()
    assert len(halves(toy.run())) == 10
    assert (state, done <= 10 - len(toy.computed()[1:])) == ("running", True)


def test_the_progress_counts_rejects_and_not_what_is_tried_again(toy):
    toy.run(odd=["003"], poison=["004"])
    assert toy.progress("state", "done", "rejects") == ["finished", 10, 2]
    process = toy.start(slow=["004"])
    toy.waits(process)
    while toy.progress("state") != ["running"]:
        assert process.poll() is None
        time.sleep(0.02)
    assert toy.progress("done", "rejects") == [9, 1]
    process.terminate()
    process.communicate()


def test_a_lost_file_is_made_again_and_no_other(tmp_path):
    toy = Toy(tmp_path, WRITES)
    before = toy.run()
    toy.computed()
    (toy.results / "004").unlink()
    assert toy.run() == before
    assert toy.computed() == ["load", "004"]
    assert (toy.results / "004").read_text() == "4"


def test_the_last_part_of_a_result_is_done_again_and_never_remembered(tmp_path):
    toy = Toy(tmp_path, FINISHES)
    assert halves(toy.run(least=0, unit=" m"))["003"] == "1.5 m"
    toy.computed()
    rows = toy.run(least=2, unit=" km")
    assert toy.computed() == []
    assert [(row["id"], row["reason"]) for row in rows[:5]] == [
        *((f"00{n}", "too small") for n in range(4)),
        ("004", ""),
    ]
    assert rows[4]["half"] == "2 km"


def test_a_table_may_hold_the_id_and_the_new_columns(tmp_path):
    toy = Toy(tmp_path, NARROW)
    toy.run()
    assert tables.columns(toy.out()) == ["id", "half", "stage", "reason", "detail"]


def test_an_earlier_reject_passes_untouched_and_uncomputed(toy):
    toy.rows = [{**row, "stage": "", "reason": "", "detail": ""} for row in toy.rows]
    toy.rows[2] |= {"stage": "before", "reason": "why", "detail": "how"}
    rows = toy.run()
    assert "002" not in toy.computed()
    assert rows[2] == {**toy.rows[2], "half": ""}


def test_an_empty_shard_is_an_empty_table(toy):
    assert toy.run(rows=[]) == []
    assert tables.columns(toy.out()) == ["id", "number", "note", "half", "stage", "reason", "detail"]
    assert toy.computed() == []


@pytest.mark.parametrize("extra", ["", IN_THREADS], ids=["batches", "in_threads"])
def test_batches_threads_and_shards_change_no_byte(tmp_path, extra):
    written = []
    for name, options in [("a", {}), ("b", {"batch": 3, "threads": 4}), ("c", {"batch": 100, "threads": 2})]:
        (tmp_path / name).mkdir()
        toy = Toy(tmp_path / name, extra)
        toy.run(unreadable=["007"], **options)
        written.append(toy.out().read_text())
    (tmp_path / "d").mkdir()
    toy = Toy(tmp_path / "d", extra)
    for shard, rows in [("00000", toy.rows[:4]), ("00001", toy.rows[4:5]), ("00002", toy.rows[5:])]:
        toy.run(shard=shard, rows=rows, unreadable=["007"])
    parts = [toy.out(shard).read_text().partition("\n") for shard in ("00000", "00001", "00002")]
    written.append(parts[0][0] + "\n" + "".join(part[2] for part in parts))
    assert len(set(written)) == 1


def test_what_was_done_is_written_for_the_account(toy):
    toy.run(rows=toy.rows[:4])
    toy.run(odd=["008"])
    records = [json.loads(line) for line in (toy.results / "logs/toy/00000.jsonl").read_text().splitlines()]
    told = [
        {name: record[name] for name in ("rule", "items", "computed", "remembered", "rejects")} for record in records
    ]
    assert told == [
        {"rule": "toy", "items": 4, "computed": 4, "remembered": 0, "rejects": 0},
        {"rule": "toy", "items": 10, "computed": 6, "remembered": 4, "rejects": 1},
    ]


def test_two_ranks_compute_each_item_once_and_give_the_table_of_one(tmp_path):
    written = []
    for name, ranks in [("one", 0), ("two", 2)]:
        (tmp_path / name).mkdir()
        toy = Toy(tmp_path / name, count=40)
        toy.run(ranks=ranks, unreadable=["007"], batch=3)
        written.append(toy.out().read_bytes())
        assert toy.progress("state", "done", "computed", "rejects") == ["finished", 40, 40, 1]
        computed = [note for note in toy.computed() if note != "load"]
        assert sorted(computed) == [row["id"] for row in toy.rows if row["id"] != "007"]
    assert written[0] == written[1]


def test_two_ranks_that_are_told_to_stop_keep_what_they_computed(tmp_path):
    toy = Toy(tmp_path, count=40)
    process = toy.start(ranks=2, slow=["020"])
    while not list(toy.results.glob("waiting.*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    process.terminate()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    assert "forcefully" not in said, "a rank that waits for another one must hear the signal, too"
    done = {note for note in toy.computed() if note not in ("load", "020")}
    assert len(halves(toy.run())) == 40
    assert not done & set(toy.computed())


def test_a_rank_that_is_killed_ends_the_job_and_the_next_one_goes_on(tmp_path):
    toy = Toy(tmp_path, count=40)
    toy.run(ok=False, ranks=2, fatal=["020"])
    assert not toy.out().exists()
    toy.computed()
    assert len(halves(toy.run())) == 40
