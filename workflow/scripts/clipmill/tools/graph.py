"""Draw Snakemake's graph of rules or jobs in colours by phase: as SVG with graphviz, otherwise as Mermaid text.

Example: snakemake --rulegraph | PYTHONPATH=workflow/scripts python -m clipmill.tools.graph --out rules.svg
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RULES = Path(__file__).resolve().parents[3] / "rules"
COLOURS = {"models": "#d9d9d9", "videos": "#a6cee3", "clips": "#b2df8a", "captions": "#fdbf6f"}
COLOURS |= {"report": "#fb9a99", "release": "#cab2d6"}
"""The colour of each rule file, light enough for black letters; targets are white."""
MOST = 400
"""Nodes that can be read in a picture."""


@dataclass
class Graph:
    """Labels of nodes, and edges without those that follow from others."""

    labels: dict[str, str]
    edges: list[tuple[str, str]]


def main() -> None:
    """Read Snakemake's graph from standard input; write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the SVG to write; .mmd where graphviz is missing")
    args = parser.parse_args()
    graph = read(sys.stdin.read())
    if not graph.labels:
        sys.exit("no graph was given: snakemake has said why")
    if len(graph.labels) > MOST:
        sys.exit(f"{args.out} is not drawn: nobody can read {len(graph.labels)} jobs in a picture")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=dot(graph), text=True, capture_output=True, check=True).stdout
        args.out.write_text(drawn, encoding="utf-8")
        print(args.out)
        return
    text = args.out.with_suffix(".mmd")
    text.write_text(mermaid(graph), encoding="utf-8")
    print(f"{text}: Mermaid, which GitHub, GitLab and mermaid.live draw (graphviz, which draws SVG, is not installed)")


def read(text: str) -> Graph:
    """The graph that `snakemake --rulegraph` or `--dag` prints."""
    labels = {key: label.replace("\\n", "\n") for key, label in re.findall(r'^\s*(\d+)\[label = "(.*?)",', text, re.M)}
    return Graph(labels, reduced(re.findall(r"^\s*(\d+) -> (\d+)", text, re.M)))


def reduced(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges without those between nodes that are connected by others: what is said twice hides the flow."""
    after: dict[str, set[str]] = {}
    for first, second in edges:
        after.setdefault(first, set()).add(second)
    known: dict[str, set[str]] = {}

    def reached(node: str) -> set[str]:
        if node not in known:
            known[node] = after.get(node, set()).union(*map(reached, after.get(node, ())))
        return known[node]

    kept = [
        (first, second)
        for first, seconds in after.items()
        for second in seconds
        if not any(second in reached(other) for other in seconds - {second})
    ]
    return sorted(kept, key=lambda edge: tuple(map(int, edge)))


def phases() -> dict[str, str]:
    """The rule file of each rule."""
    found = {}
    for path in sorted(RULES.glob("*.smk")):
        for name in re.findall(r"^(?:rule|checkpoint|use rule \w+ as) (\w+)", path.read_text(encoding="utf-8"), re.M):
            found[name] = path.stem
    return found


def by_phase(graph: Graph) -> dict[str, list[str]]:
    """The nodes of each phase, in the order of the flow; targets are of the phase ``."""
    known = phases()
    groups: dict[str, list[str]] = {phase: [] for phase in (*COLOURS, "")}
    for key, label in graph.labels.items():
        phase = known.get(re.split(r"\W", label)[0], "")
        groups[phase if phase in COLOURS else ""].append(key)
    return {phase: keys for phase, keys in groups.items() if keys}


def dot(graph: Graph) -> str:
    """The graph for graphviz: a titled box per phase."""
    lines = [
        "digraph {",
        'graph [fontname="sans", fontsize=13, nodesep=0.25, ranksep=0.35];',
        'node [shape=box, style="rounded,filled", fontname="sans", fontsize=11, color="#555555", height=0.3];',
        'edge [color="#777777", arrowsize=0.7];',
    ]
    for phase, keys in by_phase(graph).items():
        nodes = [
            f'{key} [label="{quoted(graph.labels[key])}", fillcolor="{COLOURS.get(phase, "white")}"];' for key in keys
        ]
        if phase and len(keys) > 1:
            head = f'subgraph cluster_{phase} {{ label="{phase}"; labeljust=l; color="#bbbbbb"; style=rounded;'
            nodes = [head, *nodes, "}"]
        lines += nodes
    return "\n".join([*lines, *(f"{first} -> {second};" for first, second in graph.edges), "}"])


def mermaid(graph: Graph) -> str:
    """The graph as Mermaid text."""
    lines = ["flowchart TB"]
    for phase, keys in by_phase(graph).items():
        nodes = [f'  n{key}["{quoted(graph.labels[key], "<br>")}"]' for key in keys]
        lines += [f"  subgraph {phase}", *nodes, "  end"] if phase else nodes
        if phase:
            lines.append(f"  classDef {phase}Rules fill:{COLOURS[phase]},stroke:#555,color:#000")
            lines.append(f"  class {','.join(f'n{key}' for key in keys)} {phase}Rules")
    return "\n".join([*lines, *(f"  n{first} --> n{second}" for first, second in graph.edges)]) + "\n"


def quoted(label: str, newline: str = "\\n") -> str:
    """A label within quotes."""
    return label.replace('"', "'").replace("\n", newline)


if __name__ == "__main__":
    main()
