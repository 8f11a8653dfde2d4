"""Passwords and keys in a configuration, which goes to command lines, logs and run.json: they are refused."""

import re
from collections.abc import Iterator

from clipmill.engine.signed import holds_secret

IN_BODY = re.compile(r"api.?key|authori[sz]ation|passw|secret|credential", re.IGNORECASE)
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def mistakes(config: dict) -> Iterator[str]:
    """One line per value that holds a secret; the secret itself is not in it."""
    for path, text in _texts(config):
        if "://" in text and holds_secret(text):
            if ".server." in path:
                server = path.rpartition(".")[0]
                how = f"name the environment variable that holds the key in {server}.api_key_env"
            elif path in ("videos", "videos_root", "release.to"):
                how = "credentials of places come from the environment (docs/places.md)"
            else:
                how = "download the file, and name its path here"
            yield f"{path}: a URL must hold no user, password or key, which would reach logs and run.json; {how}"
    others = {f"captioners.{name}": block for name, block in config["captioners"].items()}
    for name, block in {"caption": config["caption"], **others}.items():
        for key in block["server"]["extra_body"]:
            if IN_BODY.search(key):
                yield f"{name}.server.extra_body: {key} is no place for a key; {name}.server.api_key_env names one"
        if not VARIABLE.fullmatch(block["server"]["api_key_env"]):
            yield (
                f"{name}.server.api_key_env: it must be the name of an environment variable, in capitals, such as "
                "OPENAI_API_KEY, and never the key itself (what was given is not shown)"
            )


def _texts(value, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _texts(below, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below, path)
    elif isinstance(value, str):
        yield path, value
