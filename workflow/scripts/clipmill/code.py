"""Fingerprints of code and settings, by which Snakemake and the memo know what must run again."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent

MACHINE = frozenset({"tables", "code", "memo", "step", "ranks", "models", "batches"})
"""Modules of the shared machine. They carry results but do not make them, so the memo outlives a change to them."""

SPEED = frozenset(
    {"batch", "tp_size", "tp_backend", "concurrency", "timeout", "retries", "url", "api_key_env", "enabled"}
)
"""Settings that change how fast or from where a result comes, never the result."""


def digest(*values) -> str:
    """12 hex digits over any JSON-able values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def lasting(settings):
    """`settings` without the keys that only change speed, at any depth."""
    if not isinstance(settings, dict):
        return settings
    return {key: lasting(value) for key, value in settings.items() if key not in SPEED}


def fingerprint(script: str, without: frozenset[str] = frozenset()) -> str:
    """A hash over the syntax of a rule's script and of all that it imports from `clipmill`.

    Comments, docstrings and layout do not count. `without` names clipmill modules to leave out (see MACHINE).
    """
    seen: dict[str, str] = {}
    todo = [(script, SCRIPTS / f"{script}.py")]
    while todo:
        name, path = todo.pop()
        if name in seen:
            continue
        seen[name], imported = _syntax(path)
        todo += [
            (module, SCRIPTS / "clipmill" / f"{module}.py")
            for module in imported
            if module not in without and (SCRIPTS / "clipmill" / f"{module}.py").exists()
        ]
    return digest(sorted(seen.items()))


@cache
def _syntax(path: Path) -> tuple[str, tuple[str, ...]]:
    """A hash of a file's syntax tree without docstrings, and the clipmill modules that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == "clipmill":
                imported |= {module} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("clipmill.")}
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest(), tuple(sorted(imported))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
