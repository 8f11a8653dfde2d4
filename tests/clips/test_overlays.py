"""Text that is laid over a clip stays while the scene moves behind it; text in the scene goes with it."""

import numpy as np
import pytest
from clipmill.clips import overlays
from clipmill.clips.ocr import DETECTORS
from clipmill.videos import frames
from PIL import Image, ImageDraw, ImageFont
from score_ocr import ScoreOcr
from stored_clips import photograph, run

LOGO, SUBTITLE = (0.03, 0.04, 0.13, 0.09), (0.3, 0.85, 0.7, 0.92)


def moved(box, right=0.0, down=0.0, wider=0.0):
    return (box[0] + right - wider, box[1] + down, box[2] + right + wider, box[3] + down)


def trembling(box, count, seed=0):
    """A box as a detector finds it again: off by up to 3 % of its height on each side."""
    tremble = np.random.default_rng(seed).uniform(-0.03, 0.03, (count, 4)) * (box[3] - box[1])
    return [tuple(box + one) for one in tremble]


def test_what_stays_is_laid_over_and_what_moves_is_not():
    signs = [moved((0.2, 0.3, 0.35, 0.36), right=0.08 * n) for n in range(5)]
    moments = [[logo, sign] for logo, sign in zip(trembling(LOGO, 5), signs, strict=True)]
    assert overlays.stays(moments) == [[logo] for logo, _ in moments]
    overlay, corner = overlays.shares(moments)
    assert overlay == corner == pytest.approx(0.1 * 0.05, rel=0.15)


def test_subtitles_whose_words_change_are_one_line_in_the_middle_or_from_the_left():
    in_the_middle = [[moved(SUBTITLE, wider=wider)] for wider in (0, 0.1, -0.12, 0.2, 0.05)]
    from_the_left = [[(0.2, 0.85, 0.2 + width, 0.92)] for width in (0.2, 0.5, 0.7)]
    for moments in (in_the_middle, from_the_left):
        assert overlays.stays(moments) == moments
        assert overlays.shares(moments)[1] == 0, "a subtitle is in no corner"


def test_two_of_five_moments_are_enough_and_one_is_not():
    shown = [[SUBTITLE], [], [], [SUBTITLE], []]
    assert overlays.shares(shown)[0] == pytest.approx(0.4 * 0.07)
    assert overlays.shares([[SUBTITLE], [], [], [], []]) == (0, 0)
    assert overlays.shares([[SUBTITLE], [], [], [SUBTITLE], [], [], [], []]) == (0, 0), "two of eight are not"


@pytest.mark.parametrize("speed", [0.02, 0.05, -0.11])
@pytest.mark.parametrize("direction", ["right", "down"])
def test_a_scene_that_moves_by_two_percent_leaves_nothing_in_its_place(speed, direction):
    sign = (0.45, 0.4, 0.6, 0.46)
    if direction == "right":
        sign = (0.45, 0.4, 0.5, 0.46)
    moments = [[moved(sign, **{direction: speed * n})] for n in range(5)]
    assert overlays.shares(moments) == (0, 0)


def test_corners_are_corners():
    for box in (LOGO, (0.8, 0.03, 0.97, 0.1), (0.03, 0.9, 0.2, 0.96), (0.85, 0.88, 0.97, 0.95)):
        assert overlays.in_corner(box)
    for box in (SUBTITLE, (0.4, 0.02, 0.6, 0.08), (0.02, 0.4, 0.1, 0.6), (0.4, 0.4, 0.6, 0.6)):
        assert not overlays.in_corner(box)


def test_what_is_laid_over_each_other_counts_once():
    assert overlays.covered([SUBTITLE, SUBTITLE, moved(SUBTITLE, right=0.2)]) == pytest.approx(0.6 * 0.07)
    assert overlays.covered([]) == 0
    assert overlays.shares([]) == (0, 0)


WIDTH, HEIGHT, MOMENTS = 320, 180, [0.1, 0.3, 0.5, 0.7, 0.9]


def write_on(picture, words, size, left, top):
    ImageDraw.Draw(picture).text(
        (left, top), words, "white", ImageFont.load_default(size), stroke_width=1, stroke_fill="black"
    )


