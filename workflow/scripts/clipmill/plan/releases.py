"""The mistakes of the configuration's block `release` that a schema cannot express."""

from collections.abc import Iterator

from clipmill.engine.remote import is_remote


def mistakes(release: dict) -> Iterator[str]:
    """One line per mistake. Which columns there are is known when meta.csv is: the release says it."""
    shares = release["splits"]["validation"] + release["splits"]["test"]
    if shares > 1:
        yield f"release.splits: validation and test are {shares:g} of all sources, so they must be at most 1 together"
    to = release["to"]
    if to and (not is_remote(to) or to.startswith("http")):
        yield f"release.to: {to!r} is wrong; it must be a place such as s3://bucket/set, gs://... or az://..."
    chosen = release["columns"]
    for name in ("id", "path") if "csv" in release["formats"] else ("id",):
        if chosen and name not in chosen:
            yield f"release.columns: {name} must be one of them" + (", for csv" if name == "path" else "")
    if unknown := [name for name in release["rename"] if chosen and name not in chosen]:
        yield f"release.rename: {unknown[0]} is not one of release.columns"
