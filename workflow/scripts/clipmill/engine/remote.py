"""Places elsewhere: addresses such as s3://bucket/folder, which fsspec reads and writes.

Credentials come from the environment alone, as each cloud's own tools and fsspec (`FSSPEC_S3_...`) define it. Light:
fsspec is imported where an address is first used.
"""

import functools
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from clipmill.engine.shown import shown
from clipmill.engine.signed import without_secrets
from clipmill.engine.workers import progress

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "http": "aiohttp", "https": "aiohttp"}
"""The package that fsspec needs for the addresses of each scheme."""
PAUSES = (0.5, 1, 2, 4, 8, 15, 30, 30)
"""Seconds between tries: a server that restarts, or a network that is down for a minute and a half, costs no file."""
PASSING = (408, 409, 425, 429)
"""Statuses below 500 of requests that are sent again."""
THREADS = 32
"""Requests at the same time while files are listed."""
AHEAD = 512
"""Files that are asked about before the first of them is used."""
State = tuple[int, str]
"""Bytes of a file, and its version: the entity tag, otherwise the time of its last change; "" without either."""


class Unreachable(OSError):
    """A file elsewhere that could not be read or written for now, with the server's reason."""


class Moved:
    """How many bytes this process has fetched."""

    bytes = 0
    lock = threading.Lock()

    @classmethod
    def add(cls, count: int) -> None:
        """Count bytes that came."""
        with cls.lock:
            cls.bytes += count


def is_remote(place: str | Path) -> bool:
    """Whether this is an address, not a path of this machine. Quick for paths: it is asked of millions."""
    return isinstance(place, str) and "://" in place and place.partition("://")[0] in PACKAGES


def place(text: str) -> Path | str:
    """A folder or file as the command line names it: a path, or an address, in which slashes count."""
    return text if is_remote(text) else Path(text)


def join(root: str | Path, relpath: str) -> str:
    """Where a file lies: below `root`, or at the address or absolute path that it names itself."""
    if is_remote(relpath):
        return relpath
    return f"{str(root).rstrip('/')}/{relpath}" if is_remote(root) else os.path.join(root, relpath)


def base(root: Path | str) -> str:
    """A root that ends with a separator, for `located`."""
    return f"{str(root).rstrip('/')}/" if is_remote(root) else os.path.join(root, "")


def located(base: str, relpath: str) -> str:
    """`join` for many files below one root, none of them at an absolute path."""
    return relpath if is_remote(relpath) else base + relpath


def require(address: str) -> None:
    """End with a plain message where the package that reads an address is not installed."""
    _system(address.partition("://")[0])


def state(address: str) -> State:
    """Size and version of a file. Raises FileNotFoundError, IsADirectoryError or Unreachable."""
    info = patiently(address, lambda system: system.info(address))
    if info.get("type") == "directory":
        raise IsADirectoryError(address)
    if info.get("size") is None:
        raise Unreachable(f"{address}: the server does not say how large it is")
    return _state(info)


def read(address: str, start: int, end: int) -> bytes:
    """The bytes of a file from `start` up to `end`. Raises FileNotFoundError or Unreachable."""
    data = received(address, start, end)
    return data if len(data) == end - start else data[start:end]


def received(address: str, start: int, end: int) -> bytes:
    """What a server sends if it is asked for these bytes of a file: all of its bytes where it knows no ranges."""

    def once(system) -> bytes:
        data = system.cat_file(address, start=start, end=end)
        Moved.add(len(data))
        if len(data) < end - start:
            raise OSError(f"the connection ended after {len(data)} of {end - start} bytes")
        return data

    return patiently(address, once)


@functools.cache
def find(folder: str) -> dict[str, State]:
    """Size and version of every file below a place, by its path from there, as one listing gives them: of a process,
    the first one. Ends with a plain message where there is no listing."""
    if folder.startswith("http"):
        raise SystemExit(f"{folder}: a web server has no list of its files; name them in a list (`videos: FILE.csv`)")
    try:
        found = patiently(folder, lambda system: system.find(folder, detail=True))
    except OSError as error:
        raise SystemExit(f"videos cannot be listed: {error}") from None
    begin = f"{_system(folder.partition('://')[0])._strip_protocol(folder).rstrip('/')}/"
    files = ((name, info) for name, info in found.items() if info["type"] == "file" and not name.endswith("/"))
    return {name.removeprefix(begin): _state(info) for name, info in sorted(files) if name.startswith(begin)}


