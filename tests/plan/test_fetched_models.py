"""Models that were fetched are vouched for like everything else that we write."""

import json
from pathlib import Path

import pytest
from clipmill.engine import files, weights
from clipmill.plan import damage
from clipmill.plan.config import check, load
from clipmill.plan.pipeline import Pipeline

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A results folder whose lists of models name a file and a folder of weights under models/: (pipeline, models)."""
    models = tmp_path / "models"
    monkeypatch.setenv("CLIPMILL_MODELS", str(models))
    (models / "lab" / "captioner@main").mkdir(parents=True)
    places = {"score.flow": models / "abc-raft.pth", "caption": models / "lab" / "captioner@main"}
    places["score.flow"].write_bytes(b"flow" * 100)
    (places["caption"] / "model.safetensors").write_bytes(b"words" * 100)
    listed = {block: [{"path": str(at), "sha256": weights.digest(at)}] for block, at in places.items()}
    for block, entries in listed.items():
        with files.whole(tmp_path / "results" / "models" / f"{block}.json") as file:
            json.dump({block: entries}, file)
    config = check({"models": str(models), "results": str(tmp_path / "results"), "videos": str(tmp_path)}, SCHEMA)
    return Pipeline(config, load(SCHEMA)), models


def test_models_that_are_as_they_were_fetched_are_left_alone(fetched):
    assert list(damage.findings(fetched[0])) == []


@pytest.mark.parametrize("name", ["abc-raft.pth", "lab/captioner@main/model.safetensors"])
def test_a_damaged_model_is_named_and_fetched_again(fetched, capsys, name):
    pipeline, models = fetched
    data = bytearray((models / name).read_bytes())
    data[7] ^= 1
    (models / name).write_bytes(data)
    damage.heal(pipeline, only_say=True)
    assert (models / name).exists()
    damage.heal(pipeline)
    assert "is damaged" in capsys.readouterr().err
    assert not (models / name).exists()
    left = [path.name for path in (Path(pipeline.results) / "models").glob("*.json")]
    assert left == ["caption.json" if name == "abc-raft.pth" else "score.flow.json"]


def test_a_model_that_was_removed_to_save_room_is_no_damage(fetched):
    pipeline, models = fetched
    (models / "abc-raft.pth").unlink()
    assert list(damage.findings(pipeline)) == []
