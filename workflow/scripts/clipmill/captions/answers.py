"""From what a model said to a caption: thoughts, tokens of its own, wrappers and marks are removed.

What a model says is untrusted. A caption of plain sentences comes through as it is; where an answer holds no caption,
what is left shows it to `checks`.
"""

import json
import re
import unicodedata

from clipmill.captions.caption import Caption

LONGEST = 20_000
"""Characters of an answer that are looked through; a longer one is no caption."""
LEAST_ECHO = 5
"""Words of a sentence that nobody says by chance."""
LAYERS = 4
"""Wrappers in each other that are taken off."""

TAG = r"(?:seed:)?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis)"
OPENING = rf"(?:<{TAG}>|\[think\]|\u25c1think\u25b7)"
CLOSING = rf"(?:</{TAG}>|\[/think\]|\u25c1/think\u25b7)"
THOUGHT = re.compile(rf"{OPENING}(?:(?!{OPENING}).)*?{CLOSING}", re.IGNORECASE | re.DOTALL)
OPEN_THOUGHT = re.compile(OPENING, re.IGNORECASE)
CLOSED_THOUGHT = re.compile(rf"^.*{CLOSING}", re.IGNORECASE | re.DOTALL)
CHANNEL = re.compile(r"^.*<\|channel\|>\s*final\s*(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>", re.DOTALL)
OTHER_CHANNEL = re.compile(r"^(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?:analysis|commentary)\b")

INSIDE = re.compile(
    r"<(answer|caption|description|response|output|result)>\s*(?P<tag>.+?)\s*(?:</\1>|$)"
    r"|<\|begin_of_box\|>\s*(?P<box>.+?)\s*(?:<\|end_of_box\|>|$)"
    r"|\\boxed\{\s*(?P<boxed>[^{}]+?)\s*\}$"
    r"|```[\w-]*\s+(?P<fence>.+?)\s*(?:```|$)",
    re.IGNORECASE | re.DOTALL,
)
"""Marks that hold the caption between them; the closing one may be lost."""
PLACES = re.compile(
    r"<\|(?:box|quad|point)_start\|>.{0,500}?<\|(?:box|quad|point)_end\|>|<\|(?:object_ref|vision)_(?:start|end)\|>"
    r"|<(box|quad|point|object)>.{0,500}?</\1>|</?(?:ref|phrase|grounding)>|<loc_?\d+>|<patch_index_\d+>"
    r"|\[\[?\d{1,4}(?:,\s*\d{1,4}){3}\]?\]",
    re.IGNORECASE | re.DOTALL,
)
"""Marks of where something is in the picture, which some models write after its name."""
TOKEN = (
    r"(?:<\s?[|\uff5c]\s?\w+(?:[\u2581 -]\w+)*\s?[|\uff5c]\s?>|</?s>|<(?:eos|bos|pad|unk|mask)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_(?:turn|utterance|image|text)>|<unused\d+>|<(?:image|video)(?:_?pad|_soft_token)?>)"
)
FIRST_TOKENS = re.compile(rf"^\s*(?:{TOKEN}\s*(?:(?:assistant|model|gpt)\b\s*:?\s*)?)+", re.IGNORECASE)
LATER_TOKEN = re.compile(rf"{TOKEN}.*", re.IGNORECASE | re.DOTALL)
NEXT_TURN = re.compile(r"\n(?:#+ *)?(?:user|human|assistant|question|instruction)\s*:.*", re.IGNORECASE | re.DOTALL)

