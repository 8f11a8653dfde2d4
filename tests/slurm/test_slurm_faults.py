"""What clusters do to jobs, caused on purpose in the middle of a run: the same bytes, almost nothing computed twice.

`make test-faults`; ARGS=-rP prints what each drill counted. A job that was warned computes nothing twice. One that was
not loses what it had not yet written: less than a part file of each rank.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections import Counter

import psutil
import pyarrow.parquet as pq
import pytest
from mill import Mill
from numbered_video import write
from slurm_cluster import LAB, Site, cluster

pytestmark = pytest.mark.slurm_faults
LIMIT = 900
RANKS = 2
# One-second clips whose every frame is compared with the next: about two minutes of work for one core.
SLOW = {
    "frames": {"fps": 50},
    "clips": {"max_seconds": 1.0},
    "score": {"flow": {"seconds": 0.02}},
    "camera": {"enabled": False},
}
CLIPS = 150
FLUSH = 5
KEEP = "        self.computed += 1\n"
# Every clip that score_flow computes is noted; where the file `hog` exists, a rank takes 1.5 GB after its tenth one.
NOTE = (
    KEEP
    + """        if self.name.startswith("score_flow"):
            with open("kept.log", "a") as note:
                print(identity, file=note)
            if self.computed == 10 and Path("hog").exists():
                self.hog = b"x" * 1_500_000_000
"""
)
LOCAL = """

localrules:
    scan_videos,
    gather_videos,
    score_aesthetic,
    select_clips,
    gather_clips,
    caption_clips,
    clean_captions,
    score_match,
    select_pairs,
    cut_clips,
    gather_captions,


# Everything but"""


@pytest.fixture(scope="module")
def slurm():
    yield from cluster()


@pytest.fixture(scope="module")
def planned(slurm, tmp_path_factory):
    """A site where the clips are planned and not yet scored; of its rules only score_flow goes to the cluster."""
    site = Site(slurm, tmp_path_factory.mktemp("faults") / "site", gpus=RANKS, **SLOW)
    site.edit("../Snakefile", "\n\n# Everything but", LOCAL)
    site.edit("clipmill/engine/job.py", "FLUSH_SECONDS = 60", f"FLUSH_SECONDS = {FLUSH}")
    site.edit("clipmill/engine/job.py", KEEP, NOTE)
    site.videos.mkdir()
    for number in range(2):
        write(site.videos / f"video {number}.mp4", 50 * CLIPS // 2, 50, cuts=[50 * number])
    (site.videos / "broken.mp4").write_bytes(b"this is no video" * 50)
    local(site, "--until", "plan_clips")
    return site


@pytest.fixture(scope="module")
def truth(planned, tmp_path_factory):
    """The final tables of the same footage without a cluster or a fault."""
    site = planned.copy(tmp_path_factory.mktemp("truth") / "site")
    local(site)
    return site.final()


@pytest.fixture
def site(planned, truth, slurm, tmp_path):
    """A copy of the planned site and a whole cluster. What still runs at the end is stopped."""
    slurm.up()
    site = planned.copy(tmp_path / "site")
    site.truth, site.runs = truth, []
    site.before = set(slurm.ask("squeue", "-h", "--states=all", "-o", "%A").split())
    yield site
    for run in site.runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    slurm.up()
    if left := jobs(site, "PENDING", "RUNNING"):
        slurm.ask("scancel", *left)


def local(site: Site, *args: str) -> None:
    """Run without the cluster."""
    subprocess.run(Mill.command(site, *args), cwd=site.folder, check=True, capture_output=True)


def profile(site: Site, resources: str, gpus: int = RANKS, partition: str = "gpu") -> None:
    """Give score_flow these resources in place of the profile's."""
    site.site("score_flow: *gpu_rule", f"score_flow: {{slurm_partition: {partition}, gpu: {gpus}, {resources}}}")


def wait_until(done, what: str, run: subprocess.Popen | None = None) -> None:
    """Block until `done()` is true; fail when the run ends first or it takes too long."""
    deadline = time.monotonic() + LIMIT
    while not done():
        assert run is None or run.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT} s"
        time.sleep(0.2)


def start(site: Site, *args: str) -> subprocess.Popen:
    """Start the run."""
    site.runs.append(site.start(*args))
    return site.runs[-1]


def jobs(site: Site, *states: str) -> list[str]:
    """The jobs of score_flow that this drill submitted and that are in one of these states (all, if none is named)."""
    listed = [line.split() for line in site.slurm.ask("squeue", "-h", "--states=all", "-o", "%A %k %T").splitlines()]
    flow = [(job, state) for job, rule, state in listed if rule.startswith("rule_score_flow")]
    return [job for job, state in flow if job not in site.before and (not states or state in states)]


def parts(site: Site) -> list[int]:
    """The rows of each part file of score_flow."""
    return [pq.read_metadata(path).num_rows for path in (site.results / "memo" / "score_flow").glob("*/*.parquet")]


def kept(site: Site) -> Counter:
    """How often each clip was computed."""
    log = site.folder / "kept.log"
    return Counter(log.read_text().split()) if log.exists() else Counter()


def middle(site: Site, run: subprocess.Popen) -> str:
    """Block until score_flow has written some of its items and computed others; the job's number."""
    wait_until(lambda: sum(parts(site)) and kept(site).total() > sum(parts(site)) + 4, "the middle of a job", run)
    assert len(kept(site)) < CLIPS - 10, "the middle was missed: give the job more to do"
    (job,) = jobs(site, "RUNNING")
    return job


