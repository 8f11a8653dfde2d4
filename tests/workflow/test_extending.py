"""What docs/extending.md adds works as it stands there, and is as short as promised."""

import csv
import re

import pytest
from mill import ROOT, Mill, footage

DOCUMENT = (ROOT / "docs" / "extending.md").read_text()
DIFFS = [part.split("```")[0] for part in DOCUMENT.split("```diff\n")[1:]]


def additions(diff: str) -> list[tuple[str, str, str]]:
    """(file, where in it, the lines added) for each part of a diff."""
    added: list[tuple[str, str, list[str]]] = []
    for line in diff.splitlines():
        if line.startswith("+++ "):
            file, _, where = line[4:].partition(", ")
            added.append((file, where, []))
        elif line.startswith("+"):
            added[-1][2].append(line[1:])
    return [(file, where, "\n".join(lines) + "\n") for file, where, lines in added]


def apply(mill: Mill, diff: str) -> None:
    """Change the mill's copy of the repository as a reader of the document would."""
    for file, where, text in additions(diff):
        path = mill.folder / file
        if not where:
            path.write_text(text)
            continue
        lines = path.read_text().splitlines(keepends=True)
        if where == "at its end":
            number = len(lines)
            text = "\n\n" + text
        else:
            mark = re.search("`(.+)`", where)[1]
            (number,) = [number for number, line in enumerate(lines) if line.startswith(mark) or mark in line.strip()]
            if where.startswith("after"):
                number += 2  # the line after it is `properties:`
        path.write_text("".join([*lines[:number], text, *lines[number:]]))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A run with both additions."""
    mill = Mill(tmp_path_factory.mktemp("mill") / "mill")
    footage(mill.videos, videos=1)
    for diff in DIFFS:
        apply(mill, diff)
    mill.run()
    return mill


def rows(mill: Mill) -> list[dict]:
    with open(mill.results / "meta.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_documented_scorer_adds_its_column(extended):
    values = [float(row["sharpness"]) for row in rows(extended)]
    assert len(values) == 5
    assert min(values) > 0


def test_the_documented_step_of_the_captions_chain_adds_its_column(extended):
    assert [row["words"] for row in rows(extended)] == [str(len(row["text"].split())) for row in rows(extended)]


def test_a_setting_of_the_step_runs_it_and_what_follows(extended, tmp_path):
    changed = extended.copy(tmp_path / "mill").change(words={"letters": 5}).run()
    assert changed.computed == {"count_words": 5}


@pytest.mark.parametrize("diff", DIFFS, ids=["scorer", "step"])
def test_an_addition_is_as_short_as_promised(diff):
    rule = next(text for file, _, text in additions(diff) if file.endswith(".smk"))
    assert len([line for line in rule.splitlines() if not line.startswith("#")]) <= 11
    files = [file.rsplit(".", 1)[1] for file, _, _ in additions(diff)]
    assert files == ["py", "smk", "yaml"] or (
        files == ["py", "smk", "py", "yaml"] and len(additions(diff)[2][2].splitlines()) == 1
    )
