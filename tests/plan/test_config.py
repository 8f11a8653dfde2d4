"""The configuration: every key has a default and an explanation, and every mistake is named before anything runs."""

import copy
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numbered_video
import pytest
import yaml
from clipmill.captions import prompts
from clipmill.plan import config, targets
from clipmill.plan.flow import limits_of

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
FILES = ["config.yaml", "demo.yaml"]
RECIPES = sorted(path.name for path in (ROOT / "config" / "recipes").glob("*.yaml"))
CAPTIONS = [name for name in RECIPES if name.startswith("captions-")]
FILTERS = [name for name in RECIPES if name.startswith("filters-")]


def read(name):
    return yaml.safe_load((ROOT / "config" / name).read_text())


def mistakes(given):
    with pytest.raises(config.ConfigError) as caught:
        config.check(given, SCHEMA)
    return str(caught.value).splitlines()


def leaves(tree, path=()):
    for name, below in tree.items():
        if isinstance(below, dict) and below:
            yield from leaves(below, (*path, name))
        else:
            yield ".".join((*path, name))


@pytest.fixture(scope="module")
def documented():
    return config.documented(config.load(SCHEMA))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"caption": {"server": {"url": "http://me:hunter22@host/v1", "model": "m"}}}, "caption.server.url"),
        ({"caption": {"server": {"url": "http://hunter22@host/v1", "model": "m"}}}, "caption.server.url"),
        ({"caption": {"server": {"url": "https://host/v1?api%5Fkey=hunter22", "model": "m"}}}, "caption.server.url"),
        ({"caption": {"server": {"url": "ftp://me:hunter22@host/v1?token=hunter22"}}}, "caption.server.url"),
        ({"caption": {"server": {"api_key_env": "sk-hunter22"}}}, "caption.server.api_key_env"),
        ({"caption": {"server": {"api_key": "hunter22"}}}, "caption.server.api_key"),
        ({"score": {"aesthetic": {"head": "https://host/head.pth?X-Amz-Signature=hunter22"}}}, "score.aesthetic.head"),
        ({"videos": "https://me:hunter22@host/folder"}, "videos"),
        ({"release": {"to": "s3://bucket/set?X-Amz-Signature=hunter22"}}, "release.to"),
        ({"score": {"flow": {"weights": "https://host/a.pth?a=1&sig=hunter22"}}}, "score.flow.weights"),
    ],
)
def test_a_password_or_key_is_refused_and_not_shown(given, key):
    [mistake] = mistakes(given)
    assert key in mistake
    assert "hunter22" not in mistake
    if "server" in key:
        assert "api_key_env" in mistake or "it must look like" in mistake


@pytest.mark.parametrize(
    "url", ["https://host/head.pth?download=true", "http://host:8000/v1?version=2", "http://[::1]/v1"]
)
def test_other_urls_are_taken(url):
    config.check({"score": {"aesthetic": {"head": url}}}, SCHEMA)


@pytest.mark.parametrize("name", FILES)
def test_the_shipped_files_are_right(name):
    config.check(read(name), SCHEMA)


def over_production(name):
    """Production with a recipe laid over it as Snakemake does, checked."""
    from snakemake.utils import update_config

    production = read("config.yaml")
    update_config(production, read(f"recipes/{name}"))
    return config.check(production, SCHEMA)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_right_alone_and_over_production(name):
    config.check(read(f"recipes/{name}"), SCHEMA)
    over_production(name)
    assert f"config/recipes/{name} ..." in (ROOT / "config/recipes" / name).read_text(), "it says how it is used"


def test_every_recipe_is_of_a_known_kind():
    assert sorted(CAPTIONS + FILTERS) == RECIPES
    assert len(FILTERS) == 5


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_recipe_of_captions_loses_no_frame(name):
    caption = over_production(name)["caption"]
    assert caption["fps"] == 2
    assert caption["window_seconds"] * caption["fps"] <= caption["max_frames"], "a window loses no frame"


