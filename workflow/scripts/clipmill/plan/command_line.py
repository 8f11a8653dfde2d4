"""Mistakes on Snakemake's command line that it would answer with a traceback, before it reads a workflow.

The workflow profile (workflow/profiles/default) calls `check`, which Snakemake reads first of all.
"""

import re
from pathlib import Path

NAME = re.compile(r"[a-zA-Z_][\w-]*\w$")
"""What Snakemake takes as the name of a key."""


def check(config: list[str] | None, configfiles: list[Path] | None) -> None:
    """Raise SystemExit with a line per mistake in the values of --config and --configfile."""
    wrong = [line for given in config or () if (line := mistake(given))]
    wrong += [f"--configfile {path}: {why}" for path in configfiles or () if (why := unreadable(path))]
    if wrong:
        raise SystemExit("\n".join(wrong))


def mistake(given: str) -> str | None:
    """What is wrong with one KEY=VALUE of --config."""
    key, equals, value = given.partition("=")
    if not equals:
        return f"--config {given}: a value is missing; write KEY=VALUE"
    if "." in key:
        *sections, last = key.split(".")
        nested = f"{last}: {value}"
        for name in reversed(sections[1:]):
            nested = f"{name}: {{{nested}}}"
        return f"--config {given}: keys are nested, without dots. Write --config '{sections[0]}={{{nested}}}'"
    return None if NAME.match(key) else f"--config {given}: '{key}' is no key; see config/README.md for the keys"


def unreadable(path: Path) -> str | None:
    """Why a configuration file cannot be read."""
    try:
        Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeDecodeError:
        return "not a text file in UTF-8"
    return None