def finish(site: Site, run: subprocess.Popen) -> int:
    """Wait for the run to succeed with the same bytes. Returns the number of items that were computed twice."""
    assert run.wait(LIMIT) == 0, (site.folder / "snakemake.log").read_text()[-5000:]
    assert site.final() == site.truth
    items = kept(site)
    assert len(items) == CLIPS
    twice = items.total() - CLIPS
    print(f"{len(jobs(site))} jobs, {twice} of {CLIPS} items computed twice, rows of part files: {sorted(parts(site))}")
    return twice


def at_most_a_part_of_each_rank(site: Site, twice: int) -> bool:
    return twice <= RANKS * max(parts(site))


def requeued_at_once(site: Site, job: str, run: subprocess.Popen) -> None:
    """Release a requeued job at once: SLURM would hold it for two minutes."""
    wait_until(lambda: job in jobs(site, "PENDING"), "the job is back in the queue", run)
    site.slurm.ask("scontrol", "update", f"jobid={job}", "starttime=now")


def test_a_node_is_lost(site):
    run = start(site)
    job = middle(site, run)
    node = site.slurm.ask("squeue", "-h", "-j", job, "-o", "%N").strip()
    site.slurm.kill_node(node)
    requeued_at_once(site, job, run)
    assert at_most_a_part_of_each_rank(site, finish(site, run))


def test_a_job_is_cancelled(site):
    run = start(site)
    site.slurm.ask("scancel", middle(site, run))
    assert finish(site, run) == 0


def test_the_time_limit_is_announced(site):
    """The profile's --signal=TERM@60: SLURM sends it 60 to 90 seconds before the end, here of two minutes."""
    profile(site, "mem_mb: 8000, runtime: 2 * attempt", gpus=1)
    run = start(site)
    wait_until(lambda: "ended by SIGTERM" in logged(site), "the warning", run)
    assert jobs(site, "TIMEOUT") == []
    assert finish(site, run) == 0
    assert len(jobs(site)) > 1


def test_the_time_limit_comes_without_warning(site):
    """One minute, and no early signal: SIGTERM comes at the limit, and SIGKILL half a minute later."""
    profile(site, """mem_mb: 8000, runtime: 1 * attempt, slurm_extra: "'--nice=0'" """, gpus=1)
    run = start(site)
    wait_until(lambda: "ended by SIGTERM" in logged(site), "the limit", run)
    assert finish(site, run) == 0
    assert jobs(site, "TIMEOUT")


def test_the_memory_is_too_small(site):
    """Each rank takes another 1.5 GB after its tenth item; the first attempt has 3 GB in all."""
    (site.folder / "hog").touch()
    profile(site, "mem_mb: 3000 * attempt, runtime: 60")
    run = start(site)
    middle(site, run)
    assert at_most_a_part_of_each_rank(site, finish(site, run))


def test_a_job_of_a_higher_tier_preempts(site):
    profile(site, "mem_mb: 8000, runtime: 60", partition="gpu-low")
    run = start(site)
    job = middle(site, run)
    urgent = ["sbatch", "--parsable", "-p", "gpu", "-N2", "--gres=gpu:8", "--mem=1000", "-o", "/dev/null"]
    site.slurm.ask(*urgent, "--wrap", "sleep 5")
    requeued_at_once(site, job, run)
    assert finish(site, run) == 0


def test_the_controller_is_down_for_twenty_seconds(site):
    run = start(site)
    middle(site, run)
    controller = psutil.Process(int((LAB / "run" / "slurmctld.pid").read_text()))
    controller.kill()
    controller.wait()
    time.sleep(20)
    site.slurm.up()
    assert finish(site, run) == 0


def kill_snakemake(run: subprocess.Popen) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_snakemake_is_killed_and_its_jobs_end_by_themselves(site):
    run = start(site)
    job = middle(site, run)
    kill_snakemake(run)
    wait_until(lambda: job not in jobs(site, "RUNNING", "COMPLETING"), "the orphan's end")
    site.run("--unlock")
    assert finish(site, start(site)) == 0


def test_snakemake_is_killed_and_its_jobs_are_cancelled(site):
    run = start(site)
    job = middle(site, run)
    kill_snakemake(run)
    site.slurm.ask("scancel", job)
    wait_until(lambda: job not in jobs(site, "RUNNING", "COMPLETING"), "the orphan's end")
    site.run("--unlock")
    assert finish(site, start(site)) == 0


def test_the_disk_of_the_results_is_full(site):
    """The job that cannot write fails. When there is room again, the same command continues."""
    results, before = site.results, site.results.rename(site.folder / "before")
    results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", results], check=True)
    try:
        shutil.copytree(before, results, dirs_exist_ok=True)
        run = start(site, "--retries", "0")
        middle(site, run)
        with contextlib.suppress(OSError), open(results / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(1 << 12)):
                pass
        assert run.wait(LIMIT) != 0
        (results / "filler").unlink()
        assert at_most_a_part_of_each_rank(site, finish(site, start(site)))
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)


def logged(site: Site) -> str:
    """What the jobs of score_flow printed."""
    return "".join(path.read_text() for path in (site.results / "logs").glob("clips.score_flow/*.log"))
