"""What runs the captioner's model: chosen by one key, told by the other keys where it is not, and never two at once."""

import pytest
from clipmill.plan import engines
from clipmill.plan.config import ConfigError, check
from rerun_rows import SCHEMA, pipeline

CAPTIONS = "captions.caption_clips"
URL = {"url": "http://gpu01:8000/v1", "model": "some"}


def command(**caption) -> str:
    return pipeline(caption=caption).params(CAPTIONS)["command"]


@pytest.mark.parametrize(
    ("caption", "chosen", "captioner"),
    [
        ({}, "transformers", "some/model"),
        ({"engine": "transformers"}, "transformers", "some/model"),
        ({"engine": "vllm"}, "vllm", "vllm"),
        ({"server": URL}, "server", "server"),
        ({"server": URL, "engine": "server"}, "server", "server"),
    ],
)
def test_the_engine_is_the_one_that_is_named_or_that_the_other_keys_ask_for(caption, chosen, captioner):
    mill = pipeline(caption={"model": "some/model", **caption})
    assert engines.engine(mill.config["caption"]) == chosen
    rule = mill.rules[CAPTIONS]
    assert (rule.settings["engine"], rule.settings["captioner"], rule.model) == (chosen, captioner, captioner)


def test_an_engine_makes_captions_of_its_own_and_naming_the_default_changes_nothing():
    default, named, vllm = (pipeline(caption={"engine": engine}) for engine in (None, "transformers", "vllm"))
    assert default.memo(CAPTIONS) == named.memo(CAPTIONS) != vllm.memo(CAPTIONS)
    served, named = (pipeline(caption={"engine": engine, "server": URL}) for engine in (None, "server"))
    assert served.memo(CAPTIONS) == named.memo(CAPTIONS) not in (default.memo(CAPTIONS), vllm.memo(CAPTIONS))


def test_a_job_with_vllm_is_one_process_and_any_other_a_rank_for_each_gpu():
    assert command(engine="vllm").startswith('--together "$CLIPMILL_WORKFLOW"/scripts/caption_clips.py ')
    assert command().startswith('"$CLIPMILL_WORKFLOW"/scripts/caption_clips.py ')


def test_vllm_reads_the_model_that_is_fetched_for_transformers():
    assert pipeline(caption={"engine": "vllm"}).models() == pipeline().models()


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ({"engine": "server"}, r"caption\.server\.url: null is wrong"),
        ({"engine": "vllm", "server": URL}, r"caption\.engine: vllm and caption\.server\.url contradict each other"),
        ({"engine": "transformers", "server": URL}, "contradict"),
        ({"engine": "vllm", "model": "attributes"}, r"'attributes' is no model that vllm can load"),
        ({"engine": "vllm", "vllm": {"options": {"api_key": "x"}}}, r"options: api_key is set by the job itself"),
        ({"engine": "wllm"}, r"caption\.engine.*vllm"),
    ],
)
def test_what_contradicts_itself_is_a_plain_message(caption, message):
    with pytest.raises(ConfigError, match=message):
        check({"results": "out", "caption": caption}, SCHEMA)