def write(path: Path, address: str) -> State:
    """Copy a file to an address; returns its state there. Raises Unreachable where that fails, or where another size
    arrives."""

    def once(system) -> State:
        system.put_file(str(path), address)
        arrived = _state(system.info(address))
        if arrived[0] != path.stat().st_size:
            raise OSError(f"{arrived[0]} bytes arrived of {path.stat().st_size}")
        return arrived

    try:
        return patiently(address, once)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Unreachable(f"{address}: there is no such place ({type(error).__name__})") from None


def remove(address: str) -> None:
    """Remove a file. Raises FileNotFoundError or Unreachable."""
    patiently(address, lambda system: system.rm_file(address))


def patiently(address: str, work: Callable):
    """What `work` makes of the file system of an address. What may pass is tried again, with growing pauses.

    Raises FileNotFoundError or IsADirectoryError where there is no such file, and Unreachable for any other reason.
    """
    system = _system(address.partition("://")[0])
    for pause in (*PAUSES, None):
        progress()
        try:
            return work(system)
        except Exception as error:
            fault = _fault(error, address)
            if isinstance(fault, FileNotFoundError | IsADirectoryError):
                raise type(fault)(f"{without_secrets(address)}: no such file") from None
            if pause is None or _lasts(fault):
                words = shown(without_secrets(f"{type(fault).__name__}: {fault}"))
                raise Unreachable(f"{without_secrets(address)}: {words}") from None
        time.sleep(pause * random.uniform(0.75, 1.0))


def side_by_side(work: Callable, items: Iterable, is_away: Callable) -> Iterator:
    """What `work` makes of each item, in order; many at a time where a server is asked about one."""
    items = iter(items)
    while some := list(islice(items, AHEAD)):
        if any(map(is_away, some)):
            with ThreadPoolExecutor(THREADS) as pool:
                try:
                    done = pool.map(work, some)
                except RuntimeError:  # a process that is ending starts no thread
                    done = map(work, some)
                yield from done
        else:
            yield from map(work, some)


@functools.cache
def _system(scheme: str):
    """The file system of a scheme. It is safe to share: fsspec makes the requests of all threads in one loop."""
    try:
        import fsspec

        system = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False, **_options(scheme))
    except ImportError:
        package = PACKAGES[scheme]
        raise SystemExit(
            f"to read {scheme}:// install {package}: uv pip install --python .venv/bin/python {package}"
        ) from None
    if scheme == "s3":
        system.retries = 1  # `patiently` is the one that tries again
    return system


def _options(scheme: str) -> dict:
    """What a file system is given besides what the environment (`FSSPEC_...`) says, which counts."""
    from fsspec.config import conf

    given = conf.get(scheme, {})
    if scheme in ("http", "https"):
        import aiohttp

        patience = {"trust_env": True, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}
        headers = {"Accept-Encoding": "identity"} | given.get("headers", {})
        return {"headers": headers, "client_kwargs": patience | given.get("client_kwargs", {})}
    if scheme == "s3":
        retries = {"retries": {"mode": "standard", "total_max_attempts": 5}}
        return {"config_kwargs": retries | given.get("config_kwargs", {})}
    return {}


def suffix(address: str) -> str:
    """The suffix of a file's name, in lower case; of a web address without its query."""
    name = address.partition("?")[0] if address.startswith(("http://", "https://")) else address
    return os.path.splitext(name)[1].lower()


def _state(info: dict) -> State:
    version = next((info[name] for name in ("ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime",
                                            "updated") if info.get(name)), "")  # fmt: skip
    return int(info["size"]), shown(str(version)).strip('"')


def _fault(error: Exception, address: str) -> Exception:
    """What went wrong: fsspec says of any failure of a web server that there is no such file."""
    cause = error.__cause__ if address.startswith("http") and isinstance(error, FileNotFoundError) else None
    return error if cause is None or getattr(cause, "status", 0) in (404, 410) else cause


def _lasts(error: Exception) -> bool:
    """Whether another try would fail the same way."""
    status = getattr(error, "status", 0)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in PASSING
    ending = isinstance(error, RuntimeError) and "shutdown" in str(error)
    return refused or ending or isinstance(error, PermissionError | ImportError) or "Credential" in type(error).__name__
