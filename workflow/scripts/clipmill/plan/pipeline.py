"""The whole flow on one page: which rule reads whose tables, what each result depends on, and where everything lies.

A rule's full name is `<phase>.<rule>`, as in the names of its folders: `clips.score_flow`. Light: every job imports it.
"""

import json
import shlex
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

from clipmill.engine.fingerprints import digest, fingerprint, without_speed
from clipmill.videos import sources

PHASES = ("videos", "clips", "captions")
MODEL_KEYS = ("model", "pretrained", "head", "head_sha256", "weights", "revision", "server")
"""What fetch_models looks at: the other keys of a block change no model."""

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


def map_rules(config: dict, blocks: dict) -> dict[str, Rule]:
    """Every map rule by its full name, in the order in which data flows.

    `config` says which rules run, with which models; `blocks` are its blocks, from which the rules take their settings.
    """
    detector, caption = config["detector"], config["caption"]
    refiner = config["refine"]["model"] or "none"
    frames = {"frames_from": blocks["frames"]}
    stored = {key: blocks["frames"][key] for key in ("fps", "short_side", "quality")}
    sound = {"quality": blocks["quality"]}
    captioner = "server" if caption["server"]["url"] else caption["model"]
    cut = {key: value for key, value in blocks["cut"].items() if key not in ("when", *BY_CLIP)}
    by_clip = {key: blocks["cut"][key] for key in BY_CLIP}
    limits = {column: limits for column, limits in blocks["select"].items() if set(limits.values()) != {None}}
    match_limits = {"match": limits.pop("match")} if "match" in limits else {}
    scorers = {
        f"clips.score_{name}": Rule(
            blocks["score"][name] | frames, block=f"score.{name}", model=block.get("model"), enabled=block["enabled"]
        )
        for name, block in config["score"].items()
    }
    return {
        "videos.scan_videos": Rule(
            {"detector": detector, "detectors": {detector: blocks["detectors"][detector]}, "frames": stored} | sound,
            finish_settings={"fmin": blocks["fmin"], "clips": blocks["clips"]} | by_clip,
            block="detector",
            model=detector,
        ),
        **scorers,
        "clips.hash_clips": Rule(frames, enabled=config["duplicates"]["enabled"]),
        "clips.select_clips": Rule(
            limits, reads=tuple(name for name, rule in scorers.items() if rule.enabled), remembers=False
        ),
        "clips.cut_clips": Rule(cut, enabled=config["cut"]["when"] == "first"),
        **in_turn({
            "captions.caption_clips": Rule(
                blocks["caption"] | frames | {"captioner": captioner}, block="caption", model=captioner
            ),
            "captions.clean_captions": Rule(
                blocks["clean"] | {"refine": blocks["refine"]}, block="refine", model=refiner
            ),
            "captions.score_match": Rule(blocks["match"] | frames, block="match", model=config["match"]["model"]),
            "captions.select_pairs": Rule(match_limits, remembers=False),
            "captions.label_camera": Rule(blocks["camera"], enabled=config["camera"]["enabled"]),
            "captions.cut_clips": Rule(cut),
        }),
    }  # fmt: skip


def in_turn(rules: dict[str, Rule]) -> dict[str, Rule]:
    """These rules, each of which reads the table of the one before it that is enabled; the first reads the shard."""
    chain, before = {}, ()
    for name, rule in rules.items():
        chain[name] = replace(rule, reads=before)
        before = (name,) if rule.enabled else before
    return chain


