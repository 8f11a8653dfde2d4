"""Words from numbers: sentences about a clip's scores and its camera, which meta.csv has behind the caption.

The words and their limits are those of Open-Sora 1.3 (`text_score2text`, `--merge-cmotion`). There, each sentence is
added by chance, and a label that is not in its list ends the run; here, what a clip does not have adds nothing.
"""

from collections.abc import Iterable, Mapping

AES = ((4, "terrible"), (4.5, "very poor"), (5, "poor"), (5.5, "fair"), (6, "good"), (6.5, "very good"))
FLOW = ((0.5, "very low"), (2, "low"), (5, "fair"), (10, "high"), (20, "very high"))
"""The words below each limit."""
UNKNOWN = ("", "undetermined")


def appended(text: str, row: Mapping[str, str], columns: Iterable[str]) -> str:
    """A caption with a sentence for each of these columns (`aes`, `flow`, `cmotion`) that the row has; an empty caption
    stays empty. Sentences are in lower case where the caption is."""
    found = [sentence for column in columns if (sentence := SENTENCES[column](row.get(column) or ""))]
    if not text or not found:
        return text
    if text != text.lower():
        found = [sentence[0].upper() + sentence[1:] for sentence in found]
    end = "" if text.rstrip()[-1:] in (".", "!", "?") else "."
    return " ".join([text.rstrip() + end, *found])


def of_aes(value: str) -> str:
    """The sentence of an aesthetic score."""
    return f"the aesthetic score is {word(float(value), AES, 'excellent')}." if value else ""


def of_flow(value: str) -> str:
    """The sentence of an optical flow."""
    return f"the motion strength is {word(float(value), FLOW, 'extremely high')}." if value else ""


def of_cmotion(value: str) -> str:
    """The sentence of the camera's movements."""
    names = value.replace("_", " ").split("+")
    listed = " and ".join([part for part in (", ".join(names[:-1]), names[-1]) if part])
    return "" if value in UNKNOWN else f"camera motion: {listed}."


def word(value: float, limits: Iterable[tuple[float, str]], otherwise: str) -> str:
    """The word of a number: that of the first limit which it is below."""
    return next((name for limit, name in limits if value < limit), otherwise)


SENTENCES = {"aes": of_aes, "flow": of_flow, "cmotion": of_cmotion}
"""What can be appended."""
