"""Scores and the camera's label in words: Open-Sora's, at its limits, and nothing for what a clip does not have."""

import json
import subprocess
import sys

import pytest
from clipmill.captions import words
from clipmill.clips.camera import LABELS, UNDETERMINED
from clipmill.engine import rejects, tables
from mill import ROOT

ROW = {"aes": "5.7", "flow": "7", "cmotion": "pan_left+zoom_in"}
EVERY = ["aes", "flow", "cmotion"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        *(("aes", value, said) for value, said in [
            ("3.99", "terrible"), ("4", "very poor"), ("4.5", "poor"), ("5", "fair"), ("5.5", "good"),
            ("6", "very good"), ("6.5", "excellent"), ("10", "excellent"),
        ]),
        *(("flow", value, said) for value, said in [
            ("0", "very low"), ("0.5", "low"), ("2", "fair"), ("5", "high"), ("10", "very high"),
            ("20", "extremely high"),
        ]),
        ("cmotion", "static", "static"), ("cmotion", "pan_left", "pan left"),
        ("cmotion", "pan_left+zoom_in+shake", "pan left, zoom in and shake"),
    ],
)  # fmt: skip
def test_the_words_are_the_references(column, value, said):
    start = {"aes": "the aesthetic score is", "flow": "the motion strength is", "cmotion": "camera motion:"}[column]
    assert words.appended("a dog.", {column: value}, [column]) == f"a dog. {start} {said}."


def test_sentences_follow_each_other_in_the_order_asked_for():
    assert words.appended("a dog", ROW, EVERY) == (
        "a dog. the aesthetic score is good. the motion strength is high. camera motion: pan left and zoom in."
    )
    assert words.appended("A dog!", ROW, ["cmotion", "aes"]) == (
        "A dog! Camera motion: pan left and zoom in. The aesthetic score is good."
    )


def test_what_a_clip_does_not_have_adds_nothing_and_no_label_is_unknown():
    assert words.appended("a dog", {"cmotion": UNDETERMINED, "aes": "", "flow": ""}, EVERY) == "a dog"
    assert words.appended("a dog", {}, EVERY) == "a dog"
    assert words.appended("", ROW, EVERY) == ""
    assert words.appended("a dog", ROW, []) == "a dog"
    for label in LABELS:
        assert words.appended("a dog.", {"cmotion": label}, ["cmotion"]).endswith(f": {label.replace('_', ' ')}.")


def test_the_gather_says_them_in_meta_alone_and_takes_them_off_again(tmp_path):
    rows = [
        {"id": "a", "relpath": "a.mp4", "aes": "5.7", "flow": "7", "text": "a dog", "cmotion": "static"},
        {"id": "b", "relpath": "b.png", "aes": "6.7", "flow": "", "text": "a cat.", "cmotion": ""},
    ]
    selected = ["id", "relpath", "aes", "flow"]
    tables.write(tmp_path / "selected.csv", selected, rows)
    tables.write(tmp_path / "0.csv", [*selected, "text", "cmotion", *rejects.COLUMNS], rows)
    tables.write(tmp_path / "extras.csv", ["id", "row", "span"], [])
    tables.write(tmp_path / "rejected.csv", rejects.TABLE, [])

    def texts(*options):
        names = {"selected": "selected", "shards": "0", "extras": "extras", "rejected": "rejected"}
        names |= {name: name for name in ("captions", "meta", "rejects")}
        places = [word for key, name in names.items() for word in (f"--{key}", tmp_path / f"{name}.csv")]
        program = ROOT / "workflow/scripts/gather_captions.py"
        subprocess.run([sys.executable, program, *places, *options], check=True)
        return [[row["text"] for row in tables.read(tmp_path / f"{name}.csv")] for name in ("captions", "meta")]

    own = ["a dog", "a cat."]
    assert texts("--append", json.dumps({"text": EVERY})) == [
        own,
        [
            "a dog. the aesthetic score is good. the motion strength is high. camera motion: static.",
            "a cat. the aesthetic score is excellent.",
        ],
    ]
    assert texts() == [own, own]