THING = r"(?:captions?|descriptions?|summary|paragraphs?|prompts?|answer|response|output)"
KIND = (
    r"(?:(?:an?|the|my|your|final|suggested|possible|generated|revised|refined|english|new|json|short|brief|concise|long"
    r"|full|detailed|dense|visual|one-sentence|video|image|picture|photo|clip|scene|frame) ){0,6}"
)
OPENERS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:assistant|model|ai|json)\s*:\s*|^json\s+(?=[\[{])",
        r"^(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|alright|got it)\s*[!,.:]\s+|^(?:great|yes)!\s+",
        rf"^(?:here(?:'s|\u2019s| is| are)|below is|the following is)\b[^.:!?\n]{{0,80}}?\b(?:{THING}|json|sentence)\b"
        r"[^.:!?\n]{0,80}[:\n]\s*",
        rf"^here you go\s*[!.:]\s+|^this is {KIND}{THING}(?: (?:of|for) [^.:!?\n]{{0,40}})?[:\n]\s*",
        rf"^[#*_ ]*{KIND}{THING}(?: \d+)?\s*[*_]*\s*:\s*[*_]*\s*",
        rf"^(?:#+ *{KIND}{THING}|\*\*{KIND}{THING}\*\*)\s*\n",
    )
]
CLOSERS = re.compile(
    r"(?:(?<=[.!?\"*])\s|\n)\W{0,6}(?:(?:please )?let me know (?:if|when|what)|(?:i )?hope (?:this|that)"
    r"|feel free to|is there any|would you like (?:me|to)|if you (?:need|want|would like|have any)|note\W*:).*$",
    re.IGNORECASE | re.DOTALL,
)
MARKS = [
    (re.compile(r"(?m)^\s*(?:#{1,6}|>|[*+\u2022-]|\d{1,2}[.)])\s+(?=\S)"), ""),
    (re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])(.{1,500}?)(?<=[^\s*])\1(?![\w*])", re.DOTALL), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=[^\s_])(.{1,500}?)(?<=[^\s_])\1(?!\w)", re.DOTALL), r"\2"),
    (re.compile(r"!?\[([^\[\]\n]+)\]\([^)\s]+\)"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
]
QUOTED = re.compile(r"\"([^\"]+)\"|\u201c([^\u201c\u201d]+)\u201d|\u00ab([^\u00ab\u00bb]+)\u00bb|'((?:[^']|\b'\b)+)'")
FORMULA = re.compile(r"^[=+@|%\s-]+")
"""What a caption never begins with, and what a spreadsheet would run."""

ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # a title or link for the terminal
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # a colour, or a move of the cursor
    r"|\x1b[PX^_].*?(?:\x1b\\|$)|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
JOINERS = "\u200c\u200d"
"""Invisible, and part of the spelling of some languages and of some emoji."""


def heard(said: Caption) -> Caption:
    """What a model said with the caption alone as its text; a refusal by the server, or an echo, as it is."""
    return said if said.finish in ("refused", "echo") else said._replace(text=caption_in(said.text))


def caption_in(said: str) -> str:
    """The caption in what a model said, on one line; what shows that there is none where there is none.

    A thought that is never closed keeps its opening mark, and data that cannot be read its brackets.
    """
    text = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", _told(visible(said))))
    if len(text) > LONGEST or OPEN_THOUGHT.search(text) or OTHER_CHANNEL.match(text):
        return " ".join(text.split())
    for _ in range(LAYERS):
        text = _unwrapped(text)
    return " ".join(FORMULA.sub("", text).split())


def data_in(said: str) -> dict | None:
    """The first JSON object in what a model said, after its thoughts; None where there is none that can be read."""
    text = _told(visible(said))
    start = text.find("{")
    if len(text) > LONGEST or start < 0:
        return None
    try:
        found = json.JSONDecoder(strict=False).raw_decode(text[start:])[0]
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def echoes(said: str, asked: str) -> bool:
    """Whether what a model said holds a sentence of the first paragraph of what it was asked."""
    heard_words = f" {_words(said)} "
    sentences = [_words(part) for part in re.split(r"(?<=[.!?:])\s", asked.partition("\n\n")[0])]
    return any(f" {sentence} " in heard_words for sentence in sentences if sentence.count(" ") >= LEAST_ECHO - 1)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def visible(text: str) -> str:
    """The text without commands to a terminal, control characters, and invisible marks such as those of direction."""
    text = ESCAPES.sub("", text)
    if text.isprintable():
        return text
    kinds = {letter: unicodedata.category(letter) for letter in set(text)}
    spaces = {letter: "\n" if letter in "\r\x85\u2028\u2029" else letter for letter in kinds if letter.isspace()}
    gone = {letter: "" for letter, kind in kinds.items() if kind in ("Cc", "Cf", "Co") and letter not in JOINERS}
    lone = {letter: "?" for letter, kind in kinds.items() if kind == "Cs"}
    return text.replace("\r\n", "\n").translate(str.maketrans({**gone, **lone, **spaces}))


def _told(text: str) -> str:
    """What was meant for the reader: after the thoughts."""
    text = CHANNEL.sub("", text)
    for _ in range(LAYERS):
        text = THOUGHT.sub("", text)
    return CLOSED_THOUGHT.sub("", text).strip()


def _unwrapped(text: str) -> str:
    """The text without one layer of what is around a caption."""
    text = _between(text)
    text = FIRST_TOKENS.sub("", PLACES.sub("", text))
    text = NEXT_TURN.sub("", LATER_TOKEN.sub("", text)).replace("\u2581", " ").strip()
    text = _in_json(text)
    for opener in OPENERS:
        text = opener.sub("", text)
    text = CLOSERS.sub("", text)
    for pattern, kept in MARKS:
        text = pattern.sub(kept, text)
    text = text.strip()
    whole = QUOTED.fullmatch(text)
    return next(filter(None, whole.groups())).strip() if whole else text


def _between(text: str) -> str:
    """What stands between marks that hold a caption."""
    found = INSIDE.search(text)
    return found[found.lastgroup] if found else text


def _in_json(text: str) -> str:
    """The caption in an object or list of JSON, also one that is cut off; the text itself if it is neither."""
    if not re.match(r"[\[{]\s*[\[{\"']", text):
        return text
    try:
        return _best(json.JSONDecoder(strict=False).raw_decode(text)[0]) or text
    except (ValueError, RecursionError):
        found = re.search(
            rf"([\"'])\w{{0,20}}{THING}\w{{0,20}}\1\s*:\s*([\"'])((?:(?!\2)[^\\]|\\.)*)", text, re.IGNORECASE
        )
        return found[3].replace('\\"', '"').replace("\\n", "\n") if found else text


def _best(value) -> str:
    """The text of a value read from JSON that is most likely its caption; "" if it holds none."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        named = [key for key in value if re.search(THING, key, re.IGNORECASE)]
        named.sort(key=lambda key: not re.fullmatch(THING, key, re.IGNORECASE))
        texts = [key for key in value if isinstance(value[key], str)]
        key = next(iter([*named, *(["text"] if "text" in value else []), *texts[: len(texts) == 1]]), None)
        return _best(value[key]) if key is not None else ""
    return value if isinstance(value, str) else ""
