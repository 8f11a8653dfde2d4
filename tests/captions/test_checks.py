"""What is asked, and what can be wrong with what is said."""

import pytest
from captioning import CHECKS, SENTENCE, UNCHECKED
from clipmill.captions.caption import Caption
from clipmill.captions.checks import is_english, loops, problem
from clipmill.captions.prompts import PRESETS, wording


def test_prompts_are_presets_or_sentences():
    assert wording("video", "image") != wording("video", "video")
    assert wording("Name the birds.", "image") == "Name the birds."
    with pytest.raises(ValueError, match="did you mean 'video-short'"):
        wording("video-shrt", "video")
    assert all(set(preset) == {"image", "video"} for preset in PRESETS.values())


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        (SENTENCE, "stop", ""),
        (SENTENCE, "length", "caption is cut off at the token limit"),
        ("  ", "stop", "caption is empty"),
        ("I'm sorry, I cannot help with this picture.", "stop", "caption is a refusal"),
        ("I\u2019m unable to see the video.", "stop", "caption is a refusal"),
        ("As an AI language model, I do not see pictures.", "stop", "caption is a refusal"),
        ("A sorry sight: a man who cannot swim falls into the sea.", "stop", ""),
        ("A red car. " * 12, "stop", "caption repeats itself"),
        ("The the the the the the", "stop", "caption repeats itself"),
        ("\u4e00\u4e2a\u7537\u4eba\u5728\u516c\u56ed\u91cc\u904d\u72d7", "stop", "caption is not in English"),
        ("Un hombre camina con su perro por el parque bajo la lluvia.", "stop", "caption is not in English"),
        ("Ein Mann geht mit seinem braunen Hund durch den Park.", "stop", "caption is not in English"),
        ("413 Payload Too Large", "refused", "the server refused the request"),
    ],
)
def test_what_is_wrong_with_a_caption_is_named(text, finish, reason):
    assert problem(Caption(text, finish), CHECKS) == reason


def test_checks_can_be_switched_off():
    for text, finish in ((SENTENCE, "length"), ("I cannot say.", "stop"), ("so " * 9, "stop"), ("\u72d7", "stop")):
        assert problem(Caption(text, finish), CHECKS)
        assert not problem(Caption(text, finish), UNCHECKED)
    assert problem(Caption("", "stop"), UNCHECKED)


def test_good_english_is_neither_a_loop_nor_foreign():
    texts = [
        "A tabby cat looks into the camera. Its eyes are green, its whiskers white, and its fur is brown and black.",
        "Two men, a woman and a child sit at a table. The men eat, the woman reads and the child draws on the table.",
        "Fireworks explode over Sydney Harbour: red, then green, then gold, then red again, as a crowd cheers below.",
        "Close-up: hands knead dough.",
    ]
    assert not any(loops(text) or not is_english(text) for text in texts)
