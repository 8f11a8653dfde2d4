"""Any part: named targets, blocks switched off, clips that are cut already, captions that exist."""

import json
import tarfile
from fractions import Fraction
from pathlib import Path

import numbered_video
import pyarrow.parquet as pq
import pytest
from mill import Mill
from plain_tables import table, write

COUNT = '        self.written += 1\n        with open("encoded.txt", "a") as file:\n            file.write("x")\n'


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[Mill, dict]:
    """A run of each part in turn, and what each said and did."""
    mill = Mill(tmp_path_factory.mktemp("parts") / "mill")
    mill.videos.mkdir()
    numbered_video.write(mill.videos / "one.mp4", 75, Fraction(25), cuts=[25, 50])
    (mill.videos / "broken.mp4").write_bytes(b"this is no video" * 50)
    mill.change(captioners={"other": {"model": "attributes", "frames": [0.1]}})
    done = {part: mill.run(part) for part in ("scenes", "scores", "captions")}
    return mill, done


def test_a_part_runs_its_rules_and_no_more_and_ends_with_its_summary(parts):
    mill, done = parts
    assert set(done["scenes"].computed) == {"scan_videos"}
    assert set(done["scores"].computed) == {"score_aesthetic", "score_flow"}
    both = {"caption_clips", "clean_captions"}
    assert set(done["captions"].computed) == both | {f"{name}.other" for name in both}
    assert "scenes: 2 files  ->  1 videos  ->  3 clips" in done["scenes"].text
    assert "1  scan_videos: not a readable video" in done["scenes"].text
    assert "3 clips  ->  3 selected" in done["scores"].text
    assert "captions: 3 selected  ->  3 captions" in done["captions"].text
    assert all("Cost of all runs" not in one.text for one in done.values())
    texts = table(mill.results / "tables/texts.csv")
    assert all(row["text"] and row["text_other"] for row in texts)
    assert not (mill.results / "meta.csv").exists()


def test_a_change_of_one_captioner_computes_that_one_alone(parts, tmp_path):
    mill = parts[0].copy(tmp_path / "mill")
    before = table(mill.results / "tables/texts.csv")
    done = mill.change(captioners={"other": {"prompt": "video-short"}}).run("captions")
    assert done.computed["caption_clips.other"] == 3
    assert {name for name in done.computed if not name.endswith(".other")} == set()
    assert table(mill.results / "tables/texts.csv") == before
    assert not {"caption_clips", "clean_captions"} & done.jobs.keys()


def test_ids_that_are_no_clip_are_told(parts, tmp_path):
    mill = parts[0].copy(tmp_path / "mill")
    first = table(mill.results / "tables/clips.csv")[0]["id"]
    (mill.folder / "ids.csv").write_text(f'id\nnobody-00000000\n{first}\n"a\x1bb"\n')
    done = mill.change(chosen="ids.csv").run("captions")
    assert "captions: 1 selected  ->  1 captions" in done.text
    assert "2 of the ids in ids.csv are no clip of this run: nobody-00000000, a\\x1bb" in done.text


@pytest.mark.slow
def test_all_that_parts_have_made_is_recalled_and_chosen_clips_alone_are_kept(parts, tmp_path):
    mill = parts[0].copy(tmp_path / "mill")
    clips = table(mill.results / "tables/clips.csv")
    (mill.folder / "ids.csv").write_text(f"id,why\n{clips[1]['id']},nice\n")
    done = mill.change(chosen="ids.csv", select={"aes": {"min": 100}}).run("pairs")
    assert set(done.computed) == {"score_match", "label_camera", "cut_clips"}
    assert [row["id"] for row in table(mill.results / "meta.csv")] == [clips[1]["id"]]
    assert {row["reason"] for row in table(mill.results / "rejects.csv") if row["stage"] == "select_clips"} == {
        "not chosen"
    }
    mill.change(chosen="nowhere.csv")
    assert "chosen: nowhere.csv: no such list" in mill.run("-n", ok=False).text


@pytest.mark.slow
def test_blocks_that_are_off_leave_no_column_and_another_captioner_is_another_column(parts, tmp_path):
    mill = parts[0].copy(tmp_path / "mill")
    mill.change(clean={"enabled": False}, match={"enabled": False}, cut={"enabled": False})
    done = mill.run()
    assert done.computed == {"label_camera": 3}
    meta = table(mill.results / "meta.csv")
    assert len(meta) == 3
    assert not {"path", "match", "frames_digest"} & set(meta[0])
    assert list(meta[0])[:4] == ["id", "relpath", "text", "text_other"]
    assert all(row["text"] and row["text_other"] for row in meta)
    before = [row["text_other"] for row in meta]
    done = mill.change(caption={"prompt": "video-short"}).run()
    assert done.computed == {"caption_clips": 3}
    assert [row["text_other"] for row in table(mill.results / "meta.csv")] == before
    done = mill.change(captioners={"other": {"frames": [0.9]}}).run()
    assert done.computed == {"caption_clips.other": 3}
    done = mill.change(caption={"enabled": False}, captioners={"other": {"enabled": False}}).run()
    assert done.computed == {}
    assert not [name for name in table(mill.results / "meta.csv")[0] if name.startswith("text")]


