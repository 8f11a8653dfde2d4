"""Hash clips: `hashes`, the perceptual hashes of up to 16 frames of each clip, by which duplicates are found.

A frame's are those of its whole, and of two middles of it, 16 hex digits each, joined by colons.
"""

from clipmill.clips import hashes
from clipmill.clips.scorer import Scorer
from clipmill.engine.job import main
from clipmill.videos import frames

LEAST, MOST = 0.5, 16
"""Seconds between two frames, and frames of a clip."""


class HashClips(Scorer):
    """`hashes`; a frame that is too plain has none."""

    columns = ("hashes",)
    depends_on = ("start_frame", "end_frame", "start", "end", "crop")
    in_threads = True

    def compute(self, rows, prepared):
        return [{"hashes": self.hashed(row)} for row in rows]

    def hashed(self, row: dict) -> str:
        """The column of one clip."""
        length = float(row["end"]) - float(row["start"]) if row["end"] else 0.0
        _, pictures = frames.sampled(self.store, row, max(LEAST, length / MOST))
        found = [hashes.of(picture) for picture in pictures]
        return " ".join(":".join(f"{value:016x}" for value in frame) for frame in found if frame)


if __name__ == "__main__":
    main(HashClips, __doc__)
