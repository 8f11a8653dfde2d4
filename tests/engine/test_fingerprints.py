"""A rule runs again when what it does has changed, and only then; other words in a message forget no result."""

import shutil
from pathlib import Path

import pytest
from clipmill.engine import fingerprints
from clipmill.engine.fingerprints import digest, fingerprint, without_speed
from clipmill.plan import config

SCRIPT = '''"""A step."""
import json
import sys

from clipmill.engine import tables
from clipmill.engine.rejects import Reject
from clipmill.clips.colours import COLOURS


def work(row):
    """What it does."""
    # why
    if row["x"] < 0:
        raise Reject("is negative", "of all things")
    if row["x"] > 99:
        raise ValueError(f"too large: {row['x']}")
    print("working", file=sys.stderr)
    return COLOURS[row["model"]](row["x"]).mean() + 1
'''
COLOURS = '''from clipmill.clips.light import sums
from clipmill.clips.paint import mixed


def shared(values):
    return sums(values) / len(values)


def only_for_oil(values):
    return mixed(values)


class Water:
    def mean(self):
        return shared(self.values)


class Oil:
    """Needs more."""

    def mean(self):
        from clipmill.clips import canvas

        return only_for_oil(shared(self.values)) + canvas.DEPTH


class Other(Oil):
    pass


COLOURS = {"water": Water, "oil": Oil, "*": Other}
'''
FILES = {
    "step.py": SCRIPT,
    "clipmill/clips/colours.py": COLOURS,
    "clipmill/clips/light.py": "def sums(values):\n    return sum(values)\n",
    "clipmill/clips/paint.py": "def mixed(values):\n    return max(values)\n",
    "clipmill/clips/canvas.py": "DEPTH = 3\n",
    "clipmill/clips/other.py": "X = 1\n",
    "clipmill/engine/tables.py": "LIMIT = 5\n",
    "clipmill/engine/rejects.py": "class Reject(Exception):\n    pass\n",
}


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder of scripts. A call changes a file by replacing text; it gives the fingerprints: (code, memo)."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprints, "SCRIPTS", tmp_path)

    def change(name="step.py", old="", new="", model="water"):
        path = tmp_path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        fingerprints.forget()
        return fingerprint("step", model), fingerprint("step", model, engine=False)

    yield change
    fingerprints.forget()


@pytest.mark.parametrize(("name", "old", "new"), [
    ("step.py", "# why", "# because"),
    ("step.py", "What it does.", "What else it does."),
    ("step.py", '"""A step."""', '"""Another text."""'),
    ("step.py", '.mean() + 1', '.mean( ) + 1  '),
    ("step.py", "def work", "\n\n\ndef work"),
    ("step.py", "too large:", "is too large:"),
    ("step.py", 'ValueError(f"too large: {row[\'x\']}")', "ValueError"),
    ("step.py", '"working"', '"working on", row'),
    ("step.py", "work(row):", "work(row):\n    logging.info('hello')") ,
    ("clipmill/clips/colours.py", "    return sums", "    # a comment\n    return sums"),
    ("clipmill/clips/other.py", "X = 1", "X = 2"),
])  # fmt: skip
def test_what_changes_no_result_changes_no_fingerprint(scripts, name, old, new):
    if "logging" in new:
        scripts(name, "work(row):", "work(row):\n    logging.info('hi')")
        old, new = "'hi'", "'hello'"
    before = scripts()
    assert scripts(name, old, new) == before


