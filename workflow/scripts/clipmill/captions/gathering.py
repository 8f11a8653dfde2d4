"""What several captioners say of the same clips, in one row."""

from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import rejects, tables


def with_more(rows: Iterator[dict], selected: Path, captioners: list[str], shards: list[Path]) -> Iterator[dict]:
    """These rows with what each other captioner says of them as `text_<name>`; "" where it is nothing of use.

    `selected`: the table that the shards were cut from; `shards`: those of one captioner after those of another.
    """
    count = len(shards) // max(1, len(captioners))
    mine = [shards[number * count : (number + 1) * count] for number in range(len(captioners))]
    streams = [tables.balanced(selected, tables.concatenate(paths)) for paths in mine]
    for row, *others in zip(rows, *streams, strict=True):
        said = ["" if rejects.is_reject(other) else other["text"] for other in others]
        yield {**row, **{f"text_{name}": text for name, text in zip(captioners, said, strict=True)}}
