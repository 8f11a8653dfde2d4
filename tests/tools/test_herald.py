"""What a run says: each phase and stage once, a line a minute in between, and no failure that a later attempt cured."""

import logging
from types import SimpleNamespace

import pytest
from clipmill.tools import herald
from clipmill.tools.failures import Failures
from clipmill.tools.herald import Herald, Short
from clipmill.tools.snapshot import Snapshot, Stage


@pytest.fixture
def speaker(tmp_path):
    pipeline = SimpleNamespace(results=str(tmp_path), rules={})
    return Herald(pipeline, Failures(), print)


def scored(**change) -> Snapshot:
    stage = Stage("clips.score_flow", **({"items": 2000, "shards": 4} | change))
    return Snapshot("running", phases={"videos": None, "clips": [stage], "captions": None})


def test_each_phase_and_stage_is_told_once(speaker):
    assert speaker.lines(scored()) == ["clips: 2,000 items in 4 shards"]
    assert speaker.lines(scored(done=500, tables={"00000"})) == []
    finished = scored(done=2000, tables=set("0123"), rejects=1, computed=1500)
    assert speaker.lines(finished) == ["  score_flow       2,000 items, 500 of them known before, 1 reject"]
    assert speaker.lines(finished) == []


def test_a_stage_that_runs_for_long_is_told_once_a_minute(speaker):
    running = scored(done=1990, running=1, rate=2.5, left=5)
    speaker.lines(running)
    assert speaker.lines(running) == []
    speaker.told_at -= herald.MINUTE
    assert speaker.lines(running) == ["  score_flow 99 % (1,990 of 2,000, 2 s left)"]


def test_only_a_finished_stage_is_at_100_percent():
    assert scored(done=2000).stages[0].percent == 99
    assert scored(items=0, shards=1).stages[0].percent == 0
    assert scored(items=0, shards=1, tables={"00000"}).stages[0].percent == 100


def test_the_time_left_before_the_first_rate_is_that_of_finished_jobs():
    assert scored(left=100, past=5.0, running=2).stages[0].seconds_left == 10
    assert scored(left=100, past=5.0).stages[0].seconds_left is None


@pytest.mark.parametrize(("seconds", "said"), [(4.4, "4 s"), (89, "89 s"), (600, "10 min"), (12300, "3 h 25 min")])
def test_times_are_told_for_people(seconds, said):
    assert herald.duration(seconds) == said


def record(event: str | None, message: str = "", level: int = logging.INFO, **more) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    made.__dict__ |= {"event": event and SimpleNamespace(value=event)} | more
    return made


def test_a_failure_that_a_later_attempt_cured_is_none(tmp_path):
    failures, log = Failures(), tmp_path / "logs" / "clips.score_flow" / "00003.log"
    error = {"log": [str(log)], "rule_name": "score_flow", "shellcmd": "", "jobid": 7}
    failures.filter(record("job_error", **error))
    failures.filter(record("job_error", **error | {"log": [str(tmp_path / "gather_clips.log")], "jobid": 8}))
    shards = [(job["rule"], job["shard"]) for job in failures.jobs()]
    assert shards == [("clips.score_flow", "00003"), ("score_flow", "")]
    failures.filter(record("job_finished", job_id=7))
    assert [job["shard"] for job in failures.jobs()] == [""]
    assert "00003" not in failures.text()


def test_the_screen_keeps_what_a_person_must_see():
    short, open_ = Short(lambda: True), Short(lambda: False)
    assert short.filter(record(None, "a warning", logging.WARNING))
    assert short.filter(record(None, "Nothing to be done (all requested files are present and up to date)."))
    assert not short.filter(record("job_info", "rule score_flow"))
    assert open_.filter(record(None, "Unlocked working directory."))
    assert not open_.filter(record(None, "Assuming unrestricted shared filesystem usage."))
