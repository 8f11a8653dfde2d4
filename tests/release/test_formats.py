"""A release holds the pairs and nothing else: its rows and bytes are those of meta.csv and of the clips, in each
format, as other people's libraries load it."""

import csv
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import finished_run
import pytest
from clipmill.engine import remote, tables, vouch
from clipmill.plan import products
from clipmill.release import pairs, selection, writer
from clipmill.release.columns import WHOLE
from clipmill.release.huggingface import HuggingFace
from clipmill.release.parquet import Parquet
from clipmill.release.reference_csv import ReferenceCsv
from clipmill.release.vouched_clips import DamagedClip
from clipmill.release.webdataset import WebDataset
from finished_run import KINDS, SPLITS, everything, released, rows_of_a_run
from s3_server import S3Server


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return finished_run.write(tmp_path_factory.mktemp("release") / "results", rows_of_a_run())


@pytest.fixture(scope="module")
def release(results) -> Path:
    return released(results, splits=SPLITS, shard_megabytes=0.015)


@pytest.fixture(scope="module")
def meta(results) -> dict[str, dict]:
    return {row["id"]: row for row in tables.read(results / "meta.csv")}


def typed(row: dict) -> dict:
    """A row as a format with types has it."""
    numbers = {"aspect_ratio", "fps", "aes", "flow", "ocr_area", "match", "start", "end"}
    return {
        name: (None if text == "" else int(text) if name in WHOLE else float(text)) if name in WHOLE | numbers else text
        for name, text in row.items()
    }


def test_webdataset_reads_the_rows_and_the_bytes(release, results, meta):
    import webdataset

    shards = sorted(map(str, (release / "webdataset").glob("*.tar")))
    found = {}
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        row = meta[sample["__key__"]]
        assert json.loads(sample["json"]) == typed(row)
        assert sample["txt"] == row["text"].encode()
        suffix = row["path"].rpartition(".")[2]
        assert sample[suffix] == (results / row["path"]).read_bytes()
        found[sample["__key__"]] = Path(sample["__url__"]).name
    assert found.keys() == meta.keys()
    index = json.loads((release / "webdataset" / "index.json").read_text())["shards"]
    assert [entry["file"] for entry in index] == [Path(shard).name for shard in shards]
    for entry in index:
        file = release / "webdataset" / entry["file"]
        assert entry["bytes"] == file.stat().st_size
        assert entry["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert entry["samples"] == list(found.values()).count(entry["file"])
    assert len(shards) > 6, "shards have a largest size"
    assert sum("images" in shard for shard in shards) in (1, 2), "videos and images never share a shard"


def test_members_of_a_shard_tell_nothing_of_this_machine(release):
    for path in (release / "webdataset").glob("*.tar"):
        with tarfile.open(path) as shard:
            for member in shard:
                assert (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode) == (
                    0, 0, 0, "", "", 0o444,
                )  # fmt: skip
        assert path.stat().st_size % tarfile.RECORDSIZE == 0


def test_pandas_reads_parquet_with_types_and_text_as_it_is(release, meta):
    import pandas as pd
    import pyarrow.parquet as pq

    files = sorted((release / "parquet").glob("*.parquet"))
    assert len({str(pq.read_schema(file)) for file in files}) == 1
    read = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert {row["id"]: row for row in read} == {key: typed(row) for key, row in meta.items()}
    frame = pd.concat(map(pd.read_parquet, files)).set_index("id")
    assert frame["num_frames"].dtype == "int64"
    assert frame["text"].to_dict() == {key: row["text"] for key, row in meta.items()}
    assert set(frame["label"]) == {"007", "1.10, or\nmore"}


def test_datasets_loads_the_folders_from_disk(release, results, meta, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import Image, Video, load_dataset

    found = {}
    for kind, column, feature in (("videos", "video", Video), ("images", "image", Image)):
        folder = str(release / "huggingface" / kind)
        for rows in load_dataset(folder, cache_dir=str(tmp_path)).values():
            for row in rows.cast_column(column, feature(decode=False)):
                file = row.pop(column)
                clip = results / meta[row["id"]]["path"]
                assert Path(file["path"]).read_bytes() == clip.read_bytes()
                assert row == typed(meta[row["id"]])
                found[row["id"]] = kind
    assert found == {key: "videos" if row["path"].endswith("mp4") else "images" for key, row in meta.items()}
    shards = sorted(map(str, (release / "webdataset").glob("videos-train-*.tar")))
    rows = load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(tmp_path))
    assert len(rows) == json.loads((release / "release.json").read_text())["splits"]["train"]["pairs"] - sum(
        "train" in str(path) for path in (release / "huggingface/images").rglob("*.png")
    )


def test_a_trainer_started_anywhere_finds_the_files_of_the_csv(release, results, meta, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {}
    for path in (release / "csv").glob("*.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert Path(row["path"]).read_bytes() == (results / meta[row["id"]]["path"]).read_bytes()
                found[row["id"]] = row | {"path": meta[row["id"]]["path"]}
    assert found == meta


@pytest.mark.parametrize(("prefix", "first"), [("s3://bucket/set/", "s3://bucket/set/clips/"), ("./", "./clips/")])
def test_a_prefix_stands_before_each_path(tmp_path, prefix, first):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])
    (row,) = tables.read(released(made, ReferenceCsv, path_prefix=prefix) / "csv" / "train.csv")
    assert row["path"] == f"{first}{row['id']}.mp4"


def test_no_source_is_on_two_sides_and_the_shares_are_about_right(tmp_path):
    split = {"by": "video_id", "validation": 0.1, "test": 0.2, "seed": 3}
    sides = {source: pairs.split({"video_id": str(source)}, split) for source in range(5000)}
    counts = {side: list(sides.values()).count(side) / 5000 for side in ("train", "validation", "test")}
    assert counts == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.02)
    other = [pairs.split({"video_id": str(source)}, split | {"seed": 4}) for source in range(5000)]
    assert other != list(sides.values())


