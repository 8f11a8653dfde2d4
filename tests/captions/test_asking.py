"""What a captioner is asked about a clip, and what becomes of its answers: moments, windows, several captions, JSON."""

import itertools
import json

import cv2
import numpy as np
import pytest
from caption_clips import CaptionClips
from captioning import CHECKS, SENTENCE, SERVER, asked, complete, completion, many, outcomes, pictures_of
from clipmill.captions import answers, moments, prompts
from clipmill.engine.compute import attempt
from clipmill.engine.rejects import Reject
from clipmill.videos import frames

BIRD = "A bird sits on a branch of the tree."


@pytest.fixture
def long_clip(tmp_path):
    """A clip of 60 seconds whose stored frames, two a second, are grey values that tell their time."""
    jpegs = {}
    for number in range(120):
        picture = np.full((48, 64, 3), 2 * number, np.uint8)
        jpegs[number * 12] = (number / 2, frames.encode(picture, 95))
    frames.write(frames.Store(tmp_path / "frames", tmp_path).path("long"), jpegs)
    row = {"id": "long-0", "video_id": "long", "relpath": "long.mp4", "start_frame": "0", "end_frame": "1440"}
    row |= {"start": "0.0", "end": "60.0", "num_frames": "1440", "flow": "", "ocr": "0"}
    return [row], (tmp_path / "results", tmp_path, tmp_path / "frames")


def questions(store, **settings):
    rows, places = store
    step = CaptionClips(complete(settings), *places)
    step.captioner = type("Nobody", (), {"prepare": staticmethod(lambda request: None)})
    return [question for row in rows for question in step.prepare(row)[0]]


def seconds(question) -> list[float]:
    return [shot.seconds for shot in question.request.shots]