@pytest.mark.parametrize(("name", "old", "new"), [
    ("step.py", "+ 1", "+ 2"),
    ("step.py", "import json", "import csv"),
    ("step.py", '"is negative"', '"is below zero"'),
    ("step.py", '"of all things"', '"of many things"'),
    ("step.py", "raise ValueError", "raise KeyError"),
    ("step.py", "file=sys.stderr", "file=row"),
    ("clipmill/clips/colours.py", "/ len", "// len"),
    ("clipmill/clips/light.py", "sum(values)", "max(values)"),
])  # fmt: skip
def test_a_change_of_what_is_done_changes_both_fingerprints(scripts, name, old, new):
    before = scripts()
    after = scripts(name, old, new)
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_a_change_of_the_engine_reruns_a_rule_but_forgets_nothing(scripts):
    before = scripts()
    after = scripts("clipmill/engine/tables.py", "5", "6")
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize(("model", "name", "old", "counts"), [
    ("water", "clipmill/clips/colours.py", "canvas.DEPTH", False),
    ("water", "clipmill/clips/colours.py", "return mixed(values)", False),
    ("water", "clipmill/clips/colours.py", "shared(self.values)\n", True),
    ("water", "clipmill/clips/canvas.py", "3", False),
    ("water", "clipmill/clips/paint.py", "max(values)", False),
    ("water", "clipmill/clips/light.py", "sum(values)", True),
    ("oil", "clipmill/clips/colours.py", "canvas.DEPTH", True),
    ("oil", "clipmill/clips/colours.py", "return mixed(values)", True),
    ("oil", "clipmill/clips/canvas.py", "3", True),
    ("oil", "clipmill/clips/paint.py", "max(values)", True),
    ("oil", "clipmill/clips/light.py", "sum(values)", True),
    ("oil", "clipmill/clips/colours.py", "shared(self.values)\n", False),
    ("oil", "clipmill/clips/colours.py", "pass", False),
    ("any other", "clipmill/clips/colours.py", "pass", True),
    ("any other", "clipmill/clips/canvas.py", "3", True),
    (None, "clipmill/clips/colours.py", "pass", True),
    (None, "clipmill/clips/colours.py", "shared(self.values)\n", True),
])  # fmt: skip
def test_only_the_model_that_is_chosen_counts(scripts, model, name, old, counts):
    before = scripts(model=model)
    after = scripts(
        name, old, f"7 + {old}" if old not in ("pass", "return mixed(values)") else f"x = 7; {old}", model=model
    )
    assert (after != before) is counts


def test_what_another_file_uses_counts_whatever_is_chosen(scripts):
    scripts(
        "clipmill/clips/light.py",
        "def sums",
        "from clipmill.clips import colours\n\n\nX = colours.only_for_oil\n\n\ndef sums",
    )
    before = scripts()
    assert scripts("clipmill/clips/paint.py", "max", "min") != before


@pytest.mark.parametrize("text", [
    "import clipmill.clips.other",
    "from clipmill.clips import other",
    "from clipmill.clips.other import X",
    "def late():\n    from clipmill.clips import other as o",
])  # fmt: skip
def test_every_kind_of_import_is_followed(scripts, text):
    scripts("step.py", "import json", f"import json\n{text}")
    before = scripts()
    assert scripts("clipmill/clips/other.py", "X = 1", "X = 2")[0] != before[0]


def test_settings_that_only_change_speed_are_those_that_the_schema_marks():
    schema = {"properties": {
        "batch": {"speed": True},
        "model": {},
        "server": {"properties": {"model": {}, "url": {"speed": True}}},
        "later": {"properties": {"batch": {}}},
    }}  # fmt: skip
    settings = {"model": "a", "batch": 8, "server": {"model": "b", "url": "c"}, "later": {"batch": 8}, "mine": 1}
    kept = {"model": "a", "server": {"model": "b"}, "later": {"batch": 8}, "mine": 1}
    assert without_speed(settings, schema) == kept
    assert without_speed({"server": None, "model": [1]}, schema) == {"server": None, "model": [1]}


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})


def test_every_script_of_the_workflow_has_a_fingerprint():
    names = [path.stem for path in fingerprints.SCRIPTS.glob("*.py")]
    assert len({fingerprint(name) for name in names}) == len(names) > 10


