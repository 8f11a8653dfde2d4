"""What a captioner is asked: presets by name, one wording for still images and one for videos."""

import difflib

CLIP = "These frames come from one video clip, in order of time. "
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
    raise ValueError(f"caption.prompt: '{prompt}' is neither a preset nor a sentence; {hint}")