def seen(jpeg: bytes) -> float:
    """The second that a frame of the long clip tells."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean() / 4


def test_frames_have_their_true_times_and_none_is_shown_twice(long_clip):
    [question] = questions(long_clip, frames=[0.1, 0.5, 0.9])
    assert seconds(question) == [6.0, 30.0, 54.0]
    rows, places = long_clip
    short = [rows[0] | {"end": "1.0", "end_frame": "24", "num_frames": "24"}]
    [question] = questions((short, places), frames=[number / 15 for number in range(16)])
    assert seconds(question) == [0.0, 0.5], "sixteen moments of a second are two stored frames"


def test_frames_per_second_follow_the_length_up_to_a_limit(long_clip):
    [question] = questions(long_clip, fps=2, max_frames=200)
    assert seconds(question) == [number / 2 for number in range(120)]
    [question] = questions(long_clip, fps=1, max_frames=200)
    assert seconds(question) == [float(number) for number in range(60)]
    [question] = questions(long_clip, fps=2, max_frames=16)
    times = seconds(question)
    assert len(times) == 16
    assert (times[0], times[-1]) == (0.0, 59.5)
    assert max(np.diff(times)) - min(np.diff(times)) <= 0.5


def test_a_clip_that_starts_late_is_counted_from_its_start(store):
    rows, places = store
    [question] = questions(([rows[2]], places), fps=2)
    assert rows[2]["start"] == "2.0"
    assert seconds(question) == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("length", "longest", "expected"),
    [(60, None, 1), (60, 25, 3), (60, 20, 3), (60, 60, 1), (59.99, 60, 1), (61, 60, 2), (0, 20, 1)],
)
def test_windows_are_equal_and_none_is_too_long(length, longest, expected):
    found = moments.windows(length, longest)
    assert len(found) == expected
    assert (found[0][0], found[-1][1]) == (0, pytest.approx(length))
    assert all(last == first for (_, last), (first, _) in itertools.pairwise(found))
    assert longest is None or max(last - first for first, last in found) <= longest + 1e-3


def served(store, script, **settings):
    return outcomes(store, server={**SERVER, "url": script.url, "concurrency": 1}, **settings)


def test_a_long_clip_is_captioned_window_by_window_and_joined(long_clip, scripted):
    said = [f"{SENTENCE} Then part {number} of the clip ends." for number in (1, 2, 3)]
    scripted.answers = [(200, completion(text)) for text in [*said, BIRD]]
    [found] = served(long_clip, scripted, window_seconds=20, fps=1, max_frames=128, checks=CHECKS)
    assert found["text"] == BIRD
    windows = json.loads(found["text_windows"])
    assert [(window["start"], window["end"], window["text"]) for window in windows] == [
        (0.0, 20.0, said[0]), (20.0, 40.0, said[1]), (40.0, 60.0, said[2]),
    ]  # fmt: skip
    parts = [[round(seen(jpeg)) for jpeg in pictures_of(request)] for request in scripted.requests]
    assert parts == [list(range(20)), list(range(20, 40)), list(range(40, 60)), []]
    joined = asked(scripted.requests[3])
    assert all(f"{first}.0-{first + 20}.0 s: {said[first // 20]}" in joined for first in (0, 20, 40))
    shown = [part["text"] for part in scripted.requests[1]["messages"][0]["content"] if part["type"] == "text"]
    assert shown[:2] == ["0.0 s:", "1.0 s:"], "times count from the window's start"


def test_where_the_windows_cannot_be_joined_they_follow_each_other_and_a_bad_one_is_left_out(long_clip, scripted):
    loop = "a cat and a dog " * 9
    said = [SENTENCE, loop, BIRD, loop, loop, loop]
    scripted.answers = [(200, completion(text)) for text in said]
    [found] = served(long_clip, scripted, window_seconds=20, checks=CHECKS)
    assert found["text"] == f"{SENTENCE} {BIRD}"
    assert [window.get("reason") for window in json.loads(found["text_windows"])] == [
        None, "caption repeats itself", None,
    ]  # fmt: skip
    scripted.answers = [(200, completion(loop))] * 6
    [found] = served(long_clip, scripted, window_seconds=20, checks=CHECKS)
    assert isinstance(found, Reject)
    assert found.reason == "caption repeats itself"


def test_several_captions_of_a_clip_come_from_one_reading_of_its_frames(long_clip, scripted, monkeypatch):
    reads, shots = [], frames.shots
    monkeypatch.setattr("clipmill.captions.asking.shots", lambda *given: reads.append(1) or shots(*given))
    scripted.answers = [(200, completion(text)) for text in (SENTENCE, BIRD, "bird, tree, branch")]
    also = {"short": "video-short", "tags": "List five words that say what is seen."}
    [found] = served(long_clip, scripted, also=also, prompt="video", checks=CHECKS)
    assert found == {"text": SENTENCE, "text_short": BIRD, "text_tags": "bird, tree, branch"}
    assert len(reads) == 1
    assert [asked(request) for request in scripted.requests] == [
        prompts.wording("video", "video"), prompts.wording("video-short", "video"), also["tags"],
    ]  # fmt: skip
    assert pictures_of(scripted.requests[0]) == pictures_of(scripted.requests[2])


def test_a_further_caption_that_is_no_good_costs_only_itself(long_clip, scripted):
    loop = "a cat and a dog " * 9
    scripted.answers = [(200, completion(text)) for text in (SENTENCE, loop, loop)]
    [found] = served(long_clip, scripted, also={"short": "video-short"}, checks=CHECKS)
    assert found == {"text": SENTENCE, "text_short": ""}


FIELDS = {
    "text": {"type": "string", "description": "one sentence"},
    "camera": {"type": "string", "enum": ["still", "moving"]},
    "people": {"type": "integer"},
    "tags": {"type": "array", "items": {"type": "string"}},
}


def test_an_answer_in_json_fills_a_column_for_each_field(long_clip, scripted):
    data = {"text": SENTENCE, "camera": "still", "people": 1, "tags": ["dog", "rain"]}
    scripted.answers = [(200, completion(f"<think>Hm {{.</think>```json\n{json.dumps(data)}\n```"))]
    [found] = served(long_clip, scripted, format="json", fields=FIELDS, checks=CHECKS)
    assert found == {"text": SENTENCE, "text_camera": "still", "text_people": "1", "text_tags": '["dog", "rain"]'}
    [request] = scripted.requests
    assert request["response_format"]["json_schema"]["schema"]["required"] == list(FIELDS)
    assert '"enum": ["still", "moving"]' in asked(request), "models without guided decoding read it"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SENTENCE, "no JSON object"),
        ('{"text": "A man walks", "camera": "shaky", "people": 1, "tags": []}', "'shaky' is not one of"),
        ('{"text": "A man walks", "camera": "still", "tags": []}', "'people' is a required property"),
        ('{"text": "A man walks", "cam', "no JSON object"),
    ],
)
def test_an_answer_that_is_not_the_json_asked_for_is_a_reject_that_says_how(long_clip, scripted, said, why):
    scripted.answers = [(200, completion(said))] * 2
    [found] = served(long_clip, scripted, format="json", fields=FIELDS, checks=CHECKS)
    assert (found.reason, len(scripted.requests)) == ("caption is not the JSON that was asked for", 2)
    assert why in found.detail


def test_json_that_the_token_limit_cuts_off_says_so(long_clip, scripted):
    scripted.answers = [(200, completion('{"text": "A man', "length"))] * 2
    [found] = served(long_clip, scripted, format="json", fields=FIELDS, checks=CHECKS)
    assert found.reason == "caption is cut off at the token limit"


def test_an_answer_that_repeats_the_question_is_a_reject(long_clip, scripted):
    echo = f"user: {prompts.wording('video-short', 'video')}\nassistant: {SENTENCE}"
    scripted.answers = [(200, completion(SENTENCE)), *[(200, completion(echo))] * 2]
    rows, places = long_clip
    found = served(([rows[0], rows[0] | {"id": "long-1"}], places), scripted, checks=CHECKS)
    assert found[0] == {"text": SENTENCE}
    assert found[1].reason == "caption repeats the question"


def test_a_caption_that_shares_some_words_with_the_question_is_no_echo():
    ask = prompts.wording("video", "video")
    assert not answers.echoes("The main subject is a dog, in order of time it sits, then runs.", ask)
    assert answers.echoes(f"system: {ask} A dog runs.", ask)
    joined = prompts.joining([(0, 5, SENTENCE), (5, 9, BIRD)])
    assert not answers.echoes(f"{SENTENCE} {BIRD}", joined), "what is to be joined is not the question"


def test_what_is_remembered_with_a_caption(long_clip, scripted):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    scripted.answers = [(200, completion("!" * 99, usage=usage)), (200, completion(SENTENCE, usage=usage, model="m-1"))]
    rows, places = long_clip
    settings = complete({"server": {**SERVER, "url": scripted.url}, "checks": CHECKS})
    step = CaptionClips(settings, *places)
    step.load()
    [values] = attempt(step, rows, [None])
    held = {**values, **step.stamp(rows[0]), "fault": ""}
    origin = json.loads(held["origin"])
    assert origin == {"model": "m-1", "requests": 2, "prompt_tokens": 200, "output_tokens": 40, "end": "stop"}
    assert step.counts([held, held])["output_tokens"] == 80
    assert step.finish(rows[0], held) == {"text": SENTENCE}


def test_a_clip_of_many_has_frames_of_its_own(store):
    found = questions((many(64), store[1]), frames=[0.5])
    assert len(found) == 64
    assert all(len(question.request.shots) == 1 for question in found)
