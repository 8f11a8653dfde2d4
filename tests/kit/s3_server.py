"""A real S3 server on loopback (moto's), which holds the files of a folder, fails now and then, and counts.

    python tests/kit/s3_server.py PORT FOLDER COUNTS [SHARE]

Every file below FOLDER is an object of the bucket `footage`; there is also an empty bucket `out`. SHARE of the requests
are answered by 500 or 503 before the server sees them, by a seeded generator. COUNTS gets a line of JSON per GET of an
object whose answer was sent: its key, the first byte and the number of bytes.
"""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

BUCKET = "footage"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
"""Credentials that any S3 client takes; moto asks for none in particular."""


def answering(app, counts: Path, share: float):
    """The server's application, with its failures and its counts."""
    luck, lock = random.Random(20261128), threading.Lock()

    def answer(environ, start_response):
        with lock:
            fails = luck.random() < share
        if fails:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status = luck.choice(["500 Internal Server Error", "503 Slow Down"])
            start_response(status, [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].startswith(f"/{BUCKET}/"):
            return app(environ, start_response)
        statuses = []

        def begin(status, headers, *more):
            statuses.append(status)
            return start_response(status, headers, *more)

        body = b"".join(app(environ, begin))
        key = environ["PATH_INFO"].removeprefix(f"/{BUCKET}/")
        return sending(key, environ.get("HTTP_RANGE"), body) if key and statuses[0][:1] == "2" else [body]

    def sending(key: str, asked: str | None, body: bytes):
        yield body
        start = int((asked or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        with lock, open(counts, "a") as file:
            file.write(json.dumps({"key": key, "start": start, "bytes": len(body)}) + "\n")

    return answer


def fill(folder: Path) -> None:
    """Put the files of the folder into the bucket, below the server's interface."""
    from moto.s3.models import get_canned_acl, s3_backends

    public = get_canned_acl("public-read")  # so that web clients may read them, too
    backend = s3_backends["123456789012"]["aws"]
    for bucket in (BUCKET, "out"):
        backend.create_bucket(bucket, "us-east-1")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            backend.put_object(BUCKET, name, path.read_bytes())
            backend.put_object_acl(BUCKET, name, public)


def main() -> None:
    """Serve until killed."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    port, folder, counts = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    fill(folder)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", port, answering(app, counts, float((*sys.argv, "0")[4])), threaded=True)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


class S3Server:
    """The server as a program that can be ended and started again on its port. Use it as a context."""

    def __init__(self, folder: Path, counts: Path, share: float = 0):
        self.arguments, self.counts, self.port = (folder, counts, share), counts, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self) -> None:
        """Start it; it has the objects of its folder, and nothing else."""
        folder, counts, share = map(str, self.arguments)
        command = [sys.executable, __file__, str(self.port), folder, counts, share]
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.program.stdout.readline().rpartition(" ")[2])

    def stop(self) -> None:
        """Kill it."""
        self.program.kill()
        self.program.wait()

    def known(self, monkeypatch) -> None:
        """Let this process, and those that it starts, find it and no other."""
        from clipmill.engine import remote
        from clipmill.videos import sources

        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        remote._system.cache_clear()
        remote.find.cache_clear()
        sources._usable_elsewhere.cache_clear()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find it."""
        return ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def gets(self) -> list[dict]:
        """The answered GETs of objects."""
        return [json.loads(line) for line in self.counts.read_text().splitlines()] if self.counts.exists() else []


if __name__ == "__main__":
    main()
