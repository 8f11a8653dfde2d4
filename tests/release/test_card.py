"""What stands beside the formats: the card, Croissant, release.json and the checksums, as others read them."""

import json
import socket
import subprocess

import finished_run
import pytest
import yaml
from clipmill.engine import files, tables
from clipmill.release import writer
from clipmill.release.parquet import Parquet
from clipmill.release.reference_csv import ReferenceCsv
from finished_run import KINDS, SPLITS, everything, released, rows_of_a_run

OWNER = {
    "name": "Clips | of <b>mine</b>",
    "licence": "other",
    "licence_url": "https://example.org/licence",
    "cite_as": "@misc{x,\n title={y}}",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return finished_run.write(tmp_path_factory.mktemp("card") / "results", rows_of_a_run(), select={"aes": {"min": 5}})


@pytest.fixture(scope="module")
def release(results):
    return released(results, splits=SPLITS, card=OWNER, shard_megabytes=0.03)


def test_the_hub_reads_the_head_of_the_card(release):
    from huggingface_hub import DatasetCard

    head = DatasetCard.load(release / "README.md").data.to_dict()
    assert head["pretty_name"] == OWNER["name"]
    assert (head["license"], head["license_link"]) == ("other", OWNER["licence_url"])
    assert head["task_categories"] == ["text-to-video"]
    assert head["size_categories"] == ["n<1K"]
    assert {file["split"] for file in head["configs"][0]["data_files"]} == {"train", "validation", "test"}


def test_datasets_loads_the_whole_release_by_its_card(release, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    loaded = load_dataset(str(release), cache_dir=str(tmp_path))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        name: split["pairs"] for name, split in json.loads((release / "release.json").read_text())["splits"].items()
    }


def test_the_card_says_what_is_known_and_leaves_blank_what_is_not(release):
    text = (release / "README.md").read_text()
    for known in (
        "30 pairs",
        "| aes | 5 |  |",
        "aes below 5",
        "package:x",
        "0" * 64,
        "Clips &#124; of &#60;b&#62;mine",
    ):
        assert known in text
    for key in ("version", "date", "url", "creator", "contact", "description"):
        assert f"*to be filled in by the owner: `release.card.{key}`*" in text
    assert "release.card.licence`" not in text
    for name in writer.FORMATS:
        assert f"| {name} | `" in text


def test_the_card_says_what_target_the_selection_had(tmp_path):
    select = {"target": {"hours": 2, "balance": ["source", "cmotion"]}}
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")], select=select)
    text = (released(made, ReferenceCsv) / "README.md").read_text()
    assert "a target was selected: hours 2, filled evenly by source and cmotion, the highest aes first" in text
    assert "target" not in [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("|")]


def test_a_licence_is_never_guessed(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])
    text = (released(made, ReferenceCsv) / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert not {"license", "pretty_name", "configs"} & head.keys()
    croissant = json.loads((made / "release/croissant.json").read_text())
    assert not {"license", "url", "version", "citeAs", "creator", "datePublished"} & croissant.keys()


@pytest.mark.parametrize("kinds", [KINDS, (ReferenceCsv,)], ids=["all", "csv"])
def test_croissant_reads_the_records_without_a_network(results, release, kinds, tmp_path, monkeypatch):
    import mlcroissant

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    if kinds != KINDS:
        made = finished_run.write(tmp_path / "results", rows_of_a_run())
        release = released(made, *kinds)
    described = mlcroissant.Dataset(str(release / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    held, rows = set(), {row["id"]: row for row in tables.read(results / "meta.csv")}
    for record_set in described.metadata.record_sets:
        for record in described.records(record_set.id):
            key = record[f"{record_set.id}/id"].decode()
            assert float(record[f"{record_set.id}/aes"]) == float(rows[key]["aes"])
            held.add(key)
    assert held == rows.keys()


def test_croissant_names_every_tar_file_and_table_with_its_sum(release):
    known = {
        file["name"]: file["sha256"] for file in json.loads((release / "croissant.json").read_text())["distribution"]
    }
    lines = [line.split("  ", 1) for line in (release / "SHA256SUMS").read_text().splitlines()]
    described = {name: digest for digest, name in lines if name.startswith(("webdataset/", "parquet/", "csv/"))}
    described.pop("webdataset/index.json")
    assert known.items() >= described.items()


def test_sha256sum_checks_every_file(release):
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=release, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": OK") == len(everything(release)) - 1


def test_release_json_says_what_was_released(release):
    held = json.loads((release / "release.json").read_text())
    assert held["pairs"] == 30
    assert held["kinds"] == {"images": 2, "videos": 28}
    assert sum(split["pairs"] for split in held["splits"].values()) == 30
    assert sum(split["sources"] for split in held["splits"].values()) == 10
    assert held["columns"]["text"] == "text"
    assert held["formats"].keys() == {kind.name for kind in KINDS}
    assert held["settings"]["splits"]["seed"] == 1
    assert "/x" not in json.dumps(held["models"]), "a path of this machine"


def test_formats_that_are_no_longer_asked_for_are_removed(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])
    released(made)
    release = released(made, Parquet)
    assert {path.name for path in release.iterdir()} == {
        "README.md", "SHA256SUMS", "croissant.json", "figures", "parquet", "release.json",
    }  # fmt: skip


def test_a_file_of_somebody_else_is_named_and_left_alone(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])
    note = released(made, Parquet) / "LICENCE"
    note.write_text("mine")
    with pytest.raises(tables.TableError, match="LICENCE is no file of the release: move it elsewhere"):
        released(made, Parquet)
    assert note.read_text() == "mine"


def test_figures_are_the_same_bytes_twice_and_hold_text_as_text(tmp_path):
    rows = [finished_run.pair(number, "a") for number in range(40)]
    made = finished_run.write(tmp_path / "results", rows, select={"aes": {"min": 5}, "match": {"min": 20}})
    account = json.loads((made / "run.json").read_text())
    account["rejects"] = [
        {"stage": "scan", "reason": f"<b>$x_{number}$ & é {number}", "rows": number} for number in range(40)
    ]
    with files.whole(made / "run.json") as file:
        json.dump(account, file)
    finished_run.drawn(made)
    first = everything(made / "report")
    finished_run.drawn(made)
    assert everything(made / "report") == first
    page = (made / "report/figures/rejects.html").read_text()
    assert "&lt;b&gt;$x_39$ &amp; é" in page
    assert "<b>" not in page


def test_figures_of_an_empty_run_are_drawn(tmp_path):
    made = finished_run.write(tmp_path / "results", [], score={"ocr": {"enabled": False}})
    account = json.loads((made / "run.json").read_text()) | {"rejects": []}
    with files.whole(made / "run.json") as file:
        json.dump(account, file)
    finished_run.drawn(made)
    assert len(list((made / "report/figures").glob("[!.]*"))) == 7
