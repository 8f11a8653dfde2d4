"""Questions about a clip, and what is understood of the answers."""

import json
from typing import NamedTuple

from clipmill.captions import answers, moments, prompts
from clipmill.captions.caption import Caption, Request
from clipmill.captions.checks import CUT_OFF, problem
from clipmill.captions.prompts import TEXT
from clipmill.videos.frames import Store, shots

ORIGIN = "origin"
"""The column of what is remembered of how captions came about."""


class Question(NamedTuple):
    """A request, and the column that its answer is for."""

    column: str
    request: Request
    span: tuple[float, float]
    """The seconds of the clip that it is about."""


class Answer(NamedTuple):
    """What is understood of an answer."""

    caption: Caption
    reason: str
    """What is wrong with it; "" where nothing is."""
    fields: dict
    """The other columns that it fills."""
    took: tuple[Caption, ...]
    """All that was said for it, as it came."""


def questions(store: Store, row: dict, settings: dict) -> list[Question]:
    """What is asked about a clip: one question per window, and one about the whole for each further column."""
    still = row["num_frames"] == "1"
    kind, length = ("image", 0.0) if still else ("video", float(row["end"]) - float(row["start"]))
    whole = (0.0, length)

    def question(column: str, span: tuple[float, float], ask: str) -> Question:
        seen = shots(store, row, [0.0] if still else moments.wanted(span, settings))
        seen = [shot._replace(seconds=max(0.0, shot.seconds - span[0])) for shot in seen]
        return Question(column, Request(seen, kind, ask, span[1] - span[0], row), span)

    ask = prompts.wording(settings["prompt"], kind)
    if settings["format"] == "json":
        ask = prompts.as_data(ask, settings["fields"])
    found = [question(TEXT, span, ask) for span in moments.windows(length, settings["window_seconds"])]
    if not settings["also"]:
        return found
    # Of a clip in one window, the frames are read once for all that is asked.
    about_all = found[0] if len(found) == 1 else question("", whole, "")
    for name, prompt in settings["also"].items():
        request = about_all.request._replace(ask=prompts.wording(prompt, kind))
        found.append(Question(f"text_{name}", request, whole))
    return found


def with_pixels(found: list[Question]) -> list[Request]:
    """The requests of a clip's questions, their frames decoded: each once, however many questions are about it."""
    decoded = {id(shot): shot for question in found for shot in question.request.shots}
    decoded = {number: shot._replace(pixels=shot.image) for number, shot in decoded.items()}
    return [
        question.request._replace(shots=[decoded[id(shot)] for shot in question.request.shots]) for question in found
    ]


def ask(captioner, asked: list[Question], prepared: list, settings: dict) -> list[Answer]:
    """The answers to questions whose inputs are prepared, in their order; a bad one is asked for once more."""
    said = captioner.caption(prepared)
    found = [understood(question, (caption,), settings) for question, caption in zip(asked, said, strict=True)]
    bad = [index for index, answer in enumerate(found) if answer.reason]
    if bad:
        inputs = [captioner.prepare(asked[index].request, again=True) for index in bad]
        for index, caption in zip(bad, captioner.caption(inputs, again=True), strict=True):
            found[index] = understood(asked[index], (*found[index].took, caption), settings)
    return found


def understood(question: Question, took: tuple[Caption, ...], settings: dict) -> Answer:
    """What is understood of the last thing that was said."""
    said, fields = took[-1], {}
    if said.finish != "refused" and answers.echoes(said.text, question.request.ask):
        said = said._replace(finish="echo")
    elif said.finish != "refused" and settings["format"] == "json" and question.column == TEXT:
        data = answers.data_in(said.text)
        if why := _not_as_asked(data, settings["fields"]):
            reason = CUT_OFF if said.finish == "length" else NOT_DATA
            return Answer(said._replace(text=f"{why}: {said.text}"), reason, {}, took)
        fields = {f"text_{name}": _shown(value) for name, value in data.items() if name != TEXT}
        said = said._replace(text=data[TEXT])
    caption = answers.heard(said)
    # Lists of words and the like are no English prose.
    checks = settings["checks"] if question.column == TEXT else {**settings["checks"], "language": None}
    return Answer(caption, problem(caption, checks), fields, took)


NOT_DATA = "caption is not the JSON that was asked for"


def _not_as_asked(data: dict | None, fields: dict) -> str:
    """How data differs from what was asked for; "" where it does not."""
    from jsonschema import Draft202012Validator

    if data is None:
        return "no JSON object can be read"
    error = next(Draft202012Validator(prompts.schema(fields)).iter_errors(data), None)
    return error.message[:200] if error else ""


def _shown(value) -> str:
    """A value read from JSON as a cell."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(answers.visible(text).split())


def origin(took: list[Caption], captioner) -> str:
    """What is remembered of how a clip's captions came about, as JSON: model, tokens, requests, how the last ended."""
    found = {
        "model": took[-1].model,
        "requests": len(took),
        "prompt_tokens": sum(caption.prompt_tokens for caption in took),
        "output_tokens": sum(caption.output_tokens for caption in took),
        "end": took[-1].finish,
    }
    return json.dumps(found | captioner.setup(), ensure_ascii=False)