@pytest.fixture
def folder(tmp_path) -> Mill:
    """Clips that are cut already, one of them with a cut in it, with a caption next to each, and one without."""
    mill = Mill(tmp_path / "mill")
    mill.videos.mkdir()
    for number in range(3):
        numbered_video.write(mill.videos / f"clip {number}.mp4", 40 + number, Fraction(25), cuts=[20])
    (mill.videos / "clip 0.txt").write_text("\ufeffThe video shows a Number that counts.\n")
    (mill.videos / "clip 1.json").write_text('{"caption": "Squares in a row.", "width": 320}')
    mill.edit("clipmill/videos/clip_file.py", "        self.written += 1\n", COUNT)
    loading = "        self.captioner = "
    mill.edit("caption_clips.py", loading, f'        open("loaded.txt", "a").close()\n{loading}')
    return mill


def test_clips_with_captions_become_a_release_without_a_frame_encoded_or_a_captioner_loaded(folder):
    """They are in a list, whose licences, titles and addresses go on to the release and its card."""
    listed = {
        f"clip {number}.mp4": {"license": name, "title": f"Title, {number}", "url": f"https://host.example/?v={number}"}
        for number, name in enumerate(["cc0", "cc-by", "cc-by"])
    }
    write(folder.videos / "list.csv", [{"path": name, **row} for name, row in listed.items()])
    taken = {"detector": "none", "cut": {"mode": "none"}, "clips": {"min_seconds": 5}}
    folder.change(videos="videos/list.csv", **taken, caption={"enabled": False, "given": "sidecars"})
    done = folder.run("release")
    assert not {"caption_clips", "cut_clips"} & done.jobs.keys()
    assert not (folder.folder / "encoded.txt").exists()
    assert not (folder.folder / "loaded.txt").exists()
    assert not (folder.results / "clips").exists()
    meta = table(folder.results / "meta.csv")
    pairs = {row["relpath"]: row for row in meta}
    assert {name: row["text"] for name, row in pairs.items()} == {
        "clip 0.mp4": "a number that counts.", "clip 1.mp4": "squares in a row.",
    }  # fmt: skip
    assert {name: (row["path"], row["num_frames"]) for name, row in pairs.items()} == {
        f"clip {number}.mp4": (str(folder.videos / f"clip {number}.mp4"), str(40 + number)) for number in range(2)
    }
    assert all(row["aes"] and row["match"] for row in pairs.values())
    (reject,) = table(folder.results / "rejects.csv")
    assert (reject["relpath"], reject["reason"]) == ("clip 2.mp4", "caption is empty")

    release = folder.results / "release"
    (shard,) = release.glob("webdataset/videos-train-*.tar")
    with tarfile.open(shard) as held:
        samples = {member.name: held.extractfile(member).read() for member in held}
    hugging = release / "huggingface/videos/data/train"
    rows = {
        "csv": table(release / "csv/train.csv"),
        "parquet": pq.read_table(release / "parquet/train-00000.parquet").to_pylist(),
        "huggingface": pq.read_table(hugging / "metadata.parquet").to_pylist(),
        "webdataset": [json.loads(samples[f"{row['id']}.json"]) for row in meta],
    }
    for of_format in rows.values():
        assert [row["id"] for row in of_format] == [row["id"] for row in meta]
        for row in of_format:
            assert {name: row[name] for name in ("license", "title", "url")} == listed[row["relpath"]]
    for row in meta:
        source = Path(row["path"]).read_bytes()
        assert samples[f"{row['id']}.mp4"] == (hugging / f"{row['id']}.mp4").read_bytes() == source
        assert samples[f"{row['id']}.txt"].decode() == row["text"]
    card = (release / "README.md").read_text()
    assert "| licence, as the list says | pairs |" in card
    assert {"| cc0 | 1 |", "| cc-by | 1 |"} <= set(card.splitlines())


@pytest.mark.slow
def test_captions_are_made_where_they_are_missing_and_another_given_one_costs_itself_alone(folder):
    folder.change(detector="none", cut={"mode": "none"}, caption={"enabled": False, "given": "sidecars"}).run()
    done = folder.change(caption={"enabled": True}).run()
    assert (folder.folder / "loaded.txt").exists(), "the mark of a loaded captioner marks"
    assert done.computed["caption_clips"] == 1, "captioned where a caption is missing, and only there"
    assert len(table(folder.results / "meta.csv")) == 3
    (folder.videos / "clip 1.json").write_text('"Another."')
    done = folder.run()
    assert not {"scan_videos", "score_aesthetic", "caption_clips"} & done.computed.keys()
    assert done.computed["clean_captions"] == done.computed["score_match"] == 1
    assert "another." in {row["text"] for row in table(folder.results / "meta.csv")}
    folder.change(cut={"mode": "encode"}).run()
    assert (folder.folder / "encoded.txt").stat().st_size == 40 + 41 + 42, "the count of frames counts"
