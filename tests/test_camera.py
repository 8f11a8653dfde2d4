"""The camera's movement is named right: known moves over photographs, and real footage that was looked at."""

import functools

import cv2
import numpy as np
import skimage.data

LANDSCAPE, PORTRAIT = (480, 270), (270, 480)
PHOTOGRAPHS = {  # in the scikit-image wheel: public domain or CC0
    "astronaut": skimage.data.astronaut,
    "coffee": skimage.data.coffee,
    "chelsea": skimage.data.chelsea,
    "camera": skimage.data.camera,
    "rocket": skimage.data.rocket,
    "brick": skimage.data.brick,
    "gravel": skimage.data.gravel,
    "moon": skimage.data.moon,
}
MOVES = {
    "pan_left": {"pan": -1},
    "pan_right": {"pan": 1},
    "tilt_up": {"tilt": 1},
    "tilt_down": {"tilt": -1},
    "zoom_in": {"zoom": 1},
    "zoom_out": {"zoom": -1},
    "roll_left": {"roll": -1},
    "roll_right": {"roll": 1},
}
SLOW, FAST = 0.03, 0.4  # of the picture's side (pan, tilt) or of the scale a second


@functools.cache
def photograph(name):
    picture = PHOTOGRAPHS[name]()
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def shake_path(count, fps, pixels, seed=0):
    """(count, 2) pixels: sines of 1-6 Hz with random phase, `pixels` root mean square along each axis."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(1, 6, (2, 12)), rng.uniform(0, 2 * np.pi, (2, 12))
    waves = np.sin(2 * np.pi * frequency[..., None] * np.arange(count) / fps + phase[..., None]).sum(1)
    return (waves / waves.std(1, keepdims=True)).T * pixels


def shot(
    photo="coffee", size=LANDSCAPE, fps=24, seconds=2.0, pan=0.0, tilt=0.0, zoom=0.0, roll=0.0, shake=0.0, noise=2.0,
    exposure=1.0, subject=0.0, ease=None, samples=10, seed=0,
):  # fmt: skip
    """Yield (seconds, grey) about `samples` a second of a shot of `fps` frames a second.

    pan (to the right, widths a second), tilt (up, heights a second), zoom (in, log scale a second), roll (clockwise,
    radians a second) are the CAMERA's; ease(share of the time) scales them. subject: share of the picture covered by a
    textured thing that crosses it at 40 % of the width a second. noise: sigma in grey levels, new in each picture.
    """
    width, height = size
    scene, rng = photograph(photo), np.random.default_rng(1)
    count = round(fps * seconds)
    hand = shake_path(count, fps, shake, seed) if shake else np.zeros((count, 2))
    at, scale, angle = np.array([scene.shape[1] / 2, scene.shape[0] / 2]), 1.0, 0.0
    wanted = {round(k * fps / samples) for k in range(count)}
    for i in range(count):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        if i in wanted:
            eye = at + turn @ hand[i]
            matrix = np.column_stack([turn, eye - turn @ [(width - 1) / 2, (height - 1) / 2]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            picture = cv2.warpAffine(scene, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
            if subject:
                side = round((subject * width * height) ** 0.5)
                thing = cv2.resize(photograph("astronaut"), (side, side))
                left, top = round((0.4 * i / fps - 0.1) * width), (height - side) // 2
                a, b = max(left, 0), min(left + side, width)
                if b > a:
                    picture[top : top + side, a:b] = thing[:, a - left : b - left]
            picture = picture * exposure + rng.normal(0, noise, picture.shape)
            yield i / fps, np.clip(picture, 0, 255).astype(np.uint8)
        speed = (ease(i / count) if ease else 1.0) / fps
        at = at + turn @ [pan * width * speed, -tilt * height * speed]
        scale, angle = scale * np.exp(zoom * speed), angle + roll * speed
