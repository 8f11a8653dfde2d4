"""Matching: 100 x cosine of caption and frame, as open_clip computes it; no caption is cut off."""

import cv2
import numpy as np
import open_clip
import pytest
import torch
from clipmill.captions.matching import OpenClipMatch
from clipmill.clips.embeddings import OpenClip, pieces
from clipmill.engine.rejects import Reject
from clipmill.engine.weights import ModelMissing
from PIL import Image
from score_match import ScoreMatch
from stored_clips import clips, photograph, run
from tiny_open_clip import CONTEXT, tiny_clip

ONE_LEVEL = 0.03
"""What a score of the tiny random model may differ by where pixels differ by one level of 255, from rounding."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "clip")


def settings(folder, **more):
    return {"model": "tiny", "pretrained": str(folder), "frames": [0.5], "batch": 4} | more


def cosines(folder, texts: list[str], pictures: list[np.ndarray]) -> np.ndarray:
    """100 x cosine of each text (row) and picture (column), computed with open_clip."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    assert tokens.shape[1] == CONTEXT
    with torch.no_grad():
        said = model.eval().encode_text(tokens)
        seen = model.encode_image(torch.stack([transform(Image.fromarray(picture)) for picture in pictures]))
    return 100 * torch.nn.functional.cosine_similarity(said[:, None], seen[None], dim=2).numpy()


def test_match_is_open_clips_cosine_of_caption_and_frame(folder):
    texts, names = ["an astronaut smiles", "a cup of coffee on a table"], ["astronaut", "coffee"]
    pictures = [photograph(name) for name in names]
    matcher = OpenClipMatch(settings(folder))
    scores = matcher.scores([matcher.prepare(text, [picture]) for text in texts for picture in pictures])
    expected = cosines(folder, texts, pictures).ravel()
    np.testing.assert_allclose(scores, expected, atol=ONE_LEVEL)
    assert np.ptp(expected) > 1


def test_of_several_frames_the_mean_counts(folder):
    pictures = [photograph(name) for name in ("astronaut", "coffee", "rocket")]
    matcher = OpenClipMatch(settings(folder))
    score = matcher.scores([matcher.prepare("a rocket", pictures)])[0]
    assert score == pytest.approx(cosines(folder, ["a rocket"], pictures).mean(), abs=ONE_LEVEL)


def test_a_long_caption_is_the_mean_of_its_sentences_by_their_length(folder):
    parts = [
        "A rocket stands on a launch pad.",
        "Smoke rises!",
        "The sky above it is deep blue and without any cloud at all.",
    ]
    picture, matcher = photograph("rocket"), OpenClipMatch(settings(folder))
    assert not matcher.clip.fits(" ".join(parts))
    score = matcher.scores([matcher.prepare(" ".join(parts), [picture])])[0]
    shares = np.array([len(part) for part in parts]) / sum(map(len, parts))
    assert score == pytest.approx(shares @ cosines(folder, parts, [picture])[:, 0], abs=ONE_LEVEL)


def test_the_end_of_a_long_caption_counts(folder):
    start, picture, matcher = "A man walks. " * 12, photograph("rocket"), OpenClipMatch(settings(folder))
    scores = matcher.scores([matcher.prepare(start + end, [picture]) for end in ("A dog barks.", "Snow falls.")])
    assert scores[0] != pytest.approx(scores[1], abs=1e-3)


CAPTIONS = {
    "short": "a cat sits",
    "sentences": "A cat sits. A dog runs! Who sees it? " * 8,
    "one long sentence": "a cat and a dog and " * 40,
    "no spaces": "q7x" * 300,
    "another script": "一只猫坐在窗台上看着外面的雨" * 30,
    "blank": "  \n ",
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_every_part_of_a_caption_fits_and_no_letter_is_lost(folder, name):
    clip = OpenClip(settings(folder), "match")
    parts = pieces(CAPTIONS[name], clip.fits)
    assert all(clip.fits(part) for part in parts)
    assert "".join("".join(parts).split()) == "".join(CAPTIONS[name].split())
    assert [part for part in parts if part != part.strip() or not part] == []


@pytest.mark.parametrize("frames", [[0.5], [0, 0.5, 1]])
def test_scores_are_the_same_for_any_batch(folder, tmp_path, frames):
    rows = clips(tmp_path)
    by_batch = [run(ScoreMatch, settings(folder, frames=frames), tmp_path, rows, batch) for batch in (1, 4, 16)]
    assert by_batch[0] == by_batch[1] == by_batch[2]
    assert len({values["match"] for values in by_batch[0]}) > 3


def test_a_clip_without_a_caption_is_a_reject_that_says_so(folder, tmp_path):
    row = clips(tmp_path, 1)[0] | {"text": " "}
    with pytest.raises(Reject, match="no caption"):
        run(ScoreMatch, settings(folder), tmp_path, [row], 1)


def test_a_missing_model_is_named_with_its_key_and_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPMILL_MODELS", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"match\.pretrained.*ViT-L-14@openai.*snakemake fetch_models"):
        OpenClipMatch({"model": "ViT-L-14", "pretrained": "openai", "batch": 4})


def test_the_stand_in_prefers_a_true_caption(tmp_path):
    from clipmill.captions import attributes
    from clipmill.videos import frames

    row = clips(tmp_path, 1)[0]
    picture = frames.read(frames.Store(tmp_path, tmp_path), row, [0.5])[0]
    true = attributes.caption([picture], row | {"flow": "", "ocr": ""})
    false = attributes.caption([cv2.bitwise_not(picture) // 4], row | {"flow": "", "ocr": ""})
    given = {"model": "attributes", "pretrained": None, "frames": [0.5]}
    scores = [run(ScoreMatch, given, tmp_path, [row | {"text": text}], 1)[0]["match"] for text in (true, false)]
    assert float(scores[0]) > float(scores[1])
