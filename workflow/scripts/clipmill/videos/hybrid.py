"""Gradual transitions at the price of cuts: cheap signals mark where one may be, and a network looks only there.

Each frame is kept for a while as 48x27 pixels, the network's own size. Within the scenes that hard cuts leave, a
dissolve or fade of which `coherence` is sure is one. Where the picture changes for another one without being so plain a
mixture, a window of frames around it is shown to TransNetV2.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

import cv2
import numpy as np

from clipmill.videos import coherence
from clipmill.videos.scenes import Scene

WIDTH, HEIGHT = 48, 27
PART, LATE = 1000, 140
"""Frames that are looked at together, and those at their end that wait for the next part: what is found there may need
frames that come (the longest transition of `coherence`, half of it, twice)."""
LENGTHS = (4, 6, 9, 13, 18, 25, 36, 50)
"""Frames of a transition that is looked for."""
SAMPLES = 7
"""Frames of a longer one that are looked at."""
COLOURS = 0.5
"""How far the colours of both sides are apart at least: 2 - 2 x the Bhattacharyya coefficient of their histograms (512
colours), 0 to 2. A camera that moves shows much the same colours."""
SHIFTS = 0, 16
"""Levels by which the limits of colours are moved: a plain colour that drifts over a limit is no other one."""
STILL = 0.3
"""Share of that distance by which each side may change within half as long a time again; a plain side may change."""
OFF_LINE = 0.3
"""Share of the difference by which the frames between may miss a mixture of both sides."""
APART, PLAIN = 6.0, 8.0
"""Levels of 255: mean difference of both sides at least; standard deviation of a picture in which nothing is seen."""
READ, CONTEXT = 9, 8
"""Frames on each side of a span whose predictions count, and beyond them those that the network sees besides. The
authors' own windows have a margin of 25, which found no more in trials."""
WINDOW, STEP = 100, 8
"""Most frames of a window for several spans (the authors' length); windows are whole multiples of some frames long, so
that few shapes occur."""


