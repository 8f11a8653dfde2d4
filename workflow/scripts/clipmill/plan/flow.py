"""The whole flow on one page: which rule reads whose tables, and what each result depends on.

A rule's full name is `<phase>.<rule>`, as in the names of its folders: `clips.score_flow`. Light: every job imports it.
"""

from dataclasses import dataclass, field, replace

from clipmill.engine import weights
from clipmill.plan import engines, targets, texts

PHASES = ("videos", "clips", "captions")
AFTER_CAPTIONS = ("match",)
"""Columns whose thresholds select_pairs applies; select_clips applies the others."""
NOT_OF_A_CLIP = ("when", "mode", "enabled", "check")
"""Keys of `cut` on which the bytes of an encoded clip do not depend."""
OF_THEIR_OWN = CLASSIFIERS, LABELS, COHERENCE = "classifiers", "labels", "coherence"
"""Keys of `score` whose rules are not made of their block alone."""
BY_CLIP = ("crop_borders", "deinterlace")
"""Keys of `cut` that the scan turns into a column of each clip: steps depend on that column."""


@dataclass(frozen=True)
class Rule:
    """A map rule."""

    settings: dict
    """What its result depends on."""
    finish_settings: dict = field(default_factory=dict)
    """What `Step.finish` takes in addition: applied to what is remembered, so that a change computes nothing again."""
    block: str = ""
    """The configuration block that its weights come from."""
    model: str | None = None
    """The model that is chosen, as its table of models calls it."""
    reads: tuple[str, ...] = ()
    """The rules whose tables it reads; none where it reads the shard alone."""
    enabled: bool = True
    remembers: bool = True
    """Whether it is a step with a memo."""
    together: bool = False
    """Whether a job of it is one process with all its GPUs, in place of a rank for each."""


def map_rules(config: dict, blocks: dict) -> dict[str, Rule]:
    """Every map rule by its full name, in the order in which data flows.

    `config` says which rules run, with which models; `blocks` are its blocks, from which the rules take their settings.
    """
    detector = config["detector"]
    refine = config["refine"]
    sees = bool(refine["model"] and refine["frames"])
    frames = {"frames_from": {key: value for key, value in blocks["frames"].items() if key != "decode"}}
    by_tower = {"frames_from": frames["frames_from"] | decoding(blocks["frames"])}
    stored = {key: blocks["frames"][key] for key in ("fps", "short_side", "quality")}
    cut = of_a_clip(blocks["cut"])
    by_clip, checked = {key: blocks["cut"][key] for key in BY_CLIP}, {"check": blocks["cut"]["check"]}
    cuts, has_text = config["cut"]["enabled"] and config["cut"]["mode"] != "none", texts.expected(config)
    limits = {
        column: asked for column, given in targets.limits(blocks["select"]).items() if (asked := limits_of(given))
    }
    labels_first = targets.needs_camera(config)
    late_limits = {column: limits.pop(column) for column in AFTER_CAPTIONS if column in limits}
    cleaning = Rule(
        without_switch(blocks["clean"]) | {"refine": blocks["refine"]} | (frames if sees else {}),
        block="refine",
        model="vision" if sees else refine["model"] or "none",
        enabled=config["clean"]["enabled"],
    )
    more = [
        {
            f"captions.caption_clips.{name}": captioner(
                f"captioners.{name}", block, blocks["captioners"][name], frames
            ),
            f"captions.clean_captions.{name}": replace(cleaning, enabled=cleaning.enabled and block["enabled"]),
        }
        for name, block in config["captioners"].items()
    ]
    scorers = {
        f"clips.score_{name}": Rule(
            blocks["score"][name] | (by_tower if has_tower(block) else frames),
            block=f"score.{name}",
            model=block.get("model"),
            enabled=block["enabled"],
        )
        for name, block in config["score"].items()
        if name not in OF_THEIR_OWN
    }
    scorers |= {
        "clips.score_classifiers": Rule(
            {CLASSIFIERS: blocks["score"][CLASSIFIERS]} | frames,
            block="score.classifiers",
            enabled=bool(config["score"][CLASSIFIERS]),
        ),
        "clips.score_labels": by_vectors(
            config["score"],
            blocks["score"],
            by_tower,
            {LABELS: blocks["score"][LABELS]},
            enabled=bool(config["score"][LABELS]),
        ),
        "clips.score_coherence": by_vectors(
            config["score"], blocks["score"], by_tower, {}, enabled=config["score"][COHERENCE]["enabled"]
        ),
    }
    return {
        "videos.scan_videos": Rule(
            {"detector": detector, "detectors": {detector: blocks["detectors"].get(detector, {})}}
            | {"frames": stored, "quality": blocks["quality"]},
            finish_settings={"fmin": blocks["fmin"], "clips": blocks["clips"]} | by_clip,
            block="detector",
            model=detector,
        ),
        **scorers,
        "clips.hash_clips": Rule(frames, enabled=config["duplicates"]["enabled"]),
        "clips.embed_clips": by_vectors(config["score"], blocks["score"], by_tower, {}, targets.needs_vectors(config)),
        "clips.select_clips": Rule(
            {} if config["chosen"] else limits,
            {"chosen": blocks["chosen"]},
            reads=tuple(name for name, rule in scorers.items() if rule.enabled), remembers=False
        ),
        **({"clips.label_camera": Rule(blocks["camera"], reads=("clips.select_clips",))} if labels_first else {}),
        "clips.cut_clips": Rule(cut, checked, enabled=cuts and config["cut"]["when"] == "first"),
        **in_turn({
            "captions.caption_clips": captioner("caption", config["caption"], blocks["caption"], frames),
            "captions.clean_captions": replace(cleaning, enabled=cleaning.enabled and has_text),
            "captions.score_match": Rule(
                without_switch(blocks["match"]) | (by_tower if has_tower(config["match"]) else frames),
                block="match",
                model=config["match"]["model"],
                enabled=config["match"]["enabled"] and has_text,
            ),
            "captions.select_pairs": Rule(late_limits, remembers=False),
            "captions.label_camera": Rule(blocks["camera"], enabled=config["camera"]["enabled"]),
            "captions.cut_clips": Rule(cut, checked, enabled=cuts),
        }),
        **{name: rule for others in more for name, rule in in_turn(others).items()},
    }  # fmt: skip


