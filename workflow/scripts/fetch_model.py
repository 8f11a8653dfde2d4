"""Fetch models: bring every model that the configuration names to this machine, and write down what they are.

The only rule that uses the network, and only for what is missing. The list that it writes holds, per configuration
block, its models with key, source, path, commit (Hugging Face) and the SHA-256 of their files; of a captioner also what
its folder says about how words are chosen, which `caption.sampling` decides instead. A captioner that cannot be asked
about pictures ends it here, before any node is allocated.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

from clipmill.captions import families
from clipmill.clips import classifiers
from clipmill.engine import weights
from clipmill.engine.files import sha256, whole

DUPLICATES = ["*.msgpack", "*.h5", "*.onnx", "*.ot", "flax_model*", "tf_model*"]
"""The same weights in formats that are not read."""
UNSAFE = ["*.bin", "*.pt", "*.pth", "*.ckpt"]
"""Left out where the repository has safetensors."""


def main() -> None:
    """Fetch what is missing and write the list. Ends with a plain message where a model cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="the folder of fetched models")
    parser.add_argument("--settings", required=True, help="configuration blocks by dotted name, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the list to write")
    args = parser.parse_args()
    os.environ["CLIPMILL_MODELS"] = str(args.models)
    os.environ.pop("CLIPMILL_SCRATCH", None)  # the list is of the models themselves, not of a node's copies
    listed = {}
    for block, settings in json.loads(args.settings).items():
        listed[block] = [record(need, args.models) for need in weights.needed(block, settings)]
        if block.startswith("caption") or (block == "refine" and settings["frames"]):
            listed[block] = [captioner(entry) for entry in listed[block]]
        for entry in listed[block]:
            if entry["key"].endswith(".pretrained"):
                open_clip_file(entry, settings["model"])
        if block == classifiers.KEY:
            for entry, model in zip(settings, listed[block], strict=True):
                require_labels(entry, Path(model["path"]))
    with whole(args.out) as file:
        json.dump(listed, file, indent=2, ensure_ascii=False)


def record(need: weights.Need, folder: Path) -> dict:
    """A model's entry in the list; the model is fetched first if it is missing."""
    place = need.place(folder)
    if not place.exists() and need.kind in FETCH:
        print(f"fetching {need.source} into {place}", file=sys.stderr, flush=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as scratch:
            try:
                FETCH[need.kind](need, Path(scratch)).replace(place)
            except Exception as error:
                raise SystemExit(
                    f"fetch_models: `{need.key}`: {need.source} cannot be fetched: {type(error).__name__}: {error}\n"
                    f"Without a network, put it at {place} by hand, or name a local file or folder under `{need.key}`."
                ) from error
    try:
        digest = weights.digest(need.path())
    except weights.ModelMissing as error:
        raise SystemExit(f"fetch_models: {error}") from error
    expected = need.sha256 or _sum_in_name(need)
    if expected and not digest.startswith(expected):
        raise SystemExit(
            f"fetch_models: `{need.key}`: {place} has the SHA-256 {digest}, but {expected} is expected: "
            f"remove the file if it is damaged, or correct the key"
        )
    entry = {"key": need.key, "source": need.source, "path": str(place), "sha256": digest}
    if need.kind == "hub":
        entry |= {"revision": need.revision or "main", "commit": _commit(place)}
    return entry


def captioner(entry: dict) -> dict:
    """A captioner's entry, with what its folder says about generation. Ends with a plain message where the model cannot
    be asked about pictures."""
    folder = Path(entry["path"])
    try:
        families.check(folder, entry["key"], entry["source"])
    except families.ModelUnusable as error:
        raise SystemExit(f"fetch_models: {error}") from error
    return entry | {"generation_config": families.generation(folder)}


def open_clip_file(entry: dict, model: str) -> None:
    """End with a plain message where a file of open_clip weights leaves open how it must be used."""
    from clipmill.clips import embeddings

    try:
        embeddings.check_activation(model, Path(entry["path"]), entry["key"])
    except embeddings.ActivationUnknown as error:
        raise SystemExit(f"fetch_models: {error}") from error


def require_labels(entry: dict, folder: Path) -> None:
    """End with a plain message where a classifier does not have the labels that it is asked for."""
    try:
        classifiers.numbers(folder, entry)
    except classifiers.LabelMissing as error:
        raise SystemExit(f"fetch_models: {error}") from error


def _url(need: weights.Need, scratch: Path) -> Path:
    target, expected = scratch / "file", need.sha256 or _sum_in_name(need)
    # The place of a file was its bare name once: what lies there is taken over where its digest vouches for it.
    bare = scratch.parent / (need.file or "-")
    if expected and bare.is_file() and sha256(bare).startswith(expected):
        shutil.copyfile(bare, target)
        return target
    with urllib.request.urlopen(need.source) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file)
    found = sha256(target)
    if expected and not found.startswith(expected):
        raise ValueError(f"the download has the SHA-256 {found}, but {expected} is expected")
    return target


def _sum_in_name(need: weights.Need) -> str | None:
    """The start of a file's SHA-256, which torch's own downloads carry at the end of their names."""
    found = re.search(r"-([0-9a-f]{8,})\.\w+$", need.source) if need.kind == "url" else None
    return found and found[1]


def _hub(need: weights.Need, scratch: Path) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(need.source, revision=need.revision)
    safe = any(file.rfilename.endswith(".safetensors") for file in info.siblings)
    target = scratch / "folder"
    ignored = DUPLICATES + UNSAFE * safe
    snapshot_download(need.source, revision=info.sha, local_dir=target, ignore_patterns=ignored)
    shutil.rmtree(target / ".cache", ignore_errors=True)
    (target / ".commit").write_text(info.sha)
    return target


def _commit(place: Path) -> str | None:
    note = place / ".commit"
    return note.read_text() if note.is_file() else None


def _open_clip(need: weights.Need, scratch: Path) -> Path:
    import open_clip
    from clipmill.clips.embeddings import write_folder

    model, _, tag = need.source.partition(":")[2].rpartition("@")
    known = open_clip.get_pretrained_cfg(model, tag)
    if not known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model))
        raise ValueError(f"open_clip knows no weights {tag!r} for {model!r}; it knows {tags or 'no such model'}")
    target = scratch / "folder"
    target.mkdir()
    tokenizer = open_clip.get_model_config(model)["text_cfg"].get("hf_tokenizer_name")
    if tokenizer:
        from huggingface_hub import snapshot_download

        snapshot_download(tokenizer, local_dir=target, allow_patterns=["*token*", "*.model", "vocab*", "merges*"])
        shutil.rmtree(target / ".cache", ignore_errors=True)
    file = Path(open_clip.download_pretrained(known, cache_dir=str(scratch / "cache")))
    write_folder(target, model, known, file)
    return target


FETCH = {"url": _url, "hub": _hub, "open_clip": _open_clip}

if __name__ == "__main__":
    main()
