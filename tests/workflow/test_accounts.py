"""Before a run: what is still to do and what it would cost. After it: what each rule took, in total and per pair."""

import json
import re

import pytest
from clipmill.engine import tables
from clipmill.plan import config
from clipmill.plan.pipeline import Pipeline
from clipmill.release.summary import stages
from clipmill.tools.estimate import text
from mill import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
HOUR = {"rule": "clips.score_flow", "shard": "00000", "items": 6, "computed": 5, "remembered": 1, "rejects": 0}
HOUR |= {"seconds": 3600, "cpu_seconds": 7200, "gpus": 8, "ended": 0}


def row(text: str, rule: str) -> list[str]:
    """The cells of a rule in the estimate."""
    return re.search(rf"^  {rule} +(.*)$", text, re.MULTILINE)[1].split()


@pytest.fixture
def results(tmp_path):
    """A folder with ten clips; one job computed five of them, in an hour on eight GPUs and two core-hours."""
    folder = tmp_path / "results"
    clip = {"num_frames": "50", "fps": "25", "resolution": "57600"}
    tables.write(folder / "tables" / "clips.csv", ("id", *clip), [{"id": f"{n:016x}", **clip} for n in range(10)])
    (folder / "logs" / "clips.score_flow").mkdir(parents=True)
    (folder / "logs" / "clips.score_flow" / "00000.jsonl").write_text(json.dumps(HOUR) + "\n")
    return folder


def estimate(results, **resources) -> str:
    """The estimate for a folder, where `resources` are those of the profile for score_aesthetic."""
    pipeline = Pipeline(config.check({"results": str(results), "videos": str(results)}, SCHEMA), config.load(SCHEMA))
    return text(pipeline, lambda name, rule: resources.get(name, 0) if rule == "score_aesthetic" else 0)


def test_the_estimate_takes_the_rates_of_jobs_that_ran(results):
    assert row(estimate(results), "score_flow") == ["10", "0", "1", "16.000", "4.000", "2.000"]


def test_without_such_jobs_it_takes_the_shipped_rates_and_says_so(results):
    cells = row(estimate(results, gpu=8), "score_aesthetic")
    assert cells[:2] == ["10", "0"]
    assert cells[-1] == "*"


def test_a_dry_run_ends_with_what_is_still_to_do(finished):
    clips = len(list(tables.read(finished.results / "tables" / "clips.csv")))
    said = finished.change(score={"flow": {"seconds": 0.25}}).run("-n").text
    assert row(said, "score_flow")[:2] == [str(clips), "0"]
    assert row(said, "score_aesthetic")[:2] == ["0", str(clips)]
    assert "What is still to do" not in finished.run("--rulegraph").text


def test_a_run_and_a_dry_run_with_nothing_to_do_say_so_in_a_line(finished):
    for flags, last in (((), "Nothing to be done"), (("-n",), "No item is left to compute.")):
        said = finished.run(*flags).text
        assert "Nothing to be done" in said
        assert last in said
        assert "What is still to do" not in said
        assert "Cost of all runs" not in said


def test_the_account_has_hours_and_cost_per_pair(results):
    found = stages(results, pairs=4)["score_flow"]
    assert found["computed"] == 5
    assert found["jobs"] == 1
    assert (found["seconds"], found["cpu_hours"], found["gpu_hours"]) == (3600, 2, 8)
    assert (found["cpu_seconds_per_pair"], found["gpu_seconds_per_pair"]) == (1800, 7200)


def test_the_account_of_a_run_names_every_rule(finished):
    found = json.loads((finished.results / "run.json").read_text())["stages"]
    assert found.keys() >= {"scan_videos", "score_flow", "caption_clips", "cut_clips", "gather_captions", "plan_clips"}
    assert found["score_flow"]["cpu_hours"] > 0
