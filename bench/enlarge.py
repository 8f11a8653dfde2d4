"""Make the films of the benchmarks from footage of any sizes: 90 s of 720p and 60 s of 1080p, h264 with a tone.

    python bench/enlarge.py FOOTAGE OUT

The files of FOOTAGE follow one another by name, enlarged, at 24 frames a second, repeated until the film is full:
720p.mp4 at 2.6 and 1080p.mp4 at 5.3 Mbit/s by x264's medium, and 720p-short.mp4, the first with a key frame at least
every 1.5 s.
"""

import argparse
import subprocess
from pathlib import Path

import imageio_ffmpeg
from processes import films

KINDS = {
    "720p": (1280, 720, 90, 2600, 250),
    "1080p": (1920, 1080, 60, 5300, 250),
    "720p-short": (1280, 720, 90, 2600, 36),
}
"""Width, height, seconds, kbit/s, and the most frames from one key frame to the next."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path, help="folder of videos")
    parser.add_argument("out", type=Path, help="folder to write")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, kind in KINDS.items():
        made = args.out / f"{name}.mp4"
        if not made.exists():
            subprocess.run(command(films([args.footage]), made.with_suffix(".part.mp4"), *kind), check=True)
            made.with_suffix(".part.mp4").rename(made)


def command(files: list[Path], out: Path, width: int, height: int, seconds: int, rate: int, group: int) -> list[str]:
    """The ffmpeg command that makes one film."""
    fit = f"fps=24,scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},setsar=1"
    parts = [f"[{number}:v]{fit},format=yuv420p[v{number}]" for number in range(len(files))]
    joined = "".join(f"[v{number}]" for number in range(len(files)))
    looped = f"{joined}concat=n={len(files)},loop=-1:32767,trim=duration={seconds},setpts=N/24/TB[v]"
    inputs = [word for file in files for word in ("-i", str(file))]
    tone = ["-f", "lavfi", "-i", f"sine=440:duration={seconds}"]
    video = ["-c:v", "libx264", "-preset", "medium", "-b:v", f"{rate}k", "-g", str(group)]
    maps = ["-filter_complex", ";".join([*parts, looped]), "-map", "[v]", "-map", f"{len(files)}:a"]
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *inputs, *tone, *maps, *video, str(out)]


if __name__ == "__main__":
    main()
