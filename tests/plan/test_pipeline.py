"""The pipeline's table: who reads whom, what each result depends on, and where everything lies."""

import json
import shlex

import pytest
from clipmill.plan.flow import PHASES, in_turn, script_of
from rerun_rows import KEYS, MANUAL, after, manual, pipeline

CONCERNS = {
    "videos": set(), "results": None, "models": set(), "scratch": set(), "shards": set(), "max_error_share": set(),
    "scratch_gigabytes": set(),
    "item_minutes": set(), "sample": set(), "videos_root": set(), "chosen": set(), "captioners": set(),
    "caption.given": set(), "caption.append": set(), "cut.check": set(), "cut.crop_borders": set(),
    "cut.deinterlace": set(), "duplicates": set(), "clusters": set(), "quality": {"videos.scan_videos"},
    "fmin": set(), "clips": set(), "detector": {"videos.scan_videos"}, "detectors.adaptive": {"videos.scan_videos"},
    "detectors": set(), "frames.source": {"scorers", "captions.caption_clips", "captions.score_match"},
    "frames.decode": {"clips.score_aesthetic", "captions.score_match"},
    "frames": {"videos.scan_videos", "scorers", "captions.caption_clips", "captions.score_match"},
    "score.aesthetic": {"clips.score_aesthetic"}, "score.flow": {"clips.score_flow"}, "score.ocr": {"clips.score_ocr"},
    "score.classifiers": set(), "score.labels": set(), "score.coherence": set(),
    "select": set(), "marks": set(), "report": set(),
    "caption": {"captions.caption_clips"}, "clean": {"captions.clean_captions"},
    "refine": {"captions.clean_captions"}, "match": {"captions.score_match"}, "camera": {"captions.label_camera"},
    "cut.when": set(), "cut": {"captions.cut_clips"}, "release": set(),
}  # fmt: skip
"""Which rules forget what they remember where a key under this one changes; the longest name counts."""


def concerned(key: str) -> set[str] | None:
    found = max((name for name in CONCERNS if key == name or key.startswith(f"{name}.")), key=len)
    rules = CONCERNS[found]
    if rules and "scorers" in rules:
        rules = rules - {"scorers"} | {"clips.score_aesthetic", "clips.score_flow", "clips.score_ocr"}
    return rules


@pytest.mark.parametrize("key", [key for key in KEYS if not key.endswith("enabled") and concerned(key) is not None])
def test_a_key_concerns_its_own_rules_memos_and_no_others(key):
    speed, (before, later) = KEYS[key][2], after(key)
    remembering = [name for phase in PHASES for name in before.steps(phase)]
    forgotten = {name for name in remembering if before.memo(name) != later.memo(name)}
    if key == "caption.server.url":
        assert forgotten == {"captions.caption_clips"}, "a server in place of a model of our own is another captioner"
    else:
        assert forgotten == (set() if speed else concerned(key))


def test_the_manual_says_for_each_key_what_runs_again():
    assert MANUAL.read_text() == manual(), "renew it: PYTHONPATH=workflow/scripts python tests/kit/rerun_rows.py"


def test_rules_of_the_last_phase_read_each_other_in_turn():
    mill = pipeline()
    chain = [name for name in mill.rules if name.startswith("captions.")]
    assert [script_of(name) for name in chain] == [
        "caption_clips", "clean_captions", "score_match", "select_pairs", "label_camera", "cut_clips",
    ]  # fmt: skip
    for name, before in zip(chain[1:], chain, strict=False):
        assert mill.before(name) == [mill.table(before)]


def test_a_rule_that_is_switched_off_is_left_out_of_the_chain():
    mill = pipeline(camera={"enabled": False})
    assert mill.before("captions.cut_clips") == [mill.table("captions.select_pairs")]
    assert "captions.label_camera" not in mill.steps("captions")
    assert in_turn({}) == {}


def test_select_reads_the_scorers_that_are_enabled():
    mill = pipeline(score={"ocr": {"enabled": False}})
    assert mill.before("clips.select_clips") == [mill.table("clips.score_aesthetic"), mill.table("clips.score_flow")]
    assert "score.ocr" not in mill.models()


def test_a_threshold_moves_the_tables_after_it_and_forgets_nothing():
    loose, strict = pipeline(), pipeline(select={"aes": {"min": 5}, "match": {"min": 3}})
    moved = {name for name in loose.rules if loose.table(name) != strict.table(name)}
    assert moved == {"clips.select_clips", "captions.select_pairs", "captions.label_camera", "captions.cut_clips"}
    assert all(loose.memo(name) == strict.memo(name) for phase in PHASES for name in loose.steps(phase))


def test_a_target_moves_no_table_of_a_step_and_labels_before_it_only_for_cmotion():
    without, by_source, by_camera = (
        pipeline(select={"target": target})
        for target in ({}, {"clips": 9, "balance": ["source"]}, {"clips": 9, "balance": ["cmotion"]})
    )
    assert all(without.table(name) == by_source.table(name) == by_camera.table(name) for name in without.rules)
    assert by_source.steps("clips") == without.steps("clips")
    assert set(by_camera.steps("clips")) - set(without.steps("clips")) == {"clips.label_camera"}
    assert by_camera.memo("clips.label_camera") == by_camera.memo("captions.label_camera")
    assert by_camera.before("clips.label_camera") == [by_camera.table("clips.select_clips")]


def test_cutting_first_shares_the_memo_of_cutting_last():
    first, last = pipeline(cut={"when": "first"}), pipeline()
    assert "clips.cut_clips" in first.steps("clips")
    assert "clips.cut_clips" not in last.steps("clips")
    assert first.memo("clips.cut_clips") == last.memo("captions.cut_clips")
    assert len(first.folders_in_use()["memo"]) == len(set(first.folders_in_use()["memo"]))


def test_a_command_names_its_script_and_survives_any_path():
    words = shlex.split(pipeline(videos="my 'odd' videos", results="a b/").params("clips.score_flow")["command"])
    assert words[0] == "$CLIPMILL_WORKFLOW/scripts/score_flow.py"
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert given["--videos"] == "my 'odd' videos"
    assert given["--results"] == "a b"
    assert given["--block"] == "score.flow"
    assert json.loads(given["--settings"])["model"] == "raft_large"


def test_rules_that_look_with_the_same_model_share_its_vectors():
    def shared(**config) -> list[str]:
        made = pipeline(**config)
        commands = [made.params(name)["command"] for name in ("clips.score_aesthetic", "captions.score_match")]
        return [shlex.split(command)[shlex.split(command).index("--shared") + 1] for command in commands]

    one, other = shared()
    assert one == other
    assert one in pipeline().folders_in_use()["memo"]
    assert shared(score={"aesthetic": {"reduce": "min", "frames": [0.5]}}) == [one, one]
    assert len({one, *shared(match={"pretrained": "laion2b_s32b_b82k"})}) == 2
    assert len({one, *shared(frames={"short_side": 300})}) == 2
    embedded = pipeline(match={"model": "attributes"}).params("captions.score_match")
    assert "--shared" not in embedded["command"]
