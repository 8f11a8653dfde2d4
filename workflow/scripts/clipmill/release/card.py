"""The card of a release: README.md, as people and the Hugging Face hub read it.

What only the owner knows is never guessed: it is a blank that names its key in the configuration.
"""

import yaml

from clipmill.engine.shown import shown
from clipmill.release import summary
from clipmill.release.facts import Facts

SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
"""The hub's names of sizes: more pairs than the last are `LARGER`."""
LARGER = "10M<n<100M"
MEANINGS = {
    "path": "the clip's file, from the results folder",
    "id": "the pair: digest of the source, first frame",
    "relpath": "the source's path below the folder of videos",
    "text": "the caption",
    "num_frames": "frames",
    "height": "pixels",
    "width": "pixels",
    "aspect_ratio": "height / width",
    "fps": "frames per second; empty for images",
    "resolution": "height x width, pixels",
    "aes": "aesthetic score, 1-10",
    "flow": "mean length of the optical flow, pixels at 320x576; empty for images",
    "ocr": "text boxes",
    "ocr_area": "share of the picture that text covers, 0-1",
    "match": "how well the caption fits the picture",
    "cmotion": "movement of the camera",
    "video_id": "the source: digest of its samples",
    "start": "seconds of the source at which the clip begins",
    "end": "seconds of the source at which it ends",
    "frames_digest": "digest of what the clip shows",
}
LOADING = {
    "webdataset": 'webdataset.WebDataset(sorted(glob("webdataset/videos-train-*.tar"))).decode()',
    "parquet": 'pandas.concat(map(pandas.read_parquet, sorted(glob("parquet/train-*.parquet"))))',
    "huggingface": 'datasets.load_dataset("huggingface/videos")',
    "csv": 'pandas.read_csv("csv/train.csv")',
}


def text(options: dict, account: dict, facts: Facts, columns: dict[str, str]) -> str:
    """The card. `options`: the configuration's block `release`; `account`: run.json; `columns`: {own name: new one}"""
    owner = options["card"]
    parts = [
        f"---\n{yaml.safe_dump(head(options, account, facts), sort_keys=False, allow_unicode=True)}---",
        f"# {plain(owner['name'] or 'A data set without a name')}",
        plain(owner["description"]) if owner["description"] else blank("description"),
        f"{facts.pairs:,} pairs of a clip and its caption: {facts.hours:,.2f} hours of video, "
        f"{facts.kinds['images']:,} images. Made with Clipmill. Selection `{facts.selection}`.",
        "## From the owner",
        table(("field", "value"), [(name, plain(owner[name]) if owner[name] else blank(name)) for name in FIELDS]),
        "The sources keep their own licences: that of this data set must be compatible with them.",
        "## What it holds",
        table(
            ("split", "pairs", "sources", "hours"),
            [(name, f"{of['pairs']:,}", f"{of['sources']:,}", of["hours"]) for name, of in facts.splits.items()],
        ),
        f"No two pairs with the same `{options['splits']['by']}` are in different splits.",
    ]
    if facts.licences:
        rows = [(plain(name), f"{number:,}") for name, number in sorted(facts.licences.items())]
        parts.append(table(("licence, as the list says", "pairs"), rows))
    if set(facts.buckets) - {""}:
        parts.append(table(("bucket", "pairs"), [(name, f"{n:,}") for name, n in sorted(facts.buckets.items())]))
    parts += ["![Lengths and sizes](figures/lengths.svg)", "## How to load it"]
    parts.append(table(("format", "in Python"), [(name, f"`{LOADING[name]}`") for name in options["formats"]]))
    parts.append("`sha256sum -c SHA256SUMS` checks every file.")
    parts += ["## Columns", table(("column", "meaning"), [(plain(new), meaning(old)) for old, new in columns.items()])]
    return "\n\n".join([*parts, *made(account)]) + "\n"


