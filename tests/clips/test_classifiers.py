"""Any image classifier, zero-shot labels, coherence: what they say is what the models say by other means."""

import numpy as np
import open_clip
import pytest
import torch
import transformers
from clipmill.clips.classifiers import Classifier, LabelMissing
from PIL import Image
from score_classifiers import ScoreClassifiers
from score_coherence import ScoreCoherence
from score_labels import ScoreLabels
from stored_clips import clips, photograph, run
from tiny_classifier import LABELS, tiny_classifier
from tiny_open_clip import tiny_clip

PICTURES = [photograph(name) for name in ("astronaut", "coffee", "rocket")]
MOMENTS = [0.1, 0.5, 0.9]
TEXTS = {"indoor": "a photo of an indoor scene", "outdoor": "a photo of an outdoor scene"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a classifier whose labels exclude each other, and of one whose labels do not."""
    folder = tmp_path_factory.mktemp("models")
    return {"one": tiny_classifier(folder / "one"), "several": tiny_classifier(folder / "several", True, seed=3)}


def entry(folder, label="watermark", name="marked", **more):
    return (
        {"name": name, "model": str(folder), "revision": "main", "label": label, "frames": MOMENTS}
        | {"reduce": "max"}
        | more
    )


def said(folder, function: str) -> list[dict[str, float]]:
    """{label: probability} of each picture, by transformers' own pipeline."""
    asked = transformers.pipeline("image-classification", str(folder))
    answers = asked([Image.fromarray(picture) for picture in PICTURES], top_k=len(LABELS), function_to_apply=function)
    return [{answer["label"]: answer["score"] for answer in answer} for answer in answers]


def found(classifier: Classifier, pictures) -> float:
    return classifier.scores([classifier.prepare(pictures)])[0]


def test_a_classifier_says_what_transformers_says(models):
    truth = said(models["one"], "softmax")
    assert np.ptp([answer["watermark"] for answer in truth]) > 0.01
    for picture, answer in zip(PICTURES, truth, strict=True):
        assert found(Classifier(entry(models["one"])), [picture]) == pytest.approx(answer["watermark"], abs=1e-4)
        both = found(Classifier(entry(models["one"], ["watermark", "logo"])), [picture])
        assert both == pytest.approx(answer["watermark"] + answer["logo"], abs=1e-4)
    for reduce, function in (("max", max), ("min", min), ("mean", np.mean)):
        whole = found(Classifier(entry(models["one"], reduce=reduce)), PICTURES)
        assert whole == pytest.approx(function([answer["watermark"] for answer in truth]), abs=1e-4)


def test_labels_that_do_not_exclude_each_other_have_probabilities_of_their_own(models):
    truth = said(models["several"], "sigmoid")
    for picture, answer in zip(PICTURES, truth, strict=True):
        assert found(Classifier(entry(models["several"])), [picture]) == pytest.approx(answer["watermark"], abs=1e-4)
        either = found(Classifier(entry(models["several"], ["watermark", "logo"])), [picture])
        assert either == pytest.approx(max(answer["watermark"], answer["logo"]), abs=1e-4)


def test_a_label_that_the_model_does_not_have_is_named_with_those_that_it_has(models):
    with pytest.raises(LabelMissing, match=r"score\.classifiers\.marked.*'stamp'.*clean, watermark, logo"):
        Classifier(entry(models["one"], "stamp"))


def test_what_is_no_classifier_is_named(tmp_path):
    (tmp_path / "config.json").write_text("not json")
    with pytest.raises(LabelMissing, match=r"score\.classifiers\.marked.*no classifier of images"):
        Classifier(entry(tmp_path))


def test_a_job_of_several_classifiers_says_what_each_says_alone_in_any_batch(models, tmp_path):
    rows = clips(tmp_path)
    one, other = entry(models["one"], frames=[0, 0.5]), entry(models["several"], name="other", reduce="mean")
    alone = [run(ScoreClassifiers, {"classifiers": [each]}, tmp_path, rows, 4) for each in (one, other)]
    for batch in (1, 7):
        both = run(ScoreClassifiers, {"classifiers": [one, other]}, tmp_path, rows, batch)
        assert both == [first | second for first, second in zip(*alone, strict=True)]
    assert len({row["marked"] for row in alone[0]}) > 3


def test_labels_are_the_cosines_of_open_clip_and_the_best_of_them(tmp_path):
    folder = tiny_clip(tmp_path / "clip")
    settings = {"labels": TEXTS, "model": "tiny", "pretrained": str(folder), "frames": MOMENTS}
    rows = clips(tmp_path)
    made = run(ScoreLabels, settings, tmp_path, rows, 3)
    step = ScoreLabels(settings, tmp_path, tmp_path, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(list(TEXTS.values())), normalize=True)
        for row, values in zip(rows, made, strict=True):
            pictures = [transform(Image.fromarray(picture)) for picture in step.pictures(row)]
            images = model.encode_image(torch.stack(pictures), normalize=True)
            cosines = 100 * (images @ texts.T).mean(dim=0)
            for name, cosine in zip(TEXTS, cosines.tolist(), strict=True):
                assert float(values[name]) == pytest.approx(cosine, abs=0.1)  # pixels may differ by a level
            assert values["label"] == max(TEXTS, key=lambda name: float(values[name]))


def test_coherence_is_the_least_cosine_of_two_frames_and_an_image_has_none(tmp_path):
    folder = tiny_clip(tmp_path / "clip")
    settings = {"model": "tiny", "pretrained": str(folder), "frames": MOMENTS}
    rows = clips(tmp_path)
    still = rows[0] | {"id": "still", "num_frames": "1"}
    one = rows[1] | {"id": "one", "end_frame": "1"}  # all moments are its first frame
    *made, of_one, of_still = run(ScoreCoherence, settings, tmp_path, [*rows, one, still], 3)
    step = ScoreCoherence(settings, tmp_path, tmp_path, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    for row, values in zip(rows, made, strict=True):
        with torch.no_grad():
            pictures = torch.stack([transform(Image.fromarray(picture)) for picture in step.pictures(row)])
            vectors = model.encode_image(pictures, normalize=True)
        assert float(values["coherence"]) == pytest.approx((vectors @ vectors.T).min().item(), abs=2e-3)
    assert len({values["coherence"] for values in made}) > 3
    assert float(of_one["coherence"]) == pytest.approx(1)
    assert of_still["coherence"] == ""
