"""Diff: which pairs entered and left between two runs or releases, whose captions or pixels changed, and why.

A and B are results folders, releases, or tables of pairs (meta.csv, pairs.parquet). Without B, A is compared with the
selection that it had before its last run. The status is 0 (with --exit-code 1 where they differ), or 2 where nothing
could be compared.

Examples: make diff A=results/may B=results/june ARGS="--out changes.csv"
          make diff A=results/june
"""

import argparse
import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from clipmill.clips.thresholds import BELOW_QUOTA, DUPLICATE, STAGE
from clipmill.engine import files, tables, vouch
from clipmill.engine.shown import printable
from clipmill.release.selection import FILE, LEFT_OUT, PAIR, REJECT
from clipmill.tools.sides import Side, before, fail, side

COLUMNS = ("id", "change", "stage", "reason", "detail", "because", "relpath")
"""Of the table that --out writes. `stage`, `reason` and `detail` say why a pair is none on the other side, `because`
which setting or model of that rule differs."""
ENTERED, LEFT, WORDS, PIXELS = "entered", "left", "another caption", "other pixels"
BLOCKS = {
    "list_videos": ("videos", "sample"),
    "scan_videos": ("detector", "detectors", "clips", "fmin", "frames"),
    "score_aesthetic": ("score.aesthetic", "frames"),
    "score_flow": ("score.flow", "frames"),
    "score_ocr": ("score.ocr", "frames"),
    "score_classifiers": ("score.classifiers", "frames"),
    "score_coherence": ("score.aesthetic", "frames"),
    "score_labels": ("score.labels", "score.aesthetic", "frames"),
    "select_clips": ("frames", "clips"),
    "hash_clips": ("duplicates", "frames"),
    "embed_clips": ("duplicates", "clusters", "score.aesthetic", "frames"),
    DUPLICATE: ("duplicates", "frames"),
    BELOW_QUOTA: ("select.target", "select", "duplicates"),
    "caption_clips": ("caption", "frames"),
    "clean_captions": ("clean", "refine", "caption"),
    "score_match": ("match", "clean", "refine", "caption"),
    "select_pairs": ("match", "clean", "refine", "caption"),
    "label_camera": ("camera",),
    "cut_clips": ("cut",),
    WORDS: ("caption", "clean", "refine", "frames"),
    PIXELS: ("cut",),
}
"""The blocks of the configuration that decide what a rule rejects, or for this reason, the likeliest first; a
threshold's come before."""
SCORERS = {"aes": "aesthetic", "ocr_area": "ocr"}
"""Scorers whose columns have other names."""


def main() -> None:
    """Parse the command line, print what changed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, metavar="A", help="results folder, release or table of pairs: the old one")
    parser.add_argument("b", type=Path, metavar="B", nargs="?", help="the new one (default: A's own last run)")
    parser.add_argument("--out", type=Path, help="table to write: a row per pair that entered, left or changed")
    parser.add_argument("--exit-code", action="store_true", help="end with 1 where the two differ")
    args = parser.parse_args()
    old, new = (side(args.a), side(args.b)) if args.b else (before(args.a), side(args.a))
    settings = differences(old.account, new.account)
    counts, reasons = Counter(), Counter()
    try:
        with ExitStack() as stack:
            out = tables.writer(stack.enter_context(files.whole(args.out)), COLUMNS) if args.out else None
            for row in changes(old, new, settings):
                counts[row["change"]] += 1
                if row["change"]:
                    reasons[tuple(row[name] for name in ("change", "stage", "reason", "because"))] += 1
                    if out:
                        out.writerow(row)
    except (vouch.Damaged, pa.ArrowException, OSError) as error:
        fail(str(error))
    print("\n".join(text(old, new, settings, counts, reasons)))
    if args.out:
        print(f"Every change: {args.out}")
    sys.exit(bool(args.exit_code and (reasons or settings)))


def changes(old: Side, new: Side, settings: dict[str, str]) -> Iterator[dict]:
    """A row of COLUMNS per pair of either side, by one pass over both; `change` is empty where it is the same."""
    every = heapq.merge(tagged(0, old), tagged(1, new), key=lambda entry: entry[:2])
    for _, group in groupby(every, key=lambda entry: entry[0].partition("-")[0]):
        film: tuple[dict, dict] = ({}, {})
        for identity, number, record in group:
            film[number].setdefault(identity, {})[record["state"]] = record
        pairs = [{identity for identity, states in found.items() if PAIR in states} for found in film]
        for identity in sorted(pairs[0] | pairs[1]):
            yield change(identity, film, (old, new), settings)


def tagged(number: int, part: Side) -> Iterator[tuple[str, int, dict]]:
    """(id, number of the side, record) of each record."""
    yield from ((record["id"], number, record) for record in part.records())


def change(identity: str, film: tuple[dict, dict], sides: tuple[Side, Side], settings: dict[str, str]) -> dict:
    """The row of a pair; `film` has what both sides say of its file, as {id: {state: record}}."""
    first, second = (found.get(identity, {}).get(PAIR) for found in film)
    row = dict.fromkeys(COLUMNS, "") | {"id": identity, "relpath": name_of(identity, film)}
    if first and second:
        if first["text"] != second["text"]:
            row |= {"change": WORDS, "because": because(WORDS, "", settings)}
        elif first["frames"] != second["frames"] and all(part.has_pixels for part in sides):
            row |= {"change": PIXELS, "because": because(PIXELS, "", settings)}
        return row
    other = 0 if second else 1
    stage, reason, detail = why(identity, film[other]) if sides[other].knows_why else ("", "not among its pairs", "")
    found = {"stage": stage, "reason": reason, "detail": detail, "because": because(stage, reason, settings)}
    return row | {"change": ENTERED if second else LEFT} | found


def why(identity: str, film: dict) -> tuple[str, str, str]:
    """(stage, reason, detail) of a clip that is no pair on a side that says this of its file."""
    source = film.get(identity.partition("-")[0], {})
    if found := film.get(identity, {}).get(REJECT) or source.get(REJECT):
        return found["stage"], found["reason"], found["detail"]
    if LEFT_OUT in source:
        return "list_videos", "its video is not in the sample", ""
    if FILE in source:
        return "scan_videos", "its video is divided otherwise", ""
    return "list_videos", "its video is not there", ""


def name_of(identity: str, film: tuple[dict, dict]) -> str:
    """The name of a clip's file, as far as a side tells it."""
    source = identity.partition("-")[0]
    records = (record for found in film for key in (source, identity) for record in found.get(key, {}).values())
    return next((record["relpath"] for record in records if record.get("relpath")), "")


