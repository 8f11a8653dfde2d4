"""Compare the text detectors of `score.ocr.model` against truth by construction, in the same run, on one thread.

Pictures without text: textures made here, photographs of scikit-image, frames of real videos. Pictures with text: the
same frames with lines written on them, whose places are known: subtitles, titles, marks in corners, credits, bands
below, signs in the scene; in Latin, Greek, Cyrillic, Arabic, Hebrew and Georgian letters. A line is found where boxes
cover half of it; a box is wrong where less than a third of it lies on lines. Frames of videos that hold text of their
own are named by `--text` after looking at them.

Example: PYTHONPATH=workflow/scripts python bench/ocr.py --videos footage --text film.mp4:480-560
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import av
import cv2
import matplotlib
import numpy as np
import torch
from clipmill.clips.ocr import DETECTORS
from clipmill.engine.feeding import answered
from clipmill.videos import frames
from PIL import Image, ImageDraw, ImageFont
from shapely import MultiPolygon, Polygon, unary_union
from skimage import data

WIDTH, HEIGHT = 640, 360
PHOTOGRAPHS = ("chelsea", "coffee", "rocket", "brick", "grass", "gravel", "camera", "moon", "hubble_deep_field")
PHOTOGRAPHS += ("retina", "immunohistochemistry")
LATIN = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-BoldItalic.ttf", "DejaVuSansMono.ttf")
LATIN += ("STIXGeneralBol.ttf", "cmss10.ttf", "cmr10.ttf")
SCRIPTS = {
    "Latin": (LATIN, "I never said that to anyone|Where have you been all night|the old bridge over the river|SUBSCRIBE"
              " NOW|Episode 4|Directed by Maria Holm|We leave at dawn|Live|CHANNEL 5|@maria|www.example.org|Cafe"),
    "Greek": (LATIN[:3], "Καλημέρα σε όλους|Πού πάμε τώρα|ΤΕΛΟΣ"),
    "Cyrillic": (LATIN[:3], "Доброе утро всем|Куда мы идём теперь|КОНЕЦ"),
    "Arabic": (LATIN[:1], "صباح الخير جميعا|إلى أين نذهب الآن|النهاية"),
    "Hebrew": (LATIN[:1], "בוקר טוב לכולם|לאן הולכים עכשיו|הסוף"),
    "Georgian": (LATIN[:1], "დილა მშვიდობისა|სად მივდივართ ახლა|დასასრული"),
}  # fmt: skip
"""Fonts (matplotlib's) and lines of each script."""
HAN = "大家早上好|我们现在去哪里|剧终|今すぐ登録|오늘의 뉴스"
KINDS = {
    "subtitle": (0.045, 0.065), "title": (0.12, 0.26), "corner mark": (0.03, 0.045), "credits": (0.035, 0.05),
    "band": (0.045, 0.06), "sign": (0.05, 0.11),
}  # fmt: skip
"""Height of the letters as a share of the picture's height: least and most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    parser.add_argument("--frames", type=int, default=13, help="frames of each video")
    parser.add_argument(
        "--text", nargs="*", default=[], metavar="NAME:FIRST-LAST", help="frames with text of their own"
    )
    parser.add_argument("--textures", type=int, default=4, help="pictures of each kind of texture")
    parser.add_argument("--written", type=int, default=2, help="pictures of each kind of text and script; Latin: x4")
    parser.add_argument("--han", help="a font with Han and Hangul letters: more lines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--canvas", type=int, default=640)
    parser.add_argument("--models", nargs="*", default=list(DETECTORS), choices=list(DETECTORS))
    parser.add_argument("--save", type=Path, help="folder for the pictures on which a detector is wrong")
    args = parser.parse_args()
    if args.han:
        SCRIPTS["Han, Hangul"] = ((args.han,), HAN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    models = {name: Timed(DETECTORS[name]({"canvas": args.canvas, "batch": 8})) for name in args.models}
    pictures = [*empty(args), *real(args)]
    blank = [picture for kind, _, picture, _ in pictures if kind == "frames without text"]
    pictures += written(blank, args.written, args.seed)
    found = {name: [] for name in models}
    for picture in pictures:
        for name, model in models.items():
            found[name].append(model(picture[2]))
    print("| | " + " | ".join(models) + " |\n" + "|---" * (1 + len(models)) + "|")
    columns = [counts(pictures, found[name], model.spent) for name, model in models.items()]
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(column[row] for column in columns) + " |")
    for name in models if args.save else ():
        save(args.save, name, pictures, found[name])


class Timed:
    """A detector as a function from a picture to boxes; `spent`: CPU seconds of each call."""

    def __init__(self, detector):
        self.detector, self.spent = detector, []

    def __call__(self, picture: np.ndarray) -> list:
        begin = time.thread_time()
        (clip,) = answered([self.detector.prepare([picture])])
        ((_, boxes),) = self.detector.found(clip.asked.rest, clip.answers)
        self.spent.append(time.thread_time() - begin)
        return boxes


def counts(pictures: list, found: list, spent: list[float]) -> dict[str, str]:
    """The rows of the table for a detector."""
    rows, lines, wrong, ratios = defaultdict(list), defaultdict(list), [], []
    for (kind, script, _, corners), boxes in zip(pictures, found, strict=True):
        if corners is None:
            rows[f"{kind}, with boxes"].append(bool(boxes))
            continue
        hit, extra, ratio = compared(corners, boxes)
        rows["written pictures, with boxes on their text"].append(any(hit))
        for key in ("lines found", f"of it {kind}", f"of it {script}"):
            lines[key] += hit
        wrong += extra
        ratios += [ratio] * all(hit)
    table = {name: f"{sum(values)} of {len(values)}" for name, values in {**rows, **lines}.items()}
    if ratios:
        table["boxes on written pictures that are wrong"] = f"{sum(wrong)} of {len(wrong)}"
        low, middle, high = np.percentile(ratios, [10, 50, 90])
        table["area of boxes / of the lines' own, median (10-90 %)"] = f"{middle:.2f} ({low:.2f}-{high:.2f})"
    table["CPU seconds a picture, median (mean)"] = f"{np.median(spent):.3f} ({np.mean(spent):.3f})"
    return table


def compared(corners: list, boxes: list) -> tuple[list[bool], list[bool], float]:
    """Whether each line is found, whether each box is wrong, and the boxes' area as a multiple of the lines'."""
    lines = [Polygon(line) for line in corners]
    truth, union = unary_union(lines), unary_union(boxes) if boxes else MultiPolygon()
    hit = [line.intersection(union).area >= line.area / 2 for line in lines]
    extra = [box.intersection(truth.buffer(3)).area < box.area / 3 for box in boxes]
    return hit, extra, union.area / truth.area


def empty(args) -> list[tuple]:
    """Textures by construction and photographs, none with text: (kind, script, picture, None) each."""
    made = [(texture, number) for texture in TEXTURES for number in range(args.textures)]
    some = [texture(np.random.default_rng([args.seed, number])) for texture, number in made]
    photographs = [Image.fromarray(getattr(data, name)()).convert("RGB") for name in PHOTOGRAPHS]
    for picture in photographs:
        picture.thumbnail((WIDTH, WIDTH))
    return [
        *(("textures without text", None, picture, None) for picture in some),
        *(("photographs without text", None, np.array(picture), None) for picture in photographs),
    ]


def real(args) -> list[tuple]:
    """Frames of the videos, as the store keeps them: (kind, script, picture, None) each."""
    spans = defaultdict(list)
    for name, _, span in (entry.rpartition(":") for entry in args.text):
        spans[name].append(tuple(map(int, span.split("-"))))
    taken = []
    for path in sorted(path for path in args.videos.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        with av.open(str(path)) as container:
            count = sum(1 for _ in container.decode(video=0))
        wanted = {round((number + 0.5) * count / args.frames) for number in range(args.frames)}
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    has = any(first <= number <= last for first, last in spans[path.name])
                    kind = "frames with text of their own" if has else "frames without text"
                    taken.append((kind, None, stored(frame.to_ndarray(format="rgb24")), None))
    return taken


def stored(picture: np.ndarray, short_side: int = 512) -> np.ndarray:
    """A picture after the frame store: its shorter side at most 512 pixels, JPEG of quality 90."""
    scale = min(1.0, short_side / min(picture.shape[:2]))
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return cv2.imdecode(np.frombuffer(frames.encode(picture[..., ::-1], 90), np.uint8), cv2.IMREAD_COLOR_RGB)


def written(blank: list[np.ndarray], count: int, seed: int) -> list[tuple]:
    """Pictures with text: (kind, script, picture, the corners of each line) each."""
    made = []
    for kind in KINDS:
        for script in SCRIPTS:
            for _ in range(count * (4 if script == "Latin" else 1)):
                rng = np.random.default_rng([seed, len(made)])
                picture = Image.fromarray(blank[rng.integers(len(blank))])
                picture.thumbnail((WIDTH, WIDTH))
                page = Page(picture, rng, script, round(picture.height * rng.uniform(*KINDS[kind])))
                getattr(page, kind.replace(" ", "_"))()
                made.append((kind, script, stored(np.array(page.picture)), page.lines))
    return made


class Page:
    """A picture on which lines of a script are written in letters of `size` pixels; `lines`: the corners of each."""

    def __init__(self, picture: Image.Image, rng: np.random.Generator, script: str, size: int):
        fonts, texts = SCRIPTS[script]
        self.picture, self.rng, self.size, self.lines = picture, rng, max(7, size), []
        self.font = str(Path(matplotlib.get_data_path(), "fonts/ttf", fonts[rng.integers(len(fonts))]))
        self.texts = texts.split("|")

    def text(self) -> str:
        return self.texts[self.rng.integers(len(self.texts))]

    def fitting(self, text: str, widest: float, rim: int = 0) -> tuple:
        """The font at which a text is at most so wide, and its rectangle."""
        size = self.size
        while True:
            font = ImageFont.truetype(self.font, size)
            box = font.getbbox(text, stroke_width=rim)
            if box[2] - box[0] <= widest or size <= 7:
                return font, box
            size -= 1

    def write(self, text: str, x: float, y: float, side: str = "middle", rim: int = 0, opacity: int = 255) -> None:
        """White letters, or yellow ones, whose middle, left or right is at x, and whose top at y."""
        width, height = self.picture.size
        font, (left, top, right, bottom) = self.fitting(text, 0.95 * width, rim)
        wide, high = right - left, bottom - top
        x -= {"middle": wide / 2, "left": 0, "right": wide}[side]
        x, y = round(np.clip(x, 2, width - wide - 2)), round(np.clip(y, 2, height - high - 2))
        layer = Image.new("RGBA", self.picture.size)
        fill = ((255, 255, 255), (250, 230, 60))[int(self.rng.random() < 0.2)]
        rims = {"stroke_width": rim, "stroke_fill": (0, 0, 0, opacity)}
        ImageDraw.Draw(layer).text((x - left, y - top), text, (*fill, opacity), font, **rims)
        self.picture = Image.alpha_composite(self.picture.convert("RGBA"), layer).convert("RGB")
        self.lines.append([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)])

    def subtitle(self) -> None:
        count = int(self.rng.integers(1, 3))
        for number in range(count):
            y = self.picture.height * 0.93 - (count - number) * self.size * 1.35
            self.write(self.text(), self.picture.width / 2, y, rim=max(1, self.size // 12))

    def title(self) -> None:
        across, down = self.rng.uniform(0.4, 0.6), self.rng.uniform(0.25, 0.6)
        self.write(self.text(), self.picture.width * across, self.picture.height * down, rim=int(self.rng.integers(3)))

    def corner_mark(self) -> None:
        right, low = self.rng.integers(2, size=2)
        x, y = self.picture.width * (0.97 if right else 0.03), self.picture.height * (0.92 if low else 0.04)
        text = min((self.text() for _ in range(3)), key=len)
        self.write(text, x, y, "right" if right else "left", opacity=int(self.rng.integers(150, 256)))

    def credits(self) -> None:
        dark = self.rng.random() < 0.5
        self.picture = self.picture.point(lambda value: value * 0.25) if dark else self.picture
        for number in range(int(self.rng.integers(4, 8))):
            y = self.picture.height * 0.12 + number * self.size * 1.9
            self.write(self.text(), self.picture.width / 2, y, rim=0 if dark else 1)

    def band(self) -> None:
        width, height = self.picture.size
        place = 0, int(height * 0.74), int(width * 0.75), int(height * 0.9)
        colour = Image.new("RGB", self.picture.size, tuple(self.rng.integers(0, 110, 3).tolist()))
        self.picture.paste(Image.blend(self.picture, colour, 0.75).crop(place), place)
        for number in range(2):
            self.write(self.text(), width * 0.05, height * 0.755 + number * self.size * 1.25, "left")

    def sign(self) -> None:
        """A plate in the scene, turned and in perspective."""
        text, margin = self.text(), self.size // 2
        width, height = self.picture.size
        font, (left, top, right, bottom) = self.fitting(text, 0.6 * width)
        wide, high = right - left + 2 * margin, bottom - top + 2 * margin
        light = self.rng.random() < 0.5
        shade = self.rng.integers(150, 256, 3) if light else self.rng.integers(0, 90, 3)
        plate = Image.new("RGB", (wide, high), tuple(shade.tolist()))
        ImageDraw.Draw(plate).text((margin - left, margin - top), text, (15,) * 3 if light else (240,) * 3, font)
        flat = np.float32([(0, 0), (wide, 0), (wide, high), (0, high)])
        turn = np.deg2rad(self.rng.uniform(-20, 20))
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        place = np.array([width * self.rng.uniform(0.35, 0.65), height * self.rng.uniform(0.3, 0.7)])
        seen = (flat - flat.mean(0) + self.rng.uniform(-0.12, 0.12, (4, 2)) * high) @ turned.T + place
        matrix = cv2.getPerspectiveTransform(flat, np.float32(seen))
        over, mask = (
            cv2.warpPerspective(np.array(one), matrix, (width, height))
            for one in (plate, Image.new("RGB", (wide, high), "white"))
        )
        self.picture = Image.fromarray(np.where(mask > 127, over, np.array(self.picture)))
        letters = np.float32([[(margin, margin), (wide - margin, margin), (wide - margin, high - margin)]])
        letters = np.append(letters, [[(margin, high - margin)]], axis=1).astype(np.float32)
        self.lines.append(cv2.perspectiveTransform(letters, matrix)[0].tolist())


def colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(20, 236, 3).tolist())


def plain(rng) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (WIDTH, HEIGHT), colour(rng))
    return picture, ImageDraw.Draw(picture)


def noise(rng) -> np.ndarray:
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def squares(rng) -> np.ndarray:
    """Grey squares of 2 to 8 pixels."""
    side = int(rng.integers(2, 9))
    some = rng.integers(0, 256, (HEIGHT // side + 1, WIDTH // side + 1, 1), np.uint8)
    return some.repeat(side, 0).repeat(side, 1).repeat(3, 2)[:HEIGHT, :WIDTH].copy()


def clouds(rng) -> np.ndarray:
    sizes = (4, 8, 16, 32, 64)
    some = [rng.random((HEIGHT // size + 1, WIDTH // size + 1, 3)).astype(np.float32) * size for size in sizes]
    whole = sum(cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for one in some)
    return np.uint8(255 * (whole - whole.min()) / np.ptp(whole))


def grid(rng) -> np.ndarray:
    picture, draw = plain(rng)
    step, width, ink = int(rng.integers(12, 50)), int(rng.integers(1, 5)), colour(rng)
    for x in range(step // 2, WIDTH, step):
        draw.line((x, 0, x, HEIGHT), ink, width)
    for y in range(step // 2, HEIGHT, step):
        draw.line((0, y, WIDTH, y), ink, width)
    return np.array(picture)


def stripes(rng) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    turn, period = rng.uniform(0, np.pi), rng.uniform(6, 40)
    wave = np.sin(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / period) > rng.uniform(-0.6, 0.6)
    return np.where(wave[..., None], np.uint8(colour(rng)), np.uint8(colour(rng)))


def checks(rng) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH] // int(rng.integers(8, 50))
    return np.where(((x + y) % 2)[..., None], np.uint8(colour(rng)), np.uint8(colour(rng)))


def bricks(rng) -> np.ndarray:
    picture, draw = plain(rng)
    high = int(rng.integers(12, 40))
    wide, base = int(high * rng.uniform(2, 3)), rng.integers(60, 200, 3)
    for row, y in enumerate(range(0, HEIGHT, high)):
        for x in range(-wide * (row % 2) // 2, WIDTH, wide):
            ink = tuple(np.clip(base + rng.integers(-30, 30), 0, 255).tolist())
            draw.rectangle((x + 1, y + 1, x + wide - 2, y + high - 2), ink)
    return np.array(picture)


def windows(rng) -> np.ndarray:
    picture, draw = plain(rng)
    wide, high, gap = int(rng.integers(10, 40)), int(rng.integers(14, 60)), int(rng.integers(4, 20))
    inks = colour(rng), colour(rng)
    for y in range(6, HEIGHT, high + gap):
        for x in range(6, WIDTH, wide + gap):
            draw.rectangle((x, y, x + wide, y + high), inks[int(rng.random() < 0.4)])
    return np.array(picture)


def leaves(rng) -> np.ndarray:
    picture, draw = plain(rng)
    around = np.linspace(0, 2 * np.pi, 10)
    for _ in range(int(rng.integers(300, 1500))):
        long, turn, green = rng.uniform(4, 22), rng.uniform(0, np.pi), int(rng.integers(40, 220))
        leaf = (np.cos(around) + 1j * np.sin(around) * rng.uniform(0.2, 0.6)) * long * np.exp(1j * turn)
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        edge = [(x + point.real, y + point.imag) for point in leaf]
        draw.polygon(edge, (int(green * 0.6), green, int(green * 0.3)))
    return np.array(picture)


def twigs(rng) -> np.ndarray:
    picture, draw = plain(rng)
    for _ in range(int(rng.integers(60, 400))):
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.4, 6))
        steps = rng.uniform(4, 16, 6) * np.exp(1j * turns)
        points = rng.uniform(0, WIDTH) + 1j * rng.uniform(0, HEIGHT) + np.cumsum([0, *steps])
        draw.line([(point.real, point.imag) for point in points], colour(rng), int(rng.integers(1, 4)))
    return np.array(picture)


def stones(rng) -> np.ndarray:
    seeds = np.full((HEIGHT, WIDTH), 255, np.uint8)
    seeds[rng.integers(0, HEIGHT, 500), rng.integers(0, WIDTH, 500)] = 0
    _, number = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    grey = rng.integers(40, 220, number.max() + 1).astype(np.uint8)[number]
    grey[cv2.Canny(grey, 20, 60) > 0] = 10
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def dots(rng) -> np.ndarray:
    picture, draw = plain(rng)
    step, ink = int(rng.integers(8, 30)), colour(rng)
    radius = step * rng.uniform(0.15, 0.45)
    for row, y in enumerate(range(0, HEIGHT, step)):
        for x in range(step // 2 * (row % 2), WIDTH, step):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), ink)
    return np.array(picture)


def shapes(rng) -> np.ndarray:
    """Rings, frames and strokes that lie about: nearest to letters."""
    picture, draw = plain(rng)
    for _ in range(int(rng.integers(20, 120))):
        x, y, size, ink = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(3, 40), colour(rng)
        flat, width = rng.uniform(0.3, 1), int(rng.integers(1, 6))
        draw_one = (draw.ellipse, draw.rectangle, None)[rng.integers(3)]
        if draw_one:
            draw_one((x, y, x + size, y + size * flat), outline=ink, width=width)
        else:
            draw.line((x, y, x + rng.normal(0, size), y + rng.normal(0, size)), ink, width)
    return np.array(picture)


TEXTURES = (noise, squares, clouds, grid, stripes, checks, bricks, windows, leaves, twigs, stones, dots, shapes)


def save(folder: Path, name: str, pictures: list, found: list) -> None:
    """Write the pictures on which a detector is wrong, its boxes in red."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, ((kind, script, picture, corners), boxes) in enumerate(zip(pictures, found, strict=True)):
        if corners is None:
            wrong = bool(boxes) is not (kind == "frames with text of their own")
        else:
            hit, extra, _ = compared(corners, boxes)
            wrong = not all(hit) or any(extra)
        if wrong:
            shown = Image.fromarray(picture)
            shown.thumbnail((WIDTH, WIDTH))
            for box in boxes:
                ImageDraw.Draw(shown).polygon(list(box.exterior.coords), outline="red")
            shown.save(folder / f"{name}-{number}-{kind.replace(' ', '-')}-{script}.png")


if __name__ == "__main__":
    main()
