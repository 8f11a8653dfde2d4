"""What several benchmarks run: the settings of a scan as configured by default, and decoding a film alone."""

from pathlib import Path

import imageio_ffmpeg
from clipmill.plan.config import check
from clipmill.plan.flow import BY_CLIP

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
CONFIG = check({}, SCHEMA)
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def scan(detector: str) -> dict:
    """The settings of scan_videos with a detector."""
    settings = {name: CONFIG[name] for name in ("frames", "detectors", "quality", "fmin", "clips")}
    return settings | {name: CONFIG["cut"][name] for name in BY_CLIP} | {"detector": detector}


def decoding(film: Path) -> list:
    """The command that decodes a film with one thread, and drops its frames."""
    return [FFMPEG, "-v", "quiet", "-threads", "1", "-i", film, "-f", "null", "-"]