@pytest.mark.parametrize("name", FILTERS)
def test_a_recipe_of_filters_leaves_no_threshold_of_production_and_gives_a_source_for_each(name):
    recipe, production = read(f"recipes/{name}"), read("config.yaml")
    assert set(production["select"]) <= set(recipe["select"]), "what it does not ask for must be switched off"
    assert set(production["clips"]) == set(recipe["clips"])
    lines = (ROOT / "config/recipes" / name).read_text().splitlines()
    numbers = [line for line in lines if re.match(r"\s+\w+: .*(\d|null)", line)]
    assert len(numbers) >= 8
    assert all(re.search(r"# .*(Open-Sora|VideoX|Wan|Panda|PySceneDetect|ours)", line) for line in numbers)


def test_recipes_of_filters_ask_for_what_was_published():
    names = ("open-sora-1.1", "open-sora-1.3", "videox-fun", "panda-like")
    some = [over_production(f"filters-{name}.yaml") for name in names]
    limits = [targets.limits(one["select"]) for one in some]
    assert [{name: asked for name, given in one.items() if (asked := limits_of(given))} for one in limits] == [
        {"aes": {"min": 5}},
        {"aes": {"min": 4}, "flow": {"min": 0.3}},
        {"aes": {"min": 4}, "flow": {"min": 0.9, "max": 9}, "ocr_area": {"max": 0.02}}
        | {"height": {"min": 512}, "width": {"min": 512}},
        {"frozen": {"max": 0.5}},
    ]
    assert [one["detector"] for one in some] == ["adaptive"] * 2 + ["content"] * 2


def test_a_dry_run_takes_a_recipe_over_production(tmp_path):
    (tmp_path / "videos").mkdir()
    numbered_video.write(tmp_path / "videos/a.mp4", 30, 25)
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--snakefile", ROOT / "workflow" / "Snakefile"]
    files = ["--configfile", ROOT / "config/config.yaml", ROOT / "config/recipes/filters-wan-like.yaml"]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scan_videos" in done.stdout + done.stderr


@pytest.mark.parametrize("given", [{}, *map(read, FILES)], ids=["nothing", *FILES])
def test_defaults_are_those_that_snakemake_fills_in(given):
    from snakemake.utils import validate

    by_snakemake = copy.deepcopy(given)
    validate(by_snakemake, str(SCHEMA))
    assert config.check(given, SCHEMA) == by_snakemake


def test_every_key_has_a_default_and_an_explanation_and_no_section_takes_another_key():
    schema = config.load(SCHEMA)

    def visit(node):
        if "properties" in node:
            # A threshold may act on a column of a list.
            assert node["additionalProperties"] is False or node is schema["properties"]["select"]
        for name, below in node.get("properties", {}).items():
            assert "default" in below, name
            assert len(below["description"]) > 10, name
            visit(below)

    visit(schema)
    visit(schema["$defs"]["range"])
    visit(schema["$defs"]["condition"])