FIELDS = ("version", "date", "licence", "licence_url", "url", "creator", "contact", "cite_as")
"""The fields of the table, as the configuration calls them."""


def made(account: dict) -> list[str]:
    """How the data set was made: counts, thresholds, rejects, models."""
    counts, limits = account["counts"], account["configuration"]["select"]
    keys = ("min", "max", "is", "in")
    used = [(name, *(plain(of.get(key, "")) for key in keys)) for name, of in summary.thresholds(limits).items()]
    models = [model for block in account["models"].values() for model in block]
    names = chosen(account["configuration"])
    return [
        "## How it was made",
        " -> ".join(f"{count:,} {name}" for name, count in counts.items()) + ".",
        "![From files to pairs](figures/funnel.svg)",
        "Thresholds, both inclusive (empty: no limit):",
        table(("column", *keys), used),
        *([plain(target)] if (target := summary.target(limits)) else []),
        "![Scores of all clips and of the pairs](figures/scores.svg)",
        "What was left out, and why:",
        table(
            ("rule", "reason", "rows"),
            [(row["stage"], plain(row["reason"]), row["rows"]) for row in account["rejects"]],
        ),
        "Models. Captions and scores are made by machines, and may be wrong.",
        table(("step", "model"), names),
        table(("weights of", "from", "SHA-256"), [(m["key"], plain(m["source"]), f"`{m['sha256']}`") for m in models]),
    ]


def chosen(configuration: dict) -> list[tuple[str, str]]:
    """The model of each step that runs."""
    caption, server = configuration["caption"], configuration["caption"]["server"]
    score = dict(configuration["score"])
    classifiers = score.pop("classifiers", [])
    score.pop("labels", None)  # by the model of score.aesthetic
    scorers = {f"score.{name}": block.get("model") for name, block in score.items() if block["enabled"]}
    scorers |= {f"score.{entry['name']}": entry["model"] for entry in classifiers}
    captioner = f"{server['model']} (on a server)" if server["url"] else caption["model"]
    names = {"detector": configuration["detector"], **scorers, "caption": captioner, "prompt": caption["prompt"]}
    names |= {"refine": configuration["refine"]["model"], "match": configuration["match"]["model"]}
    return [(step, plain(name)) for step, name in names.items() if name]


def head(options: dict, account: dict, facts: Facts) -> dict:
    """The card's YAML: only keys that the hub knows, only what is known."""
    owner, found = options["card"], {}
    if owner["licence"]:
        found["license"] = owner["licence"]
    if owner["licence"] == "other":
        found |= {"license_name": "other", "license_link": owner["licence_url"] or "not stated"}
    if owner["name"]:
        found["pretty_name"] = owner["name"]
    if account["configuration"]["caption"]["checks"]["language"]:
        found["language"] = [account["configuration"]["caption"]["checks"]["language"]]
    found["annotations_creators"] = ["machine-generated"]
    found["task_categories"] = ["text-to-video"] if facts.kinds["videos"] or not facts.pairs else ["text-to-image"]
    found["size_categories"] = [next((name for limit, name in SIZES.items() if facts.pairs < limit), LARGER)]
    if "parquet" in options["formats"]:
        files = [{"split": split, "path": f"parquet/{split}-*.parquet"} for split in facts.splits or ["train"]]
        found["configs"] = [{"config_name": "default", "data_files": files}]
    return found


def meaning(column: str) -> str:
    """What a column of ours means; of any other one we know where it came from."""
    return MEANINGS.get(column, "from the list of videos, or from a step that was added")


def blank(key: str) -> str:
    """What stands where only the owner knows."""
    return f"*to be filled in by the owner: `release.card.{key}`*"


def plain(text: object) -> str:
    """Text on one line that Markdown and HTML take for text."""
    line = shown(str(text).replace("\n", " "))
    return "".join(f"&#{ord(letter)};" if letter in "<>&|`*_[]\\" else letter for letter in line)


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
