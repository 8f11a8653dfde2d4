"""Fingerprints of code and settings, by which Snakemake and the memo know what must run again."""

import ast
import atexit
import contextlib
import hashlib
import json
import sys
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

from clipmill.engine import files, syntax, vouch

SCRIPTS = Path(__file__).resolve().parents[2]


def digest(*values) -> str:
    """12 hex digits over any JSON-able values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def without_speed(settings, schema: dict):
    """`settings` without the keys that their `schema` marks with `speed: true`: those change no result."""
    if not isinstance(settings, dict):
        return settings
    known = schema.get("properties", {})
    return {
        name: without_speed(value, known.get(name, {}))
        for name, value in settings.items()
        if not known.get(name, {}).get("speed")
    }


@cache
def fingerprint(script: str, model: str | None = None, engine: bool = True) -> str:
    """A hash over the code of a rule's script and of all that it imports from `clipmill`.

    Comments, docstrings, layout and what is only said (error messages, prints, logs) do not count. Where a file has
    a table of models, only the one that stands for `model` counts. With `engine=False` the engine does not count: it
    carries results but makes none, so the memo outlives a change to it.
    """
    name, notes = f"{script} {model} {engine}", _notes()
    if name not in notes.known:
        notes.add(name, _made(script, model, engine))
    return notes.known[name]


def _made(script: str, model: str | None, engine: bool) -> str:
    start = SCRIPTS / f"{script}.py"
    files = _all_imported(start)
    hashes: dict[str, str] = {}
    todo = [start]
    while todo:
        path = todo.pop()
        name = str(path.relative_to(SCRIPTS))
        if name not in hashes and (engine or path.parent != SCRIPTS / "clipmill" / "engine"):
            hashes[name], imported = _counted(path, model, files) if syntax.tables(path, model) else _whole(path)
            todo += imported
    return digest(sorted(hashes.items()))


@cache
def columns_made(script: str) -> frozenset[str]:
    """The names that stand in the `columns` of a script's step."""
    found = set()
    for kind in syntax.statements(SCRIPTS / f"{script}.py"):
        for line in kind.body if isinstance(kind, ast.ClassDef) else ():
            if isinstance(line, ast.Assign) and [ast.unparse(name) for name in line.targets] == ["columns"]:
                found |= {node.value for node in ast.walk(line.value) if isinstance(node, ast.Constant)}
    return frozenset(found)


def _counted(path: Path, model: str, files: frozenset[Path]) -> tuple[str, list[Path]]:
    """A hash of the part that counts of a file with a table of models, and the files that this part imports."""
    # Nothing imports a script.
    others = files - {path} if path.parent != SCRIPTS else ()
    used_elsewhere = frozenset().union(*(_names(other) for other in others))
    return _hashed(syntax.chosen(path, model, used_elsewhere))


@cache
def _whole(path: Path) -> tuple[str, list[Path]]:
    return _hashed(syntax.statements(path))


def _hashed(statements) -> tuple[str, list[Path]]:
    text = "\n".join(ast.dump(statement) for statement in statements)
    modules = sorted(name for name in syntax.imported(statements) if name.startswith("clipmill."))
    paths = [SCRIPTS / f"{name.replace('.', '/')}.py" for name in modules]
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), [path for path in paths if path.is_file()]


def _all_imported(start: Path) -> frozenset[Path]:
    """A script and every file of the library that it may import."""
    found, todo = set(), [start]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += _whole(path)[1]
    return frozenset(found)


@cache
def _names(path: Path) -> frozenset[str]:
    return frozenset().union(*(syntax.names_abroad(statement) for statement in syntax.statements(path)))


def forget() -> None:
    """Read every file again: code has changed since the last fingerprint of this process."""
    for cached in (fingerprint, _notes, _whole, _names, syntax.statements):
        cached.cache_clear()


class _Notes:
    """The fingerprints that former processes have made of the same code, byte for byte: to parse it takes a second, and
    every run, dry run and job of a cluster needs them. They lie where Python keeps what it has compiled."""

    def __init__(self):
        self.path = Path(cache_from_source(str(SCRIPTS / "clipmill" / "fingerprints.py"))).with_suffix(".json")
        code = hashlib.blake2b(sys.version.encode(), digest_size=16)
        for path in sorted(SCRIPTS.rglob("*.py")):
            content = path.read_bytes()
            code.update(f"{path.relative_to(SCRIPTS)} {len(content)}\n".encode() + content)
        self.code, self.known, self.is_new = code.hexdigest(), {}, False
        with contextlib.suppress(OSError, vouch.Damaged, ValueError):
            notes = json.loads(vouch.content(self.path))
            self.known = notes["fingerprints"] if notes["code"] == self.code else {}

    def add(self, name: str, value: str) -> None:
        """Note a fingerprint when the process ends."""
        if not self.is_new and not sys.dont_write_bytecode:
            self.is_new = True
            atexit.register(self.write)
        self.known[name] = value

    def write(self) -> None:
        """Write the notes; where the code may not be written to, there are none."""
        with contextlib.suppress(OSError), files.whole(self.path) as file:
            json.dump({"code": self.code, "fingerprints": self.known}, file)


@cache
def _notes() -> _Notes:
    return _Notes()
