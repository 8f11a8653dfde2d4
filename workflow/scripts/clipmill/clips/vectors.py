"""CLIP vectors of clips' frames, computed once for all steps that look at frames with the same open_clip model.

They are kept beside the memos of the steps, in `memo/clip_vectors/<digest>/`, whose digest is that of the code, of the
model's name, and of how frames are stored (`plan/pipeline.py`). So another head, another way to reduce scores, or
another step computes none of them again; and one that is lost is computed like one that is new.
"""

import base64
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from clipmill.engine.fingerprints import digest
from clipmill.engine.memo import Memo
from clipmill.videos import frames
from clipmill.videos.frames import FrameStep

DEPENDS_ON = ("start_frame", "end_frame", "num_frames", "crop", "digest")
"""The columns of a row, besides its id, that a frame of it depends on."""
MOST = 20_000
"""Vectors that are held until they are written: 60 MB of a large model's."""


class Vectors:
    """Vectors (float32) by clip and moment, of the model whose weights have this SHA-256. Safe in threads."""

    def __init__(self, folder: Path, weights: str):
        self.memo, self.weights = Memo(folder, ("vector",)), weights
        self.known: dict[tuple[str, str], np.ndarray] = {}
        self.fresh: dict[tuple[str, str], np.ndarray] = {}
        self.lock = threading.Lock()

    def key(self, row: dict, moment: float) -> tuple[str, str]:
        """What the vector of a frame is remembered by: the clip's id, and a digest of all else that it depends on."""
        return row["id"], digest([row.get(name, "") for name in DEPENDS_ON], float(moment), self.weights)

    def recall(self, wanted: Iterable[tuple[dict, float]]) -> None:
        """Read the vectors of these (row, moment) that are remembered."""
        keys = {self.key(row, moment) for row, moment in wanted}
        ids = sorted(identity for identity, _ in keys)
        if ids:
            held = self.memo.recall(ids[0], ids[-1], keys)
            self.known = {key: np.frombuffer(base64.b64decode(row["vector"]), "<f4") for key, row in held.items()}

    def of(self, row: dict, moment: float) -> np.ndarray | None:
        """The vector of the frame at a moment (0-1) of a clip; None where it was not recalled."""
        return self.known.get(self.key(row, moment))

    def keep(self, row: dict, moment: float, vector: np.ndarray) -> None:
        """Remember a vector, from the next `write` on."""
        with self.lock:
            self.fresh[self.key(row, moment)] = np.array(vector, "<f4")
            full = len(self.fresh) >= MOST
        if full:
            self.write()

    def write(self) -> None:
        """Write what is new."""
        with self.lock:
            fresh, self.fresh = self.fresh, {}
        self.memo.write([
            {"id": identity, "key": key, "vector": base64.b64encode(vector.tobytes()).decode()}
            for (identity, key), vector in fresh.items()
        ])  # fmt: skip


def on_the_device(settings: dict) -> bool:
    """Whether a step's settings want stored pictures decoded on the device."""
    return settings.get("frames_from", {}).get("decode") == "gpu"


class VectorStep(FrameStep):
    """A step that may look at CLIP vectors of its clips' frames, at the moments that its settings name.

    `pictures` gives vectors in place of pictures where they are remembered, and `OpenClip.asked` takes both. Its
    `conclude` calls `remember`. It need not have such a model: then nothing is shared.
    """

    vectors: Vectors | None = None

    def recall(self, rows: list[dict]) -> None:
        if self.shared:
            weights = next(entry["sha256"] for entry in self.models if entry["key"].endswith(".pretrained"))
            self.vectors = Vectors(self.shared, weights)
            self.vectors.recall((row, moment) for row in rows for moment in self.moments(row))

    def write(self) -> None:
        if self.vectors:
            self.vectors.write()

    def pictures(self, row: dict) -> list[np.ndarray | frames.Shot]:
        """The frames of a clip (HxWx3 RGB uint8), or the vector (width, float32) of those that are remembered.

        Where frames are decoded on the device: as they are stored."""
        found = [self.vectors.of(row, moment) if self.vectors else None for moment in self.moments(row)]
        missing = [moment for moment, vector in zip(self.moments(row), found, strict=True) if vector is None]
        read = self.stored if on_the_device(self.settings) else frames.read
        seen = iter(read(self.store, row, missing) if missing else ())
        return [next(seen) if vector is None else vector for vector in found]

    @staticmethod
    def stored(store: frames.Store, row: dict, fractions: list[float]) -> list[frames.Shot]:
        """The stored frames nearest to fractions (0-1) of a clip, undecoded: the same as of `frames.read`."""
        length = float(row["end"]) - float(row["start"]) if row["end"] else 0.0
        wanted = [fraction * length for fraction in fractions]
        found = frames.shots(store, row, wanted)
        return [min(found, key=lambda shot: abs(shot.seconds - seconds)) for seconds in wanted]

    def remember(self, row: dict, answers: list) -> None:
        """Remember the vectors that were computed for a clip; `answers` begins with them, in the moments' order."""
        if self.vectors:
            missing = [moment for moment in self.moments(row) if self.vectors.of(row, moment) is None]
            for moment, answer in zip(missing, answers, strict=False):
                self.vectors.keep(row, moment, answer.numpy())
