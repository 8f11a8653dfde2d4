"""Text that was laid over a clip, such as subtitles, logos and watermarks, told from text in the scene.

What is laid over stays in its place while the camera or the things move: a box that is found again in the same place at
several moments, or whose line is (a subtitle's words change, its line does not), as in cosmos-curate's filter of
artificial text, which asks for an IoU of 0.9 over ten frames. Text in a scene in which nothing moves stays, too: then
it counts as laid over. Pure functions of boxes (left, top, right, bottom) as shares of the picture's width and height.
"""

import math
from collections.abc import Sequence
from itertools import combinations

SAME = 0.7
"""IoU of two boxes of one text; a detector's boxes tremble by a few percent of their height."""
LINE = 0.7
"""IoU of the heights of two boxes on one line."""
AT = 0.015
"""Share of the width (or height) by which the middles of two boxes, or the left ends of two texts on one line, may
differ: a long box overlaps itself well while a slow camera passes."""
OFTEN = 0.4
"""Share of the moments, and at least two, in which a text is found again."""
CORNER = 0.25, 0.2
"""Shares of the width and of the height: a text whose middle is so near to a side and to the top or bottom is in a
corner."""

Box = tuple[float, float, float, float]


def stays(moments: Sequence[Sequence[Box]]) -> list[list[Box]]:
    """Of the boxes at each moment, those that are found again, in their place, at enough of the moments."""
    least = max(2, math.ceil(OFTEN * len(moments)))
    seen = [[1] * len(boxes) for boxes in moments]
    for (one, mine), (other, theirs) in combinations(enumerate(moments), 2):
        for index, box in enumerate(mine):
            seen[one][index] += any(in_place(box, rival) for rival in theirs)
        for index, box in enumerate(theirs):
            seen[other][index] += any(in_place(box, rival) for rival in mine)
    return [
        [box for box, count in zip(boxes, counts, strict=True) if count >= least]
        for boxes, counts in zip(moments, seen, strict=True)
    ]


def in_place(one: Box, other: Box) -> bool:
    """Whether two boxes are one text, or two texts on one line that share their middle or their left end."""
    across, down = _common(one[0::2], other[0::2]), _common(one[1::2], other[1::2])
    both = across * down
    middle, level = (abs(one[first] + one[first + 2] - other[first] - other[first + 2]) / 2 for first in (0, 1))
    if both >= SAME * (_area(one) + _area(other) - both) and max(middle, level) <= AT:
        return True
    heights = one[3] - one[1] + other[3] - other[1] - down
    return down >= LINE * heights and min(middle, abs(one[0] - other[0])) <= AT


def in_corner(box: Box) -> bool:
    """Whether a box is in a corner of the picture."""
    middles = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return all(min(middle, 1 - middle) <= share for middle, share in zip(middles, CORNER, strict=True))


def shares(moments: Sequence[Sequence[Box]]) -> tuple[float, float]:
    """Shares (0-1) of the picture that text which stays covers, and that such text in corners covers: of the moment at
    which it is most."""
    staying = stays(moments)
    corners = [[box for box in boxes if in_corner(box)] for boxes in staying]
    return max(map(covered, staying), default=0.0), max(map(covered, corners), default=0.0)


def covered(boxes: Sequence[Box]) -> float:
    """Share (0-1) of the picture that the union of boxes covers."""
    from shapely import box, unary_union

    return float(unary_union([box(*one) for one in boxes]).intersection(box(0, 0, 1, 1)).area)


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    """Length that two spans share."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
