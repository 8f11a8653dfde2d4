"""Text on the picture: the union of boxes is exact, and the detector finds rendered text and how much it covers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import ocr as bench
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


@pytest.fixture(scope="module")
def rapid():
    return ocr.RapidOcr({"model": "rapidocr", "frames": [0.5], "canvas": 640})


@pytest.mark.parametrize("background", [plain, scenery])
@pytest.mark.parametrize("name", TEXTS)
def test_the_detector_for_cpus_finds_rendered_text_and_about_its_area(rapid, name, background):
    picture, truth = written(TEXTS[name], background())
    count, area = rapid.read(rapid.prepare([picture]))[0]
    assert count >= 1
    assert truth * 0.85 < area < truth * 1.4


def test_the_detector_for_cpus_gives_each_line_a_box_and_a_picture_without_text_none(rapid):
    picture, _ = written(
        [("first line", 40, 60, 40, 0), ("second", 40, 380, 150, 0), ("third", 40, 60, 280, 0)], plain()
    )
    read = rapid.read(rapid.prepare([picture, plain(), scenery(), np.full((9000, 2, 3), 90, np.uint8)]))
    assert [count for count, _ in read] == [3, 0, 0, 0]
    assert [area for _, area in read[1:]] == [0, 0, 0]


def test_the_detector_for_cpus_says_the_same_of_a_frame_in_any_company_and_thread(rapid):
    pictures = [written(TEXTS[name], background())[0] for name in TEXTS for background in (plain, scenery)]
    alone = [rapid.prepare([picture]).rest[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda picture: rapid.prepare([picture]).rest[0], pictures * 2))
    for some in (rapid.prepare(pictures).rest, at_once[: len(pictures)], at_once[len(pictures) :]):
        assert [(size, [box.wkb for box in boxes]) for size, boxes in some] == [
            (size, [box.wkb for box in boxes]) for size, boxes in alone
        ]


@pytest.mark.parametrize(
    "texture", [one for one in bench.TEXTURES if one is not bench.shapes], ids=lambda texture: texture.__name__
)
def test_the_detector_for_cpus_sees_no_text_in_a_texture(rapid, texture):
    """But for rings and strokes, which may lie like letters: the large truth below counts how often they are read."""
    pictures = [texture(np.random.default_rng([2, number])) for number in range(2)]
    assert rapid.read(rapid.prepare(pictures)) == [(0, 0)] * 2


@pytest.mark.parametrize("kind", bench.KINDS)
def test_the_detector_for_cpus_finds_every_kind_of_text(rapid, kind):
    page = bench.Page(Image.fromarray(scenery()), np.random.default_rng(3), "Latin", int(HEIGHT * bench.KINDS[kind][1]))
    getattr(page, kind.replace(" ", "_"))()
    ((_, boxes),) = rapid.prepare([np.array(page.picture)]).rest
    hit, wrong, _ = bench.compared(page.lines, boxes)
    assert all(hit)
    assert not any(wrong)


@pytest.mark.slow
def test_the_detector_for_cpus_against_a_large_truth(rapid):
    """3 seeds that the limits were not chosen on: textures, and text of all kinds and scripts on photographs."""
    blank = [scenery(), np.ascontiguousarray(scenery()[:, ::-1]), plain(), plain(20)]
    false, lines, wrong = [], [], []
    for seed in (11, 12, 13):
        textures = [texture(np.random.default_rng([seed, n])) for texture in bench.TEXTURES for n in range(4)]
        false += [count > 0 for count, _ in rapid.read(rapid.prepare(textures))]
        for _, _, picture, corners in bench.written(blank, 2, seed):
            ((_, boxes),) = rapid.prepare([picture]).rest
            hit, extra, _ = bench.compared(corners, boxes)
            lines += hit
            wrong += extra
    print(f"textures with boxes {np.mean(false):.3f}, lines found {np.mean(lines):.3f}, wrong {np.mean(wrong):.3f}")
    assert np.mean(false) <= 0.03
    assert np.mean(lines) >= 0.92
    assert np.mean(wrong) <= 0.01