def test_each_format_divides_alike_and_by_source(release, meta):
    import pyarrow.parquet as pq

    by_csv = {row["id"]: path.stem for path in (release / "csv").glob("*.csv") for row in tables.read(path)}
    by_parquet = {
        key: path.stem.partition("-")[0]
        for path in (release / "parquet").glob("*")
        for key in pq.read_table(path)["id"].to_pylist()
    }
    by_folder = {path.stem: path.parent.name for path in release.rglob("huggingface/*/data/*/*.[mp][pn][4g]")}
    assert by_csv == by_parquet == by_folder
    assert len(set(by_csv.values())) == 3
    sides = {meta[key]["video_id"]: side for key, side in by_csv.items()}
    assert all(sides[meta[key]["video_id"]] == side for key, side in by_csv.items())


def test_a_column_of_the_list_can_hold_sources_together(tmp_path):
    rows = [finished_run.pair(number, "a", channel="one") for number in range(12)]
    made = finished_run.write(tmp_path / "results", rows)
    release = released(made, ReferenceCsv, splits={"by": "channel", "test": 0.5})
    assert len(list((release / "csv").glob("*.csv"))) == 1
    with pytest.raises(tables.TableError, match=r"release\.splits\.by: meta\.csv has no column chanel"):
        released(made, ReferenceCsv, splits={"by": "chanel", "test": 0.5})


def backwards(rows):
    return rows[::-1]


@pytest.mark.parametrize(
    "other", [{"order": backwards}, {"per_shard": 30}, {"threads": 1}], ids=["backwards", "one shard", "one thread"]
)
def test_the_same_pairs_have_the_same_bytes(results, tmp_path, other):
    """In another folder, written again, from rows in another order or other shards, by another number of threads."""
    threads = {"threads": other.pop("threads")} if "threads" in other else {}
    kept = {"splits": SPLITS, "path_prefix": "./", "buckets": {"resolution": [480, 720]}}
    first = finished_run.write(tmp_path / "first", rows_of_a_run())
    second = finished_run.write(tmp_path / "second" / "elsewhere", rows_of_a_run(), **({"per_shard": 30} | other))
    before = everything(released(first, **kept))
    assert everything(released(second, **kept, **threads)) == before
    assert everything(released(first, **kept)) == before


