"""Merge finished results folders into a new one: tables, clips, rejects, account and page, as of one run over all.

Clips are hard links where the disk allows it, copies elsewhere. A source in several folders is kept once. With
`duplicates.enabled`, clips that show the same are found across the folders. The folders stay as they are.

Example: make merge RESULTS="results/may results/june" OUT=results/all
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from clipmill.clips import duplicates
from clipmill.engine import files, rejects, tables, vouch
from clipmill.plan import config, costs, products
from clipmill.plan.pipeline import Pipeline
from clipmill.release import figures, selection, summary
from clipmill.release.vouched_clips import DamagedClip
from clipmill.report import page
from clipmill.tools import joined
from clipmill.tools.joined import Clash
from clipmill.tools.linked import Shards
from clipmill.tools.parts import CUT, EMBEDDED, HASHED, SCHEMA, Part, account_of, alike, fail

WHOLE = ("tables/listing.csv", "tables/extras.csv", "tables/sample.csv", "tables/videos.csv", "tables/clips.csv",
         "tables/scores.csv")  # fmt: skip
"""Tables that have every row of the folders."""
WITHOUT_NEAR = ("tables/selected.csv", "tables/captions.csv", "meta.csv")
"""Tables that have no clip of which a better one shows the same."""
REJECTED = ("work/rejects/list_videos.csv", "work/rejects/videos.csv", "work/rejects/clips.csv", "rejects.csv")


def main() -> None:
    """Parse the command line and merge; a mistake or a damaged file is a plain message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="the results folders of finished runs")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    args = parser.parse_args()
    if args.out.exists():
        fail(f"{args.out} is there already: name a new folder, OUT=FOLDER")
    if len({folder.resolve() for folder in args.results}) < max(2, len(args.results)):
        fail('name two folders or more, each once: RESULTS="results/may results/june"')
    parts = [Part(folder, account_of(folder)) for folder in args.results]
    alike(parts)
    try:
        merge = Merge(parts, args.out)
        merge.run()
    except Clash as error:
        files_named, identity = error.args
        fail(
            f"{identity} stands for different files: {files_named}. They have the same size and the same samples, "
            "which one run over both would have told apart. Run a list that names both in one run, or leave one of "
            "them out of its run, and merge again"
        )
    except vouch.Damaged as error:
        fail(str(error).replace("the same command", "the command that made its folder"))
    except (DamagedClip, tables.TableError, OSError) as error:
        fail(str(error))
    print(summary.text(merge.account, args.out))


class Merge:
    """One merge. Its folder gets its name when it is whole."""

    def __init__(self, parts: list[Part], out: Path):
        self.parts, self.out, self.draft = parts, out, out.with_name(f".{out.name}.merge")
        self.shards, self.extras = Shards(parts, self.draft), joined.list_columns(parts)
        self.account: dict = {}
        self.gone: dict[str, dict] = {}
        """The clips of which a better one shows the same."""

    def run(self) -> None:
        """Make the folder."""
        shutil.rmtree(self.draft, ignore_errors=True)
        copies = joined.settle(self.parts)
        self.tell(copies)
        for table in WHOLE:
            self.write(table, joined.names(self.parts, table), (row for _, row in joined.rows(self.parts, table)))
        self.write("tables/ignored.csv", tables.columns(self.parts[0].folder / "tables/ignored.csv"),
                   joined.ignored(self.parts))  # fmt: skip
        if self.parts[0].account["configuration"]["duplicates"]["enabled"]:
            self.find_duplicates()
        scores = joined.rows(self.parts, "tables/scores.csv") if self.gone else ()
        near = [duplicates.reject(row, self.gone[row["id"]]) for _, row in scores if row["id"] in self.gone]
        more = dict(zip(REJECTED, (copies, [], near, sorted([*copies, *near], key=joined.order)), strict=True))
        for table in REJECTED:
            self.write(table, [*rejects.TABLE, *self.extras], joined.others(self.parts, table, more[table], self.gone))
        for table in WITHOUT_NEAR:
            kept = (entry for entry in joined.rows(self.parts, table) if entry[1]["id"] not in self.gone)
            found = self.shards.with_clips(kept) if table == "meta.csv" else kept
            self.write(table, joined.names(self.parts, table), (row for _, row in found))
        self.account = summarize(self.shards, self.out)
        self.draft.rename(self.out)

    def tell(self, copies: list[dict]) -> None:
        """Say what is kept once."""
        lost = sum(len(part.lost) for part in self.parts)
        if lost:
            example = f", such as {copies[0]['relpath']}: {copies[0]['detail']}" if copies else ""
            print(f"merge: {lost} sources lie in more than one folder and are kept once{example}", file=sys.stderr)

    def write(self, table: str, names: Iterable[str], rows: Iterable[dict]) -> None:
        """Write a table."""
        tables.write(self.draft / table, names, rows)

    def find_duplicates(self) -> None:
        """Find the clips that show the same, and keep the hashes and the vectors for a later merge."""
        self.gone, known = joined.near_duplicates(self.parts)
        self.write("tables/duplicates.csv", duplicates.TABLE, [self.gone[one] for one in sorted(self.gone)])
        for rule, rows in known.items():
            self.shards.write_known(rule, rows)


