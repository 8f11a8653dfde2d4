"""Mistakes on the command line and in the folders end with a plain message, before anything is done."""

import subprocess
import sys

import pytest
from clipmill.plan import command_line, places
from mill import ROOT


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
