"""Rule-based caption cleaning: phrases that do not describe the picture are removed.

The rules and their order are those that the Open-Sora data tools apply to captions (there `--refine-llm-caption` and
`--clean-caption`, the latter in the manner of the DeepFloyd IF and T5 text pipelines): first the opening phrase is
removed, then the text is cleaned twice, because one pass can uncover what the next one removes. The result is all lower
case.
"""

import html
import re
import warnings
from urllib.parse import unquote_plus

import ftfy
from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning

PREFIX = re.compile(
    r"""(?:
        the\ video\ (?:shows|captures|features|depicts|presents|is)\b
      | the\ image\ (?:shows|captures|features|depicts|presents|portrays|is)\b
      | in\ the\ (?:video|image),
    )""",
    re.IGNORECASE | re.VERBOSE,
)

EXTENSIONS = "png|jpe?g|bmp|webp|eps|pdf|apk|mp4"
DASHES = (
    "\u002d\u00ad\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a"
    "\u2e3a\u2e3b\u2e40\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d"
)
# Strokes, katakana extensions, enclosed and compatibility forms, both ideograph blocks and the hexagrams between them.
IDEOGRAPHS = "\u31c0-\u31ef\u31f0-\u31ff\u3200-\u32ff\u3300-\u33ff\u3400-\u4dbf\u4dc0-\u4dff\u4e00-\u9fff"


def rules(*pairs):
    """Cleaning steps from (pattern, replacement) pairs: the patterns compiled."""
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


BEFORE_HTML = rules(
    (r"<person>", "person"),
    (r"\b(?:https?:|www\.)[^\s]+", ""),
    (r"\b[a-z0-9.-]+\.(?:com|co|ru|net|org|edu|gov|it)\b(?:/[\w./-]*\b/?)?(?!@)", ""),
)
AFTER_HTML = rules(
    (r"@\w+\b", ""),
    (f"[{IDEOGRAPHS}]+", ""),
    (f"[{DASHES}]+", "-"),
    ("[`\u00b4\u00ab\u00bb\u201c\u201d\u00a8]", '"'),
    ("[\u2018\u2019]", "'"),
    (r"&quot;?|&amp;?", ""),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", " "),
    (r"\b\d:\d\d\s+$", ""),
    (r"\\n", " "),
    (r"#\d{1,3}\b|#\d{5,}\b|\b\d{6,}\b", ""),
    (rf"\S+\.(?:{EXTENSIONS})\b", ""),
    (r"[\"']{2,}", '"'),
    (r"\.{2,}", " "),
    ("[#\u00ae\u2022\u00a9\u2122&@\u00b7\u00ba\u00bd\u00be\u00bf\u00a1\u00a7~()\\[\\]{}|\\\\/*]+", " "),
    (r"\s+\.\s+", " "),
)
CODES_AND_ADVERTS = rules(
    (r"\b[a-z]{1,3}\d{3,15}\b", ""),
    (r"\b[a-z]+\d+[a-z]+\b", ""),
    (r"\b\d+[a-z]+\d+\b", ""),
    (r"(?:worldwide\s+)?(?:free\s+)?shipping\b", ""),
    (r"(?:free\s+)?\bdownload\b(?:\s+free\b)?", ""),
    (r"\bclick\s+(?:for|on)\s+\w+", ""),
    (rf"\b(?:{EXTENSIONS})\b(?:\s+images?\b)?", ""),
    (r"\bpage\s+\d+\b", ""),
    (r"\b[a-z]*\d+[a-z]+\d+[a-z\d]*\b", " "),
    (r"\b\d+\s?[x\u0445]\s?\d+\b", ""),
    (r"\s+:\s+", ": "),
    (r"(\D[,./])(?=\w)", r"\1 "),
    (r"\s+", " "),
)
EDGES = rules(
    (r"^[\"'](.+)[\"']$", r"\1"),
    (r"^['_,\-:;]", ""),
    (r"['_,\-:+]$", ""),
    (r"^\.\S+$", ""),
)


def apply(steps, text):
    """The text after all steps, in their order."""
    for pattern, replacement in steps:
        text = pattern.sub(replacement, text)
    return text


def remove_prefix(text: str) -> str:
    """Remove one opening phrase such as "The video shows", and start the rest with a capital.

    The phrases are the reference's eleven ("The video|image shows, captures, features, depicts, presents, is",
    "The image portrays", "In the video|image,"), in any case and at the start only. A bare phrase becomes "".
    """
    text = text.strip()
    found = PREFIX.match(text)
    if not found:
        return text
    rest = text[found.end() :].strip()
    return rest[:1].upper() + rest[1:]


def _clean_once(text):
    text = unquote_plus(text).strip().lower()
    text = apply(BEFORE_HTML, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        text = BeautifulSoup(text, "html.parser").text
    text = apply(AFTER_HTML, text)
    if len(re.findall("[-_]", text)) > 3:
        text = re.sub("[-_]", " ", text)
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    text = apply(CODES_AND_ADVERTS, text).strip()
    return apply(EDGES, text).strip()


def clean(text: str) -> str:
    """Clean a caption for a text encoder: links, markup, handles, ideographs, file names, codes, adverts and stray
    punctuation are removed; dashes and quotes become plain, white space single, letters lower case. May return "".

    These are the reference's rules, in its order, applied twice. As there, text is URL-decoded, so a plus sign
    between words is lost.
    """
    return _clean_once(_clean_once(text))


def clean_caption(text: str, prefix: bool = True, clean_text: bool = True) -> str:
    """A caption after the chosen rules: the opening phrase (`prefix`) first, then the cleaning (`clean_text`)."""
    text = remove_prefix(text) if prefix else text.strip()
    return clean(text) if clean_text else text
