"""What a pilot foretells holds for the files that it did not see, within the margins that it gives."""

import numpy as np
import pandas as pd
import pytest
from clipmill.release.survey import Survey
from clipmill.videos import sample

FILES, DRAWN, FOLDERS = 1500, 100, 30


class Corpus:
    """Videos of folders of unequal size, length and quality. The clips of a video resemble each other: in a good one
    most are kept, in a bad one hardly any. A few videos cannot be read."""

    def __init__(self, seed: int):
        chance = np.random.default_rng(seed)
        folder = chance.integers(0, FOLDERS, FILES) ** 2 // FOLDERS
        good = chance.normal(0, 1, FOLDERS)[folder] + chance.normal(0, 1.5, FILES)
        self.seconds = np.minimum(chance.lognormal(np.log(120) + 0.3 * folder % 2, 1.0), 3600)
        readable = chance.random(FILES) > 0.03
        clips = chance.poisson(self.seconds / chance.uniform(3, 15, FILES)) * readable
        kept = chance.binomial(clips, 1 / (1 + np.exp(-good)))
        self.truth = {"readable": readable.astype(float), "clips": clips, "kept": kept, "hours": kept * 7.5 / 3600}
        self.rows = [
            {"id": f"{number * 2654435761 % 2**32:016x}", "relpath": f"{folder[number]}/{number}.mp4", "kind": "video"}
            | {"bytes": str(int(self.seconds[number] * 1000)), "number": number}
            for number in range(FILES)
        ]

    def survey(self, seed: int, videos: int = DRAWN) -> tuple[Survey, np.ndarray]:
        """The survey of a sample, and the numbers of the files that were drawn."""
        design = sample.design(self.rows, videos, seed, lambda rows: [self.seconds[row["number"]] for row in rows])
        survey, numbers = Survey(pd.DataFrame(design)), {row["id"]: row["number"] for row in self.rows}
        return survey, np.array([numbers[identity] for identity in survey.ids])


def misses(seeds: range, videos: int = DRAWN) -> dict[str, int]:
    """How often the rest of a corpus is not what was foretold, within the margin."""
    found = dict.fromkeys(("readable", "clips", "kept", "hours", "share"), 0)
    for seed in seeds:
        corpus = Corpus(seed)
        survey, drawn = corpus.survey(seed, videos)
        for name, values in corpus.truth.items():
            told, seen = survey.total(values[drawn].astype(float), name != "readable"), values[drawn].sum()
            rest = values.sum() - seen
            found[name] += abs((told.value - seen) - rest) > told.margin
        kept, clips = corpus.truth["kept"], corpus.truth["clips"]
        share = survey.ratio(kept[drawn].astype(float), clips[drawn].astype(float))
        found["share"] += abs(share.value - kept.sum() / clips.sum()) > share.margin
    return found


def test_the_rest_is_as_foretold_in_at_least_17_of_20_corpora():
    """Where 95 % margins are right, 4 or more of 20 miss with a probability of 1.6 % (binomial)."""
    assert max(misses(range(20)).values()) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("videos", [20, 100, 300])
def test_95_per_cent_margins_hold_nearly_so_often(videos):
    """Of 400 corpora 20 should miss; a stratified sample of skewed numbers gives somewhat narrow margins."""
    assert max(misses(range(1000, 1400), videos).values()) <= 44


def test_margins_made_for_single_clips_would_be_far_too_narrow():
    """So the check above can fail: these miss most of the time."""
    missed = 0
    for seed in range(20):
        corpus = Corpus(seed)
        drawn = corpus.survey(seed)[1]
        kept, clips = corpus.truth["kept"], corpus.truth["clips"]
        share, count = kept[drawn].sum() / clips[drawn].sum(), clips[drawn].sum()
        missed += abs(share - kept.sum() / clips.sum()) > 1.96 * (share * (1 - share) / count) ** 0.5
    assert missed >= 10


def test_a_sample_of_everything_is_exact():
    corpus = Corpus(3)
    survey, drawn = corpus.survey(0, FILES)
    told = survey.total(corpus.truth["kept"][drawn].astype(float))
    assert told.value == pytest.approx(corpus.truth["kept"].sum())
    assert told.margin == pytest.approx(0)


def test_what_no_drawn_file_has_is_not_called_certain():
    survey, drawn = Corpus(1).survey(0)
    none = np.zeros(len(drawn))
    assert (survey.total(none).value, survey.total(none).margin) == (0, None)
    assert survey.ratio(none, none + 1).margin is None


def test_that_all_drawn_files_are_alike_does_not_make_it_certain():
    survey, drawn = Corpus(1).survey(0)
    every = np.ones(len(drawn))
    assert survey.total(every, by_length=False).margin == pytest.approx(0.03 * (FILES - DRAWN))
    assert survey.ratio(every, every).margin == pytest.approx(0.03 * (1 - DRAWN / FILES))


def test_files_whose_length_was_not_looked_up_count_in_full(monkeypatch):
    monkeypatch.setattr(sample, "OPENED", 400)
    monkeypatch.setattr(sample, "PER_DRAWN", 2)
    survey, drawn = Corpus(2).survey(0)
    assert survey.total(np.ones(len(drawn)), by_length=False).value == pytest.approx(FILES)
    monkeypatch.setattr(sample, "OPENED", FILES)
    assert Corpus(2).survey(0)[0].total(np.ones(len(drawn)), by_length=False).value == pytest.approx(FILES)


def test_images_have_no_length_and_are_told_by_their_number():
    images = [
        {"id": f"{number:016x}", "relpath": f"{number}.png", "kind": "image", "bytes": str(number)}
        for number in range(300)
    ]
    survey = Survey(pd.DataFrame(sample.design(images, 30, 0, lambda rows: [])))
    assert survey.total(np.ones(30)).value == pytest.approx(300)
    assert survey.total(np.arange(30.0)).margin > 0
