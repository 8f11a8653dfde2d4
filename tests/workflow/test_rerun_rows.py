"""The rows of docs/reruns.md against real dry runs: after another value of a key, Snakemake would run these rules.

What runs behind a plan that must be made again is not known before that plan: there, the row is not looked at.
"""

import pytest
import yaml
from clipmill.plan import config
from clipmill.plan.flow import PHASES
from clipmill.plan.pipeline import Pipeline
from mill import Mill, footage
from rerun_rows import KEYS, SCHEMA, SCHEMA_READ, changed, rerun

FLOW = [
    ["fetch_model", "list_videos", "plan_videos"],
    ["scan_videos", "gather_videos", "plan_clips"],
    ["score_aesthetic", "score_flow", "score_ocr", "select_clips", "gather_clips", "plan_captions"],
    ["caption_clips", "clean_captions", "score_match", "select_pairs", "label_camera", "cut_clips", "gather_captions"],
]
"""Rules by what must be planned before them."""
PLANS = {f"plan_{phase}" for phase in PHASES}
FOLLOWS = {*PLANS, *(f"gather_{phase}" for phase in PHASES), "find_duplicates", "score_report", "complete_report"}
"""They run where a table that they read is written again."""
ALWAYS = {"summarize", "draw_figures"}
"""The account notes the configuration, whatever has changed in it, and the figures read the account."""
SOME = ["fmin", "score.flow.seconds", "select.aes.min", "clean.prefix", "match.batch", "cut.crf", "shards.max"]
ELSEWHERE = {"results", "videos"}
"""Another folder of results or videos is another run (tests/workflow/test_reruns.py)."""
NEEDING = ("loudness", "silence", "ocr_overlay", "ocr_corner", "flow_camera", "flow_object")
OF_SOUND = {f"select.{column}.{side}" for column in NEEDING for side in ("min", "max")}
OF_MODELS = {f"caption.{key}" for key in ("engine", "also", "window_seconds", "format", "fields", "server.url")}
TOGETHER = {"videos_root", *OF_SOUND, *OF_MODELS}
"""Keys that are a mistake without others: a list, `quality.sound`, several moments, `score.flow.apart`, a model that
can be asked."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with every scorer on. Never change it."""
    mill = Mill(tmp_path_factory.mktemp("rows") / "finished", score={"ocr": {"enabled": True, "canvas": 160}})
    footage(mill.videos, videos=1, image=False)
    (mill.folder / "marks.csv").write_text("id,mark\n")
    (mill.folder / "ids.csv").write_text("id\n")
    mill.run()
    return mill


def check(finished: Mill, key: str) -> None:
    """Compare a key's row with a dry run."""
    given = config.check(finished.config, SCHEMA)
    computes, runs = rerun(Pipeline(given, SCHEMA_READ), Pipeline(changed(given, key), SCHEMA_READ))
    row = {*computes, *runs}
    (finished.folder / "other.yaml").write_text(yaml.safe_dump(changed(given, key)))
    found = set(finished.run("--dry-run", "--configfile", "other.yaml").jobs) - ALWAYS
    assert found <= row | FOLLOWS, "the manual leaves out a rule that runs"
    for rules in FLOW:
        assert row & set(rules) <= found, "the manual names a rule that does not run"
        if found & PLANS & set(rules):
            break
    if not row:
        assert not found


@pytest.mark.parametrize("key", SOME)
def test_a_dry_run_does_what_the_manual_says(finished, key):
    check(finished, key)


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in KEYS if key not in ELSEWHERE | TOGETHER])
def test_a_dry_run_does_what_the_manual_says_for_each_key(finished, key):
    check(finished, key)