MEMOS = [
    # Words in messages: no result is forgotten.
    ("videos/frames.py", "and has been removed", "and is removed", set()),
    ("clips/flow.py", "which is not installed", "which is missing here", set()),
    ("captions/server_captioner.py", "the answer is not a chat completion", "no chat completion came back", set()),
    ("engine/job.py", "time.monotonic() - job.began, len", "time.monotonic() - job.began + 0, len", set()),
    # What the code does: only the results of the model concerned are forgotten.
    ("clips/flow.py", "ptlflow.get_model(", "ptlflow.get_model(name or ", {"flow/unimatch"}),
    ("clips/flow.py", "setFinestScale(2)", "setFinestScale(1)", {"flow/dis"}),
    ("clips/flow.py", "float() / 127.5 - 1", "float() / 128 - 1", {"flow/raft_small", "flow/raft_large"}),
    ("clips/aesthetics.py", "grey.std() / 64", "grey.std() / 65", {"aesthetic/photometric"}),
    ("clips/embeddings.py", "ToTensor, Normalize", "Normalize, ToTensor", {"aesthetic/ViT-L-14", "match/ViT-L-14"}),
    ("captions/server_captioner.py", "PENALTY = 0.5", "PENALTY = 0.6", {"caption/server", "caption/vllm"}),
    (
        "captions/pictures.py", "QUALITY = 92", "QUALITY = 90",
        {"caption/server", "caption/vllm", "caption/llava", "refine/vision"},
    ),
    ("captions/refiner.py", "KEPT_SHARE = 0.5", "KEPT_SHARE = 0.6", {"refine/mistral"}),
    ("captions/tensor_parallel.py", "if size == 1", "if size < 2", {"caption/llava", "refine/vision"}),
    (
        "videos/detectors.py", "STRIDE, MARGIN = 100, 50", "STRIDE, MARGIN = 100, 25",
        {"detector/transnetv2", "detector/hybrid"},
    ),
    ("videos/hybrid.py", "COLOURS = 0.5", "COLOURS = 0.4", {"detector/hybrid"}),
]  # fmt: skip
STEPS = {
    "flow": ("score_flow", ("dis", "raft_small", "raft_large", "unimatch")),
    "aesthetic": ("score_aesthetic", ("photometric", "ViT-L-14")),
    "match": ("score_match", ("attributes", "ViT-L-14")),
    "caption": ("caption_clips", ("attributes", "server", "vllm", "llava")),
    "refine": ("clean_captions", ("none", "vision", "mistral")),
    "detector": ("scan_videos", ("adaptive", "content", "transnetv2", "hybrid")),
}


@pytest.mark.parametrize(("file", "old", "new", "forgotten"), MEMOS, ids=[f"{row[0]}: {row[2]}" for row in MEMOS])
def test_the_workflows_own_memos_forget_what_they_must_and_no_more(tmp_path, monkeypatch, file, old, new, forgotten):
    def memos():
        fingerprints.forget()
        return {
            f"{step}/{model}": fingerprint(script, model, engine=False)
            for step, (script, models) in STEPS.items()
            for model in models
        }

    shutil.copytree(fingerprints.SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "SCRIPTS", tmp_path / "scripts")
    before, path = memos(), tmp_path / "scripts" / "clipmill" / file
    assert old in path.read_text(), f"{file} no longer holds {old!r}: update this test"
    path.write_text(path.read_text().replace(old, new))
    after = memos()
    assert {name for name in before if after[name] != before[name]} == forgotten
    fingerprints.forget()


def test_fingerprints_are_noted_for_the_same_bytes_of_code_only(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints.sys, "dont_write_bytecode", False)
    made = []
    real = fingerprints._made
    monkeypatch.setattr(fingerprints, "_made", lambda *what: made.append(what) or real(*what))
    before = scripts()
    fingerprints._notes().write()
    assert scripts() == before
    assert len(made) == 2, "the second process takes what the first has noted"
    assert scripts(old="# why", new="# because") == before
    assert len(made) == 4
    fingerprints._notes().write()
    fingerprints._notes().path.write_text("no notes")
    assert scripts() == before


def test_the_schema_marks_the_keys_that_the_manual_calls_speed_only():
    schema = config.load(Path(fingerprints.SCRIPTS).parent / "schemas" / "config.schema.yaml")
    rows = config.documented(schema)
    marked = {row["key"] for row in rows if row["speed"]}
    assert marked == {row["key"] for row in rows if "speed only" in row["description"].lower()}
    assert {"caption.batch", "caption.server.url", "caption.tp_size"} <= marked
