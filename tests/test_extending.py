"""The scorer that docs/extending.md adds works as it stands there."""

import csv

from mill import ROOT, Mill, footage


def additions(document: str) -> dict[str, str]:
    """The lines that the document's diff adds, by file."""
    added: dict[str, list[str]] = {}
    for line in document.split("```diff\n")[1].split("```")[0].splitlines():
        if line.startswith("+++ "):
            lines = added.setdefault(line[4:].split(",")[0], [])
        elif line.startswith("+"):
            lines.append(line[1:])
    return {name: "\n".join(lines) + "\n" for name, lines in added.items()}


def test_the_documented_scorer_adds_its_column(tmp_path):
    mill = Mill(tmp_path / "mill")
    footage(mill.videos, videos=1)
    script, rules, schema = additions((ROOT / "docs" / "extending.md").read_text()).items()
    (mill.folder / script[0]).write_text(script[1])
    (mill.folder / rules[0]).write_text((mill.folder / rules[0]).read_text() + "\n\n" + rules[1])
    known = (mill.folder / schema[0]).read_text()
    before = "    properties:\n      aesthetic:\n"
    assert before in known
    (mill.folder / schema[0]).write_text(known.replace(before, f"    properties:\n{schema[1]}      aesthetic:\n"))
    mill.run()
    with open(mill.results / "meta.csv", newline="") as file:
        values = [float(row["sharpness"]) for row in csv.DictReader(file)]
    assert len(values) == 5
    assert min(values) > 0