def store(folder, number, laid_over, in_scene, speed=24, photo="coffee"):
    """A clip of 4 s of a camera that pans over a photograph by `speed` pixels in half a second, with text."""
    video = f"{number:016x}"
    scene = Image.fromarray(photograph(photo)).resize((720, 480))
    for words, left, top in in_scene:
        write_on(scene, words, 26, left, top)
    stored = {}
    for beat in range(9):
        picture = scene.crop((speed * beat, 100, speed * beat + WIDTH, 100 + HEIGHT))
        for words, left, top in laid_over:
            write_on(picture, words[beat % len(words)] if isinstance(words, list) else words, 22, left, top)
        stored[12 * beat] = (beat / 2, frames.encode(np.array(picture)[..., ::-1], 95))
    frames.write(frames.Store(folder, folder).path(video), stored)
    return {
        "id": f"{video}-00000000", "video_id": video, "relpath": "a.mp4", "start_frame": "0", "end_frame": "100",
        "num_frames": "100", "start": "0", "end": "4.1",
    }  # fmt: skip


@pytest.mark.parametrize("model", DETECTORS)
def test_the_detector_tells_drawn_overlays_from_text_in_a_moving_scene(tmp_path, model):
    rows = [
        store(tmp_path, 1, [("LIVE", 10, 6)], []),
        store(tmp_path, 2, [("hello there again", 70, 145)], []),
        store(tmp_path, 3, [], [("BAKERY", 300, 180), ("OPEN", 440, 220)]),
        store(tmp_path, 4, [], []),
        {**store(tmp_path, 5, [("LIVE", 10, 6)], []), "num_frames": "1", "end_frame": "1"},
    ]
    settings = {"model": model, "frames": MOMENTS, "canvas": 320}
    logo, subtitle, sign, nothing, image = run(ScoreOcr, settings, tmp_path, rows, 5)
    assert float(logo["ocr_corner"]) == float(logo["ocr_overlay"]) > 0.01
    assert float(subtitle["ocr_overlay"]) > 0.02
    assert float(subtitle["ocr_corner"]) == 0
    assert int(sign["ocr"]) >= 1, "the text in the scene is found"
    assert float(sign["ocr_overlay"]) == float(nothing["ocr_overlay"]) == 0
    assert image["ocr_overlay"] == image["ocr_corner"] == ""
    alone = run(ScoreOcr, settings | {"frames": [0.5]}, tmp_path, rows[:1], 1)[0]
    assert set(alone) == {"ocr", "ocr_area"}, "one moment gives no such columns"
    assert all(float(alone[name]) <= float(logo[name]) for name in alone)


@pytest.mark.slow
@pytest.mark.parametrize("model", DETECTORS)
def test_precision_and_recall_over_many_clips(tmp_path, model):
    """Logos in every corner, subtitles that stay and that change, signs in the scene, several at once, three speeds."""
    logos = [("NEWS", 8, 5), ("TV 5", 262, 5), ("LIVE", 8, 150), ("@maria", 236, 150)]
    subtitles = [("never say that again", 60, 146), (["come with me", "hello there my friend", "now"] * 3, 90, 146)]
    signs = [("BAKERY", 330, 170), ("EXIT", 420, 210), ("No. 12", 260, 240), ("CAFE", 520, 180)]
    cases = [([one], []) for one in logos + subtitles] + [([], [one]) for one in signs] + [([], [])]
    cases += [([logos[0], subtitles[0]], [signs[0]]), ([], signs[:3]), ([logos[3]], signs[1:3]), ([], signs[2:])]
    rows, true = [], []
    for photo in ("coffee", "astronaut", "chelsea"):
        for speed in (12, 24, 40):
            for laid_over, in_scene in cases:
                if (len(rows) + speed // 12) % 2 == 0 or photo == "coffee":
                    rows.append(store(tmp_path, len(rows), laid_over, in_scene, speed, photo))
                    true.append(bool(laid_over))
    settings = {"model": model, "frames": MOMENTS, "canvas": 320}
    values = run(ScoreOcr, settings, tmp_path, rows, 8)
    found, true = np.array([float(value["ocr_overlay"]) > 0 for value in values]), np.array(true)
    print(
        f"{len(rows)} clips: recall {(found & true).sum() / true.sum()}, precision {(found & true).sum() / found.sum()}"
    )
    assert (found & true).sum() / true.sum() >= 0.9
    assert (found & true).sum() / found.sum() >= 0.9