class Pipeline:
    """The flow of one checked configuration. Paths hold the wildcard `{shard}`."""

    def __init__(self, config: dict, schema: dict):
        self.config, self.results = config, config["results"].rstrip("/")
        self.rules = map_rules(config, config)
        self.lasting = map_rules(config, without_speed(config, schema))

    def steps(self, phase: str) -> list[str]:
        """The full names of the phase's rules that run and remember."""
        of_phase = [name for name in self.rules if name.startswith(f"{phase}.")]
        return [name for name in of_phase if self.rules[name].enabled and self.rules[name].remembers]

    def memo(self, name: str) -> str:
        """The folder of what a rule remembers: a digest of its code and of what its result depends on."""
        rule, script = self.lasting[name], script_of(name)
        return f"{self.results}/memo/{script}/{digest(fingerprint(script, rule.model, engine=False), rule.settings)}"

    def key(self, name: str) -> str:
        """A digest of a rule's code and settings, and of those of the rules that it reads."""
        rule, script = self.lasting[name], script_of(name)
        code = fingerprint(script, rule.model)
        return digest(script, code, rule.settings, rule.finish_settings, [self.key(other) for other in rule.reads])

    def table(self, name: str) -> str:
        """The table that a rule writes for a shard."""
        return f"{self.results}/work/{name}/{self.key(name)}/{{shard}}.csv"

    def before(self, name: str) -> list[str]:
        """The tables that a rule reads."""
        return [self.table(other) for other in self.rules[name].reads]

    def params(self, name: str) -> dict[str, str]:
        """`code` and `command` of a rule: its script with what its result depends on, and where its data is.

        The command is for a shell in which `CLIPMILL_WORKFLOW` names the folder workflow/.
        """
        rule, script = self.rules[name], script_of(name)
        places = {
            "memo": self.memo(name),
            "results": self.results,
            # The frames that a scan stores depend on its code and settings, so these name their folder.
            "store": f"{self.results}/frames/{Path(self.memo('videos.scan_videos')).name}",
            "videos": sources.root_of(self.config["videos"]),
        }
        settings = json.dumps(rule.settings | rule.finish_settings, ensure_ascii=False)
        given = {"settings": settings, "block": rule.block, **places}
        given |= {"max-error-share": self.config["max_error_share"], "item-minutes": self.config["item_minutes"]}
        options = (text for option, value in given.items() for text in (f"--{option}", str(value)))
        return {
            "code": fingerprint(script, rule.model),
            "command": f'"$CLIPMILL_WORKFLOW"/scripts/{script}.py {shlex.join(options)}',
        }

    def selection(self, name: str) -> dict[str, str]:
        """`code` and `thresholds` (JSON) of a rule that selects."""
        return {"code": fingerprint(script_of(name)), "thresholds": json.dumps(self.rules[name].settings)}

    def plan(self, phase: str) -> dict[str, str]:
        """`code` and `options` of a phase's plan: its steps with their memos, and the size of a shard."""
        limits = [f"--{name}={value}" for name, value in self.config["shards"].items()]
        memos = [f"{script_of(name)}={self.memo(name)}" for name in self.steps(phase)]
        return {"code": fingerprint("plan"), "options": shlex.join([*limits, "--steps", *memos])}

    @property
    def duplicates(self) -> str:
        """The folder of what find_duplicates remembers: pairs depend on its code, and on the hashes themselves."""
        return f"{self.results}/memo/find_duplicates/{digest(fingerprint('find_duplicates', engine=False))}"

    def models(self) -> dict[str, dict | str]:
        """What fetch_models must look at: the keys that name models, by configuration block."""
        blocks = [rule.block for rule in self.rules.values() if rule.block and rule.enabled]
        given = {block: reduce(dict.get, block.split("."), self.config) for block in blocks}
        return {
            block: {key: keys[key] for key in MODEL_KEYS if key in keys} if isinstance(keys, dict) else keys
            for block, keys in given.items()
        }

    def folders_in_use(self) -> dict[str, list[str]]:
        """The memo and work folders of this configuration, so that `make tidy` knows the others."""
        running = [name for name, rule in self.rules.items() if rule.enabled]
        return {
            "memo": sorted({self.duplicates, *(self.memo(name) for phase in PHASES for name in self.steps(phase))}),
            "work": sorted(str(Path(self.table(name)).parent) for name in running),
        }


def script_of(name: str) -> str:
    """The script of a rule by its full name."""
    return name.partition(".")[2]
