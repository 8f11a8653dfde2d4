"""`snakemake --profile slurm` on a real SLURM: the same bytes, each GPU rule on whole nodes, a rank for each GPU."""

import pytest
from mill import Mill, footage
from slurm_lab import Site, by_rule, cluster

GPU_RULES = {"score_aesthetic", "score_flow", "caption_clips", "score_match"}


@pytest.fixture(scope="module")
def slurm():
    yield from cluster()


@pytest.fixture(scope="module")
def site(slurm, tmp_path_factory):
    """A finished run on the cluster with the profile as it is committed, and the jobs that it took."""
    site = Site(slurm, tmp_path_factory.mktemp("slurm") / "site")
    footage(site.videos)
    with slurm.watch() as jobs:
        site.run()
    site.jobs = by_rule(jobs)
    return site


def test_the_tables_are_those_of_a_local_run(site, tmp_path):
    local = Mill(tmp_path / "local")
    footage(local.videos)
    local.run()
    assert site.final() == local.final()


def test_a_gpu_rule_gets_one_node_and_all_its_gpus_and_runs_a_rank_on_each(site):
    assert site.jobs.keys() >= GPU_RULES
    for rule in GPU_RULES:
        for job in site.jobs[rule]:
            assert job.partition == "gpu"
            assert len(job.nodes) == 1
            assert job.gpus == set(range(8))
            assert job.cpus == 64
            assert job.ranks == dict.fromkeys(range(8), "0,1,2,3,4,5,6,7")


def test_no_cpu_rule_holds_a_gpu_or_a_gpu_node(site):
    others = {rule: jobs for rule, jobs in site.jobs.items() if rule not in GPU_RULES}
    assert others.keys() >= {"scan_videos", "gather_videos", "select_clips", "label_camera", "cut_clips"}
    for jobs in others.values():
        for job in jobs:
            assert (job.partition, job.nodes, job.gpus) == ("cpu", {"cpu1"}, set())


def test_plans_and_accounts_run_on_the_login_node(site):
    assert not site.jobs.keys() & {"list_videos", "plan_videos", "plan_clips", "plan_captions", "summarize"}


def test_a_person_sees_rule_and_shard_in_the_queue(site):
    assert {job.shard for job in site.jobs["score_flow"]} == {"00000"}
    listed = site.slurm.ask("squeue", "-h", "--states=all", "-o", "%j %k")
    assert "clipmill" in listed
    assert "rule_score_flow_wildcards_00000" in listed


def test_a_changed_threshold_reruns_only_what_follows_it(site):
    with site.slurm.watch() as jobs:
        site.change(select={"aes": {"min": 4.0}}).run()
    again = by_rule(jobs).keys()
    assert "select_clips" in again
    assert not again & {"scan_videos", "score_aesthetic", "score_flow"}


def test_two_jobs_share_a_node_without_meeting(slurm, tmp_path):
    site = Site(slurm, tmp_path / "shared node", gpus=2)
    footage(site.videos)
    with slurm.watch() as jobs:
        site.run("--until", "score_aesthetic", "score_flow")
    (one,), (two,) = by_rule(jobs)["score_aesthetic"], by_rule(jobs)["score_flow"]
    assert one.nodes == two.nodes
    assert len(one.gpus) == len(two.gpus) == 2
    assert not one.gpus & two.gpus
    assert one.ranks.keys() == two.ranks.keys() == {0, 1}
