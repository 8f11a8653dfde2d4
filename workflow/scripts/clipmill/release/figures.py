"""Pictures and small tables of a finished run, for Snakemake's report and for the card of a release.

The same tables give the same bytes (with one version of matplotlib): no date, no random id.
"""

import io
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipmill.engine import files, tables, vouch
from clipmill.engine.shown import shown
from clipmill.release import summary

ALL, KEPT, LIMIT = "#b9c0c8", "#1f77b4", "#d62728"
STYLE = "body{font:14px sans-serif} td{padding:.3em .8em;border-bottom:1px solid #ddd} tr:first-child{font-weight:bold}"
BINS = 50
REASONS = 15
"""Reasons that are drawn; the others are one bar."""
COLUMNS = 2
"""Charts side by side."""

matplotlib.rcParams.update({"svg.hashsalt": "clipmill", "svg.fonttype": "path", "font.size": 9, "axes.grid": True})
matplotlib.rcParams.update({"axes.axisbelow": True, "grid.color": "#e5e7ea", "axes.spines.top": False})
matplotlib.rcParams.update({"axes.spines.right": False, "text.parse_math": False})


def write(results: Path, account: dict, folder: Path) -> None:
    """Write every figure and table of a finished run, whose run.json is `account`, into `folder`."""
    select = account["configuration"]["select"]
    limits = summary.thresholds(select)
    save(bars("rows", {name: int(count) for name, count in account["counts"].items()}), folder / "funnel.svg")
    save(bars("rejects", reasons(account["rejects"])), folder / "rejects.svg")
    on_texts = {name for name, asked in limits.items() if {"is", "in"} & asked.keys()}
    moved = {name: of for name, of in select.items() if name not in on_texts | {"target"}}
    save(scores(results, moved), folder / "scores.svg")
    save(lengths(results / "meta.csv"), folder / "lengths.svg")
    page(("stage", "reason", "rows"), account["rejects"], folder / "rejects.html")
    rows = [{"column": name, **limits[name]} for name in limits]
    page(("column", "min", "max", "is", "in"), rows, folder / "thresholds.html")
    models = [model for block in account["models"].values() for model in block]
    page(("key", "source", "sha256"), models, folder / "models.html")


def page(names: tuple[str, ...], rows: list[dict], path: Path) -> None:
    """Write a small table as a page: Snakemake's report shows no CSV."""
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(shown(str(cell)))}</td>' for cell in line)}</tr>" for line in lines)
    with files.whole(path) as file:
        file.write(f'<!doctype html>\n<meta charset="utf-8">\n<style>{STYLE}</style>\n<table>\n{body}\n</table>\n')


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG."""
    with io.StringIO() as text:
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        drawn = text.getvalue()
    with files.whole(path) as file:
        file.write(drawn)


def reasons(rejects: list[dict]) -> dict[str, int]:
    """How many rejects there are for each reason, most first, the rarest together."""
    counts = {f"{row['stage']}: {shown(row['reason'])[:80]}": row["rows"] for row in rejects}
    counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    first = dict(list(counts.items())[:REASONS])
    others = sum(counts.values()) - sum(first.values())
    return first | ({"other reasons": others} if others else {})


def bars(what: str, counts: dict[str, int]) -> Figure:
    """A horizontal bar per name, the first one on top, with its count."""
    figure = Figure(figsize=(8, 1 + 0.32 * max(len(counts), 1)), layout="constrained")
    axes = figure.subplots()
    drawn = axes.barh(range(len(counts)), list(counts.values()), color=KEPT)
    axes.bar_label(drawn, [f"{count:,}" for count in counts.values()], padding=3)
    axes.set_yticks(range(len(counts)), list(counts))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(what)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not counts:
        empty(axes)
    return figure


def scores(results: Path, limits: dict) -> Figure:
    """For each score two histograms over each other, of all clips and of the pairs, with its thresholds."""
    everything = numbers(results / "tables" / "scores.csv", list(limits))
    kept = numbers(results / "meta.csv", list(limits))
    names = [
        name
        for name in limits
        if name not in tables.MEASURES and np.isfinite(kept.get(name, everything.get(name, []))).any()
    ]
    lines = max(1, -(-len(names) // COLUMNS))
    figure = Figure(figsize=(9, 2.4 * lines), layout="constrained")
    places = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for place, name in zip(places, names, strict=False):
        histogram(place, name, everything.get(name), kept.get(name))
        for limit in limits[name].values():
            if limit is not None:
                place.axvline(limit, color=LIMIT, linewidth=1.2)
    for place in places[len(names) :]:
        place.set_axis_off()
    if not names:
        empty(places[0])
    return figure


def histogram(axes, name: str, everything: np.ndarray | None, kept: np.ndarray | None) -> None:
    """All clips behind, the pairs in front; what is above the 99.5th percentile is in the last bin."""
    shown_in = [values[np.isfinite(values)] for values in (everything, kept) if values is not None]
    joined = np.concatenate(shown_in)
    low, high = joined.min(), np.percentile(joined, 99.5)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for values, colour, label in ((everything, ALL, "all clips"), (kept, KEPT, "pairs")):
        if values is not None:
            axes.hist(np.clip(values[np.isfinite(values)], low, edges[-1]), edges, color=colour, label=label)
    axes.set_xlabel(name)
    axes.set_ylabel("clips")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)


def lengths(meta: Path) -> Figure:
    """How long and how large the pairs are."""
    found = numbers(meta, ["start", "end", "height", "width"])
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    seconds = found["end"] - found["start"]
    left.hist(seconds[np.isfinite(seconds)], BINS, color=KEPT)
    left.set_xlabel("seconds (videos)")
    left.set_ylabel("pairs")
    sides, counts = np.unique(np.minimum(found["height"], found["width"]), return_counts=True)
    most = np.sort(np.argsort(-counts, kind="stable")[:12])
    right.bar([f"{sides[index]:.0f}" for index in most], counts[most], color=KEPT)
    right.set_xlabel("shorter side, pixels")
    return figure


def numbers(path: Path, columns: list[str]) -> dict[str, np.ndarray]:
    """These columns of a table, those that it has, as numbers; NaN where a cell holds none."""
    vouch.check_if_vouched(path)
    there = [name for name in tables.columns(path) if name in columns]
    found = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=there, column_types=dict.fromkeys(there, pa.string()), strings_can_be_null=True
        ),
    )
    return {name: pd.to_numeric(found[name].to_pandas(), errors="coerce").to_numpy(dtype=float) for name in there}


def empty(axes) -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
