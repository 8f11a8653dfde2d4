"""Find duplicates: of the clips that pass the thresholds, those that show the same as a better one.

Pairs are remembered: where clips are added, only they are compared, with each other and with those known.

Example: python workflow/scripts/find_duplicates.py --hashes 00000.csv --selected 00000.csv --memo known.csv \\
             --out duplicates.csv
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clipmill.clips import duplicates, neighbours
from clipmill.engine import rejects, tables, vouch
from clipmill.engine.fingerprints import digest

KNOWN = ("id", "digest", "near")
"""What is remembered of a clip: a digest of its hashes or of its vector, and the duplicates with smaller ids."""


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hashes", type=Path, nargs="+", required=True, help="the tables of hash_clips, in order")
    parser.add_argument("--selected", type=Path, nargs="+", required=True, help="those of select_clips, in order")
    parser.add_argument("--memo", type=Path, required=True, help="the table of what is known from earlier runs")
    parser.add_argument("--out", type=Path, required=True, help="the table of duplicates to write")
    parser.add_argument("--vectors", type=Path, nargs="*", default=[], help="the tables of embed_clips, in order")
    parser.add_argument("--embeddings", type=float, default=1.0, help="the least cosine of vectors of duplicates")
    args = parser.parse_args()
    near = remembered(args.memo, {row["id"]: row["hashes"] for row in tables.concatenate(args.hashes)})
    clips = neighbours.Embedded.of(tables.concatenate(args.vectors) if args.vectors else ())
    if args.vectors:
        memo = args.memo.with_name(f"{args.memo.stem}-{args.embeddings}.csv")
        near += remembered_vectors(memo, clips, args.embeddings)
    groups = duplicates.groups(near)
    grouped = {identity for group in groups for identity in group}
    rows = {row["id"]: row for row in tables.concatenate(args.selected) if row["id"] in grouped}
    passed = {identity: row for identity, row in rows.items() if not rejects.is_reject(row)}
    found = duplicates.going(groups, passed, clips.said)
    tables.write(args.out, duplicates.TABLE, [found[identity] for identity in sorted(found)])
    print(f"find_duplicates: {len(found)} clips go, of {len(groups)} groups", file=sys.stderr)


def remembered(memo: Path, hashes: dict[str, str]) -> list[tuple[str, str]]:
    """The pairs of duplicates among all clips by their hashes; those not known before are compared, and remembered."""
    clips = duplicates.Hashed.of(hashes.items())
    digests = {identity: digest(text) for identity, text in hashes.items()}
    return recalled(memo, digests, lambda is_new: duplicates.pairs(clips, is_new))


def remembered_vectors(memo: Path, clips: neighbours.Embedded, least: float) -> list[tuple[str, str]]:
    """The same by their vectors: the pairs with at least this cosine."""
    digests = dict(zip(clips.ids, clips.digests, strict=True))
    return recalled(memo, digests, lambda is_new: neighbours.pairs(clips, is_new, least))


def recalled(
    memo: Path, digests: dict[str, str], compared: Callable[[np.ndarray], list[tuple[str, str]]]
) -> list[tuple[str, str]]:
    """The pairs that the table at `memo` holds, of clips whose digests are the same, and those of the others, which
    `compared` gives for what is new (bool for each of `digests`)."""
    held = {row["id"]: row for row in known(memo) if digests.get(row["id"]) == row["digest"]}
    pairs = [(other, row["id"]) for row in held.values() for other in row["near"].split() if other in held]
    pairs += compared(np.array([identity not in held for identity in digests], bool))
    near: dict[str, list[str]] = {}
    for one, other in sorted(pairs):
        near.setdefault(other, []).append(one)
    rows = ({"id": name, "digest": digests[name], "near": " ".join(near.get(name, ()))} for name in digests)
    tables.write(memo, KNOWN, rows)
    return sorted(pairs)


def known(memo: Path) -> list[dict]:
    """The rows of what is remembered; a damaged table is forgotten."""
    try:
        return list(tables.read(memo))
    except FileNotFoundError:
        return []
    except vouch.Damaged as error:
        print(f"{memo} {error.why}: it is forgotten, and every clip is compared again", file=sys.stderr)
        return []


if __name__ == "__main__":
    main()