def test_pairs_are_in_buckets_by_size_shape_and_length(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(number, "a") for number in range(9)])
    edges = {"resolution": [480, 720], "aspect_ratio": [0.5625, 1, 1.7778], "num_frames": [48, 96]}
    release = released(made, WebDataset, HuggingFace, ReferenceCsv, buckets=edges)
    names = {path.stem.removeprefix("train-") for path in (release / "csv").glob("*.csv")}
    assert "0p_ar0.5625_0f" in names
    assert {name.rpartition("_")[0] for name in names} == {"0p_ar0.5625", "720p_ar0.5625", "480p_ar1.7778"}
    assert {path.parent.name for path in release.rglob("*.mp4")} == names
    assert {path.name[len("videos-train-") : -len("-000000.tar")] for path in release.rglob("*.tar")} == names
    held = json.loads((release / "release.json").read_text())["buckets"]
    assert sum(held.values()) == 9
    assert held.keys() == names


def test_columns_are_chosen_in_order_and_renamed(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a", label="b")])
    chosen = {"columns": ["text", "path", "id", "label", "aes"], "rename": {"text": "caption", "aes": "beauty"}}
    release = released(made, **chosen)
    (row,) = tables.read(release / "csv" / "train.csv")
    assert list(row) == ["caption", "path", "id", "label", "beauty"]
    with tarfile.open(next(release.glob("webdataset/*.tar"))) as shard:
        values = json.load(io.TextIOWrapper(shard.extractfile(shard.getmembers()[0])))
    assert list(values) == list(row)
    assert (values["caption"], values["label"], values["beauty"]) == ("a", "b", 4)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        (Parquet, {"columns": ["id", "path", "txt"]}, "release.columns: meta.csv has no column txt (it has: path, id"),
        (Parquet, {"rename": {"txt": "t"}}, "release.rename: meta.csv has no column txt"),
        (Parquet, {"rename": {"text": "aes"}}, "release.rename: another name is needed for the column aes"),
        (HuggingFace, {"rename": {"text": "file_name"}}, "another name is needed for the column file_name"),
        (HuggingFace, {"rename": {"text": "video"}}, "another name is needed for the column video"),
    ],
)
def test_columns_that_cannot_be_are_named(results, kind, options, named):
    with pytest.raises(tables.TableError) as raised:
        kind(results, results / "work/captions.cut_clips/digest", finished_run.options(results, **options))
    assert named in str(raised.value)


def test_a_scorer_that_was_added_makes_numbers(tmp_path):
    import pyarrow.parquet as pq

    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a", sharpness="0.5")])
    options = finished_run.options(made)
    options["numbers"].append("sharpness")
    Parquet(made, made / "work/captions.cut_clips/digest", options).run(made / "x.csv")
    assert pq.read_table(made / "release/parquet/train-00000.parquet")["sharpness"].to_pylist() == [0.5]


