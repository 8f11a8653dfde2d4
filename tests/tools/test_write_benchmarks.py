"""`make bench` writes what a benchmark prints into its place in a document, and nothing else."""

import re
import subprocess
import sys

import pytest
import write
from mill import ROOT

BLOCK = "<!-- bench/{}.py{} -->\n{}<!-- end -->"
KEPT = BLOCK.format("lists", " --rows no-number", "kept\n")
TEXT = "# Ours\n\n<!-- a comment -->\n{}\nMore.\n{}\nThe end\n"


@pytest.fixture
def document(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow" / "scripts"))
    path = tmp_path / "benchmarks.md"
    path.write_text(TEXT.format(BLOCK.format("scale", " --hours 7", "former\n"), KEPT))
    return path


@pytest.fixture
def run(document, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["write.py", *arguments, "--docs", str(document.parent)])
        write.main()

    return call


def test_a_benchmark_is_written_into_its_place_with_day_and_machine(document, run):
    run("scale")
    new = re.fullmatch(re.escape(TEXT).replace(r"\{\}", "(.*)"), document.read_text(), re.DOTALL)
    assert new[2] == KEPT
    assert "former" not in new[1]
    assert re.search(
        r"\| 7 \|.*\n\n\*20\d\d-\d\d-\d\d, (one core|\d+ cores) of .+, Python 3\.[\d.]+\*\n\n<!-- end -->$",
        new[1],
        re.DOTALL,
    )


def test_one_that_fails_is_named_and_left_and_the_others_are_run(document, run):
    with pytest.raises(SystemExit, match=r"left as they were:\nbench/lists.py --rows no-number"):
        run()
    assert KEPT in document.read_text()
    assert "former" not in document.read_text()


def test_a_name_that_is_none_is_refused_with_those_that_are(run, capsys):
    with pytest.raises(SystemExit):
        run("scales")
    assert "no document has scales; there are lists, scale" in capsys.readouterr().err


COMMANDS = [
    block["command"] for path in (ROOT / "docs").glob("*.md") for block in write.BLOCK.finditer(path.read_text())
]


@pytest.mark.parametrize("program", sorted({command.split()[0] for command in COMMANDS}))
def test_each_program_in_the_documents_is_there_and_explains_itself(program):
    paths = ":".join(str(ROOT / folder) for folder in ("workflow/scripts", "tests/kit", "demo"))
    done = subprocess.run(
        [sys.executable, program, "--help"], cwd=ROOT, env={"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
