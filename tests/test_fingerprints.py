"""A rule runs again when what it does has changed, and only then; a change of a log text forgets no result."""

import pytest
from clipmill import code

SCRIPT = '''"""A step."""
import json

from clipmill import tables
from clipmill.colours import mean


def work(row):
    """What it does."""
    # why
    return mean(row["x"]) + 1
'''
COLOURS = """from clipmill.light import sums


def mean(values):
    return sums(values) / len(values)
"""
LIGHT = "def sums(values):\n    return sum(values)\n"


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder of scripts; a call changes one file by replacing text, and tells the fingerprints (code, memo)."""
    package = tmp_path / "clipmill"
    package.mkdir()
    (tmp_path / "step.py").write_text(SCRIPT)
    for name, text in {"colours": COLOURS, "light": LIGHT, "tables": "LOG = 'read'\n", "other": "X = 1\n"}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(code, "SCRIPTS", tmp_path)

    def change(name="step.py", old="", new=""):
        path = tmp_path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        code._syntax.cache_clear()
        return code.fingerprint("step"), code.fingerprint("step", code.MACHINE)

    yield change
    code._syntax.cache_clear()


@pytest.mark.parametrize(("name", "old", "new"), [
    ("step.py", "# why", "# because"),
    ("step.py", "What it does.", "What else it does."),
    ("step.py", '"""A step."""', '"""Another text."""'),
    ("step.py", '["x"]) + 1', '["x"] ) + 1  '),
    ("step.py", "def work", "\n\n\ndef work"),
    ("clipmill/colours.py", "    return", "    # a comment\n    return"),
    ("clipmill/other.py", "X = 1", "X = 2"),
])  # fmt: skip
def test_what_changes_no_result_changes_no_fingerprint(scripts, name, old, new):
    before = scripts()
    assert scripts(name, old, new) == before


@pytest.mark.parametrize(("name", "old", "new"), [
    ("step.py", "+ 1", "+ 2"),
    ("step.py", "import json", "import csv"),
    ("clipmill/colours.py", "/ len", "// len"),
    ("clipmill/light.py", "sum(values)", "max(values)"),
])  # fmt: skip
def test_a_change_of_code_changes_both_fingerprints(scripts, name, old, new):
    before = scripts()
    after = scripts(name, old, new)
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_a_change_of_the_shared_machine_reruns_a_rule_but_forgets_nothing(scripts):
    before = scripts()
    after = scripts("clipmill/tables.py", "'read'", "'was read'")
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize("text", [
    "import clipmill.other",
    "from clipmill import other",
    "from clipmill.other import X",
    "def late():\n    from clipmill import other as o",
])  # fmt: skip
def test_every_kind_of_import_is_followed(scripts, text):
    scripts("step.py", "import json", f"import json\n{text}")
    before = scripts()
    assert scripts("clipmill/other.py", "X = 1", "X = 2")[0] != before[0]


def test_settings_that_only_change_speed_are_left_out_at_any_depth():
    settings = {"model": "a", "batch": 8, "server": {"model": "b", "concurrency": 4, "retries": 1}}
    assert code.lasting(settings) == {"model": "a", "server": {"model": "b"}}
    assert code.digest(code.lasting(settings)) == code.digest(code.lasting({**settings, "batch": 1}))
    assert code.digest({"model": "a"}) != code.digest({"model": "b"})


def test_a_digest_does_not_hang_on_the_order_of_keys():
    assert (
        code.digest({"a": 1, "b": [1, 2]}) == code.digest({"b": [1, 2], "a": 1}) != code.digest({"a": 1, "b": [2, 1]})
    )


def test_every_script_of_the_workflow_has_a_fingerprint():
    names = [path.stem for path in code.SCRIPTS.glob("*.py")]
    assert len({code.fingerprint(name) for name in names}) == len(names) > 10


def test_no_module_that_makes_results_counts_as_machine():
    assert not code.MACHINE & {"video", "frames", "detectors", "camera", "attributes", "cleaning", "captioners", "flow"}