def test_what_is_given_stays_as_it_is():
    given = {"select": {"aes": {"min": 5}}}
    config.check(given, SCHEMA)
    assert given == {"select": {"aes": {"min": 5}}}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"select": {"aess": {"min": 5}}},
            "unknown key 'select.aess': did you mean 'select.aes'? (known in select: aes, ",
        ),
        (
            {"clip": {"min_seconds": 1}},
            "unknown key 'clip': did you mean 'clips'? (known: videos, videos_root, ",
        ),
        ({"aes_min": 5}, "unknown key 'aes_min': did you mean 'select.aes.min'?"),
        ({"min_seconds": 5}, "unknown key 'min_seconds': did you mean 'clips.min_seconds'?"),
        ({"cut": {"min_seconds": 5}}, "unknown key 'cut.min_seconds': did you mean 'clips.min_seconds'?"),
        (
            {"caption": {"server": {"modle": "m"}}},
            "unknown key 'caption.server.modle': did you mean 'caption.server.model'?",
        ),
        ({"select.aes.min": 5}, "unknown key 'select.aes.min': did you mean 'select.aes.min'? Write it nested"),
        ({"xylophone": 5}, "unknown key 'xylophone' (known: videos, "),
        (
            {"detector": "adaptiv"},
            "detector: 'adaptiv' is wrong; it must be one of 'adaptive', 'content', 'transnetv2'",
        ),
        ({"cut": {"crf": 52}}, "cut.crf: 52 is wrong; it must be at most 51"),
        ({"frames": {"fps": 0}}, "frames.fps: 0.0 is wrong; it must be more than 0"),
        ({"max_error_share": -0.1}, "max_error_share: -0.1 is wrong; it must be at least 0"),
        ({"cut": {"crf": "best"}}, "cut.crf: 'best' is wrong; it must be a whole number"),
        ({"cut": {"audio": 2}}, "cut.audio: 2 is wrong; it must be true or false"),
        ({"select": {"aes": {"min": True}}}, "select.aes.min: true is wrong; it must be a number or null"),
        ({"select": {"aes": {"max": float("inf")}}}, "select.aes.max: 'inf' is wrong; it must be a number or null"),
        ({"select": {"aes": 5}}, "select.aes: 5 is wrong; it must be a section with keys of its own"),
        ({"match": {"frames": 0.5}}, "match.frames: 0.5 is wrong; it must be a list such as [0.1, 0.5]"),
        ({"match": {"frames": [0.5, 1.5]}}, "match.frames.1: 1.5 is wrong; it must be at most 1"),
        ({"match": {"frames": []}}, "match.frames: [] is wrong; the list must not be empty"),
        ({"videos": 2024}, "videos: 2024 is wrong; it must be text: put it in quotes, or ./ before it"),
        ({"videos": ""}, "videos: '' is wrong; it must not be empty"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(given, line):
    (said,) = mistakes(given)
    assert said.startswith(line)


def test_all_mistakes_are_named_at_once_one_per_line():
    said = mistakes({"selekt": {}, "clips": {"min": 1}, "cut": {"when": "lst", "crf": 99}})
    assert [line.split("'")[1] if "unknown" in line else line.split(":")[0] for line in sorted(said)] == [
        "cut.crf",
        "cut.when",
        "clips.min",
        "selekt",
    ]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"select": {"flow": {"min": 3, "max": 2}}}, "select.flow"),
        ({"clips": {"min_seconds": 1, "max_seconds": 1.9}}, "clips.max_seconds"),
        ({"select": {"ocr_area": {"max": 0.1}}, "score": {"ocr": {"enabled": False}}}, "select.ocr_area"),
        ({"caption": {"server": {"url": "http://localhost:8000/v1"}}}, "caption.server.model"),
        ({"caption": {"prompt": "vidio"}}, "caption.prompt"),
        ({"videos": "out/clips", "results": "out"}, "videos"),
        ({"videos": "out", "results": "./out"}, "videos"),
        ({"videos": "footage", "videos_root": "/data"}, "videos_root"),
        ({"cut": {"mode": "none", "crop_borders": True}}, "cut.crop_borders"),
        ({"cut": {"mode": "none", "deinterlace": True}}, "cut.deinterlace"),
        ({"select": {"loudness": {"min": -40}}}, "select.loudness"),
        ({"select": {"ocr_overlay": {"max": 0}}, "score": {"ocr": {"frames": [0.5]}}}, "select.ocr_overlay"),
        ({"select": {"flow_object": {"min": 1}}}, "select.flow_object"),
        ({"select": {"target": {"clips": 10, "hours": 2}}}, "select.target"),
        ({"select": {"target": {"clips": 10, "balance": ["sauce"]}}}, "select.target.balance"),
        ({"select": {"target": {"clips": 10, "order": "match"}}}, "select.target.order"),
        ({"select": {"target": {"clips": 10, "order": "cmotion"}}}, "select.target.order"),
        ({"select": {"target": {"clips": 10, "balance": ["cluster"]}}}, "select.target.balance"),
        (
            {"duplicates": {"enabled": True, "embeddings": 0.98}, "score": {"aesthetic": {"model": "photometric"}}},
            "duplicates.embeddings",
        ),
        ({"clusters": {"number": 10}, "score": {"aesthetic": {"model": "photometric"}}}, "clusters.number"),
        ({"select": {"target": {"share": 1}}, "score": {"aesthetic": {"enabled": False}}}, "select.target.order"),
        ({"select": {"match": {"min": 1}}, "match": {"enabled": False}}, "select.match"),
        ({"caption": {"append": ["cmotion"]}, "camera": {"enabled": False}}, "caption.append"),
        ({"caption": {"append": ["aes"]}, "score": {"aesthetic": {"enabled": False}}}, "caption.append"),
        ({"captioners": {"b": {"append": ["flow"]}}, "score": {"flow": {"enabled": False}}}, "captioners.b.append"),
        ({"captioners": {"a b": {}}}, "captioners.a b"),
        ({"captioners": {"b": {"server": {"url": "http://localhost:8000/v1"}}}}, "captioners.b.server.model"),
        ({"captioners": {"b": {"server": {"api_key_env": "secret"}}}}, "captioners.b.server.api_key_env"),
        ({"captioners": {"b": {"server": {"extra_body": {"api_key": "x"}}}}}, "captioners.b.server.extra_body"),
        ({"captioners": {"b": {"engine": "server"}}}, "captioners.b.server.url"),
        ({"captioners": {"b": {"prompt": "vidio"}}}, "captioners.b.prompt"),
        ({"captioners": {"b": {"prompt": "missing.txt"}}}, "captioners.b.prompt"),
        ({"captioners": {"b": {"fields": {"text": {"type": "string"}}}}}, "captioners.b.fields"),
        ({"captioners": {"windows": {}}}, "captioners.windows"),
        ({"caption": {"also": {"b": "video-short"}}, "captioners": {"b": {}}}, "captioners"),
    ],
)
def test_keys_that_contradict_each_other_are_mistakes(given, key):
    (said,) = mistakes(given)
    assert said.startswith(f"{key}: ")


