"""What each score means: its name, unit, direction and published thresholds. A column that is not listed here shows
what the configuration's schema says of it."""

LOWER, HIGHER, NEITHER = "less is better", "more is better", "depends on what you train"

COLUMNS = {
    "aes": {
        "title": "Aesthetic score",
        "unit": "1-10",
        "better": HIGHER,
        "published": [
            ["min 5", "Open-Sora 1.0 to 1.2, `filter --aesmin 5`"],
            ["min 4.5", "Open-Sora, its 30M clips of Panda-70M"],
            ["min 3.5", "cosmos-curate, lowest of the sampled frames"],
        ],
    },
    "flow": {
        "title": "Motion (optical flow)",
        "unit": "pixels at 320x576",
        "better": NEITHER,
        "published": [["min 0.3", "Open-Sora 1.3's code: below it, too still"]],
    },
    "ocr": {"title": "Text boxes", "unit": "boxes", "better": LOWER, "published": []},
    "ocr_area": {
        "title": "Text area",
        "unit": "share of the picture, 0-1",
        "better": LOWER,
        "published": [["max 0.02", "VideoX-Fun"]],
    },
    "match": {
        "title": "Caption against picture",
        "unit": "100 x cosine (0-100 with `attributes`)",
        "better": HIGHER,
        "published": [
            ["none", "Open-Sora filters here and publishes no number"],
            ["min 0.20", "VideoX-Fun, on another scale: the cosine of VideoCLIP-XL"],
        ],
    },
    "num_frames": {"title": "Length", "unit": "frames", "better": NEITHER, "published": []},
    "height": {"title": "Height", "unit": "pixels", "better": HIGHER, "published": []},
    "width": {"title": "Width", "unit": "pixels", "better": HIGHER, "published": []},
    "aspect_ratio": {"title": "Aspect ratio", "unit": "height / width", "better": NEITHER, "published": []},
    "fps": {"title": "Frame rate", "unit": "frames per second", "better": NEITHER, "published": []},
    "resolution": {"title": "Resolution", "unit": "pixels", "better": HIGHER, "published": []},
}


def of(column: str, description: str, model: str) -> dict:
    """What the page says of a column: `title`, `unit`, `better`, `published` ([limit, source] pairs), `text`, `model`.

    `description`: that of the schema; `model`: what computes the score, empty where nothing does.
    """
    known = COLUMNS.get(column, {"title": column, "unit": "", "better": "", "published": []})
    return {**known, "text": description, "model": model}
