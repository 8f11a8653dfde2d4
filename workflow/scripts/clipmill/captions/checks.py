"""What can be wrong with a caption, judged by its text alone."""

import re
import unicodedata
from collections import Counter

from clipmill.captions.answers import LONGEST, OPEN_THOUGHT, OTHER_CHANNEL
from clipmill.captions.caption import Caption

REFUSAL = re.compile(
    r"(?:i'?m|i am) (?:sorry|afraid|unable|not able)\b|sorry,|i (?:cannot|can't|can not|could not|couldn't|won't)\b"
    r"|i (?:do not|don't) (?:have|see)\b|i apologi[sz]e|unfortunately,? i\b|as an ai\b|as a language model"
)
DOES = (
    r"(?:watch|view|process|access|assist|help(?! but)|fulfil|provide|describe|analy[sz]e|comply|continue with|identify"
    r"|(?:see|open|play|hear) (?:the|this|that|your|any|an?) (?:video|image|picture|frame|photo|clip|content|file))"
)
LATE_REFUSAL = re.compile(
    r"\bas an? (?:ai|large|text-based|artificial intelligence)? ?(?:language )?model\b|\bas an ai\b[^.!?]{0,40}\bi\b"
    rf"|\bi(?: cannot| can't| can not| could not| couldn't| won't|(?:'m| am) (?:unable|not able) to) {DOES}"
    r"|\bi(?:'m| am) (?:sorry|afraid),? (?:but )?i\b|\bi apologi[sz]e\b|\b(?:i am|i'm) (?:just )?an ai\b"
)
"""Words of a refusal that no caption says of its picture, wherever they stand."""
ASKS = r"(?:wants?|asks?|asked|is asking|has asked|needs?|would like|expects?|requested)"
THOUGHT = re.compile(
    rf"\bthe (?:user|prompt) {ASKS} (?:me|us)\b|\bthe user {ASKS} (?:for )?an? (?:[\w-]+ ){{0,3}}"
    r"(?:caption|description|paragraph|sentence|summary)\b"
    r"|\b(?:i|we) (?:need|have|should|must|will|want)(?: to)? (?:describe|write|caption|mention|start by|focus on)"
    r"|^(?:let me|let's|so,? i|first,? (?:i|let)|hmm|wait)\b"
)
"""Thinking aloud, where a model marks it by no tag."""
QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d")
DATA = re.compile(r"[\[{]\s*[\[{\"']|<\?xml|<!doctype|<html", re.IGNORECASE)
CUT_OFF = "caption is cut off at the token limit"
WORDS_SHARE = 0.5
"""Share of a caption's characters, blanks left out, that are letters or digits: more than 0.9 in prose."""
ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "the a an and of in on with is are to at by from it its this that there while for as into their his her has "
        "over near through no",
    )
)
ENGLISH_SHARE = 0.1
"""In English prose a third of the words are such words; in other languages in Latin letters, at most one in twenty."""


def problem(caption: Caption, checks: dict) -> str:
    """What is wrong with a caption, as a reject's reason; "" where nothing is.

    `checks`: `loop`, `cut_off`, `refusal` (booleans) and `language` ("en", or None for any).
    """
    text = caption.text.strip()
    said = QUOTED.sub("", text.lower().replace("\u2019", "'"))
    if caption.finish == "refused":
        return "the server refused the request"
    if caption.finish == "echo":
        return "caption repeats the question"
    if not text:
        # A reasoning model that spends all its tokens on thoughts says nothing.
        return CUT_OFF if caption.finish == "length" else "caption is empty"
    if OPEN_THOUGHT.search(text) or OTHER_CHANNEL.match(text) or THOUGHT.search(said):
        return "caption is a thought"
    if len(text) > LONGEST:
        return "caption is too long"
    if DATA.match(text):
        return "caption is data, not sentences"
    if not has_words(text):
        return "caption has no words"
    if checks["refusal"] and (REFUSAL.match(said) or LATE_REFUSAL.search(said)):
        return "caption is a refusal"
    if checks["loop"] and loops(text):
        return "caption repeats itself"
    if checks["language"] == "en" and not is_english(text):
        return "caption is not in English"
    if checks["cut_off"] and caption.finish == "length":
        return CUT_OFF
    return ""


def has_words(text: str) -> bool:
    """Whether a text is mostly letters and digits, and not a row of marks."""
    letters = [letter for letter in text if not letter.isspace()]
    spoken = sum(unicodedata.category(letter)[0] in "LMN" for letter in letters)
    return any(letter.isalpha() for letter in letters) and spoken >= WORDS_SHARE * len(letters)


def loops(text: str) -> bool:
    """Whether a text repeats itself: a phrase several times in a row, a sign twenty times, or mostly three-word runs
    already said."""
    if re.search(r"(\S)\1{19}", text):
        return True
    words = re.findall(r"\w+", text.lower())
    for length in range(1, 13):
        times = 5 if length == 1 else 4 if length < 4 else 3
        run = 0
        for index in range(len(words) - length):
            run = run + 1 if words[index] == words[index + length] else 0
            if run >= length * (times - 1):
                return True
    runs = Counter(zip(words, words[1:], words[2:], strict=False))
    return len(words) >= 24 and len(runs) < 0.5 * runs.total()


def is_english(text: str) -> bool:
    """Whether a text may be English: Latin letters and, from six words on, some of the commonest English words."""
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter < "\u0250" for letter in letters) < 0.8 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) < 6 or sum(word in ENGLISH for word in words) >= ENGLISH_SHARE * len(words)
