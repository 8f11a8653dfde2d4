"""A real SLURM on this machine (tests/slurm/up.sh), a site's edits of the profile, a watch on what jobs were given."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from mill import Mill, Outcome

SCRIPTS = Path(__file__).resolve().parents[1] / "slurm"
LAB = Path(os.environ.get("SLURM_LAB", "/tmp/clipmill-slurm"))


@dataclass
class Job:
    """What SLURM gave a job, and the ranks that were seen in it."""

    rule: str
    shard: str
    partition: str = ""
    nodes: set[str] = field(default_factory=set)
    gpus: set[int] = field(default_factory=set)
    cpus: int = 0
    state: str = ""
    restarts: int = 0
    ranks: dict[int, str] = field(default_factory=dict)
    """The devices that each local rank saw."""


class Slurm:
    """The running cluster."""

    def __init__(self):
        self.env = os.environ | {"SLURM_LAB": str(LAB), "SLURM_CONF": str(LAB / "etc" / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """The output of one of SLURM's commands."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True).stdout

    def watch(self, folder: Path) -> "Watch":
        """Watch the jobs that are submitted from a folder from now on."""
        return Watch(self, folder)

    def up(self) -> None:
        """Bring back the daemons that are down."""
        subprocess.run([SCRIPTS / "up.sh"], env=self.env, check=True, capture_output=True)

    def kill_node(self, node: str) -> None:
        """Lose a node: its daemon and all that runs on it."""
        subprocess.run([SCRIPTS / "kill_node.sh", node], env=self.env, check=True)


class Watch(threading.Thread):
    """Collects the jobs of a cluster while the block runs: `with slurm.watch(folder) as jobs`; jobs is {id: Job}."""

    FIELDS = re.compile(r"\b(JobId|JobState|Restarts|Partition|NumCPUs|Comment)=(\S+)")

    def __init__(self, slurm: Slurm, folder: Path):
        super().__init__(daemon=True)
        self.slurm, self.folder, self.jobs, self.over = slurm, folder, {}, threading.Event()
        self.old = set(slurm.ask("squeue", "-h", "--states=all", "-o", "%A").split())

    def __enter__(self) -> dict[str, Job]:
        self.start()
        return self.jobs

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()
        self.look()

    def run(self) -> None:
        while not self.over.wait(0.5):
            self.look()

    def look(self) -> None:
        try:
            text = self.slurm.ask("scontrol", "-d", "-o", "show", "job")
        except subprocess.CalledProcessError:  # the controller is down
            return
        for line in text.splitlines():
            if f" WorkDir={self.folder} " not in line:
                continue
            seen = dict(self.FIELDS.findall(line))
            if seen.get("JobId") not in {*self.old, None} and (name := self._step(seen)):
                job = self.jobs.setdefault(seen["JobId"], Job(*name))
                job.partition, job.state = seen["Partition"], seen["JobState"]
                job.cpus, job.restarts = int(seen["NumCPUs"]), int(seen["Restarts"])
                for node, gres in re.findall(r"Nodes=(\S+) CPU_IDs=\S+ Mem=\S+ GRES=(\S*)", line):
                    job.nodes.add(node)
                    job.gpus |= _numbers(gres)
        for process in psutil.process_iter(["cmdline"]):
            if "--as-rank" in (process.info["cmdline"] or ()):
                self._rank(process)

    @staticmethod
    def _step(seen: dict) -> tuple[str, str] | None:
        match = re.fullmatch(r"rule_(\w+?)(?:_wildcards_(\d+))?", seen.get("Comment", ""))
        return match and (match[1], match[2] or "")

    def _rank(self, process: psutil.Process) -> None:
        try:
            env = process.environ()
        except psutil.Error:
            return
        if "LOCAL_RANK" in env and env.get("SLURM_JOB_ID") in self.jobs:
            self.jobs[env["SLURM_JOB_ID"]].ranks[int(env["LOCAL_RANK"])] = env.get("CUDA_VISIBLE_DEVICES", "")


def _numbers(gres: str) -> set[int]:
    """The devices in SLURM's `gpu:h100:8(IDX:0-3,6)`."""
    found: set[int] = set()
    for part in re.findall(r"IDX:([\d,-]+)", gres):
        for piece in part.split(","):
            first, _, last = piece.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found


def by_rule(jobs: dict[str, Job]) -> dict[str, list[Job]]:
    """The jobs of each rule."""
    found = defaultdict(list)
    for job in jobs.values():
        found[job.rule].append(job)
    return found


class Site(Mill):
    """A mill on the cluster: its copy of the profile and of config/config.yaml is edited as a site would."""

    def __init__(self, slurm: Slurm, folder: Path, gpus: int = 8, **change):
        super().__init__(folder, **change)
        self.slurm = slurm
        (folder / "slurm").symlink_to("profiles/slurm")
        self.site("gpus: 8 ", f"gpus: {gpus} ")
        # The plugin looks for finished jobs after 40 seconds, and ten seconds later each time that it finds none.
        self.site("executor: slurm\n", "executor: slurm\nslurm-init-seconds-before-status-checks: 2\n")

    def site(self, old: str, new: str) -> None:
        """Replace text that the profile must hold."""
        path = self.folder / "profiles" / "slurm" / "config.yaml"
        text = path.read_text()
        assert old in text, f"the profile no longer holds {old!r}: update this test"
        path.write_text(text.replace(old, new))

    def copy(self, folder: Path) -> "Site":
        """A copy with everything done so far, file times included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = Site.__new__(Site)
        other.__dict__ |= self.__dict__ | {"folder": folder, "videos": folder / "videos", "seen": dict(self.seen)}
        other.results = folder / "results"
        return other

    def change(self, **change) -> "Site":
        super().change(**change)
        shutil.copyfile(self.folder / "test.yaml", self.folder / "config" / "config.yaml")
        return self

    def command(self, *args: str, cores: int = 2) -> list[str]:
        """The command as a user types it."""
        return [sys.executable, "-m", "snakemake", "--profile", "slurm", *args]

    def start(self, *args: str) -> subprocess.Popen:
        """Start the workflow and come back at once; it writes to snakemake.log."""
        with open(self.folder / "snakemake.log", "a") as log:
            return subprocess.Popen(
                self.command(*args), cwd=self.folder, env=self.slurm.env, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, *args: str, ok: bool = True, cores: int = 2) -> Outcome:
        os.environ |= self.slurm.env
        return super().run(*args, ok=ok, cores=cores)


def cluster() -> Iterator[Slurm]:
    """The cluster, started if it is not up; the body of a fixture. Skips where SLURM is not available."""
    was_up = (LAB / "run" / "slurmctld.pid").exists()
    up = subprocess.run([SCRIPTS / "up.sh"], capture_output=True, text=True)
    if up.returncode:
        reason = up.stderr.strip().splitlines()[-1] if up.stderr.strip() else "tests/slurm/up.sh failed"
        pytest.skip(f"{reason}. It needs root, and Debian's slurmctld slurmd slurm-client munge: see docs/cluster.md")
    yield Slurm()
    if not was_up:
        subprocess.run([SCRIPTS / "down.sh", "--purge"], check=True, capture_output=True)
        shutil.rmtree(LAB, ignore_errors=True)
