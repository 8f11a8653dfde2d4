"""Captions are cleaned as the reference cleans them, and nothing a captioner says can stop the run."""

import pytest
from clean_captions import CleanCaptions
from clipmill.captions.cleaning import clean, clean_caption, remove_prefix
from clipmill.engine.rejects import Reject

SETTINGS = {"prefix": True, "clean": True, "empty": True, "refine": {"model": None, "max_tokens": 60, "batch": 8}}


@pytest.mark.parametrize(
    ("said", "left"),
    [  # observed on the reference itself
        (
            "In the video, 2 cats (playing) with a #123 ball -- see https://x.com/abc and visit foo.org/bar!",
            "2 cats playing with a ball - see and visit !",
        ),
        (
            "A   man \u2013 \u201cwalking\u201d  on 12:30 ... street_with-many-hy-phens_here",
            'a man "walking" on 12:30 street with many hy phens here',
        ),
        ("free shipping worldwide download free page 12 5x10", "worldwide"),
        ("a + b", "a b"),
    ],
)
def test_the_references_own_examples(said, left):
    assert clean_caption(said) == left


@pytest.mark.parametrize(
    "opening",
    [
        f"The {thing} {verb} "
        for thing in ("video", "image")
        for verb in ["shows", "captures", "features", "depicts", "presents", "is"]
    ]
    + ["The image portrays ", "In the video, ", "In the image, ", "the video shows ", "In the video,"],
)
def test_each_opening_phrase_is_removed_once_and_the_rest_starts_with_a_capital(opening):
    assert remove_prefix(f"{opening}a dog. The video shows a cat.") == "A dog. The video shows a cat."
    assert remove_prefix(opening) == ""


@pytest.mark.parametrize(
    "text", ["A dog. The video shows a cat.", "The videotape shows a cat", "The video showsreel", ""]
)
def test_text_without_an_opening_phrase_stays(text):
    assert remove_prefix(text) == text


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a <person> with a <b>red</b> hat<br/>", "a person with a red hat"),
        ("by @photo_nick, at example.com and www.example.edu/a/b?c=d", "by , at and"),
        ("a%20cat%2C+asleep", "a cat, asleep"),
        ("a \ufb01ne \uff34ea &amp;amp; bar &lt;3", "a fine tea bar <3"),
        ("\u98a8\u666f photo \u2014\u2014 wide\u2012shot \u2018x\u2019 end", "photo - wide-shot 'x' end"),
        ("at 192.168.0.12 since 1234567 in ab1234 img12x x2y 4k", "at since in 4k"),
        ("IMG_0042.JPG of a pier, png image, eps", "of a pier"),
        ("first line\\nsecond line #4 #12345 #2024", "first line second line 2024"),
        ("size 30 x 40 cm , 3:00 ", "size cm , 3:00"),
        ("a dog,a cat/a bird", "a dog, a cat a bird"),
        ("two-fold, three-fold", "two-fold, three-fold"),
        ('"a quoted caption"', "a quoted caption"),
        ("- a bullet_", "a bullet"),
        (".hidden", ""),
        ("click for more", ""),
        ("It costs 3.5 m and 1,000 people came.", "it costs 3.5 m and 1,000 people came."),
    ],
)
def test_each_rule_of_the_cleaning(said, left):
    assert clean(said) == left


@pytest.mark.parametrize("text", ["https://example.com/", "\u98a8\u666f", "%ff%00", "<" * 300, "((((", "'\"'", " \n "])
def test_odd_text_is_cleaned_without_a_crash(text):
    assert isinstance(clean_caption(text), str)


@pytest.mark.parametrize(
    "text", ["a man walks his dog, then they rest. it is warm!", "a cat - asleep", 'he says "hello"']
)
def test_clean_text_stays_as_it_is(text):
    assert clean(text) == text


def prepared(text, tmp_path, **switches):
    step = CleanCaptions({**SETTINGS, **switches}, tmp_path, tmp_path, tmp_path)
    step.load()
    return step.prepare({"id": "a", "text": text})[0]


def test_a_caption_with_nothing_left_is_a_reject_with_what_was_said(tmp_path):
    for said in ("The video shows", "", "  ", "https://example.com"):
        with pytest.raises(Reject) as error:
            prepared(said, tmp_path)
        assert (error.value.reason, error.value.detail) == ("caption is empty", said.strip())


def test_each_pass_can_be_switched_off(tmp_path):
    said = "The video shows A Dog  (brown)"
    assert prepared(said, tmp_path) == "a dog brown"
    assert prepared(said, tmp_path, prefix=False) == "the video shows a dog brown"
    assert prepared(said, tmp_path, clean=False) == "A Dog  (brown)"
    assert prepared(said, tmp_path, prefix=False, clean=False) == said
    assert prepared("The image is", tmp_path, empty=False) == ""
