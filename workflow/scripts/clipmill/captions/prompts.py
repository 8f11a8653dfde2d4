"""What a captioner is asked: presets by name, one wording for still images and one for videos."""

import difflib
import json
from pathlib import Path

CLIP = "These frames come from one video clip, in order of time. "
TEXT, WINDOWS = "text", "text_windows"
"""Columns: the caption, and the captions of its windows as JSON."""
ONLY = "State only what can be seen"

PRESETS = {
    "video": {
        "image": (
            "Describe this picture in one paragraph of at most six sentences, so that it could be drawn again from "
            "your words alone. Name the subjects and what they do, how many there are and where they stand, the "
            f"setting, the light, the colours, the style and the point of view. {ONLY}."
        ),
        "video": (
            f"{CLIP}Describe the clip in one paragraph of at most six sentences, so that it could be filmed again from "
            "your words alone. Name the subjects, what they do and how this changes, the setting, the light, the "
            f"colours, the style and the movement of the camera. {ONLY}, and speak of the video, not of its frames."
        ),
    },
    "video-short": {
        "image": "Describe this picture in one plain sentence: the main subject, what it does and where it is.",
        "video": (
            f"{CLIP}Describe what happens in one plain sentence: the main subject, what it does and where it is."
        ),
    },
    "video-action": {
        "image": "In one or two sentences, say who or what is in this picture and what is being done.",
        "video": (
            f"{CLIP}In one to three sentences, say who or what moves, what is done, in which order, and how the camera "
            "moves. Leave out what does not change."
        ),
    },
    "video-style": {
        "image": "Describe the look of this picture in two sentences: medium, style, light, colours and composition.",
        "video": (
            f"{CLIP}Describe its look in two or three sentences: medium, style, light, colours, composition, speed and "
            "camera work."
        ),
    },
}

JOIN = (
    "Below are descriptions of consecutive parts of one video clip, each with its seconds. Write one description of "
    "the whole clip from them, in order of time and in one paragraph. Say each thing once, and add nothing."
)
CORRECT = (
    "Below is a description of what you see. Correct what the pictures do not show, add what matters and is missing, "
    "and answer with the new description alone, in one paragraph."
)
FILES = (".txt", ".md")
"""Endings by which a prompt is known as the name of a file that holds it."""

AGAIN = " Answer in plain English, in full sentences, without repeating yourself."
"""What is added to the prompt where the first answer was unusable."""


def wording(prompt: str, kind: str) -> str:
    """The text to ask for an item of `kind` (image | video): a preset's by its name, or `prompt` itself.

    Raises ValueError for a single word that is not a preset: a misspelt name, not a prompt.
    """
    if prompt in PRESETS:
        return PRESETS[prompt][kind]
    if " " in prompt.strip():
        return prompt
    near = difflib.get_close_matches(prompt, PRESETS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the presets are {', '.join(PRESETS)}"
    raise ValueError(f"'{prompt}' is neither a preset nor a sentence; {hint}")


def joining(parts: list[tuple[float, float, str]]) -> str:
    """What is asked to join the captions of a clip's windows: (first second, last second, caption) each."""
    return "\n\n".join([JOIN, *(f"{first:.1f}-{last:.1f} s: {text}" for first, last, text in parts)])


def as_data(ask: str, fields: dict) -> str:
    """The question with a request for JSON with these fields (the properties of a JSON Schema)."""
    return f"{ask}\n\nAnswer with one JSON object and nothing else, by this schema: {json.dumps(schema(fields))}"


def schema(fields: dict) -> dict:
    """The JSON Schema of an answer with these fields, all of which it must have."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def columns(settings: dict) -> tuple[str, ...]:
    """The columns of a clip's captions, by the block of its captioner."""
    fields = [name for name in settings["fields"] if name != TEXT] if settings["format"] == "json" else []
    windows = [WINDOWS] if settings["window_seconds"] else []
    return (TEXT, *windows, *(f"text_{name}" for name in [*settings["also"], *fields]))


def read(text: str | None) -> str | None:
    """A prompt as it is, or what is in the file that it names by its ending, `.txt` or `.md`.

    Raises ValueError where the file cannot be read or is empty.
    """
    if text is None or "\n" in text or not text.strip().endswith(FILES):
        return text
    try:
        held = Path(text.strip()).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"the file {text!r} cannot be read: {error}") from None
    if not held:
        raise ValueError(f"the file {text!r} is empty")
    return held
