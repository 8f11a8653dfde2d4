"""Whatever a model says, cleaning and checks take it, and what comes out is one line of plain text."""

from clipmill.captions.answers import caption_in
from clipmill.captions.caption import Caption
from clipmill.captions.checks import problem
from clipmill.captions.cleaning import clean, clean_caption
from clipmill.engine.shown import CONTROL
from hypothesis import example, given
from hypothesis import strategies as st

TEXT = st.text(st.characters(), max_size=200)
PIECES = st.lists(
    st.sampled_from([
        "<b>", "</think>", "<think>", "&lt;", "&amp;", "&#0;", "&#x1b;", "%1b[31m", "%00", "https://a.b/c", "\x1b[31m",
        "```json", '{"caption": "', "<|im_end|>", "\\n", "**", "@me", "a red car", " drives ", ".", "-", "'", '"',
        "\u202e", "\ud800", "\u6f22", "<script>x</script>", "a.png", "1.2.3.4", "<!--", "<![CDATA[", "]]>", "<?x",
        "&", "+", "%",
    ]),
    max_size=12,
).map("".join)  # fmt: skip
CHECKS = {"loop": True, "cut_off": True, "refusal": True, "language": "en"}
WORDS = ("a", "the", "red", "small", "old", "dog", "car", "tree", "man", "runs", "stands", "near", "with", "and", "on")
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), min_size=4, max_size=12), min_size=1, max_size=4).map(
    lambda sentences: " ".join(" ".join(words).capitalize() + "." for words in sentences)
)


@given(TEXT | PIECES)
def test_a_caption_in_any_answer_is_one_line_without_control_characters(said):
    caption = caption_in(said)
    caption.encode()
    assert not CONTROL.search(caption)
    assert len(caption.splitlines()) <= 1
    assert not caption.startswith(tuple("=+@|"))


@given(TEXT | PIECES)
@example("&#x1b;[31mred")
@example("%1b[31mred")
def test_cleaning_gives_one_line_without_mark_up_and_control_characters(said):
    cleaned = clean_caption(caption_in(said))
    cleaned.encode()
    assert not CONTROL.search(cleaned)
    assert len(cleaned.splitlines()) <= 1
    assert cleaned == cleaned.strip() == cleaned.lower()
    assert "<b>" not in cleaned
    assert "http" not in cleaned


@given(SENTENCES)
def test_plain_sentences_come_through_but_for_their_case(text):
    assert caption_in(text) == text
    assert clean(text) == text.lower()
    assert clean(clean(text)) == clean(text)


@given(TEXT | PIECES, st.sampled_from(["stop", "length", "refused"]))
def test_checks_take_any_caption_and_give_one_reason_or_none(said, finish):
    reason = problem(Caption(said, finish), CHECKS)
    assert isinstance(reason, str)
    assert reason or said.strip()
