"""Draw the picture in the README: the middle frame of some pairs of a finished run, with their captions and scores.

Example: python demo/pictures.py results/demo docs/demo.jpg
"""

import argparse
import csv
import textwrap
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL, PICTURE, COLUMNS = (400, 330), (400, 225), 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder of a finished run")
    parser.add_argument("out", type=Path, help="the picture to write")
    parser.add_argument("--pairs", type=int, default=6, help="how many pairs to show, evenly spaced over the table")
    args = parser.parse_args()
    with open(args.results / "meta.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = [rows[int(index)] for index in np.linspace(0, len(rows) - 1, min(args.pairs, len(rows)))]
    lines = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (CELL[0] * COLUMNS, CELL[1] * lines), "white")
    for number, row in enumerate(shown):
        sheet.paste(cell(args.results, row), (number % COLUMNS * CELL[0], number // COLUMNS * CELL[1]))
    sheet.save(args.out, quality=82)


def cell(results: Path, row: dict) -> Image.Image:
    """A pair's frame over its caption, camera label and scores."""
    picture = Image.new("RGB", CELL, "white")
    frame = Image.fromarray(middle(results / row["path"]))
    frame.thumbnail((PICTURE[0] - 12, PICTURE[1]))
    picture.paste(frame, ((CELL[0] - frame.width) // 2, 6))
    camera = row["cmotion"] or "none (image)"
    scores = f"camera {camera}   aes {row['aes']}   flow {row['flow'] or '-'}   match {row['match']}"
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    draw.text((10, PICTURE[1] + 10), textwrap.fill(row["text"], 58), "black", font, spacing=3)
    draw.text((10, CELL[1] - 24), scores, "#666666", ImageFont.load_default(12))
    return picture


def middle(path: Path) -> np.ndarray:
    """The middle frame of a clip, or the image, RGB."""
    if path.suffix != ".mp4":
        return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return frames[len(frames) // 2].to_ndarray(format="rgb24")


if __name__ == "__main__":
    main()
