"""Score motion: `flow`, the mean length of optical flow over the whole clip, in pixels at 320x576 per half second.

(Per `seconds`, where the configuration sets another time.) A still image has none.
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

    def load(self):
        self.model = FLOWS[self.settings["model"]](self.settings, self.device)

    def prepare(self, row):
        times, pictures = frames.sampled(self.store, row, self.settings["seconds"])
        asked = self.model.prepare([fit(picture) for picture in pictures])
        return asked._replace(rest=(times, asked.rest))

    def conclude(self, row, rest, answers):
        times, rest = rest
        lengths = self.model.conclude(rest, answers)
        return {"flow": mean_motion(lengths, times, self.settings["seconds"]) if lengths else None}


if __name__ == "__main__":
    main(ScoreFlow, __doc__)
