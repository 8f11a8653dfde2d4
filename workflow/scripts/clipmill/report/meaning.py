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
            ["min 4", "Open-Sora 1.3's code"],
            ["min 3.5", "cosmos-curate, lowest of the sampled frames"],
        ],
    },
    "flow": {
        "title": "Motion (optical flow)",
        "unit": "pixels at 320x576",
        "better": NEITHER,
        "published": [["min 0.3", "Open-Sora 1.3's code: below it, too still"]],
    },
    "flow_camera": {"title": "Camera's motion", "unit": "pixels at 320x576", "better": NEITHER, "published": []},
    "flow_object": {"title": "Motion of things", "unit": "pixels at 320x576", "better": NEITHER, "published": []},
    "coherence": {
        "title": "Coherence",
        "unit": "least cosine of two frames, -1 to 1",
        "better": HIGHER,
        "published": [["none", "Panda-70M drops clips by the distance of ImageBind's embeddings, above 1.0"]],
    },
    "ocr": {"title": "Text boxes", "unit": "boxes", "better": LOWER, "published": []},
    "ocr_area": {
        "title": "Text area",
        "unit": "share of the picture, 0-1",
        "better": LOWER,
        "published": [["max 0.02", "VideoX-Fun"]],
    },
    "ocr_overlay": {
        "title": "Text laid over",
        "unit": "share of the picture, 0-1",
        "better": LOWER,
        "published": [["none", "cosmos-curate drops clips with any"]],
    },
    "ocr_corner": {
        "title": "Text in corners",
        "unit": "share of the picture, 0-1",
        "better": LOWER,
        "published": [["none", "cosmos-curate drops clips with it in a tenth of the frames"]],
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
    "borders": {"title": "Black borders", "unit": "share of the picture, 0-1", "better": LOWER, "published": []},
    "blur": {"title": "Blur", "unit": "0 (sharp) to 1", "better": LOWER, "published": []},
    "light": {"title": "Light", "unit": "0 (black) to 1 (white)", "better": NEITHER, "published": []},
    "clipped": {
        "title": "Black and white pixels",
        "unit": "share of the pixels, 0-1",
        "better": LOWER,
        "published": [],
    },
    "noise": {"title": "Noise", "unit": "levels of 255", "better": LOWER, "published": []},
    "blocks": {"title": "Blockiness", "unit": "ratio, 1 for none", "better": LOWER, "published": []},
    "combed": {"title": "Combs", "unit": "share of the stored frames, 0-1", "better": LOWER, "published": []},
    "frozen": {"title": "Frozen", "unit": "share of the time, 0-1", "better": LOWER, "published": []},
    "slideshow": {"title": "Slideshow", "unit": "share of the time, 0-1", "better": LOWER, "published": []},
    "black": {"title": "Black", "unit": "share of the time, 0-1", "better": LOWER, "published": []},
    "flashes": {
        "title": "Flashes",
        "unit": "most within a second",
        "better": LOWER,
        "published": [["max 3", "WCAG 2.3.1, for what people look at"]],
    },
    "vfr": {"title": "Uneven frame times", "unit": "share of the frames, 0-1", "better": LOWER, "published": []},
    "bitrate": {"title": "Bitrate", "unit": "kbit/s of the pictures", "better": HIGHER, "published": []},
    "loudness": {"title": "Loudness", "unit": "LUFS", "better": NEITHER, "published": []},
    "silence": {"title": "Silence", "unit": "share of the time, 0-1", "better": LOWER, "published": []},
}


def of(column: str, description: str, model: str) -> dict:
    """What the page says of a column: `title`, `unit`, `better`, `published` ([limit, source] pairs), `text`, `model`.

    `description`: that of the schema; `model`: what computes the score, empty where nothing does.
    """
    known = COLUMNS.get(column, {"title": column, "unit": "", "better": "", "published": []})
    return {**known, "text": description, "model": model}