def test_a_threshold_may_act_on_a_column_of_a_list_by_its_texts():
    select = {"license": {"in": ["cc0", 4.0, True]}, "year": {"min": "2000"}, "id": {"is": "none"}}
    said = config.check({"videos": "list.tsv", "select": select}, SCHEMA)["select"]
    assert said["license"] == {"min": None, "max": None, "is": None, "in": ["cc0", "4.0", "true"]}
    assert said["year"]["min"] == 2000
    assert said["id"]["is"] == "none"
    [mistake] = mistakes({"videos": "list.tsv", "select": {"license": {"among": ["cc0"]}}})
    assert mistake.startswith("unknown key 'select.license.among'")


def test_another_captioner_has_the_keys_and_defaults_of_the_first():
    said = config.check({"captioners": {"b": {"model": "attributes", "batch": "2"}}}, SCHEMA)
    assert said["captioners"]["b"] == said["caption"] | {"model": "attributes", "batch": 2}
    [mistake] = mistakes({"captioners": {"b": {"modle": "x"}}})
    assert mistake.startswith("unknown key 'captioners.b.modle'")


def test_the_edge_of_a_contradiction_is_allowed():
    config.check({"select": {"flow": {"min": 2, "max": 2}}, "clips": {"min_seconds": 1, "max_seconds": 2}}, SCHEMA)
    config.check({"videos": "footage", "results": "footage/out"}, SCHEMA)