def of_a_clip(cut: dict) -> dict:
    """The keys of the block `cut` on which the bytes of a clip depend."""
    found = {key: value for key, value in cut.items() if key not in (*NOT_OF_A_CLIP, *BY_CLIP)}
    return found | ({"mode": "smart"} if cut["mode"] == "smart" else {})


def by_vectors(config: dict, blocks: dict, frames: dict, settings: dict, enabled: bool) -> Rule:
    """A rule with these settings that follows the aesthetic score, whose vectors of frames it takes."""
    of = {key: value for key, value in blocks["aesthetic"].items() if key in ("model", "pretrained", "frames", "batch")}
    reads = ("clips.score_aesthetic",) if config["aesthetic"]["enabled"] else ()
    return Rule(settings | of | frames, block="score.aesthetic", reads=reads, enabled=enabled)


def has_tower(block: dict) -> bool:
    """Whether a block names an open_clip model."""
    return bool(block.get("pretrained")) and block["model"] not in weights.EMBEDDED


def decoding(frames: dict) -> dict:
    """`decode` where it is not as usual: what was remembered before there was such a key stays."""
    return {"decode": frames["decode"]} if frames.get("decode") == "gpu" else {}


def without_switch(block: dict) -> dict:
    """A block without what says whether its rule runs, and what gather_captions alone looks at."""
    return {name: value for name, value in block.items() if name not in ("enabled", "given", "append")}


def captioner(name: str, config: dict, block: dict, frames: dict) -> Rule:
    """The rule of a captioner by the name of its block. Another one than `caption` also captions clips whose caption
    is given."""
    engine = engines.engine(config)
    model = config["model"] if engine == "transformers" else engine
    settings = without_switch(block) | frames | {"engine": engine, "captioner": model}
    always = {} if name == "caption" else {"always": True}
    together = engine == "vllm"
    return Rule(settings, always, block=name, model=model, enabled=config["enabled"], together=together)


def in_turn(rules: dict[str, Rule]) -> dict[str, Rule]:
    """These rules, each of which reads the table of the one before it that is enabled; the first reads the shard."""
    chain, before = {}, ()
    for name, rule in rules.items():
        chain[name] = replace(rule, reads=before)
        before = (name,) if rule.enabled else before
    return chain


def limits_of(given: dict) -> dict:
    """The limits of a column that are set."""
    return {name: value for name, value in given.items() if value is not None}


def script_of(name: str) -> str:
    """The script of a rule by its full name, which may end with a captioner's."""
    return name.partition(".")[2].partition(".")[0]
