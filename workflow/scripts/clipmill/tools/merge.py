"""Merge finished results folders into a new one: tables, clips, rejects, account and page, as of one run over all.

Clips are hard links where the disk allows it, copies elsewhere. A source in several folders is kept once. With
`duplicates.enabled`, clips that show the same are found across the folders. The folders stay as they are.

Example: make merge RESULTS="results/may results/june" OUT=results/all
"""

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from clipmill.clips import duplicates
from clipmill.engine import files, rejects, tables, vouch
from clipmill.plan import config, costs, products
from clipmill.plan.pipeline import Pipeline
from clipmill.release import figures, selection, summary
from clipmill.release.vouched_clips import DamagedClip, VouchedClips
from clipmill.report import page
from clipmill.tools import joined
from clipmill.tools.joined import Clash
from clipmill.tools.parts import CUT, SCHEMA, Part, account_of, alike, fail

HASHED = "clips.hash_clips"
SHARD = 50_000
"""Rows of a shard of the merged folder."""
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
        self.extras = joined.list_columns(parts)
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
            found = self.with_clips(kept) if table == "meta.csv" else kept
            self.write(table, joined.names(self.parts, table), (row for _, row in found))
        self.summarize()
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
        """Find the clips that show the same, and keep the hashes for a later merge."""
        self.gone, hashed = joined.near_duplicates(self.parts)
        self.write("tables/duplicates.csv", duplicates.TABLE, [self.gone[one] for one in sorted(self.gone)])
        shards = [hashed[first : first + SHARD] for first in range(0, max(1, len(hashed)), SHARD)]
        for number, shard in enumerate(shards):
            names = dict.fromkeys(name for row in shard for name in row)
            self.write(f"{self.work(HASHED)}/{number:05d}.csv", names or ["id", "hashes"], shard)
        self.write_manifest("clips", len(shards))

    def work(self, rule: str) -> str:
        """The folder of a rule's tables, from the results; empty where the rule has not run."""
        found = self.parts[0].work(rule)
        return f"work/{rule}/{found.name}" if found else ""

    def write_manifest(self, phase: str, shards: int) -> None:
        """Name the shards of a phase."""
        self.write(f"plan/{phase}/manifest.csv", ["shard"], ({"shard": f"{number:05d}"} for number in range(shards)))

    def with_clips(self, pairs: Iterable[tuple[Part, dict]]) -> Iterator[tuple[Part, dict]]:
        """The pairs, whose clips get another name or are copied on the way; tables that vouch for them."""
        vouched = {part.folder: VouchedClips(part.folder, part.work(CUT)) for part in self.parts if part.work(CUT)}
        if vouched:
            (self.draft / "clips").mkdir(parents=True, exist_ok=True)
        shard, numbers = [], count()
        for part, row in pairs:
            yield part, row
            if vouched:
                state = vouched[part.folder].state(row)
                place(part.folder / row["path"], self.draft / row["path"], state)
                shard.append((row, state))
                if len(shard) == SHARD:
                    self.vouch_for(next(numbers), shard)
                    shard = []
        if vouched:
            self.vouch_for(last := next(numbers), shard)
            self.write_manifest("captions", last + 1)

    def vouch_for(self, number: int, clips: list[tuple[dict, str]]) -> None:
        """Write the table that stands for a shard of cut_clips."""
        table = self.draft / self.work(CUT) / f"{number:05d}.csv"
        with files.whole(table, belonging=[(row["path"], state) for row, state in clips]) as file:
            tables.writer(file, ["id", "path", "frames_digest"]).writerows(row for row, _ in clips)

    def summarize(self) -> None:
        """Write run.json, the history, the figures and the page."""
        first = self.parts[0].account
        configuration = first["configuration"] | {"results": str(self.out)}
        work = [f"{self.out}/{self.work(rule)}" for rule in (CUT, HASHED) if (self.draft / self.work(rule)).is_dir()]
        current = {"memo": [], "work": [folder for folder in work if not folder.endswith("/")]}
        account = summary.account(self.draft, first["models"], configuration, current)
        account["software"] = first["software"]
        account["stages"] = stages([part.account["stages"] for part in self.parts], account["counts"]["pairs"])
        account["merged"] = [
            {
                "results": str(part.folder),
                "videos": part.account["configuration"]["videos"],
                "stores": part.stores,
                **{key: part.account[key] for key in ("finished", "selection", "counts", "software")},
            }
            for part in self.parts
        ]
        self.account = account
        with files.whole(self.draft / "run.json") as file:
            json.dump(account, file, indent=2, ensure_ascii=False)
        selection.keep(self.draft, account)
        figures.write(self.draft, account, self.draft / "report" / "figures")
        if configuration["report"]["enabled"]:
            self.draw(configuration)

    def draw(self, configuration: dict) -> None:
        """Write the page of all folders."""
        made = Pipeline(config.check(configuration, SCHEMA), config.load(SCHEMA))
        stores = [store for entry in self.account["merged"] for store in entry["stores"]]
        settings = json.loads(products.report(made)["settings"]) | {"stores": stores, "marks": None}
        text = page.build(self.draft, settings, costs.RATES, complete=True)
        target = self.draft / "report" / "index.html"
        with files.whole(target) as file:
            file.write(text)
        with files.whole(self.draft / "report" / "complete.json") as file:
            json.dump({"page": target.name, "digest": vouch.digest(target)}, file, indent=2)


def place(source: Path, target: Path, state: str) -> None:
    """Give a clip another name in the new folder, or copy it. Raises Damaged where it is not as recorded."""
    why = vouch.fault(source, state)
    if not why:
        try:
            os.link(source, target)
            return
        except OSError:  # another disk, or one without links
            shutil.copy2(source, target)
        why = None if vouch.digest(target) == state.split()[0] else vouch.CHANGED
    if why:
        raise DamagedClip(f"{source} {why}: run the command that made its folder again, which cuts it again")


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