def test_the_command_line_says_the_same_as_a_file():
    from snakemake.cli import parse_config

    said = parse_config(
        [
            "select={aes: {min: 6, max: null}}",
            "score={flow: {enabled: no}, aesthetic: {frames: [0, 1]}}",
            "shards={max: 3}",
            "fmin=2",
            "detector=content",
            "videos=./007",
        ]
    )
    written = yaml.safe_load(
        """
        select: {aes: {min: 6, max: null}}
        score: {flow: {enabled: no}, aesthetic: {frames: [0, 1]}}
        shards: {max: 3}
        fmin: 2
        detector: content
        videos: ./007
        """
    )
    assert json.dumps(config.check(said, SCHEMA)) == json.dumps(config.check(written, SCHEMA))


def test_one_setting_has_one_form_so_that_nothing_runs_again_for_how_it_is_written():
    forms = [{"select": {"aes": {"min": value}}, "fmin": whole} for value, whole in [(5, 2), (5.0, 2.0), ("5", "2")]]
    assert len({json.dumps(config.check(form, SCHEMA)) for form in forms}) == 1


def test_an_empty_section_is_its_defaults():
    assert config.check({"select": None, "cut": {}}, SCHEMA) == config.check({}, SCHEMA)


def test_a_path_may_start_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert config.check({"videos": "~/footage"}, SCHEMA)["videos"] == "/home/someone/footage"


def test_production_is_the_reference():
    production = config.check(read("config.yaml"), SCHEMA)
    assert production["select"]["aes"]["min"] == 5
    assert production["detector"] == "hybrid"
    adaptive = production["detectors"]["adaptive"]
    assert adaptive["threshold"] == 3.0
    assert adaptive.items() <= production["detectors"]["hybrid"].items()
    assert production["score"]["aesthetic"]["model"] == production["match"]["model"] == "ViT-L-14"
    assert production["score"]["aesthetic"]["frames"] == [0.1, 0.5, 0.9]
    assert "llava-v1.6" in production["caption"]["model"]


def test_the_pinned_aesthetic_head_is_the_published_one(shared):
    head = read("config.yaml")["score"]["aesthetic"]
    file = shared / "weights" / head["head"].rsplit("/", 1)[1]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == head["head_sha256"]


def test_each_threshold_of_production_says_where_it_comes_from():
    lines = (ROOT / "config" / "config.yaml").read_text().splitlines()
    limits = [line for line in lines if re.match(r"\s+(min|max)(_seconds)?: [\d.]+", line)]
    assert limits
    assert all(re.search(r"# \S*(Open-Sora|cosmos|VideoX)", line) for line in limits)


def test_the_demo_leaves_no_key_of_production_open():
    """So it is the same whether or not the production file was read before it."""
    assert set(leaves(read("config.yaml"))) <= set(leaves(read("demo.yaml")))


def test_the_demo_names_no_model_that_must_be_fetched():
    demo = config.check(read("demo.yaml"), SCHEMA)
    assert demo["score"]["aesthetic"]["model"] == "photometric"
    assert demo["score"]["flow"]["model"] == "dis"
    assert demo["caption"]["model"] == demo["match"]["model"] == "attributes"
    assert demo["refine"]["model"] is None
    assert demo["caption"]["server"]["url"] is None


