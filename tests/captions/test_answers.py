"""What a model says is untrusted: of thoughts, wrappers and noise the caption is taken, or the item is a reject."""

import pytest
from captioning import CHECKS, SENTENCE, SERVER, UNCHECKED, completion, outcomes
from clipmill.captions.answers import LONGEST, caption_in
from clipmill.captions.caption import Caption
from clipmill.captions.checks import problem
from clipmill.captions.refiner import Refiner
from clipmill.engine.rejects import Reject

BIRD = "A bird sits on a branch of a tree."
CAPTIONS = {
    # thoughts
    f"<think>The user wants a caption. I see bars.</think> {SENTENCE}": SENTENCE,
    f"Okay, the user wants me to describe the video.\n</think>\n\n{SENTENCE}": SENTENCE,
    f"<think>\n\n</think>\n\n{SENTENCE}": SENTENCE,
    f"<THINK>a <think>b</think> c</THINK>{SENTENCE}": SENTENCE,
    f"<think>a</think><think>b</think>{SENTENCE}": SENTENCE,
    f"{SENTENCE}<think>Is this right? Yes.</think>": SENTENCE,
    f"<seed:think>so</seed:think>{SENTENCE}": SENTENCE,
    f"<thinking>so</thinking><answer>{SENTENCE}</answer>": SENTENCE,
    f"[THINK]so[/THINK]{SENTENCE}": SENTENCE,
    f"\u25c1think\u25b7so\u25c1/think\u25b7{SENTENCE}": SENTENCE,
    f"<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>{SENTENCE}": SENTENCE,
    # wrappers
    f"Sure! Here is a detailed caption for the video:\n\n**Caption:** {BIRD}": BIRD,
    f"Certainly! Here's a caption:\n\n{BIRD}\n\nLet me know if you want another one!": BIRD,
    f"Of course. Here are the captions you asked for:\n1. {BIRD}": BIRD,
    f"Caption: {BIRD}": BIRD,
    f"**Video description**:\n{BIRD}": BIRD,
    f"### Caption\n\n{BIRD}": BIRD,
    f'"{BIRD}"': BIRD,
    f"\u201c{BIRD}\u201d": BIRD,
    f'Caption: "{BIRD}" I hope this helps!': BIRD,
    "A **red** bird sits on a `branch` of a _tree_.": "A red bird sits on a branch of a tree.",
    f"```json\n{{\"caption\": \"{BIRD}\"}}\n```": BIRD,
    f"Sure! Here is the JSON:\n```json\n{{\"caption\": \"{BIRD}\"}}\n```\nLet me know if it is right.": BIRD,
    f'{{"caption_language": "en", "caption": "{BIRD}"}}': BIRD,
    f'[{{"description": "{BIRD}", "tags": ["bird"]}}]': BIRD,
    f'{{"video": {{"text": "{BIRD}"}}, "text": "{BIRD}"}}': BIRD,
    f"{{'caption': '{BIRD}'}}": BIRD,
    f'{{"caption": "{BIRD}", "tags": ["bi': BIRD,
    f"```\n{BIRD}\n```": BIRD,
    f"ASSISTANT: {BIRD}": BIRD,
    # tokens and marks
    f"{BIRD}<|im_end|>\n<|im_start|>assistant\nThe plane is in the sky.": BIRD,
    f"<|im_start|>assistant\n{BIRD}<|im_end|>": BIRD,
    f"<s> {BIRD}</s><pad><pad>": BIRD,
    f"{BIRD}<end_of_turn>\n<start_of_turn>user\nMore": BIRD,
    f"{BIRD}<\uff5cend\u2581of\u2581sentence\uff5c>more": BIRD,
    f"{BIRD} [INST] What else? [/INST]": BIRD,
    f"{BIRD}\n\nUser: And what else?\nAssistant: A dog.": BIRD,
    f"<|begin_of_box|>{BIRD}<|end_of_box|>": BIRD,
    "A <ref>bird</ref><box>(1,2),(3,4)</box> sits on a branch of a tree.": "A bird sits on a branch of a tree.",
    "A <|object_ref_start|>bird<|object_ref_end|><|box_start|>(1,2)<|box_end|> sits on a branch of a tree.": BIRD,
    "A bird<loc_12><loc_900> sits on a branch of a tree.": BIRD,
    # what a terminal or a spreadsheet would obey
    "A \x1b[31mbird\x1b[0m sits\x07 on a\rbranch\x00 of a tree.": BIRD,
    f"\x1b]0;title\x07{BIRD}": BIRD,
    "A bird \u202esits\u202c on a branch\u200b of a tree.\u2066": BIRD,
    '=HYPERLINK("http://x", "A bird")': 'HYPERLINK("http://x", "A bird")',
    f"@-+= {BIRD}": BIRD,
}  # fmt: skip
REJECTS = {
    "<think>The user wants a caption, so I have to look, and I see a lot of bars": "caption is a thought",
    f"{BIRD} <think>Or is it": "caption is a thought",
    "<|channel|>analysis<|message|>We look at a bird": "caption is a thought",
    "Okay, the user wants me to describe the video. There is a dog.": "caption is a thought",
    "Hmm, the picture shows a dog. I should mention the grass.": "caption is a thought",
    "!" * 300: "caption has no words",
    "... ??? 123": "caption has no words",
    "\ufffd" * 9 + "a": "caption has no words",
    "<|im_end|>": "caption is empty",
    "<think>I see a dog.</think>": "caption is empty",
    '""': "caption has no words",
    "A" * 300: "caption repeats itself",
    "The image shows a frame. As an AI language model I cannot watch videos, but the frame shows a garden.":
        "caption is a refusal",
    "A garden with a path. I'm sorry, but I can't identify the people in it.": "caption is a refusal",
    "A blurred frame; I am unable to view the video.": "caption is a refusal",
    '{"a": {"b": 1}, "c": "d", "e": "f"}': "caption is data, not sentences",
    "[" * 5000: "caption is data, not sentences",
    "A man and a dog walk on. " * (LONGEST // 10): "caption is too long",
}  # fmt: skip


def name(said):
    return ascii(said)[1:41]


@pytest.mark.parametrize("said", CAPTIONS, ids=name)
def test_of_what_is_said_the_caption_is_left(said):
    assert caption_in(said) == CAPTIONS[said]
    if CAPTIONS[said] in (SENTENCE, BIRD):
        assert not problem(Caption(caption_in(said), "stop"), CHECKS)


@pytest.mark.parametrize("said", REJECTS, ids=name)
def test_where_there_is_no_caption_the_reason_is_named(said):
    assert problem(Caption(caption_in(said), "stop"), CHECKS) == REJECTS[said]


def test_an_answer_that_ends_before_its_caption_begins_is_cut_off():
    assert problem(Caption("", "length"), CHECKS) == "caption is cut off at the token limit"


@pytest.mark.parametrize(
    "text",
    [
        "A train arrives at the station and the people wait on the platform.",
        'A sign reads "I cannot help you, as an AI language model", and a man laughs.',
        "Two men (left, in red) carry a box; it is 3.5 m long and weighs 20 kg * 2.",
        "The user scrolls through a website and asks a question in the chat.",
        "This is a meme with the caption: \u201cWhen in Rome\u201d.",
        "It's a dog's life: a spaniel sleeps on the sofa, its owner reads.",
        "A chart shows x_1 and y_2, and the answer: 42.",
        "Great, green hills roll down to the sea.",
        "Yes, it snows in the picture, and a child can't help but smile.",
        "\u72d7\u5728\u516c\u56ed\u91cc\u8dd1\u3002",
        "\u0628\u0686\u0647\u200c\u0647\u0627 \u0645\u06cc.",
        "A family \U0001f468\u200d\U0001f469\u200d\U0001f467 waves.",
    ],
)
def test_a_good_caption_stays_as_it_is(text):
    assert caption_in(text) == text
    assert not problem(Caption(text, "stop"), {**UNCHECKED, "refusal": True, "loop": True})


@pytest.mark.parametrize(
    "part", ["<think>", "</think>", "<box>", "**a ", "\n", "! ", "\\boxed{", "```", '{"', "[[", "_a ", "'"]
)
def test_no_answer_takes_long_or_fails(part):
    said = (part * LONGEST)[:LONGEST]
    problem(Caption(caption_in(said), "stop"), CHECKS)
    assert len(caption_in(said)) <= LONGEST


def test_a_servers_answers_become_captions_or_rejects(store, scripted):
    said = [f"<think>So.</think> {SENTENCE}", *["!" * 300] * 2, f"Sure! Here is a caption:\n{SENTENCE}"]
    scripted.answers = [(200, completion(text)) for text in said]
    found = outcomes(store, server={**SERVER, "url": scripted.url, "concurrency": 1}, checks=CHECKS)
    assert isinstance(found[1], Reject)
    assert found[1].reason == "caption has no words"
    assert [found[index] for index in (0, 2, 3, 4)] == [{"text": SENTENCE}] * 4


def test_the_refiner_does_not_write_its_thoughts(monkeypatch):
    refiner = object.__new__(Refiner)
    refiner.max_tokens = 9

    class Thinking:
        def padded(self, inputs):
            return inputs

        def run(self, items, limit):
            return [Caption(f"<think>Let me see.</think>\n{SENTENCE}", "stop") for _ in items]

    refiner.generator = Thinking()
    monkeypatch.setattr(refiner, "_inputs", lambda text: {})
    assert refiner.rewrite(["a man walks his brown dog through the park while it rains"], [{}]) == [SENTENCE]
