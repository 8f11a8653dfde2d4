"""Grids: the limits that the page offers for a column, and each score's place among them as 16 bits.

A comparison of places gives what a comparison of numbers gives, exactly: with j the place of a limit in the grid,
`score >= limit` where `code >= 2j + 1`, and `score <= limit` where `code <= 2j + 1`.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from clipmill.clips.thresholds import is_number

MISSING, EXEMPT = 65535, 65534
"""Codes of no score: a reject where a limit is set, and one that no limit concerns (a still image has no flow)."""
FINEST = 4
"""Decimals of a score in a table (`tables.number`)."""
DIGITS = 3
"""Significant digits of the limits offered, besides the configured ones."""
FEW = 4096
"""A column with at most this many different scores has each of them in its grid."""
MOST = 32_000
"""Most limits of a grid: twice as many codes fit into 16 bits."""


def plain(number: float | str) -> str:
    """The shortest decimal text of a number, without an exponent: YAML and Python read the same number from it."""
    text = format(Decimal(str(number)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def points(scores: Iterable[float], limits: Iterable[float] = ()) -> list[str]:
    """The grid of a column, rising: all numbers of at most three significant digits (whole ones if all scores are
    whole) from the lowest to the highest score, the scores themselves where they are few, and the configured `limits`.

    The texts are what the page shows and copies; their numbers are what `float` makes of them.
    """
    known = np.unique(np.asarray([score for score in scores if math.isfinite(score)], dtype=float))
    texts = [plain(limit) for limit in limits]
    if len(known):
        decimals = 0 if np.array_equal(known, np.round(known)) else FINEST
        texts += _round_numbers(float(known[0]), float(known[-1]), decimals)
        texts += [plain(score) for score in known.tolist()] if len(known) <= FEW else []
    grid = {float(text): text for text in texts}
    if len(grid) > MOST:
        raise ValueError(f"a grid of {len(grid)} limits: at most {MOST} have codes")
    return [grid[number] for number in sorted(grid)]


def _round_numbers(low: float, high: float, decimals: int) -> list[str]:
    unit = 10**decimals
    first, last = math.floor(low * unit), math.ceil(high * unit)
    sizes = _few_digits(max(abs(first), abs(last)))
    whole = [*(-size for size in reversed(sizes)), 0, *sizes]
    wanted = [number for number in whole if first <= number <= last]
    return [plain(str(Decimal(number).scaleb(-decimals))) for number in wanted]


def _few_digits(most: int) -> list[int]:
    """The whole numbers from 1 to `most`, and one beyond it, that have at most three significant digits."""
    found, step = list(range(1, 10**DIGITS)), 10
    while found[-1] < most:
        found += range(found[-1] // step * step + step, 10**DIGITS * step, step)
        step *= 10
    return found


def numbers(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The scores of a column of a table as floats, NaN where there is none, and which of them are missing.

    They are read as `float` reads them, as the selection does. What is no finite number fails every limit, like a
    missing score.
    """
    places, distinct = pd.factorize(texts)
    values = np.array([float(text) if is_number(text) else np.nan for text in distinct.tolist()] or [np.nan])
    found = values[places] if len(places) else np.empty(0)
    return found, np.isnan(found)


def codes(scores: np.ndarray, missing: np.ndarray, exempt: np.ndarray, grid: Sequence[str]) -> np.ndarray:
    """The code (uint16) of each score. `exempt`: the rows whose missing score is no reason for a reject."""
    limits = np.array([float(text) for text in grid], dtype=float)
    left = np.searchsorted(limits, scores)
    equal = np.zeros(len(scores), dtype=bool)
    inside = left < len(limits)
    equal[inside] = limits[left[inside]] == scores[inside]
    found = (2 * left + equal).astype(np.uint16)
    found[missing] = MISSING
    found[missing & exempt] = EXEMPT
    return found