def because(stage: str, reason: str, settings: dict[str, str]) -> str:
    """The setting or model of a rule that differs and is likeliest to be why; empty where none of them does."""
    column = reason.removeprefix("no ").partition(" ")[0]
    threshold = (f"select.{column}", f"score.{SCORERS.get(column, column)}") if stage.startswith("select_") else ()
    blocks = threshold + BLOCKS.get(reason if stage == STAGE and reason in BLOCKS else stage, ())
    for block in blocks:
        for kind in ("", "weights of "):
            for key, values in settings.items():
                if f"{key}.".startswith(f"{kind}{block}."):
                    return f"{key}: {values}"
    return ""


def differences(old: dict, new: dict) -> dict[str, str]:
    """The settings and weights that differ between two accounts, by dotted key, as "5.0 -> 4.0": of the blocks that
    both accounts tell."""
    if not old or not new:
        return {}
    both = old["configuration"].keys() & new["configuration"].keys() - {"results"}
    first, second = (
        leaves({name: value for name, value in account["configuration"].items() if name in both})
        | weights(account.get("models", {}))
        for account in (old, new)
    )
    names = [*first, *(name for name in second if name not in first)]
    return {
        name: f"{first.get(name, 'none')} -> {second.get(name, 'none')}"
        for name in names
        if first.get(name) != second.get(name)
    }


def leaves(value, path: str = "") -> dict[str, str]:
    """The values of a configuration by dotted key, as JSON."""
    if not isinstance(value, dict):
        return {path: json.dumps(value, ensure_ascii=False)}
    return {key: text for name in value for key, text in leaves(value[name], f"{path}.{name}".lstrip(".")).items()}


def weights(models: dict) -> dict[str, str]:
    """The digests of the weights, by the keys of the configuration that name them."""
    return {f"weights of {entry['key']}": entry["sha256"][:12] for entries in models.values() for entry in entries}


def text(old: Side, new: Side, settings: dict[str, str], counts: Counter, reasons: Counter) -> list[str]:
    """What changed, for a person."""
    lines = [f"{label}  {printable(part.name)}{told(part.account)}" for label, part in (("A", old), ("B", new))]
    same = counts[""]
    before, after = (same + counts[WORDS] + counts[PIXELS] + counts[name] for name in (LEFT, ENTERED))
    changed = ", ".join(f"{counts[name]} {name}" for name in (ENTERED, LEFT, WORDS, PIXELS) if counts[name])
    lines.append(f"{before} -> {after} pairs: {changed or 'none changed'}; {same} are the same")
    if settings:
        lines += ["", "Settings and weights that differ", *(f"  {key}: {values}" for key, values in settings.items())]
    elif not old.account or not new.account:
        lines += ["", "The settings are not compared: one of the two has no run.json."]
    heads = {ENTERED: "Entered, for in A", LEFT: "Left, for in B", WORDS: "Another caption", PIXELS: "Other pixels"}
    for change, head in heads.items():
        some = [(count, key[1:]) for key, count in reasons.items() if key[0] == change]
        lines += ["", head] if some else []
        for count, (stage, reason, cause) in sorted(some, key=lambda entry: (-entry[0], entry[1])):
            where = f"{stage}: {reason}" if stage else reason
            lines.append(f"  {count:>7}  {where}{f'  ({cause})' if cause else ''}".rstrip())
    return [printable(line) for line in lines]


def told(account: dict) -> str:
    """What run.json says of a side: when it was finished, and the digest of its selection."""
    parts = [account[name] for name in ("finished", "selection") if account.get(name)]
    return f"  ({', selection '.join(parts)})" if parts else ""


if __name__ == "__main__":
    main()