def left_in_sources(tmp_path: Path, num_frames: str) -> Path:
    """A run of two clips that were not cut; the second is so many frames of a source that has 48."""
    rows = [finished_run.pair(number, "a") for number in (0, 3)]
    made = finished_run.write(tmp_path / "results", rows)
    videos = []
    for row, frames in zip(rows, (row_frames := rows[0]["num_frames"], num_frames), strict=True):
        source = tmp_path / f"{row['video_id']}.MP4"
        source.write_bytes(f"source {row['id']}".encode())
        row |= {"path": str(source), "num_frames": frames}
        digest, size, _ = vouch.state(source).split()
        videos.append({"id": row["video_id"], "bytes": size, "digest": digest, "num_frames": "48"})
    videos[0]["num_frames"] = row_frames
    tables.write(made / "tables/videos.csv", videos[0], videos)
    tables.write(made / "meta.csv", tables.columns(made / "meta.csv"), rows)
    return made


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_whole_sources_are_released_under_the_names_of_their_clips(tmp_path, link):
    made = left_in_sources(tmp_path, "48")
    release = released(made, link=link)
    for row in tables.read(made / "meta.csv"):
        (file,) = release.rglob(f"huggingface/**/{row['id']}.mp4")
        assert file.read_bytes() == Path(row["path"]).read_bytes()
    source = Path(row["path"])
    source.write_bytes(source.read_bytes()[::-1])
    for kind in (WebDataset, HuggingFace):
        with pytest.raises(DamagedClip, match=r"MP4 is damaged \(its content has changed\): put it back as it was"):
            released(made, kind)


def test_whole_sources_elsewhere_are_fetched_into_a_release(tmp_path, monkeypatch):
    made = left_in_sources(tmp_path, "48")
    (bucket := tmp_path / "bucket").mkdir()
    rows = list(tables.read(made / "meta.csv"))
    contents = {row["id"]: Path(row["path"]).read_bytes() for row in rows}
    for row in rows:
        source = shutil.move(row["path"], bucket)
        row["path"] = f"s3://footage/{Path(source).name}"
    tables.write(made / "meta.csv", rows[0], rows)
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "disk"))
    monkeypatch.setattr(remote, "PAUSES", ())
    with S3Server(bucket, tmp_path / "gets") as server:
        server.known(monkeypatch)
        release = released(made)
        for id, content in contents.items():
            (file,) = release.rglob(f"huggingface/**/{id}.mp4")
            assert file.read_bytes() == content
        with pytest.raises(tables.TableError, match=r"s3://footage/.* lies elsewhere.*set release.link to copy"):
            released(made, HuggingFace, link="symlink")
    shutil.rmtree(tmp_path / "disk")
    with pytest.raises(DamagedClip, match=r"s3://footage/.* cannot be read .*onnect"):
        released(made, WebDataset)


def test_what_has_no_file_of_its_own_is_named(tmp_path):
    made = left_in_sources(tmp_path, "47")
    for kind in (WebDataset, HuggingFace):
        with pytest.raises(tables.TableError, match=r"is a part of .*set cut.mode to encode, or release.formats to"):
            released(made, kind)
    released(made, ReferenceCsv, Parquet)
    names = [name for name in tables.columns(made / "meta.csv") if name != "path"]
    tables.write(made / "meta.csv", names, list(tables.read(made / "meta.csv")))
    released(made, Parquet)
    for kind in (WebDataset, HuggingFace, ReferenceCsv):
        with pytest.raises(tables.TableError, match=r"no column path .cut.enabled: false., so"):
            released(made, kind)


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_are_the_clips_themselves_wherever_the_folder_is(tmp_path, link):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(number, "a") for number in range(4)])
    released(made, HuggingFace, link=link)
    (tmp_path / "results").rename(tmp_path / "moved")
    files = list((tmp_path / "moved/release").rglob("*.mp4"))
    assert len(files) == 4
    for file in files:
        assert file.is_symlink() == (link == "symlink")
        assert file.samefile(tmp_path / "moved/clips" / file.name)


def test_an_empty_run_is_an_empty_release(tmp_path):
    import pandas as pd

    made = finished_run.write(tmp_path / "results", [])
    release = released(made)
    assert json.loads((release / "webdataset/index.json").read_text()) == {"shards": []}
    assert len(pd.read_parquet(release / "parquet/train-00000.parquet")) == 0
    assert "text" in pd.read_parquet(release / "huggingface/videos/data/train/metadata.parquet")
    assert list(tables.read(release / "csv/train.csv")) == []
    assert json.loads((release / "release.json").read_text())["pairs"] == 0


def lost(clip: Path) -> None:
    clip.unlink()


def longer(clip: Path) -> None:
    with open(clip, "ab") as file:
        file.write(b"x")


