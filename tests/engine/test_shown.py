"""What comes from outside is shown so that no terminal obeys it, and is kept in tables without control characters."""

import pytest
from clipmill.engine import shown
from clipmill.engine.compute import Compute
from clipmill.engine.progress import Progress
from clipmill.engine.ranks import Ranks
from clipmill.engine.rejects import Reject, rejected
from clipmill.engine.step import Step
from clipmill.tools.sheet import marked

ODD = "a\x1b[31m\x07b\r\x00\x7f\x9b2J\u202ec\u2066\u200b\ud800"


def test_control_and_invisible_characters_are_escaped():
    assert shown.shown(ODD) == r"a\x1b[31m\x07b\r\x00\x7f\x9b2J\u202ec\u2066\u200b\ud800"
    assert shown.shown("a\n\tb") == r"a\n\tb"
    assert shown.shown_lines("a\n\tb\r") == "a\n\tb\\r"
    for text in ("na\u00efve \u72d7 \U0001f468\u200d\U0001f469", "\u0645\u06cc\u200c\u06a9", "C:\\dir 'x' \"y\""):
        assert shown.shown(text) == text


def test_a_reject_holds_no_control_character():
    reject = Reject("reason", f"said {ODD}")
    assert reject.detail == shown.shown(f"said {ODD}").replace(r"\r", " ")
    assert rejected({}, "stage", "reason", ODD)["detail"] == shown.shown(ODD)


class Failing(Step):
    """A step whose fault names an item's own text."""

    columns = ("x",)

    def compute(self, rows, prepared):
        raise ValueError(ODD.encode(errors="surrogatepass").decode(errors="replace"))


def test_a_fault_in_the_log_cannot_command_a_terminal(capsys, tmp_path):
    class Args:
        max_error_share, threads, item_minutes = 1.0, 1, 15

    kept, rows, ranks = {}, [{"id": "1", "relpath": ODD}], Ranks()
    step = Failing({}, tmp_path, tmp_path, tmp_path)
    compute = Compute(step, "failing", Args, ranks, 1, lambda row, values: kept.update(values))
    compute.run(rows, Progress("failing", tmp_path / "a.csv", rows, ranks), after_batch=lambda: None)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert not shown.CONTROL.search(said)
    assert "\u202e" not in said + kept["detail"]


@pytest.mark.parametrize("cell", ["=1+1", "+1+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", " =1", "\t=1", "|x", "%x"])
def test_a_copy_for_a_spreadsheet_marks_what_it_would_run(cell):
    assert marked(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-0.5", "+3", "1e-05", "a=b", "", "clips/a-b.mp4", "A dog - asleep."])
def test_a_copy_for_a_spreadsheet_leaves_other_cells(cell):
    assert marked(cell) == cell
