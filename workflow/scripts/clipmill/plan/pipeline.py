"""Where everything of a configuration lies, and what each rule is given: the flow with its paths, digests and params.

Light: every job imports it.
"""

import json
import shlex
from functools import reduce
from pathlib import Path

from clipmill.engine import weights
from clipmill.engine.fingerprints import digest, fingerprint, without_speed
from clipmill.plan import named
from clipmill.plan.flow import PHASES, map_rules, script_of
from clipmill.videos import sources

MODEL_KEYS = ("model", "pretrained", "head", "head_sha256", "weights", "revision")
"""What fetch_model looks at: the other keys of a block change no model."""


class Pipeline:
    """The flow of one checked configuration. Paths hold the wildcard `{shard}`."""

    def __init__(self, config: dict, schema: dict):
        self.config, self.results = config, config["results"].rstrip("/")
        self.schema = named.with_columns(schema, config)
        self.rules = map_rules(config, config)
        lasting, of_caption = without_speed(config, schema), schema["properties"]["caption"]
        others = {name: without_speed(block, of_caption) for name, block in config["captioners"].items()}
        self.lasting = map_rules(config, lasting | {"captioners": others})

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

    def store(self) -> str:
        """The folder of the frames that a scan stores: they depend on its code and settings, so these name it."""
        return f"{self.results}/frames/{Path(self.memo('videos.scan_videos')).name}"

    def last(self, phase: str, *among: str) -> str:
        """The full name of the last rule of a phase's chain that runs, `among` these scripts, if any are named."""
        chain = [name for name, rule in self.rules.items() if rule.enabled and name.count(".") == 1]
        found = [name for name in chain if name.startswith(phase) and (not among or script_of(name) in among)]
        return found[-1] if found else f"{phase}.{among[0]}"

    def of_captioner(self, script: str, *names: str) -> str:
        """The table that a rule of another captioner (of these `names` where there are any) writes for a shard, by the
        wildcards `captioner` and `digest`."""
        captioner = f"captioner,{'|'.join(names)}" if names else "captioner"
        return f"{self.results}/work/captions.{script}.{{{captioner}}}/{{digest}}/{{shard}}.csv"

    def before(self, name: str) -> list[str]:
        """The tables that a rule reads; of the last phase's chain, the shard where no rule before it runs."""
        if name.startswith("captions.") and not self.rules[name].reads:
            return [f"{self.results}/plan/captions/{{shard}}.csv"]
        return [self.table(other) for other in self.rules[name].reads]

    def params(self, name: str) -> dict[str, str]:
        """`code` and `command` of a rule: its script with what its result depends on, and where its data is.

        The command is for a shell in which `CLIPMILL_WORKFLOW` names the folder workflow/.
        """
        rule, script = self.rules[name], script_of(name)
        places = {
            "memo": self.memo(name),
            "results": self.results,
            "store": self.store(),
            "videos": sources.root_of(self.config["videos"], self.config["videos_root"]),
        }
        settings = json.dumps(rule.settings | rule.finish_settings, ensure_ascii=False)
        given = {"settings": settings, "block": rule.block, **places}
        given |= shared_vectors(self.results, self.lasting[name].settings)
        given |= {"max-error-share": self.config["max_error_share"], "item-minutes": self.config["item_minutes"]}
        together = "--together " if rule.together else ""  # an option of launch.py
        options = (text for option, value in given.items() for text in (f"--{option}", str(value)))
        return {
            "code": fingerprint(script, rule.model),
            "command": f'{together}"$CLIPMILL_WORKFLOW"/scripts/{script}.py {shlex.join(options)}',
        }

    def selection(self, name: str) -> dict[str, str]:
        """`code` and `thresholds` (JSON) of a rule that selects."""
        return {"code": fingerprint(script_of(name)), "thresholds": json.dumps(self.rules[name].settings)}

    def plan(self, phase: str) -> dict[str, str]:
        """`code` and `options` of a phase's plan: its steps with their memos, and the size of a shard."""
        limits = [f"--{name}={value}" for name, value in self.config["shards"].items()]
        memos = [f"{script_of(name)}={self.memo(name)}" for name in self.steps(phase)]
        needed = ["--needed", "text"] if phase == "captions" else []
        return {"code": fingerprint("plan"), "options": shlex.join([*limits, *needed, "--steps", *memos])}

    @property
    def duplicates(self) -> str:
        """The folder of what find_duplicates remembers: pairs depend on its code, and on the hashes themselves."""
        return f"{self.results}/memo/find_duplicates/{digest(fingerprint('find_duplicates', engine=False))}"

    def models(self) -> dict[str, dict | str]:
        """What fetch_model must look at, by configuration block: the keys that name models; none for embedded ones."""
        blocks = [rule.block for rule in self.rules.values() if rule.block and rule.enabled]
        given = {block: reduce(dict.get, block.split("."), self.config) for block in blocks}
        return {block: naming(block, keys) for block, keys in given.items() if weights.needed(block, keys)}

    def model_list(self, block: str) -> str:
        """Where fetch_model lists the models of a configuration block."""
        return f"{self.results}/models/{block}.json"

    def lists(self, name: str) -> list[str]:
        """The list of a rule's models; none where its model is embedded."""
        block = self.rules[name].block
        return [self.model_list(block)] if block in self.models() else []

    def folders_in_use(self) -> dict[str, list[str]]:
        """The memo and work folders of this configuration, so that `make tidy` knows the others."""
        steps = [name for phase in PHASES for name in self.steps(phase)]
        shared = (shared_vectors(self.results, self.lasting[name].settings) for name in steps)
        return {
            "memo": sorted({self.duplicates, *map(self.memo, steps)}.union(*map(dict.values, shared))),
            "work": sorted(str(Path(self.table(name)).parent) for name, rule in self.rules.items() if rule.enabled),
        }


def naming(block: str, keys: dict | list | str) -> dict | list | str:
    """Those keys of a configuration block that name models."""
    if isinstance(keys, str):
        return keys
    if isinstance(keys, list):
        return [{key: entry[key] for key in ("name", "model", "revision", "label")} for entry in keys]
    found = {key: keys[key] for key in MODEL_KEYS if key in keys}
    # With frames, it must be another kind of model.
    return found | {"frames": bool(keys["frames"])} if block == "refine" else found


def shared_vectors(results: str, settings: dict) -> dict[str, str]:
    """`shared`: the folder of the CLIP vectors that a rule with these settings shares with all that look at frames with
    its model; nothing where it has none."""
    if not settings.get("pretrained") or settings["model"] in weights.EMBEDDED:
        return {}
    code = [fingerprint(f"clipmill/clips/{name}", engine=False) for name in ("vectors", "embeddings")]
    of = digest(code, [settings[key] for key in ("model", "pretrained", "frames_from")])
    return {"shared": f"{results}/memo/clip_vectors/{of}"}
