"""`snakemake --profile slurm` on a real SLURM: the same bytes, each GPU rule on one node, one rank per GPU."""

import re
import shutil

import looks
import pytest
from slurm_cluster import Site, by_rule, cluster

GPUS = {"score_aesthetic": 2, "score_flow": 2, "caption_clips": 2, "score_match": 8}
"""GPUs of the rules that hold any. The profile gives 8 to each; most have 2, because two cores run all the ranks."""
LOGIN = {"list_videos", "plan_videos", "plan_clips", "plan_captions", "fetch_model", "summarize"}
LIGHT = {"select_clips", "clean_captions", "select_pairs"}
"""Rules whose jobs take less than a second: they wait in no queue."""


@pytest.fixture(scope="module")
def slurm():
    yield from cluster()


@pytest.fixture(scope="module")
def site(slurm, finished_mill, tmp_path_factory):
    """A finished run by the command that users type, and the jobs that it took."""
    site = Site(slurm, tmp_path_factory.mktemp("slurm") / "a site", gpus=2)
    site.site("score_match: *gpu_rule", "score_match: {slurm_partition: gpu, gpu: 8, mem_mb: 192000, runtime: 120}")
    site.site("score_match: *gpu_threads", "score_match: 64")
    shutil.copytree(finished_mill.videos, site.videos)
    site.dry = site.run("-n").text
    with slurm.watch(site.folder) as jobs, looks.Looks(site.results) as site.looks:
        site.printed = site.run().text
    site.jobs = by_rule(jobs)
    return site


def test_the_tables_are_those_of_a_local_run(site, finished_mill):
    assert site.final() == finished_mill.final()


def test_the_run_was_seen_through_all_phases_with_true_counts(site):
    looks.check(site.looks)
    looks.check_end(site.looks[-1][0], site.results)


def test_the_screen_is_short(site):
    assert len(site.printed.splitlines()) <= 45, site.printed
    assert "Submitted job" not in site.printed
    assert len(re.findall(r"\d\d:\d\d:\d\d +scan_videos ", site.printed)) == 1, site.printed


@pytest.mark.parametrize("rule", GPUS)
def test_a_gpu_rule_gets_gpus_of_one_node_and_runs_a_rank_on_each(site, rule):
    assert site.jobs[rule]
    for job in site.jobs[rule]:
        assert job.partition == "gpu"
        assert len(job.nodes) == 1
        assert len(job.gpus) == GPUS[rule]
        assert job.cpus == 8 * GPUS[rule]
        assert job.ranks.keys() == set(range(GPUS[rule]))
        assert set(job.ranks.values()) == {",".join(map(str, sorted(job.gpus)))}


def test_two_jobs_share_a_node_without_meeting(site):
    (one,), (two,) = site.jobs["score_aesthetic"], site.jobs["score_flow"]
    assert one.nodes == two.nodes
    assert not one.gpus & two.gpus


def test_no_cpu_rule_holds_a_gpu_or_a_gpu_node(site):
    others = {rule: jobs for rule, jobs in site.jobs.items() if rule not in GPUS}
    assert others.keys() >= {"scan_videos", "gather_videos", "gather_clips", "label_camera", "cut_clips"}
    for jobs in others.values():
        for job in jobs:
            assert (job.partition, job.nodes, job.gpus) == ("cpu", {"cpu1"}, set())


def test_plans_accounts_and_light_rules_run_on_the_login_node(site):
    assert not site.jobs.keys() & (LOGIN | LIGHT)


def test_a_person_sees_rule_and_shard_in_the_queue(site):
    assert {job.shard for job in site.jobs["score_flow"]} == {"00000"}
    listed = site.slurm.ask("squeue", "-h", "--states=all", "-o", "%j %k")
    assert "clipmill" in listed
    assert "rule_score_flow_wildcards_00000" in listed


def test_a_dry_run_shows_what_would_run_and_submits_nothing(site):
    assert "scan_videos" in site.dry or "plan_videos" in site.dry
    assert "Nothing to be done" in site.run("-n").text


def test_the_rules_can_be_drawn(site):
    drawn = site.run("--rulegraph").text
    assert "digraph" in drawn
    assert "score_flow" in drawn


def test_a_changed_threshold_reruns_only_what_follows_it(site, finished):
    change = {"select": {"aes": {"min": 4.0}}}
    finished.change(**change).run()
    with site.slurm.watch(site.folder) as jobs:
        site.change(**change).run()
    again = by_rule(jobs).keys()
    assert "gather_clips" in again
    assert not again & {"scan_videos", "score_aesthetic", "score_flow"}
    assert site.final() == finished.final()