def summarize(shards: Shards, out: Path) -> dict:
    """Write run.json, the history, the figures and the page; returns run.json."""
    parts, draft, first = shards.parts, shards.draft, shards.parts[0].account
    configuration = first["configuration"] | {"results": str(out)}
    made = [shards.work(rule) for rule in (CUT, HASHED, EMBEDDED) if shards.work(rule)]
    work = [folder for folder in made if (draft / folder).is_dir()]
    current = {"memo": [], "work": [f"{out}/{folder}" for folder in work]}
    account = summary.account(draft, first["models"], configuration, current)
    account["software"] = first["software"]
    account["stages"] = stages([part.account["stages"] for part in parts], account["counts"]["pairs"])
    account["merged"] = [
        {
            "results": str(part.folder),
            "videos": part.account["configuration"]["videos"],
            "stores": part.stores,
            **{key: part.account[key] for key in ("finished", "selection", "counts", "software")},
        }
        for part in parts
    ]
    with files.whole(draft / "run.json") as file:
        json.dump(account, file, indent=2, ensure_ascii=False)
    selection.keep(draft, account)
    figures.write(draft, account, draft / "report" / "figures")
    if configuration["report"]["enabled"]:
        draw(draft, account)
    return account


def draw(draft: Path, account: dict) -> None:
    """Write the page of all folders."""
    made = Pipeline(config.check(account["configuration"], SCHEMA), config.load(SCHEMA))
    stores = [store for entry in account["merged"] for store in entry["stores"]]
    settings = json.loads(products.report(made)["settings"]) | {"stores": stores, "marks": None}
    settings |= {"target": None, "clusters": False}  # those of one run each
    text = page.build(draft, settings, costs.RATES, complete=True)
    target = draft / "report" / "index.html"
    with files.whole(target) as file:
        file.write(text)
    with files.whole(draft / "report" / "complete.json") as file:
        json.dump({"page": target.name, "digest": vouch.digest(target)}, file, indent=2)


def stages(every: list[dict], pairs: int) -> dict[str, dict]:
    """What the jobs of all runs took: see summary.stages."""
    found: dict[str, Counter] = {}
    for stages in every:
        for rule, record in stages.items():
            total = found.setdefault(rule, Counter())
            total.update({name: value for name, value in record.items() if not name.endswith("_per_pair")})
    for record in found.values():
        for kind in ("cpu", "gpu"):
            if pairs and f"{kind}_hours" in record:
                record[f"{kind}_seconds_per_pair"] = round(record[f"{kind}_hours"] * 3600 / pairs, 4)
    return {rule: {name: round(value, 4) for name, value in found[rule].items()} for rule in sorted(found)}


if __name__ == "__main__":
    main()
