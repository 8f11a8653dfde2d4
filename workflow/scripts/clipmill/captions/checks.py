"""What can be wrong with a caption, judged by its text alone."""

import re
from collections import Counter

from clipmill.captions.caption import Caption

REFUSAL = re.compile(
    r"(?:i'?m|i am) (?:sorry|afraid|unable|not able)\b|sorry,|i (?:cannot|can't|can not|could not|couldn't|won't)\b"
    r"|i (?:do not|don't) (?:have|see)\b|i apologi[sz]e|unfortunately,? i\b|as an ai\b|as a language model"
)
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
    if caption.finish == "refused":
        return "the server refused the request"
    if not text:
        return "caption is empty"
    if checks["refusal"] and REFUSAL.match(text.lower().replace("\u2019", "'")):
        return "caption is a refusal"
    if checks["loop"] and loops(text):
        return "caption repeats itself"
    if checks["language"] == "en" and not is_english(text):
        return "caption is not in English"
    if checks["cut_off"] and caption.finish == "length":
        return "caption is cut off at the token limit"
    return ""


def loops(text: str) -> bool:
    """Whether a text repeats itself: a phrase several times in a row, or mostly three-word runs already said."""
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