def changed(clip: Path) -> None:
    """The same size and the same time: only its content tells."""
    status, content = clip.stat(), bytearray(clip.read_bytes())
    content[7] ^= 1
    clip.write_bytes(content)
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("accident", [lost, longer, changed])
@pytest.mark.parametrize("kind", [WebDataset, HuggingFace])
@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_a_damaged_clip_stops_the_release_and_is_named(tmp_path, kind, accident, link):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(number, "a") for number in range(8)])
    before = everything(released(made, kind))
    clip = sorted((made / "clips").iterdir())[5]
    accident(clip)
    with pytest.raises(DamagedClip) as raised:
        released(made, kind, link=link)
    assert str(raised.value).startswith(f"{clip} ")
    assert f"make audit RESULTS='{made}' ARGS=--remove, then the same command again" in str(raised.value)
    assert everything(made / "release") == before, "a release that fails leaves the one before it"


def test_a_clip_that_nothing_vouches_for_is_not_released(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])
    stranger = finished_run.pair(1, "b")
    (made / stranger["path"]).write_bytes(b"x")
    rows = [*tables.read(made / "meta.csv"), stranger]
    tables.write(made / "meta.csv", tables.columns(made / "meta.csv"), rows)
    for kind in (WebDataset, HuggingFace):
        with pytest.raises(DamagedClip, match="is vouched for by nothing"):
            released(made, kind)


def test_a_large_clip_is_read_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("clipmill.release.webdataset.IN_MEMORY", 1000)
    made = finished_run.write(tmp_path / "results", [finished_run.pair(number, "a") for number in range(3)])
    streamed = everything(released(made, WebDataset))
    monkeypatch.undo()
    assert everything(released(made, WebDataset)) == streamed
    changed(sorted((made / "clips").iterdir())[1])
    monkeypatch.setattr("clipmill.release.webdataset.IN_MEMORY", 1000)
    with pytest.raises(DamagedClip, match="its content has changed"):
        released(made, WebDataset)


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_that_loses_or_doubles_a_pair_is_found_out(results, tmp_path, kind, monkeypatch):
    made = Path(shutil.copytree(results, tmp_path / "results"))
    (options, cut) = finished_run.options(made), made / "work/captions.cut_clips/digest"

    class Loses(kind):
        def write(self, found):
            super().write(pair for number, pair in enumerate(found) if number != 3)

    with pytest.raises(tables.TableError, match=f"{kind.name} holds 29 pairs of the 30 of "):
        Loses(made, cut, options).run(made / "x.csv")


def test_a_folder_with_a_file_without_its_row_is_found_out(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")])

    class Adds(HuggingFace):
        def write(self, found):
            super().write(found)
            (self.folder / "videos/data/train/stranger.mp4").write_bytes(b"x")

    with pytest.raises(tables.TableError, match="huggingface holds 2 pairs of the 1 of "):
        Adds(made, made / "work/captions.cut_clips/digest", finished_run.options(made)).run(made / "x.csv")


def test_a_pair_that_stands_twice_in_the_table_is_refused(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "a")], order=lambda rows: rows * 2)
    with pytest.raises(tables.TableError, match="twice"):
        list(pairs.rows(made / "meta.csv"))


def test_a_release_has_the_digest_of_the_run_that_it_releases(release, meta):
    expected = selection.digest(meta[key] for key in sorted(meta))
    assert json.loads((release / "release.json").read_text())["selection"] == expected


def test_the_formats_are_named_alike_everywhere():
    assert writer.FORMATS == tuple(products.FORMATS) == tuple(kind.name for kind in KINDS)


def test_a_damaged_table_stops_the_release(tmp_path):
    made = finished_run.write(tmp_path / "results", [finished_run.pair(0, "abc")])
    text = (made / "meta.csv").read_text()
    (made / "meta.csv").write_text(text.replace("abc", "abd"))
    with pytest.raises(vouch.Damaged):
        released(made, Parquet)
