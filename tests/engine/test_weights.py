"""Models: each is found where the configuration says, fetched once, known by its digest, and never runs code."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from clipmill.engine import weights
from clipmill.plan import config

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = {
    "config.json": b'{"model_type": "llava"}',
    "chat_template.jinja": b"a chat",
    "model.safetensors": b"safe weights" * 100,
    "pytorch_model.bin": b"the same in a format that can carry code",
    "README.md": b"about",
}


@contextmanager
def served(pages: dict[str, bytes]):
    """A server on this machine: (address, the paths that were asked for). HEAD says what the Hugging Face hub says."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            asked.append((self.command, path))
            page = pages.get(path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(page or b"")))
            self.send_header("ETag", f'"{hash(page)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page or b"")

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def fetch(folder: Path, settings: dict, **environment) -> tuple[int, str, dict | None]:
    """`fetch_model` in a process: (exit status, what it said, the list that it wrote)."""
    out = folder / "models.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, SCRIPTS / "fetch_model.py", "--models", folder, "--out", out]
    given = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "CLIPMILL_MODELS")}
    given |= {"HF_HOME": str(folder / "hub"), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [*command, "--settings", json.dumps(settings)], env=given | environment, capture_output=True, text=True
    )
    return done.returncode, done.stderr, json.loads(out.read_text()) if out.exists() else None


def head(url: str, sha256: str | None = None) -> dict:
    """Configuration with an aesthetic head; the model's weights are any file at hand."""
    return {"score.aesthetic": {"model": "any", "pretrained": __file__, "head": url, "head_sha256": sha256}}


def place_of(url: str, folder: Path) -> Path:
    return weights.Need("score.aesthetic.head", url).place(folder)


def sha256_of(content: bytes, folder: Path) -> str:
    """By the system's own tool."""
    (folder / "content").write_bytes(content)
    said = subprocess.run(["sha256sum", folder / "content"], capture_output=True, text=True, check=True)
    return said.stdout.split()[0]


def test_a_url_is_fetched_once_and_listed_with_its_digest(tmp_path):
    content = b"weights" * 1000
    expected = sha256_of(content, tmp_path)
    with served({"/head.pth": content}) as (address, asked):
        status, said, listed = fetch(tmp_path, head(f"{address}/head.pth", expected))
        assert (status, len(asked)) == (0, 1), said
    # The server is gone: what was fetched is not requested again.
    status, said, again = fetch(tmp_path, head(f"{address}/head.pth", expected))
    assert (status, again) == (0, listed), said
    entry = listed["score.aesthetic"][1]
    assert entry["key"] == "score.aesthetic.head"
    assert entry["sha256"] == expected
    assert Path(entry["path"]).read_bytes() == content


@pytest.mark.parametrize("name", ["head.pth", "head-00000000.pth"], ids=["by its key", "by its name"])
def test_a_file_with_another_digest_is_refused_and_not_kept(tmp_path, name):
    with served({f"/{name}": b"damaged"}) as (address, _):
        wrong = "0" * 64 if name == "head.pth" else None
        status, said, listed = fetch(tmp_path, head(f"{address}/{name}", wrong))
    assert (status, listed) == (1, None)
    assert "`score.aesthetic.head`" in said
    assert "SHA-256" in said
    assert not list(tmp_path.glob(f"*{name}"))


def test_a_file_that_was_replaced_later_is_refused(tmp_path):
    content = b"weights"
    place_of("http://127.0.0.1:9/head.pth", tmp_path).write_bytes(b"other weights")
    status, said, _ = fetch(tmp_path, head("http://127.0.0.1:9/head.pth", sha256_of(content, tmp_path)))
    assert status == 1
    assert "is expected" in said


def test_two_urls_never_share_a_place(tmp_path):
    urls = [
        *(
            f"{scheme}://{host}/{x}"
            for scheme in ("http", "https")
            for host in "hg"
            for x in ("a/head.pth", "b/head.pth")
        ),
        *(
            f"https://h/{x}"
            for x in ("a/head.pth?v=2", "a/head-01064c6d.pth", "b/head-01064c6d.pth", "", "..", "%2e%2e")
        ),
    ]
    places = {place_of(url, tmp_path) for url in urls}
    assert len(places) == len(urls)
    assert {place.parent for place in places} == {tmp_path}, "no URL leads out of the folder"
    assert place_of("https://h/head.pth?download=true", tmp_path).name.endswith("-head.pth")


def test_two_heads_of_one_name_are_both_fetched(tmp_path):
    with served({"/a/head.pth": b"one", "/b/head.pth": b"two"}) as (address, _):
        entries = [fetch(tmp_path, head(f"{address}/{x}/head.pth"))[2]["score.aesthetic"][1] for x in "ab"]
    assert [entry["sha256"] for entry in entries] == [sha256_of(content, tmp_path) for content in (b"one", b"two")]