class Gradual:
    """The gradual transitions of a video, found while its frames come.

    `threshold`: the network's probability above which a frame is a transition; `apart`: fewest frames between one that
    the network finds and another or a cut; `network`: takes windows of one length, CPU tensors (frames, 27, 48, 3)
    uint8 of red, green and blue, and gives an array for each, the probabilities of its frames. It is not called where
    nothing is marked.
    """

    def __init__(self, threshold: float, apart: int, network: Callable[[list], list]):
        self.threshold, self.apart, self.network = threshold, apart, network
        self.frames: list[np.ndarray] = []
        self.begin = self.decided = 0
        self.found: list[Scene] = []

    def add(self, image: np.ndarray, cuts: Sequence[int]) -> None:
        """Take the next frame, HxWx3 BGR uint8; `cuts`: all hard cuts so far, the first frames of scenes."""
        if min(image.shape[:2]) >= 4 * HEIGHT:  # the mean of two by two pixels first: half the time
            image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self.frames.append(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
        if len(self.frames) >= PART + 2 * LATE:
            self.look(cuts, self.begin + len(self.frames) - LATE)

    def finish(self, cuts: Sequence[int]) -> list[Scene]:
        """The transitions, in order, as spans of frames; an empty one is a cut that was not among `cuts`."""
        self.look(cuts, self.begin + len(self.frames))
        return self.found

    def look(self, cuts: Sequence[int], until: int) -> None:
        """Find the transitions whose middle lies before the frame `until`; forget frames that no later one needs."""
        seen, count, thumbnails = np.array(self.frames), len(self.frames), coherence.Thumbnails()
        for frame in self.frames:
            thumbnails.add(frame)
        small, scenes = thumbnails.array(), self.scenes(cuts)
        found = [span for span in sure(small, scenes) if self.due(span, until)]
        edges = [(at, at) for at in (0, *cuts, self.begin + count)]
        known = found + [(first - self.begin, end - self.begin) for first, end in edges + self.found]
        doubtful = [span for span in marked(seen, small, scenes) if self.due(span, until) and self.open(span, known)]
        for first, end in self.asked(seen, doubtful):
            if all(end + self.apart <= low or high + self.apart <= first for low, high in known + found):
                found.append((first, end))
        self.found = sorted(self.found + [(self.begin + first, self.begin + end) for first, end in found])
        self.decided, gone = until, max(0, until - LATE - self.begin)
        self.frames, self.begin = self.frames[gone:], self.begin + gone

    def scenes(self, cuts: Sequence[int]) -> list[Scene]:
        """What hard cuts make of the frames that are kept, counted from the first of them."""
        count = len(self.frames)
        inner = sorted({cut - self.begin for cut in cuts if self.begin < cut < self.begin + count})
        return list(pairwise([0, *inner, count]))

    def due(self, span: Scene, until: int) -> bool:
        """Whether a span is for this part: the others were, or will be, for another."""
        return self.decided <= self.begin + sum(span) // 2 < until

    def open(self, span: Scene, known: Sequence[Scene]) -> bool:
        """Whether something new may be found in a span: what overlaps with something known, or is too near to it, is
        not new."""
        middle = sum(span) / 2
        return not any(
            (span[0] < high and low < span[1]) or low - self.apart < middle < high + self.apart for low, high in known
        )

    def asked(self, seen: np.ndarray, spans: list[Scene]) -> Iterator[Scene]:
        """What the network calls transitions in and around these spans: its runs of more than two frames, and cuts,
        which are shorter."""
        likely = np.zeros(len(seen), bool)
        for _, group in groupby(sorted(joined(spans), key=_length), _length):
            windows = list(group)
            for (first, _), found in zip(windows, self.network([_window(seen, *at) for at in windows]), strict=True):
                for low, high in spans:
                    low, high = max(0, low - READ), min(len(seen), high + READ)
                    if first <= low and high <= first + len(found):
                        likely[low:high] |= found[low - first : high - first] > self.threshold
        edges = np.flatnonzero(np.diff(np.concatenate([[0], likely.astype(np.int8), [0]])))
        for first, end in edges.reshape(-1, 2).tolist():
            yield (first, end) if end - first > 2 else (end, end)


def sure(thumbnails: np.ndarray, scenes: Sequence[Scene]) -> Iterator[Scene]:
    """The transitions of `coherence` beside which a scene goes on, plainly or for a quarter of their length: where it
    ends, nothing says that the light would not have gone on changing."""
    plain = thumbnails.std(axis=1) < coherence.PLAIN
    for begin, end in scenes:
        for first, last in coherence.transitions(thumbnails[begin:end], [(0, end - begin)]):
            first, last, room = begin + first, begin + last, (last - first) / 4
            if (plain[first - 1] or first - begin > room) and (plain[last] or end - last > room):
                yield first, last


def marked(seen: np.ndarray, thumbnails: np.ndarray, scenes: Sequence[Scene]) -> list[Scene]:
    """The spans within scenes that may be a gradual transition, in order; none overlaps another.

    `seen`: (frames, 27, 48, 3) uint8; `thumbnails`: (frames, coherence.SIZE) uint8. Both sides differ in their colours
    by far more than each changes before and after, and what is between does not leave the line from one to the other
    by much.
    """
    colours, small = [_colours(seen, shift) for shift in SHIFTS], thumbnails.astype(np.float32)
    taken: list[Scene] = []
    for begin, end in scenes:
        for length in LENGTHS:
            if end - begin > length + 3:
                for first in _candidates([part[begin:end] for part in colours], small[begin:end], length):
                    span = (begin + first, begin + first + length)
                    if all(span[1] <= low or span[0] >= high for low, high in taken):
                        taken.append(span)
    return sorted(taken)


def _colours(seen: np.ndarray, shift: int) -> np.ndarray:
    """The roots of each frame's shares of 512 colours, (frames, 512) float32, whose limits lie `shift` levels lower."""
    counted = [
        cv2.calcHist([cv2.add(frame, (shift,) * 4)], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel() for frame in seen
    ]
    return np.sqrt(np.array(counted) / (WIDTH * HEIGHT))


def _candidates(colours: list[np.ndarray], small: np.ndarray, length: int) -> list[int]:
    """The first frames of what may be transitions of `length` frames, those whose sides differ most first."""
    count = len(small) - length
    first, reach = np.arange(count), max(2, length // 2)
    last, plain = first + length, small.std(axis=1) < PLAIN
    before, after = np.maximum(first - reach, 0), np.minimum(last + reach, len(small) - 1)
    size, likely = np.full(count, np.inf), ~(plain[:count] & plain[length:])
    for part in colours:
        apart = _apart(part, first, last)
        likely &= (_apart(part, before, first) < STILL * apart) | plain[:count]
        likely &= (_apart(part, last, after) < STILL * apart) | plain[length:]
        size = np.minimum(size, apart)
    at = np.flatnonzero(likely & (size > COLOURS))
    one, way = small[at], small[at + length] - small[at]
    square = np.maximum((way * way).sum(axis=1), 1e-6)
    off_line = np.zeros(len(at))
    for step in np.unique(np.linspace(1, length - 1, SAMPLES).round().astype(int)):
        moved = small[at + step] - one
        share = (moved * way).sum(axis=1) / square
        off = np.sqrt(np.maximum((moved * moved).sum(axis=1) / square - share * share, 0))
        off_line = np.maximum(off_line, off)
    at = at[(np.abs(way).mean(axis=1) > APART) & (off_line < OFF_LINE)]
    return at[np.argsort(-size[at], kind="stable")].tolist()


def _apart(colours: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 2 - 2 * np.einsum("ij,ij->i", colours[one], colours[other])


def _length(window: Scene) -> int:
    return window[1] - window[0]


def _window(seen: np.ndarray, first: int, end: int):
    """The frames of a window as the network takes them: at the ends of what is seen the last one stands still."""
    import torch

    at = np.clip(np.arange(first, end), 0, len(seen) - 1)
    return torch.from_numpy(np.ascontiguousarray(seen[at][..., ::-1]))


def joined(spans: Sequence[Scene]) -> list[Scene]:
    """Windows of frames for the network, one for each span or for several near ones; they may reach over the ends of
    what is seen, where the first and the last frame stand still."""
    windows: list[Scene] = []
    for first, end in spans:
        low, high = first - READ - CONTEXT, end + READ + CONTEXT
        if windows and low < windows[-1][1] and high - windows[-1][0] <= WINDOW:
            low = windows.pop()[0]
        windows.append((low, high + (low - high) % STEP))
    return windows
