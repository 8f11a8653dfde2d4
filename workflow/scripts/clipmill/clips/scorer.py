"""What every scorer of clips has in common."""

from clipmill.videos.frames import FrameStep


class Scorer(FrameStep):
    """A step whose table holds only the id and its own columns: scorers run side by side, and `select_clips` joins
    them."""

    def passes_on(self, names: list[str]) -> list[str]:
        return ["id"]
