"""Odd videos, each with what must become of it; odd_files.py holds the other odd files and all of them.

An outcome is `PAIRS` (at least one pair and no reject), a reject's reason, both of them joined by ` + `,
`ignored: ` and why it is only counted, or `NOTHING` for what is no file at all.
"""

from pathlib import Path
from typing import NamedTuple

from odd_makers import ENCRYPTED, Make, again, broken, copy, part, sizes_change, video

PAIRS, NOTHING = "pairs", "nothing"
UNREADABLE = "not a readable video (damaged, truncated, or none at all)"
NO_IMAGE, CUT_IMAGE = "not a readable image", "a damaged or truncated image"
LIST, PICTURE, SOUND = "a playlist, not a video", "a picture, not a video", "no video stream"
NO_FILE, HIDDEN, OTHER = "cannot be read", "ignored: hidden", "ignored: extension not taken in"
CUT, CUT_INSIDE = "pairs + truncated", "pairs + damaged pictures + truncated"


class Odd(NamedTuple):
    """An odd file: its path below the folder of videos, what makes it, and what must become of it."""

    name: str
    make: Make
    outcome: str = PAIRS


def subtitles(path: Path, good: Path) -> None:
    text = good / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nOne\n")
    again("text.srt")(path, good)


CONTAINERS = [
    Odd("plain.mp4", video("-c:v libx264")),
    Odd("plain.m4v", video("-c:v libx264 -f mp4", rate=12)),
    Odd("fast start.mp4", video("-c:v libx264 -movflags +faststart", rate=11)),
    Odd("fragments.mp4", video("-c:v libx264 -movflags +frag_keyframe+empty_moov")),
    Odd("plain.mov", video("-c:v libx264")),
    Odd("plain.qt", video("-c:v mjpeg -f mov")),
    Odd("plain.3gp", video("-c:v h263", size="176x144")),
    Odd("plain.3g2", video("-c:v libx264")),
    Odd("plain.mkv", video("-c:v libx264")),
    Odd("live.mkv", video("-c:v libx264 -live 1", rate=11)),
    Odd("plain.webm", video("-c:v libvpx-vp9 -cpu-used 8")),
    Odd("plain.avi", video("-c:v mpeg4")),
    Odd("plain.divx", video("-c:v mpeg4 -f avi -vtag DIVX")),
    Odd("plain.flv", video("-c:v flv1")),
    Odd("plain.f4v", video("-c:v libx264 -f f4v")),
    Odd("plain.wmv", video("-c:v wmv2")),
    Odd("plain.asf", video("-c:v msmpeg4")),
    Odd("plain.mpg", video("-c:v mpeg1video", rate=25)),
    Odd("plain.mpeg", video("-c:v mpeg2video", rate=25)),
    Odd("plain.mpe", video("-c:v mpeg1video -f mpeg", rate=30)),
    Odd("plain.vob", video("-c:v mpeg2video -f vob", rate=25)),
    Odd("no timestamps.m1v", video("-c:v mpeg1video -f mpeg1video", rate=25)),
    Odd("no timestamps.m2v", video("-c:v mpeg2video -f mpeg2video", rate=25)),
    Odd("plain.ts", video("-c:v libx264")),
    Odd("plain.mts", video("-c:v libx264 -f mpegts -mpegts_m2ts_mode 1")),
    Odd("plain.m2ts", video("-c:v mpeg2video -f mpegts -mpegts_m2ts_mode 1", rate=25)),
    Odd("plain.m2t", video("-c:v mpeg2video -f mpegts", rate=25)),
    Odd("plain.ogv", video("-c:v libtheora")),
    Odd("plain.ogm", video("-c:v libtheora -f ogg", rate=12)),
    Odd("plain.mxf", video("-c:v mpeg2video", rate=25)),
    Odd("plain.dv", video("-c:v dvvideo -pix_fmt yuv420p", size="720x576", rate=25, seconds=0.32)),
    Odd("plain.rm", video("-c:v rv10", size="176x144")),
    Odd("plain.wtv", video("-c:v mpeg2video", rate=25)),
    Odd("plain.gif", video()),
]
CODECS = [
    Odd("hevc.mp4", video("-c:v libx265 -preset ultrafast -x265-params log-level=none")),
    Odd("av1.mp4", video("-c:v libaom-av1 -cpu-used 8")),
    Odd("vp8.webm", video("-c:v libvpx -cpu-used 8")),
    Odd("prores.mov", video("-c:v prores_ks")),
    Odd("dnxhr.mov", video("-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", size="256x128")),
    Odd("cineform.mov", video("-c:v cfhd")),
    Odd("jpeg 2000.mov", video("-c:v jpeg2000")),
    Odd("png.mov", video("-c:v png")),
    Odd("animation.mov", video("-c:v qtrle")),
    Odd("sorenson.mov", video("-c:v svq1")),
    Odd("mjpeg.avi", video("-c:v mjpeg")),
    Odd("huffyuv.avi", video("-c:v huffyuv")),
    Odd("utvideo.avi", video("-c:v utvideo")),
    Odd("raw.avi", video("-c:v rawvideo -pix_fmt yuv420p")),
    Odd("cinepak.avi", video("-c:v cinepak")),
    Odd("packed b frames.avi", video("-c:v mpeg4 -bf 2")),
    Odd("ffv1.mkv", video("-c:v ffv1")),
    Odd("wmv1.wmv", video("-c:v wmv1")),
    Odd("h264 in flash.flv", video("-c:v libx264")),
    Odd("hevc.ts", video("-c:v libx265 -preset ultrafast -x265-params log-level=none")),
]
PIXELS = [
    Odd("ten bits.mp4", video("-c:v libx264 -pix_fmt yuv420p10le")),
    Odd("4 4 4.mp4", video("-c:v libx264 -pix_fmt yuv444p")),
    Odd("4 2 2.mp4", video("-c:v libx264 -pix_fmt yuv422p")),
    Odd("rgb.mp4", video("-c:v libx264rgb")),
    Odd("grey.mp4", video("-c:v libx264 -pix_fmt gray")),
    Odd("full range.mp4", video("-c:v libx264 -pix_fmt yuvj420p")),
    Odd("bt2020.mp4", video("-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020")),
    Odd("pq.mp4", video("-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_trc smpte2084", rate=12)),
    Odd("sixteen bits.mkv", video("-c:v ffv1 -pix_fmt gbrp16le")),
    Odd("transparent.mov", video("-c:v png -pix_fmt rgba")),
    Odd("transparent.webm", video("-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuva420p")),
    Odd("palette.avi", video("-c:v rawvideo -pix_fmt pal8")),
]
SHAPES = [
    Odd("one pixel.mkv", video("-c:v ffv1 -vf scale=1:1 -pix_fmt yuv444p")),
    Odd("odd size.mkv", video("-c:v ffv1 -pix_fmt yuv420p", size="63x47")),
    Odd("odd size.mp4", video("-c:v libx264 -pix_fmt yuv444p", size="63x47")),
    Odd("tall.mkv", video("-c:v ffv1 -pix_fmt yuv444p", size="2x4000", seconds=0.5)),
    Odd("wide.mkv", video("-c:v ffv1 -pix_fmt yuv444p", size="4000x2", seconds=0.5)),
    Odd("wide pixels.mp4", video("-c:v libx264 -vf setsar=2")),
    Odd("narrow pixels.mkv", video("-c:v libx264 -vf setsar=10/11")),
    Odd("rotated.mp4", again("good.mp4", before="-display_rotation 90")),
    Odd("upside down.mov", again("late.mov", before="-display_rotation 180")),
    Odd("mirrored.mp4", again("good.mp4", before="-display_hflip")),
    Odd("fields.mp4", video("-c:v libx264 -flags +ildct+ilme -x264-params tff=1")),
    Odd("size changes.ts", sizes_change, "the picture's size changes"),
]
TIMES = [
    Odd("varying.mp4", video("-c:v libx264 -vf setpts=N*(N+4)/40/TB -fps_mode vfr -enc_time_base 1/90000")),
    Odd("before zero.mkv", video("-c:v libx264 -output_ts_offset -5 -avoid_negative_ts disabled")),
    Odd("late start.ts", video("-c:v libx264 -output_ts_offset 90000")),
    Odd("edit list.mp4", again("good.mp4", "-c copy", before="-ss 0.7")),
    Odd("b frames.mp4", video("-c:v libx264 -bf 3 -g 30")),
    Odd("open groups.mp4", video("-c:v libx264 -x264-params open-gop=1:keyint=5:bframes=2", rate=25)),
    Odd("one frame.mp4", video("-c:v libx264 -frames:v 1"), "shorter than clips.min_seconds"),
    Odd("no frame.mp4", video("-c:v libx264 -frames:v 0"), SOUND),
    Odd("still frame.gif", video("-frames:v 1"), "shorter than clips.min_seconds"),
    Odd("thousand a second.mkv", video("-c:v ffv1", size="32x24", rate=1000, seconds=0.4)),
    Odd("one a second.mkv", video("-c:v libx264", rate=1, seconds=3)),
]
STREAMS = [
    Odd("two videos.mkv", again("good.mp4", "-map 0:v -map 1:v -c copy", then="good.avi")),
    Odd("with sound.mp4", again("good.mp4", "-map 0:v -map 1:a -c:v copy -c:a aac", then="sound.mp3")),
    Odd("with cover.mp4", again("good.mp4", "-map 0 -map 1 -c copy -disposition:1 attached_pic", then="picture.png")),
    Odd("sound.mp4", again("sound.mp3", "-c:a aac"), SOUND),
    Odd("sound with cover.mp4", again(
        "sound.mp3", "-map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic", then="picture.png"), SOUND),
    Odd("sound.mkv", again("sound.mp3"), SOUND),
    Odd("mp3.mp4", copy("sound.mp3"), SOUND),
    Odd("subtitles.mkv", subtitles, SOUND),
    Odd("encrypted.mp4", again("good.mp4", f"-c copy {ENCRYPTED}"), "encrypted"),
]  # fmt: skip
CUT_SHORT = [
    *(Odd(f"cut at half.{name}", part(name, 0, 0.5), CUT) for name in ("good.mkv", "good.webm", "good.ogv")),
    *(Odd(f"cut at half.{name}", part(name, 0, 0.5), CUT_INSIDE)
      for name in ("good.mp4", "good.avi", "good.flv", "good.wmv")),
    *(Odd(f"cut near its end.{name}", part(name, 0, 0.9), CUT) for name in ("good.mkv", "good.ogv")),
    *(Odd(f"cut near its end.{name}", part(name, 0, 0.9), CUT_INSIDE)
      for name in ("good.mp4", "fragments.mp4", "good.avi", "good.gif")),
    Odd("cut at half.ts", part("good.ts", 0, 0.505), CUT),
    Odd("cut at half.mov", part("late.mov", 0, 0.5), UNREADABLE),
    Odd("cut in its head.mp4", part("good.mp4", 0, 0.03), "truncated"),
    Odd("cut in its head.mkv", part("good.mkv", 0, 0.01), UNREADABLE),
    Odd("without its head.mp4", part("good.mp4", 0.3), UNREADABLE),
    Odd("without its head.mkv", part("good.mkv", 0.3), UNREADABLE),
    Odd("without its head.avi", part("good.avi", 0.3), "damaged pictures + damaged pictures beside it"),
    Odd("without its head.ts", part("good.ts", 0.3)),
    Odd("without its head.mpg", part("good.mpg", 0.3)),
    Odd("broken in the middle.mp4", broken("good.mp4", 0.6, 300), "pairs + damaged pictures"),
    Odd("broken in the middle.mkv", broken("good.mkv", 0.5, 300), "pairs + damaged pictures"),
]  # fmt: skip
