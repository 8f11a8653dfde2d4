"""Text on the picture: the union of boxes is exact, and the detector finds rendered text and how much it covers."""

import numpy as np
import pytest
import torch
from clipmill.clips import ocr
from clipmill.engine import weights
from PIL import Image, ImageDraw, ImageFont
from score_ocr import ScoreOcr
from shapely import Polygon, affinity, box
from stored_clips import clips, photograph, run

HEIGHT, WIDTH = 360, 640
SETTINGS = {"model": "easyocr", "frames": [0.5], "canvas": 640}

BOXES = {
    "one": [box(100, 50, 300, 90)],
    "apart": [box(100, 50, 300, 90), box(100, 200, 300, 240)],
    "overlapping": [box(100, 50, 300, 150), box(200, 100, 500, 220), box(250, 120, 280, 140)],
    "the same twice": [box(100, 50, 300, 90)] * 2,
    "tilted": [affinity.rotate(box(200, 150, 500, 230), 30), affinity.rotate(box(250, 130, 400, 250), -20)],
    "over the border": [box(-80, -30, 120, 60), affinity.rotate(box(550, 280, 750, 360), 45)],
    "free-form": [Polygon([(100, 100), (400, 60), (430, 150), (90, 220)]), box(380, 40, 500, 200)],
    "wholly outside": [box(650, 10, 700, 60)],
    "none": [],
}


@pytest.mark.parametrize("name", BOXES)
def test_the_covered_share_is_that_of_the_boxes_painted_over_each_other(name):
    canvas = Image.new("L", (4 * WIDTH, 4 * HEIGHT))
    for shape in BOXES[name]:
        ImageDraw.Draw(canvas).polygon([(4 * x, 4 * y) for x, y in shape.exterior.coords], fill=1)
    painted = np.array(canvas).mean()
    assert ocr.covered(BOXES[name], HEIGHT, WIDTH) == pytest.approx(painted, rel=0.02, abs=1e-6)


def written(texts: list[tuple], background: np.ndarray) -> tuple[np.ndarray, float]:
    """White texts (words, letter size, left, top, degrees) on a picture, and the share that they truly cover."""
    picture, covered = Image.fromarray(background), Image.new("L", (WIDTH, HEIGHT))
    for words, size, left, top, degrees in texts:
        font = ImageFont.load_default(size)
        x, y, right, bottom = font.getbbox(words)
        ink = Image.new("L", (right - x, bottom - y))
        ImageDraw.Draw(ink).text((-x, -y), words, 255, font)
        area = Image.new("L", ink.size, 255).rotate(degrees, expand=True)
        ink = ink.rotate(degrees, Image.BICUBIC, expand=True)
        picture.paste(Image.new("RGB", ink.size, "white"), (left, top), ink)
        covered.paste(255, (left, top), area)
    return np.array(picture), float(np.mean(np.array(covered) > 127))


def plain(value: int = 80) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def scenery() -> np.ndarray:
    return np.array(Image.fromarray(photograph("coffee")).resize((WIDTH, HEIGHT)))


TEXTS = {
    "two lines": [("Breaking News", 54, 60, 50, 0), ("subscribe now for more", 32, 200, 270, 0)],
    "overlapping lines": [("Overlapping", 64, 120, 120, 0), ("Second line", 46, 180, 152, 0)],
    "tilted": [("Hello World", 50, 60, 60, 20), ("Tilted", 60, 380, 160, -30)],
    "at the border": [("EDGE TEXT HERE", 46, -30, 60, 0), ("bottom line", 56, 300, 326, 0)],
}


@pytest.fixture(scope="module")
def detector():
    return ocr.EasyOcr(SETTINGS | {"batch": 8})


@pytest.mark.parametrize("background", [plain, scenery])
@pytest.mark.parametrize("name", TEXTS)
def test_rendered_text_is_found_and_its_area_is_right_within_15_percent(detector, name, background):
    picture, truth = written(TEXTS[name], background())
    count, area = detector.read(detector.prepare([picture]))[0]
    assert count >= 1
    assert area == pytest.approx(truth, rel=0.15)


def test_each_line_is_a_box_and_a_picture_without_text_has_none(detector):
    picture, _ = written(
        [("first line", 40, 60, 40, 0), ("second", 40, 380, 150, 0), ("third", 40, 60, 280, 0)], plain()
    )
    read = detector.read(detector.prepare([picture, plain(), np.ascontiguousarray(scenery())]))
    assert [count for count, _ in read] == [3, 0, 0]
    assert [area for _, area in read[1:]] == [0, 0]


@pytest.mark.parametrize("size", [(1, 9000), (9000, 2)])
def test_a_picture_as_thin_as_a_line_has_no_text(detector, size):
    assert detector.read(detector.prepare([np.full((*size, 3), 90, np.uint8)])) == [(0, 0)]


def test_pictures_of_different_shapes_are_read_together_and_keep_their_order():
    picture, _ = written(TEXTS["two lines"], plain())
    upright = np.ascontiguousarray(np.pad(picture[:, :300], ((0, 200), (0, 0), (0, 0))))
    some = [picture, upright, plain()]
    smaller = ocr.EasyOcr(SETTINGS | {"canvas": 400, "batch": 8})
    together = smaller.read(smaller.prepare(some))
    assert together == [smaller.read(smaller.prepare([one]))[0] for one in some]
    assert together[0] != together[1] != together[2] == (0, 0)


def test_text_is_measured_at_the_canvas_and_not_at_the_size_of_the_video(detector):
    picture, _ = written(TEXTS["two lines"], plain())
    larger = np.array(Image.fromarray(picture).resize((2 * WIDTH, 2 * HEIGHT), Image.BICUBIC))
    few, many = (detector.read(detector.prepare([some]))[0] for some in (picture, larger))
    assert few[0] == many[0]
    assert few[1] == pytest.approx(many[1], rel=0.1)


def test_scores_are_the_same_for_any_batch_and_the_fullest_frame_counts(tmp_path):
    rows = clips(tmp_path, 3)
    settings = SETTINGS | {"canvas": 192}
    by_batch = [run(ScoreOcr, settings | {"frames": [0, 1]}, tmp_path, rows, batch) for batch in (1, 4)]
    assert by_batch[0] == by_batch[1]
    single = [run(ScoreOcr, settings | {"frames": [part]}, tmp_path, rows, 4) for part in (0, 1)]
    for index, values in enumerate(by_batch[0]):
        for name in ("ocr", "ocr_area"):
            assert float(values[name]) == max(float(some[index][name]) for some in single)


def test_the_weights_are_the_packages_own_and_load_without_running_code():
    assert torch.load(weights.packaged("easyocr"), map_location="cpu", weights_only=True)
