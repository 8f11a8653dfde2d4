"""With `scratch`, models are read from a copy on a node's own disk: the same bytes, made once, whole or not at all."""

import os
import resource
import subprocess
import sys

import pytest
from clipmill.engine import weights
from mill import ROOT


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "a node's disk"
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(folder))
    return folder


@pytest.fixture
def model(tmp_path):
    """A model that is a folder."""
    folder = tmp_path / "shared" / "tiny"
    (folder / "part").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "part" / "weights.safetensors").write_bytes(bytes(range(256)) * 100)
    return folder


def files(folder) -> dict:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copies(scratch) -> list:
    return [path for path in scratch.glob("clipmill-models-*/*/*") if not path.name.endswith(".lock")]


def test_a_folder_and_a_file_are_read_from_their_copies(scratch, model):
    for original in (model, model / "config.json"):
        copy = weights.resolve(str(original), {})
        assert scratch in copy.parents
        assert copy.name == original.name
        assert copy.read_bytes() == original.read_bytes() if copy.is_file() else files(copy) == files(original)


def test_processes_that_ask_at_once_share_one_copy(scratch, model):
    code = f"from clipmill.engine import weights; print(weights.resolve({str(model)!r}, {{}}))"
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, cwd=ROOT / "workflow/scripts", stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == len(copies(scratch)) == 1
    assert files(copies(scratch)[0]) == files(model)


def test_a_model_that_was_replaced_is_copied_again(scratch, model):
    before = weights.resolve(str(model), {})
    (model / "config.json").write_text('{"other": 1}')
    after = weights.resolve(str(model), {})
    assert after != before
    assert files(after) == files(model)


def test_a_copy_that_failed_midway_leaves_nothing_and_the_model_is_read_where_it_is(scratch, model, capsys):
    (model / "gone").symlink_to("nowhere")
    assert weights.resolve(str(model), {}) == model
    assert not copies(scratch)
    assert "scratch" in capsys.readouterr().err


def test_a_disk_that_fills_up_costs_only_time(scratch, model):
    code = f"from clipmill.engine import weights; print(weights.resolve({str(model)!r}, {{}}))"
    small = (resource.RLIMIT_FSIZE, (1000, 1000))
    full = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "workflow/scripts",
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(*small),
    )
    assert full.stdout.strip() == str(model)
    assert "File too large" in full.stderr
    assert not copies(scratch)


def test_a_folder_that_cannot_be_made_costs_only_time(tmp_path, model, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "file"))
    assert weights.resolve(str(model), {}) == model


@pytest.mark.parametrize("value", ["", "$NO_SUCH_VARIABLE/x"])
def test_without_scratch_nothing_is_copied(model, monkeypatch, value):
    monkeypatch.setenv("CLIPMILL_SCRATCH", value)
    assert weights.resolve(str(model), {}) == model


def test_the_name_may_hold_a_variable_of_the_job(tmp_path, model, monkeypatch):
    monkeypatch.setenv("JOB_DISK", str(tmp_path / "disk"))
    monkeypatch.setenv("CLIPMILL_SCRATCH", "$JOB_DISK/models")
    assert tmp_path / "disk" / "models" in weights.resolve(str(model), {}).parents


def private(scratch):
    return scratch / f"clipmill-models-{os.geteuid()}"


def test_the_copies_are_for_this_user_alone(scratch, model):
    weights.resolve(str(model), {})
    assert private(scratch).stat().st_mode & 0o777 == 0o700


def planted(scratch, model):
    """The folder of copies, with other bytes in the copy."""
    copy = weights.resolve(str(model), {})
    (copy / "config.json").write_text("planted")
    return private(scratch)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_a_copy_in_a_folder_that_others_may_enter_is_not_believed(scratch, model, capsys, mode):
    folder = planted(scratch, model)
    folder.chmod(mode)
    assert weights.resolve(str(model), {}) == model
    assert f"{folder} must be this user's" in capsys.readouterr().err


def test_a_copy_behind_a_link_or_under_a_folder_that_all_may_change_is_not_believed(scratch, model):
    folder = planted(scratch, model)
    scratch.chmod(0o777)
    assert weights.resolve(str(model), {}) == model
    scratch.chmod(0o1777)
    assert weights.resolve(str(model), {}) != model
    folder.rename(scratch / "elsewhere")
    folder.symlink_to(scratch / "elsewhere")
    assert weights.resolve(str(model), {}) == model


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_another_users_copy_is_not_believed(scratch, model):
    folder = planted(scratch, model)
    os.chown(folder, 12345, -1)
    assert weights.resolve(str(model), {}) == model


def test_the_key_reaches_the_jobs(finished):
    """Rules see it in their environment; a finished run only makes its account again, and the figures from that."""
    assert finished.change(scratch="$TMPDIR/clipmill").run().jobs.keys() == {"summarize"}
    rule = "rule show:\n    output: 'seen'\n    shell: 'echo \"$CLIPMILL_SCRATCH\" > {output}'\n"
    snakefile = finished.folder / "workflow" / "Snakefile"
    snakefile.write_text(snakefile.read_text() + "\n\n" + rule)
    finished.run("seen")
    assert (finished.folder / "seen").read_text() == "$TMPDIR/clipmill\n"
