"""Mistakes on the command line and in the folders end with a plain message, before anything is done."""

import subprocess
import sys

import pytest
from clipmill.plan import command_line, config, places
from clipmill.tools import forecast
from mill import ROOT

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def snakemake(folder, *args: str) -> subprocess.CompletedProcess:
    """Snakemake's dry run with the demo's configuration, called from a folder that is not the repository's."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--snakefile", ROOT / "workflow" / "Snakefile"]
    return subprocess.run([*command, *args], cwd=folder, capture_output=True, text=True)


DEMO = ("--configfile", str(ROOT / "config" / "demo.yaml"), "--config")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "file").write_text("a file")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([*DEMO, "select.aes.min=6"], "--config select.aes.min=6: keys are nested"),
        ([*DEMO, "videos"], "--config videos: a value is missing"),
        (["--configfile", "nowhere.yaml"], "--configfile nowhere.yaml: no such file"),
        ([*DEMO, "videos=videos", "results=file"], "is a file, not a folder"),
        ([*DEMO, "videos=videos", "results=file/below"], "is a file, not a folder"),
        ([*DEMO, "videos=nowhere", "results=out"], "nowhere: no such folder or list"),
        ([*DEMO, "videos=videos", "results=/proc/out"], "/proc/out: the results cannot be written"),
        ([*DEMO, "videos=videos", "results=out{a}"], "results: 'out{a}' is wrong"),
    ],
)
def test_a_mistake_is_a_plain_message_and_an_error_of_a_dry_run(folder, given, said):
    done = snakemake(folder, *given)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (folder / "out").exists()


def test_a_dry_run_works_from_any_folder_with_braces_in_prompts_and_paths(folder):
    (folder / "videos").rename(folder / "v{a} <b>")
    done = snakemake(folder, *DEMO, "videos=v{a} <b>", "results=out", 'caption={prompt: "Describe {shard} <x>"}')
    assert done.returncode == 0, done.stderr
    assert "What is still to do" in done.stdout


def test_without_a_configuration_here_the_one_of_the_workflow_is_read(folder):
    done = snakemake(folder, "--config", "videos=videos", "results=out")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "nested"),
    [
        ("select.aes.min=6", "'select={aes: {min: 6}}'"),
        ("fmin.x=6", "'fmin={x: 6}'"),
        ("caption.prompt=a=b", "'caption={prompt: a=b}'"),
    ],
)
def test_a_dotted_key_is_shown_nested(given, nested):
    assert nested in command_line.mistake(given)


@pytest.mark.parametrize("given", ["videos=a b", "select={aes: {min: 6}}", "videos=", "results=./x.y"])
def test_a_right_value_is_no_mistake(given):
    assert command_line.mistake(given) is None


def test_the_check_of_folders_leaves_nothing_behind(folder):
    places.require({"videos": str(folder / "videos"), "results": str(folder / "out" / "deep")})
    assert sorted(path.name for path in folder.iterdir()) == ["file", "videos"]


def test_a_target_may_balance_columns_of_the_list_and_no_others(folder):
    (folder / "list.csv").write_text("path,licence\na.mp4,cc0\n")
    given = {"videos": str(folder / "list.csv"), "results": str(folder / "out")}

    def asked(**target):
        return config.check(given | {"select": {"target": {"clips": 5, **target}}}, SCHEMA)

    places.require_columns(asked(balance=["licence", "source", "cmotion", "height"], order="flow"))
    places.require_columns(asked(order="list_licence"))
    with pytest.raises(
        SystemExit, match=r"select\.target: license: .*list\.csv has no such column; it has path, licence"
    ):
        places.require_columns(asked(balance=["license"]))


def test_a_dry_run_foretells_what_a_target_takes():
    rows = [{"id": str(n), "relpath": f"{n % 2}.mp4", "start": "0", "end": "1", "aes": str(n)} for n in range(9)]
    for target, stay in (({"clips": 4, "balance": ["source"]}, {"8", "7", "6", "5"}), ({}, set("012345678"))):
        checked = config.check({"select": {"target": target}}, SCHEMA)
        assert {row["id"] for row in forecast.in_target(rows, checked)} == stay
    by_camera = config.check({"select": {"target": {"clips": 4, "balance": ["cmotion"]}}}, SCHEMA)
    assert forecast.in_target(rows, by_camera) == rows, "the camera is not known before the run"
