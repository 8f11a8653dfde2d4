"""WebDataset: numbered tar files, in which the files of a pair follow each other, and an index of them."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from clipmill.release.pairs import Pair
from clipmill.release.writer import Writer

MEGABYTE = 1_000_000
IN_MEMORY = 8 * MEGABYTE
"""Largest clip that is read before its turn; a longer one is read while it is written."""
SMALL = 1 << 16
"""A member that is smaller is written at once."""
LARGEST = 8 << 30
"""Bytes of a member that a USTAR header can say."""
BLOCK, RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE


class Hashed(io.FileIO):
    """A file being written, and the hash of what was written."""

    def __init__(self, path: Path):
        super().__init__(path, "wb")
        self.hash, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Write and hash all of it."""
        self.hash.update(data)
        self.size += len(data)
        return super().write(data)


class Shard:
    """A tar file of fixed bytes: members have no owner, no time, and the order in which they come."""

    def __init__(self, path: Path):
        self.path, self.samples = path, 0
        self.file = Hashed(path)

    def add(self, name: str, size: int, content: bytes | Iterator[bytes]) -> None:
        """Add a member of `size` bytes."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o444
        head, end = info.tobuf(tarfile.USTAR_FORMAT), b"\0" * (-size % BLOCK)
        if size < SMALL:
            self.file.write(b"".join([head, *([content] if isinstance(content, bytes) else content), end]))
            return
        self.file.write(head)
        for chunk in [content] if isinstance(content, bytes) else content:
            self.file.write(chunk)
        self.file.write(end)

    def close(self) -> dict:
        """End the file; returns what the index says of it."""
        self.file.write(b"\0" * 2 * BLOCK)
        self.file.write(b"\0" * (-self.file.size % RECORD))
        self.file.close()
        return {"samples": self.samples, "bytes": self.file.size, "sha256": self.file.hash.hexdigest()}


class WebDataset(Writer):
    """`<kind>-<split>[-<bucket>]-<number>.tar`, each sample `<id>.json`, `<id>.txt` (the caption) and `<id>.mp4`."""

    name = "webdataset"

    def write(self, found: Iterator[Pair]) -> None:
        self.shards: dict[str, Shard] = {}
        self.index: dict[str, dict] = {}
        self.numbers: Counter[str] = Counter()
        for (pair, state), clip in self.in_threads(self.loaded, self.states(found)):
            self.add(pair, state, clip)
        for part in self.shards:
            self.end(part)
        shards = [{"file": name, **self.index[name]} for name in sorted(self.index)]
        with open(self.folder / "index.json", "w", encoding="utf-8") as file:
            json.dump({"shards": shards}, file, indent=1)

    def loaded(self, work: tuple[Pair, str]) -> bytes | None:
        """The content of a clip, or None where it is too large to be read before its turn."""
        pair, state = work
        if int(state.split()[1]) > IN_MEMORY:
            return None
        return b"".join(self.clips.chunks(pair.row["path"], state))

    def add(self, pair: Pair, state: str, clip: bytes | None) -> None:
        """Add a sample to the shard of its part that is open, or to a new one where that is full."""
        size, part = int(state.split()[1]), pair.part(pair.kind)
        path = pair.row["path"]
        if size >= LARGEST:
            raise self.clips.damaged(path, "is too large for a tar file (8 GiB)")
        shard = self.shards.get(part)
        if shard and shard.file.size + size > self.options["shard_megabytes"] * MEGABYTE:
            self.end(part)
            shard = None
        if not shard:
            shard = self.shards[part] = Shard(self.folder / f"{part}-{self.numbers[part]:06d}.tar")
            self.numbers[part] += 1
        id, _, suffix = pair.name.partition(".")
        for ending, content in self.texts(pair):
            shard.add(f"{id}.{ending}", len(content), content)
        shard.add(f"{id}.{suffix}", size, self.clips.chunks(path, state) if clip is None else clip)
        shard.samples += 1

    def texts(self, pair: Pair) -> Iterator[tuple[str, bytes]]:
        """The columns as JSON, and the caption as it is."""
        yield "json", json.dumps(self.columns.values(pair.row), ensure_ascii=False).encode()
        if "text" in self.columns.names:
            yield "txt", pair.row["text"].encode()

    def end(self, part: str) -> None:
        """Close the open shard of a part."""
        shard = self.shards[part]
        self.index[shard.path.name] = known = shard.close()
        self.sums[shard.path.name] = known["sha256"]

    def held(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("*.tar")):
            with open(path, "rb", buffering=0) as file:
                names = [name for name in members(file) if not name.endswith((".json", ".txt"))]
            yield from (name.partition(".")[0] for name in names)


def members(file) -> Iterator[str]:
    """The names of a tar file's members: only headers are read, of which the first 100 bytes are the name, and 11 octal
    digits from the 124th on the size."""
    while (header := file.read(BLOCK)).strip(b"\0"):
        yield header[:100].rstrip(b"\0").decode()
        file.seek(-(-int(header[124:135], 8) // BLOCK) * BLOCK, io.SEEK_CUR)
