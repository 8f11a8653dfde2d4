"""The camera's movement is named right: known moves over photographs, and real footage that we viewed."""

import functools
import itertools
import subprocess

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import skimage.data
from clipmill.clips import camera
from label_camera import LabelCamera

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
    "roll_left": {"roll": -2},
    "roll_right": {"roll": 2},
}
SLOW, FAST = 0.03, 0.4  # per second, of the picture's side (pan, tilt), the scale, or a turn of 2 radians


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
    photo="coffee", size=LANDSCAPE, fps=24, seconds=1.5, pan=0.0, tilt=0.0, zoom=0.0, roll=0.0, shake=0.0, noise=2.0,
    exposure=1.0, subject=0.0, ease=None, samples=10, seed=0,
):  # fmt: skip
    """Yield (seconds, grey) about `samples` per second of a shot of `fps` frames per second.

    pan (to the right, widths per second), tilt (up, heights per second), zoom (in, log scale per second), roll
    (clockwise, radians per second) are the CAMERA's; ease(share of the time) scales them. subject: share of the picture
    covered by a textured thing that crosses it at 40 % of the width per second. noise: sigma in grey levels, new in
    each picture.
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


def named(**settings):
    return camera.label(shot(**settings))[0]


@pytest.mark.parametrize("speed", [SLOW, FAST])
@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize("move", MOVES)
def test_each_movement_is_named_slow_and_fast_upright_and_wide(move, size, speed):
    number = list(itertools.product(MOVES, (LANDSCAPE, PORTRAIT), (SLOW, FAST))).index((move, size, speed))
    photo, fps = list(PHOTOGRAPHS)[number % len(PHOTOGRAPHS)], (24, 30, 60)[number % 3]
    assert named(photo=photo, size=size, fps=fps, **{axis: sign * speed for axis, sign in MOVES[move].items()}) == move


@pytest.mark.parametrize("noise", [0, 12])
@pytest.mark.parametrize("photo", ["coffee", "moon"])
def test_a_still_camera_with_sensor_noise_is_static(photo, noise):
    assert named(photo=photo, noise=noise) == "static"


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize(("photo", "subject"), [("chelsea", 0.33), ("brick", 0.1)])
def test_a_thing_that_moves_in_front_of_a_still_camera_is_static(photo, subject, size):
    assert named(photo=photo, subject=subject, size=size) == "static"


def large_thing(photo, share, kind):
    """A thing that covers `share` of the picture sways, turns or comes nearer; the background is at rest."""
    width, height = LANDSCAPE
    back, thing = cv2.resize(photograph(photo), LANDSCAPE), cv2.resize(photograph("astronaut"), LANDSCAPE)
    low, high = (1 - share**0.5) / 2, (1 + share**0.5) / 2
    inside = np.s_[round(low * height) : round(high * height), round(low * width) : round(high * width)]
    rng, frames = np.random.default_rng(2), []
    for i in range(20):
        sway, turn, near = ((kind == name) * size for name, size in (("sway", 40), ("turn", 10), ("near", 0.05)))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn * np.sin(i / 4), 1.2 + near * i / 4)
        matrix[0, 2] += sway * np.sin(i / 7)
        picture = back.copy()
        picture[inside] = cv2.warpAffine(thing, matrix, LANDSCAPE, borderMode=cv2.BORDER_REFLECT_101)[inside]
        noisy = np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        frames.append((i / 10, noisy))
    return frames


def test_a_large_thing_in_front_of_a_background_at_rest_is_not_the_camera():
    """Recall at least 10 of 12: one that comes nearer may leave too little of the background."""
    scenes = [("coffee", 0.5), ("brick", 0.5), ("chelsea", 0.65), ("gravel", 0.35)]
    cases = list(itertools.product(scenes, ("sway", "turn", "near")))
    found = [camera.label(large_thing(*scene, kind)).label for scene, kind in cases]
    assert found.count("static") >= 10, list(zip(cases, found, strict=True))


@pytest.mark.parametrize("move", [{"pan": 0.1}, {"zoom": 0.1}, {"tilt": -0.2}])
def test_a_camera_that_moves_behind_a_title_and_a_logo_is_found(move):
    frames = []
    for seconds, picture in shot(photo="gravel", **move):
        cv2.putText(picture, "LOGO", (8, 26), 0, 0.8, 255, 2)
        cv2.putText(picture, "a subtitle stays where it is", (40, 250), 0, 0.8, 255, 2)
        frames.append((seconds, picture))
    assert camera.label(frames).label == named(photo="gravel", **move) != "static"


def test_shake_grows_with_the_hand():
    found = [camera.label(shot(photo="coffee", seconds=3, shake=pixels)).shake for pixels in (0, 2, 6)]
    assert found == sorted(found)
    assert found[0] < 0.1 < camera.MIN_SHAKE < found[2]


@pytest.mark.parametrize("pixels", [3, 8])
@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_a_hand_that_shakes_is_shake_and_no_pan(size, pixels):
    assert named(photo="astronaut", size=size, seconds=3, shake=pixels) == "shake"


def test_a_pan_that_trembles_a_little_is_a_pan():
    assert named(photo="camera", pan=0.2, shake=1) == "pan_right"


def test_a_pan_that_shakes_is_both():
    assert named(photo="chelsea", pan=0.2, shake=6) == "pan_right+shake"


@pytest.mark.parametrize(
    ("moves", "wanted"),
    [
        ({"pan": -0.1, "zoom": 0.1}, "pan_left+zoom_in"),
        ({"tilt": -0.1, "zoom": -0.2}, "tilt_down+zoom_out"),
        ({"pan": 0.1, "tilt": 0.1}, "pan_right+tilt_up"),
        ({"zoom": 0.1, "roll": 0.1}, "zoom_in+roll_right"),
    ],
)
def test_a_combined_movement_names_all_its_parts_in_order(moves, wanted):
    assert named(photo="gravel", **moves) == wanted


def test_a_pan_that_is_a_little_oblique_is_only_a_pan():
    assert named(pan=0.2, tilt=0.2 * LANDSCAPE[0] / LANDSCAPE[1] * np.tan(np.radians(10))) == "pan_right"


def test_a_pan_that_starts_and_ends_gently_is_no_shake():
    assert named(pan=-0.4, seconds=2, ease=lambda share: np.sin(np.pi * share) ** 2) == "pan_left"


def test_a_camera_that_pans_and_comes_back_did_both():
    assert named(pan=0.2, seconds=2, ease=lambda share: 1 if share < 0.5 else -1) == "pan_left+pan_right"


def test_a_dark_shot_is_named():
    assert named(photo="chelsea", exposure=0.08, noise=1, pan=0.1) == "pan_right"


def test_a_fade_through_black_within_a_pan_is_bridged():
    frames = [
        (seconds, (picture * min(1, abs(seconds - 1) / 0.4)).astype(np.uint8))
        for seconds, picture in shot(pan=0.2, seconds=2)
    ]
    assert camera.label(frames)[0] == "pan_right"


def test_a_variable_frame_rate_is_no_shake():
    frames = [sample for number, sample in enumerate(shot(fps=60, samples=20, pan=0.3)) if number % 5 not in (1, 2)]
    assert camera.label(frames)[0] == "pan_right"


@pytest.mark.parametrize("noise", [0, 3])
def test_black_is_undetermined(noise):
    assert named(exposure=0, noise=noise) == camera.UNDETERMINED


def test_nothing_and_a_single_frame_are_undetermined():
    assert camera.label([]) == (camera.UNDETERMINED, 0.0, None)
    assert camera.label(list(shot())[:1]) == (camera.UNDETERMINED, 0.0, None)


def test_a_picture_without_a_common_movement_is_undetermined():
    rng = np.random.default_rng(0)
    frames = [(i / 10, cv2.resize(rng.integers(0, 256, (27, 48), np.uint8), LANDSCAPE)) for i in range(20)]
    assert camera.label(frames)[0] == camera.UNDETERMINED


def test_the_same_clip_gives_the_same_answer_whatever_came_before():
    clip = list(shot(pan=0.1, subject=0.3, shake=2))
    first = camera.label(clip)
    camera.label(shot(photo="moon", zoom=0.2))
    assert camera.label(clip) == first


def test_a_wrong_setting_is_an_error():
    with pytest.raises(TypeError):
        camera.label(shot(), min_pans=1)


# The step, on files

SETTINGS = {"fps": 10, "short_side": 270}


def step(folder):
    return LabelCamera(SETTINGS, folder, folder, folder, {})


def row(name, start, end, fps):
    span = {"start": start, "end": end, "start_frame": round(start * fps), "end_frame": round(end * fps)}
    return {"id": "0", "kind": "video", "relpath": name, **{key: str(value) for key, value in span.items()}}


@pytest.mark.parametrize(
    ("name", "fps", "start", "end", "wanted"),
    [
        # A black-and-white film; two men in front of a garden. Pillars left and right.
        ("mpy_chaplin.mp4", 25, 0, 6, "static"),
        # A webcam; a cook moves in front of it, close, then further away; at the end an arm fills the picture.
        ("decord_flipping_a_pancake.mkv", 30, 0, 10.3, "static"),
        # From the clouds down to the meadow.
        ("mpy_big_buck_bunny_0_30.webm", 24, 2.5, 8, "tilt_down"),
        # A bird sings and flaps in front of a sky.
        ("mpy_big_buck_bunny_0_30.webm", 24, 16.25, 19.5, "static"),
        # The camera comes nearer to the burrow; a large title fades in and stands still.
        ("mpy_big_buck_bunny_0_30.webm", 24, 23.5, 28.5, "zoom_in"),
        # Behind a walker the mountains move to the left and down; fog.
        ("cosmos_test_video_30s.mp4", 24, 4, 6.5, "pan_right+tilt_up"),
        # A dark close-up that gets darker.
        ("cosmos_test_video_30s.mp4", 24, 12.2, 13.6, "static"),
    ],
)
def test_real_footage_is_named_as_a_viewer_names_it(shared, name, fps, start, end, wanted):
    (found,) = step(shared / "footage").compute([row(name, start, end, fps)], [None])
    assert found["cmotion"] == wanted


def test_an_image_has_no_camera_movement(tmp_path):
    assert step(tmp_path).compute([{"id": "0", "kind": "image"}], [None]) == [{"cmotion": "", "shake": None}]


def test_a_video_that_is_shown_turned_is_labelled_as_it_is_shown(tmp_path):
    flat = tmp_path / "flat.mp4"
    with av.open(str(flat), "w") as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *LANDSCAPE, "yuv420p"
        for _, picture in shot(samples=24, pan=0.2):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        file.mux(stream.encode())
    # Shown a quarter turn counter-clockwise: what moves to the left as coded moves down as shown.
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", "90", "-i", flat, "-c", "copy"]
    subprocess.run([*command, tmp_path / "turned.mp4"], check=True)
    rows = [row("flat.mp4", 0, 1.5, 24), row("turned.mp4", 0, 1.5, 24)]
    assert [found["cmotion"] for found in step(tmp_path).compute(rows, [None, None])] == ["pan_right", "tilt_up"]
