"""Looks at a run again and again while it goes on, and checks that what was seen was true."""

import threading
from collections import defaultdict
from pathlib import Path

from clipmill.engine import rejects, tables
from clipmill.engine.memo import Memo
from clipmill.tools.snapshot import Snapshot, Watched
from clipmill.tools.watch import as_json

PHASES = ("videos", "clips", "captions")


class Looks(threading.Thread):
    """Looks while the block runs: `with Looks(results) as seen`; `seen` is a list of (a look as JSON, what was there).

    What was there is taken after the look: the ids that the memo of each rule keeps, and the tables of its shards.
    """

    def __init__(self, results: Path):
        super().__init__(daemon=True)
        self.results, self.seen, self.over = results, [], threading.Event()

    def __enter__(self) -> list[tuple[dict, dict]]:
        self.start()
        return self.seen

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()
        self.look()

    def run(self) -> None:
        while not self.over.wait(0.25):
            self.look()

    def look(self) -> None:
        look = Watched(self.results).look()  # a new one each time, as a new `make watch` would be
        self.seen.append((as_json(look), truth(self.results, look)))


def truth(results: Path, look: Snapshot) -> dict[str, tuple[int, int]]:
    """(items that are remembered, tables of shards) of each stage."""
    found = {}
    for stage in look.stages:
        kept = [len(Memo(folder, ()).ids()) for folder in (results / "memo" / stage.rule).glob("*")]
        folder = results / "work" / stage.name / look.note["tables"][stage.name]
        found[stage.name] = (max(kept, default=stage.items), len(list(folder.glob("*.csv"))))
    return found


def check(seen: list[tuple[dict, dict]]) -> None:
    """Fail where a look said more than was there, where a number went back, or where a phase was not seen at work."""
    before: dict[str, dict] = defaultdict(lambda: {"done": 0, "tables": 0, "percent": 0, "rejects": 0})
    at_work, known = set(), set()
    for look, there in seen:
        phases = look["phases"]
        assert known <= {phase for phase in phases if phases[phase]}, "a phase that was known is not"
        known = {phase for phase in phases if phases[phase]}
        for stage in (stage for phase in known for stage in phases[phase]):
            kept, finished = there[stage["name"]]
            assert stage["done"] <= kept, stage
            assert stage["tables"] <= finished, stage
            assert stage["done"] <= stage["items"]
            assert stage["tables"] + stage["running"] + stage["stopped"] + stage["waiting"] == stage["shards"]
            for name, value in before[stage["name"]].items():
                assert stage[name] >= value, f"{stage['name']}: {name} went from {value} to {stage[name]}"
            before[stage["name"]] = {name: stage[name] for name in before[stage["name"]]}
            if look["state"] == "running" and stage["percent"] < 100:
                at_work.add(stage["name"].partition(".")[0])
    assert at_work == set(PHASES)
    assert known == set(PHASES)


def check_end(look: dict, results: Path) -> None:
    """Fail where the last look at a finished run is not what its tables say."""
    assert (look["state"], look["failures"]) == ("finished", [])
    for stage in (stage for stages in look["phases"].values() for stage in stages):
        paths = sorted((results / "work" / stage["name"]).glob("*/*.csv"))
        rows = [row for path in paths for row in tables.read(path)]
        rule = stage["name"].partition(".")[2]
        mine = [row for row in rows if rejects.is_reject(row) and row["stage"] == rule]
        expected = {"items": len(rows), "done": len(rows), "tables": len(paths), "shards": len(paths), "percent": 100}
        expected |= {"rejects": len(mine), "left": 0, "running": 0, "stopped": 0, "waiting": 0}
        assert stage | expected == stage