def manual():
    """The key cell and the default cell of each table row of the manual."""
    for line in (ROOT / "config" / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            for key in re.findall(r"`([^`]+)`", cells[0]):
                yield key, cells[1].strip("`")


def test_the_manual_explains_every_key_with_its_default_and_no_other(documented):
    def text(value):
        return value if isinstance(value, str) else json.dumps(value)

    assert sorted(manual()) == sorted((row["key"], text(row["default"])) for row in documented)


def test_the_mistakes_that_the_manual_shows_are_those_that_are_said():
    said = mistakes({"select": {"aess": {"min": 5}}, "cut": {"when": "lst"}})
    shown = (ROOT / "config" / "README.md").read_text()
    for line in said:
        assert re.sub(r"(aes, flow, ocr), .*\)", r"\1, ...)", line) in shown


def test_the_manual_names_every_prompt(documented):
    (prompt,) = [row["description"] for row in documented if row["key"] == "caption.prompt"]
    assert set(prompts.PRESETS) <= set(re.findall(r"[\w-]+", prompt))


def test_a_mistake_ends_a_run_before_anything_is_done(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", ROOT / "workflow" / "Snakefile"]
    given = ["--configfile", ROOT / "config" / "demo.yaml", "--config", "select={aess: {min: 5}}", "results=out"]
    done = subprocess.run([*command, *given], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown key 'select.aess': did you mean 'select.aes'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_checking_imports_neither_snakemake_nor_anything_heavy():
    program = (
        "import sys; from clipmill.plan import config; config.check({}, sys.argv[1]); "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'snakemake', 'numpy', 'pandas', 'torch', 'cv2'})"
    )
    command = [sys.executable, "-c", program, str(SCHEMA)]
    done = subprocess.run(command, cwd=ROOT / "workflow" / "scripts", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_prompt_may_lie_in_a_file(tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_text("Describe the clip\nin one sentence.\n")
    given = {"caption": {"model": "a/b", "prompt": str(file), "system": str(file), "also": {"short": str(file)}}}
    caption = config.check(given, SCHEMA)["caption"]
    assert {caption["prompt"], caption["system"], caption["also"]["short"]} == {"Describe the clip\nin one sentence."}
    assert given["caption"]["also"]["short"] == str(file), "what was given stays as it is"
    file.write_text("")
    assert len(mistakes(given)) == 3
    file.unlink()
    assert all("prompt.txt" in line and "cannot be read" in line for line in mistakes(given))


TEXT = {"text": {"type": "string"}}


@pytest.mark.parametrize(
    ("caption", "part"),
    [
        ({"format": "json"}, "caption.fields: with caption.format: json one field must be"),
        ({"format": "json", "fields": {"text": {"type": "integer"}}}, "caption.fields"),
        ({"format": "json", "fields": TEXT | {"a": {"type": "number or so"}}}, "no JSON Schema"),
        ({"format": "json", "fields": TEXT, "window_seconds": 9}, "caption.window_seconds"),
        ({"format": "json", "fields": TEXT | {"a": {}}, "also": {"a": "video"}}, "also one of caption.fields"),
        ({"fields": TEXT}, "caption.format: json only"),
        ({"also": {"Short one": "video"}}, "'Short one' is wrong"),
        ({"also": {"windows": "video"}}, "'windows' is wrong"),
        ({"also": {"short": "vidoe-short"}}, "caption.also.short: 'vidoe-short'"),
        ({"also": {"short": "video"}, "model": "attributes"}, "answers no question"),
        ({"window_seconds": 9, "model": "attributes"}, "answers no question"),
        ({"sampling": {"temprature": 1}}, "did you mean 'caption.sampling.temperature'"),
        ({"server": {"extra_body": {"api_key": "hunter22"}}}, "caption.server.extra_body: api_key"),
    ],
)
def test_keys_of_the_captioner_that_are_wrong_together_are_named(caption, part):
    said = mistakes({"caption": caption})
    assert any(part in line for line in said)
    assert "hunter22" not in "".join(said)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"results": "s3://bucket/out"}, "results: s3://bucket/out lies elsewhere"),
        ({"release": {"to": "https://host/set"}}, "release.to: 'https://host/set' is wrong"),
        ({"release": {"to": "/data/set"}}, "release.to: '/data/set' is wrong"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused(given, told):
    [mistake] = mistakes(given)
    assert mistake.startswith(told)


def test_videos_at_an_address_are_not_taken_for_a_path():
    address = "s3://bucket/some//folder"
    assert config.check({"videos": address, "results": "."}, SCHEMA)["videos"] == address
