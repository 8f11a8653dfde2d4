"""Score motion: `flow`, the mean length of optical flow over the whole clip, in pixels at 320x576 per half second.

(Per `seconds`, where the configuration sets another time.) A still image has none. With `apart`, `flow_camera` is the
part of it that the camera explains, and `flow_object` what remains: things that move (see `foreground`).
"""

from clipmill.clips.flow import FLOWS, fit, mean_motion
from clipmill.clips.scorer import Scorer
from clipmill.engine.job import main
from clipmill.videos import frames


class ScoreFlow(Scorer):
    """`flow` by OpenCV's DIS on a CPU, or by a network (RAFT, UniMatch)."""

    columns = ("flow",)
    depends_on = ("start_frame", "end_frame", "start", "end", "crop")
    asks = True

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        if settings.get("apart"):
            self.columns = (*self.columns, "flow_camera", "flow_object")

    def load(self):
        self.model = FLOWS[self.settings["model"]](self.settings, self.device)

    def prepare(self, row):
        times, pictures = frames.sampled(self.store, row, self.settings["seconds"])
        asked = self.model.prepare([fit(picture) for picture in pictures])
        return asked._replace(rest=(times, asked.rest))

    def conclude(self, row, rest, answers):
        times, rest = rest
        found = self.model.conclude(rest, answers)
        if not found:
            return dict.fromkeys(self.columns)
        paths = zip(*found, strict=True) if len(self.columns) > 1 else [found]
        moved = [mean_motion(path, times, self.settings["seconds"]) for path in paths]
        return dict(zip(self.columns, moved, strict=True))


if __name__ == "__main__":
    main(ScoreFlow, __doc__)