def test_a_file_under_its_bare_name_is_taken_over_only_where_its_digest_is_known(tmp_path):
    (tmp_path / "head.pth").write_bytes(b"one")
    url = "http://127.0.0.1:9/a/head.pth"
    status, said, listed = fetch(tmp_path, head(url, sha256_of(b"one", tmp_path)))
    assert status == 0, said
    assert listed["score.aesthetic"][1]["path"] == str(place_of(url, tmp_path))
    place_of(url, tmp_path).unlink()
    assert fetch(tmp_path, head(url))[0] == 1
    assert fetch(tmp_path, head(url, sha256_of(b"two", tmp_path)))[0] == 1


def test_without_a_network_the_message_says_what_is_missing_and_what_to_do(tmp_path):
    status, said, listed = fetch(tmp_path, head("http://127.0.0.1:9/head.pth"))
    assert (status, listed) == (1, None)
    assert "`score.aesthetic.head`: http://127.0.0.1:9/head.pth cannot be fetched" in said
    assert str(place_of("http://127.0.0.1:9/head.pth", tmp_path)) in said
    assert "Traceback" not in said


def test_a_hub_model_is_fetched_at_its_commit_without_its_unsafe_copies(tmp_path):
    listing = {"id": "some/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in REPOSITORY]}
    page = json.dumps(listing).encode()
    pages = {f"/api/models/some/model/revision/{revision}": page for revision in ("v1", COMMIT)}
    pages |= {f"/some/model/resolve/{COMMIT}/{name}": content for name, content in REPOSITORY.items()}
    tree = [{"type": "file", "path": name, "size": len(content), "oid": "0"} for name, content in REPOSITORY.items()]
    pages[f"/api/models/some/model/tree/{COMMIT}"] = json.dumps(tree).encode()
    caption = {"caption": {"model": "some/model", "revision": "v1", "server": {"url": None}}}
    with served(pages) as (address, _):
        status, said, listed = fetch(tmp_path, caption, HF_ENDPOINT=address)
    assert status == 0, said
    [entry] = listed["caption"]
    folder = tmp_path / "some" / "model@v1"
    assert (entry["path"], entry["revision"], entry["commit"]) == (str(folder), "v1", COMMIT)
    assert {path.name for path in folder.iterdir()} - {".commit"} == set(REPOSITORY) - {"pytorch_model.bin"}
    assert (folder / "model.safetensors").read_bytes() == REPOSITORY["model.safetensors"]
    status, said, again = fetch(tmp_path, caption, HF_HUB_OFFLINE="1")
    assert (status, again) == (0, listed), said


def test_an_unknown_name_is_reported_with_the_known_names(tmp_path):
    settings = {"match": {"model": "ViT-B-32", "pretrained": "oponai"}}
    status, said, _ = fetch(tmp_path, settings)
    assert status == 1
    assert "`match.pretrained`" in said
    assert "laion2b_s34b_b79k" in said


def test_an_open_clip_tag_becomes_a_folder_that_gives_the_same_model(tmp_path):
    import open_clip
    import torch
    from clipmill.clips.embeddings import OpenClip, write_folder
    from tiny_open_clip import MEAN, STD, config, tiny_clip

    source = tiny_clip(tmp_path / "source")
    (tmp_path / "architectures").mkdir()
    (tmp_path / "architectures" / "tiny-arch.json").write_text(json.dumps(config()))
    open_clip.add_model_config(tmp_path / "architectures")
    (tmp_path / "made").mkdir()
    tag = {"mean": MEAN, "std": STD, "quick_gelu": True, "hf_hub": "nobody/nothing/"}
    file = tmp_path / "weights.safetensors"
    file.write_bytes((source / "open_clip_model.safetensors").read_bytes())
    write_folder(tmp_path / "made", "tiny-arch", tag, file)
    given = {"model": "tiny-arch", "pretrained": str(tmp_path / "made")}
    made = OpenClip(given, "match")
    expected = open_clip.create_model("tiny-arch", str(source / "open_clip_model.safetensors"), force_quick_gelu=True)
    pictures = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    mean, deviation = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        vectors = expected.eval().encode_image((pictures / 255 - mean) / deviation, normalize=True)
    torch.testing.assert_close(made.images(list(pictures)), vectors)
    plain = OpenClip(given | {"pretrained": str(source / "open_clip_model.safetensors")}, "match")
    assert not torch.allclose(plain.images(list(pictures)), vectors)


def test_a_file_whose_activation_cannot_be_known_is_refused_before_any_job(tmp_path):
    import open_clip
    from clipmill.clips.embeddings import ActivationUnknown, OpenClip, check_activation
    from tiny_open_clip import tiny_clip

    file = tiny_clip(tmp_path / "clip") / "open_clip_model.safetensors"
    given = {"model": "ViT-B-32", "pretrained": str(file)}
    with pytest.raises(ActivationUnknown, match=r"`match\.pretrained`.*ViT-B-32-quickgelu.*`quick_gelu: false`"):
        OpenClip(given, "match")
    status, said, listed = fetch(tmp_path, {"match": given})
    assert (status, listed) == (1, None)
    assert "fetch_models: `match.pretrained`" in said
    assert "Traceback" not in said
    # The name says it, a folder says it, or there is one activation only.
    check_activation("ViT-B-32-quickgelu", file, "key")
    check_activation("ViT-B-32", file.parent, "key")
    check_activation("ViT-B-16-SigLIP", file, "key")
    assert {"ViT-B-32-quickgelu", "ViT-B-16-SigLIP"} < set(open_clip.list_models())


def test_a_local_file_or_folder_is_used_as_it_is(tmp_path):
    (tmp_path / "model").mkdir()
    assert weights.resolve(str(tmp_path / "model"), {"revision": "main"}) == tmp_path / "model"


@pytest.mark.parametrize(
    ("need", "place"),
    [
        (weights.Need("caption.model", "some/model", revision="abc"), "some/model@abc"),
        (weights.Need("refine.model", "some/model"), "some/model@main"),
        (weights.Need("score.aesthetic.head", "https://example.org/x/head.pth"), "938ec28c7143-head.pth"),
        (weights.Need("match.pretrained", "open_clip:ViT-L-14@openai"), "open_clip/ViT-L-14@openai"),
    ],
)
def test_a_missing_model_is_named_with_its_key_and_the_command_that_fetches_it(tmp_path, monkeypatch, need, place):
    monkeypatch.setenv("CLIPMILL_MODELS", str(tmp_path))
    with pytest.raises(weights.ModelMissing) as caught:
        need.path()
    for part in (f"`{need.key}`", str(tmp_path / place), "snakemake fetch_models --cores 1"):
        assert part in str(caught.value)


def test_a_missing_local_file_is_named_with_its_key_and_without_that_advice(tmp_path):
    with pytest.raises(weights.ModelMissing, match=r"`score\.aesthetic\.head` needs .*gone\.pth") as caught:
        weights.resolve(str(tmp_path / "gone.pth"), {}, key="score.aesthetic.head")
    assert "fetch" not in str(caught.value)


def needs_of(name: str) -> dict[str, str]:
    """Key -> source of all models that a shipped configuration names."""
    given = yaml.safe_load((ROOT / "config" / name).read_text())
    whole = config.check(given, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    blocks = {f"score.{scorer}": block for scorer, block in whole["score"].items()}
    blocks |= {block: whole[block] for block in ("caption", "refine", "match", "detector")}
    return {need.key: need.source for block, held in blocks.items() for need in weights.needed(block, held)}


def test_production_needs_the_references_models():
    needs = needs_of("config.yaml")
    assert set(needs) == {
        *("score.aesthetic.pretrained", "score.aesthetic.head", "score.flow.weights", "score.ocr.model"),
        *("caption.model", "match.pretrained", "detector"),
    }
    assert needs["match.pretrained"] == needs["score.aesthetic.pretrained"] == "open_clip:ViT-L-14@openai"
    assert needs["caption.model"] == "llava-hf/llava-v1.6-mistral-7b-hf"


def test_the_demo_needs_nothing_that_is_not_in_a_package():
    assert all(source.startswith("package:") for source in needs_of("demo.yaml").values())


def test_a_detector_with_a_reader_depends_on_the_weights_of_both():
    needs = weights.needed("score.ocr", {"model": "rapidocr"})
    assert [need.source for need in needs] == ["package:rapidocr", "package:rapidocr_reader"]
    assert {need.key for need in needs} == {"score.ocr.model"}
    assert len({weights.digest(need.path()) for need in needs}) == 2


@pytest.mark.parametrize("name", weights.PACKAGED)
def test_packaged_weights_are_installed(name):
    assert weights.packaged(name).stat().st_size > 1e6


def test_a_caption_server_needs_no_model_of_our_own():
    assert weights.needed("caption", {"model": "some/model", "server": {"url": "http://host/v1"}}) == []


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPMILL_MODELS", str(tmp_path / "models"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"one")
    return tmp_path / "model"


def test_a_files_digest_is_its_sha256(model, tmp_path):
    file = model / "model.safetensors"
    assert weights.digest(file) == weights.digest(file) == sha256_of(b"one", tmp_path)


def test_a_folders_digest_changes_with_weights_and_settings_and_not_with_its_place_or_notes(model, tmp_path):
    before = weights.digest(model)
    (model / "README.md").write_text("about")
    (model / ".note").write_text("hidden")
    assert weights.digest(model) == before
    seen = {before}
    for name, content in (("model.safetensors", b"two"), ("config.json", b"{ }"), ("tokenizer.json", b"{}")):
        (model / name).write_bytes(content)
        seen.add(weights.digest(model))
    assert len(seen) == 4


def test_a_step_gets_the_digests_of_its_own_models_only():
    entry = {"key": "match.pretrained", "source": "x", "path": "/x", "sha256": "1"}
    manifest = {"match": [entry], "score.aesthetic": [entry | {"key": "score.aesthetic.head", "sha256": "2"}]}
    assert weights.digests(manifest, "match") == [["match.pretrained", "1"]]
    assert weights.digests(manifest, "score.aesthetic") == [["score.aesthetic.head", "2"]]
    assert weights.digests(manifest, "caption") == []


def test_looking_models_up_imports_nothing_heavy():
    code = (
        "import sys, clipmill.engine.weights; print(*{'torch', 'numpy', 'open_clip', 'transformers'} & {*sys.modules})"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""
