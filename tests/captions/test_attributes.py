"""The stand-in captioner says what can be measured, always in the same words; the matcher finds what does not hold."""

import itertools

import cv2
import numpy as np
import pytest
import skimage.data
from clipmill.captions import attributes
from clipmill.captions.cleaning import clean_caption

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "immunohistochemistry", "retina")
FILM = {"num_frames": "48"}


@pytest.fixture(scope="module")
def photographs():
    return {name: np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]) for name in PHOTOGRAPHS}


def plain(red, green, blue, size=(120, 200)):
    return np.full((*size, 3), (red, green, blue), np.uint8)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((220, 30, 30), "red"),
        ((240, 140, 30), "orange"),
        ((120, 80, 40), "brown"),
        ((245, 230, 190), "cream"),
        ((240, 230, 40), "yellow"),
        ((40, 160, 60), "green"),
        ((30, 150, 150), "teal"),
        ((40, 80, 200), "blue"),
        ((120, 40, 190), "purple"),
        ((240, 90, 180), "pink"),
        ((10, 10, 10), "black"),
        ((128, 128, 128), "grey"),
        ((250, 250, 250), "white"),
    ],
)
def test_a_plain_colour_is_named(colour, name):
    said = attributes.caption([plain(*colour)], FILM)
    assert [claim for kind, claim in attributes.claims(said) if kind == "shares"] == [name]


def test_light_contrast_detail_and_shape_are_named():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (200, 300, 3), np.uint8)
    assert ("detail", 2) in attributes.claims(attributes.caption([noise], FILM))
    assert {("detail", 0), ("contrast", 0), ("light", 0), ("shape", "portrait")} <= set(
        attributes.claims(attributes.caption([plain(20, 20, 20, (200, 100))], FILM))
    )
    halves = np.vstack([plain(40, 80, 200), plain(245, 230, 190)])
    said = attributes.claims(attributes.caption([halves], FILM))
    assert {("top", "blue"), ("bottom", "cream"), ("contrast", 2), ("shape", "portrait")} <= set(said)


def test_movement_comes_from_the_flow_or_otherwise_from_the_frames():
    still, moved = plain(20, 20, 20), np.roll(np.hstack([plain(20, 20, 20), plain(250, 250, 250)]), 40, axis=1)
    said = [attributes.caption([still], {**FILM, "flow": flow}) for flow in ("0.1", "2", "9", "40")]
    assert [next(word for word in attributes.MOVEMENT if word in text.lower()) for text in said] == list(
        attributes.MOVEMENT
    )
    assert "hardly any movement" in attributes.caption([still, still], FILM).lower()
    assert "fast movement" in attributes.caption([moved, np.roll(moved, 200, axis=1)], FILM).lower()
    assert "movement" not in attributes.caption([still], {"num_frames": "1", "flow": ""})


def test_text_on_screen_comes_from_the_row():
    said = [attributes.caption([plain(9, 9, 9)], {**FILM, "ocr": boxes}).lower() for boxes in ("0", "1", "7", "")]
    assert [text.count("text on screen") for text in said] == [1, 1, 1, 0]
    assert "no text on screen" in said[0]
    assert "no text" not in said[1] + said[2]


def test_the_same_frames_give_the_same_words_and_different_ones_different_sentences(photographs):
    said = [attributes.caption([picture], FILM) for picture in photographs.values()]
    assert said == [attributes.caption([picture.copy()], FILM) for picture in photographs.values()]
    assert len(set(said)) == len(said)
    assert all(text[0].isupper() and text.endswith(".") for text in said)


def test_cleaning_leaves_every_claim(photographs):
    for picture in photographs.values():
        text = attributes.caption([picture], {**FILM, "flow": "3", "ocr": "2"})
        assert attributes.claims(clean_caption(text)) == attributes.claims(text)


def test_a_caption_matches_its_own_picture_best(photographs):
    captions = {name: clean_caption(attributes.caption([picture], FILM)) for name, picture in photographs.items()}
    own = {name: attributes.match(captions[name], picture) for name, picture in photographs.items()}
    assert min(own.values()) == 100
    for said, seen in itertools.permutations(photographs, 2):
        assert attributes.match(captions[said], photographs[seen]) < 95


def test_a_caption_still_matches_a_picture_that_is_nearly_the_same(photographs):
    for picture in photographs.values():
        text = clean_caption(attributes.caption([picture], FILM))
        cropped = np.ascontiguousarray(picture[5:-5, 8:-8])
        darker = cv2.convertScaleAbs(picture, alpha=0.93)
        assert min(attributes.match(text, cropped), attributes.match(text, darker)) > 80


def test_a_text_without_claims_matches_nothing(photographs):
    assert attributes.match("two friends talk", photographs["coffee"]) == 0
