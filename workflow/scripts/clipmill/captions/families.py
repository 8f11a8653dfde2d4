"""Which vision-language models can be asked in a chat, told from the files of a model's folder alone."""

import json
from pathlib import Path

WORK = (
    "Qwen2-VL, Qwen2.5-VL, Qwen3-VL, Qwen3.5, InternVL (-hf), LLaVA 1.5, LLaVA-NeXT, LLaVA-NeXT-Video, "
    "LLaVA-OneVision, GLM-4.1V, GLM-4.6V, SmolVLM, Idefics3, Gemma 3, Gemma 4, Pixtral, Mistral 3, Llama 3.2 Vision, "
    "Llama 4, Ovis2, LFM2-VL, VideoLLaMA3, Video-LLaVA, PerceptionLM, Kimi-K2.5"
)
"""Families that answer in a chat; `make families` tries a tiny model of each."""

OWN_PROMPTS = {
    "paligemma": "PaliGemma, which answers to short prompts of its own, such as 'caption en'",
    "blip": "BLIP, which continues a text and answers no question",
    "blip-2": "BLIP-2, which answers to 'Question: ... Answer:' and not in a chat",
    "instructblip": "InstructBLIP, which takes a bare instruction and not a chat",
    "instructblipvideo": "InstructBLIP for video, which takes a bare instruction and not a chat",
    "florence2": "Florence-2, which answers to marks of its own, such as <MORE_DETAILED_CAPTION>",
    "git": "GIT, which continues a text and answers no question",
    "kosmos-2": "Kosmos-2, which answers to marks of its own, such as <grounding>",
    "fuyu": "Fuyu, which continues a text and has no chat",
    "pix2struct": "Pix2Struct, which reads documents and has no chat",
    "udop": "UDOP, which reads documents and has no chat",
    "vision-encoder-decoder": "an encoder-decoder, which writes one text for a picture and takes no question",
}
"""Families that transformers loads and that cannot be asked in a chat, in words, by their `model_type`."""
TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
HOLDS_TEMPLATE = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


class ModelUnusable(OSError):
    """A model that cannot caption; the message names its key, the reason, and families that can."""

    def __init__(self, key: str, model: str, why: str):
        super().__init__(
            f"`{key}`: {model} cannot caption: {why}. Families that can: {WORK}. docs/captions.md says more"
        )


def check(folder: Path, key: str, model: str) -> None:
    """Raises ModelUnusable where the files of a model's folder show that it cannot be asked about pictures."""
    if why := problem(folder):
        raise ModelUnusable(key, model, why)


def problem(folder: Path) -> str:
    """Why the model of a folder cannot be asked about pictures in a chat; "" where nothing speaks against it."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    config = _read(folder / "config.json")
    kind = config.get("model_type")
    if not kind:
        return "it has no config.json with a `model_type`, so transformers cannot load it"
    if kind in OWN_PROMPTS:
        return f"it is a {OWN_PROMPTS[kind]}"
    if kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and "auto_map" not in config:
        return f"transformers knows no image-text-to-text model of the type '{kind}' (is it a text or a score model?)"
    if not any((folder / name).exists() for name in TEMPLATES) and not any(
        _read(folder / name).get("chat_template") for name in HOLDS_TEMPLATE
    ):
        return "it has no chat template (chat_template.jinja): it is a base model, or one with a prompt form of its own"
    return ""


def generation(folder: Path) -> dict:
    """What a model's folder says about how its words are chosen, which `caption.sampling` decides instead."""
    from clipmill.captions.sampling import FOLDERS, PLAIN

    found = _read(folder / "generation_config.json")
    return {name: found[name] for name in FOLDERS if found.get(name) not in PLAIN}


def _read(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
