"""Videos whose frames carry their number, so that a test can tell which frames a clip holds.

The number is written in the middle of the picture as 4 x 4 white or black blocks (16 bits, Gray code, so that
neighbours differ in one block and no detector takes the count for a cut). It survives x264 at crf 30 and scaling.
"""

from fractions import Fraction

import numpy as np

# Backgrounds of the scenes, in turn: neighbours differ strongly in hue and brightness.
COLOURS = ((200, 40, 40), (20, 30, 90), (240, 220, 70), (30, 110, 50), (235, 235, 240), (90, 20, 110))
TICK = Fraction(1, 90000)


def picture(number, size=(320, 180), scene=0):
    """Frame `number` (0..65535) of a scene as an H x W x 3 uint8 RGB array; `size` is (width, height)."""
    width, height = size
    x, y = np.arange(width), np.arange(height)[:, None]
    stripes = ((x if scene % 2 else y) * (3 + scene % 3) // 40 % 2)[..., None] * 30
    image = np.clip(np.array(COLOURS[scene % len(COLOURS)]) + stripes + np.zeros((height, width, 1)), 0, 255)
    code = number ^ number >> 1
    block = (y - height // 4) * 8 // height * 4 + (x - width // 4) * 8 // width
    inside = (abs(y + 0.5 - height / 2) < height / 4) & (abs(x + 0.5 - width / 2) < width / 4)
    image[inside] = (code >> block[inside] & 1)[:, None] * 255
    return image.astype(np.uint8)


def read(image):
    """The number in an H x W x 3 RGB array of any size (from about 64 x 36 up)."""
    height, width = image.shape[:2]
    code = 0
    for block in range(16):
        top, left = (2.25 + block // 4) / 8 * height, (2.25 + block % 4) / 8 * width
        middle = image[round(top) : round(top + height / 16) + 1, round(left) : round(left + width / 16) + 1]
        code |= int(middle.mean() > 127) << block
    number = 0
    while code:
        number, code = number ^ code, code >> 1
    return number


def write(path, count, rate, size=(320, 180), timestamps=None, cuts=(), audio=False, crf=30):
    """Write `count` numbered frames as H.264.

    `rate`: frames per second (int or Fraction); with `timestamps` (seconds, rising, one per frame) only nominal.
    `cuts`: the frame numbers at which the background changes strongly. `audio`: add a tone of 440 Hz (AAC, 48 kHz).
    """
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = TICK if timestamps else 1 / Fraction(rate)
        if audio:
            sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, size, sum(cut <= number for cut in cuts)), "rgb24")
            frame.time_base = video.codec_context.time_base
            frame.pts = round(timestamps[number] / TICK) if timestamps else number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            seconds = timestamps[-1] if timestamps else count / rate
            tone = np.sin(2 * np.pi * 440 / 48000 * np.arange(round(seconds * 48000)), dtype=np.float32) / 5
            for start in range(0, len(tone), 1024):
                frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "fltp", "mono")
                frame.sample_rate, frame.pts = 48000, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def numbers(path):
    """The numbers of all frames of a file, in presentation order."""
    import av

    with av.open(str(path)) as container:
        return [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
