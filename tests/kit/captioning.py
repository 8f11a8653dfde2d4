"""What the tests of captioners share: settings, requests, clips in a store, and a server that answers by a script."""

import base64
import http.server
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from caption_clips import CaptionClips
from clipmill.captions.caption import Request
from clipmill.captions.prompts import wording
from clipmill.captions.sampling import GREEDY
from clipmill.engine.compute import attempt
from clipmill.videos import frames
from clipmill.videos.frames import Shot

CHECKS = {"language": "en", "loop": True, "cut_off": True, "refusal": True}
UNCHECKED = {"language": None, "loop": False, "cut_off": False, "refusal": False}
SERVER = {
    "url": None,
    "model": "tiny",
    "concurrency": 4,
    "timeout": 60,
    "retries": 2,
    "wait": 0,
    "video": False,
    "extra_body": {},
    "api_key_env": "CLIPMILL_TEST_KEY",
}
SETTINGS = {
    "model": "attributes",
    "revision": "main",
    "trust_remote_code": False,
    "prompt": "video-short",
    "system": None,
    "also": {},
    "frames": [0.1, 0.5, 0.9],
    "fps": None,
    "max_frames": 16,
    "window_seconds": None,
    "max_pixels": None,
    "format": "text",
    "fields": {},
    "sampling": GREEDY,
    "chat_template_kwargs": {},
    "frames_from": {"fps": 2, "source": "store"},
    "max_tokens": 12,
    "dtype": "auto",
    "batch": 4,
    "tp_size": 1,
    "tp_backend": "transformers",
    "server": SERVER,
    "checks": UNCHECKED,
}
SENTENCE = "A man walks his brown dog through the park while it rains."


def requests(count=11):
    """Items of different pictures, sizes, kinds and numbers of frames."""
    pictures = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()]
    items = []
    for number in range(count):
        picture, frames = pictures[number % 3], 1 + number % 4 % 3
        width = 300 if number % 2 else 200
        crops = [picture[top : top + 220, number * 5 : number * 5 + width] for top in range(0, 9 * frames, 9)]
        seen = [Shot(second, None, np.ascontiguousarray(crop)) for second, crop in enumerate(crops)]
        kind = "image" if frames == 1 else "video"
        items.append(Request(seen, kind, wording("video-short", kind), 4.0, {"id": f"item {number}"}))
    return items


def stored(folder: Path) -> tuple[list[dict], tuple[Path, Path, Path]]:
    """Four clips of two videos and a still image in a frame store, as rows and the step's other arguments."""
    pictures = {"v1": skimage.data.coffee(), "v2": skimage.data.chelsea(), "still": skimage.data.astronaut()}
    for video, picture in pictures.items():
        times = [0.0] if video == "still" else [number / 2 for number in range(8)]
        jpeg = frames.encode(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), 90)
        jpegs = {round(seconds * 24): (seconds, jpeg) for seconds in times}
        frames.write(frames.Store(folder / "frames", folder).path(video), jpegs)
    rows = [_row("still", 0, 1)] + [_row(video, start, start + 48) for video in ("v1", "v2") for start in (0, 48)]
    return rows, (folder / "results", folder, folder / "frames")


def many(count: int) -> list[dict]:
    """Rows of as many clips of one of the stored videos."""
    return [_row("v1", start, start + 24) for start in range(count)]


def _row(video, start, end):
    count, length = end - start, 0.0 if end - start == 1 else (end - start) / 24
    times = {"start": start / 24, "end": start / 24 + length, "num_frames": count, "flow": "", "ocr": "0"}
    spans = {"id": f"{video}-{start:08d}", "video_id": video, "start_frame": start, "end_frame": end}
    return {name: str(value) for name, value in {**spans, **times, "relpath": f"{video}.mp4"}.items()}


def outcomes(store, **settings) -> list:
    """What the step makes of stored clips, one request at a time."""
    rows, places = store
    step = CaptionClips(complete(settings), *places)
    step.load()
    if step.in_threads:
        return [result for row in rows for result in attempt(step, [row], [None])]
    return step.compute(rows, [step.prepare(row) for row in rows])


def complete(settings: dict) -> dict:
    """Settings of the step, as the pipeline would pass them."""
    settings = {**SETTINGS, **settings}
    return {**settings, "captioner": "server" if settings["server"]["url"] else settings["model"]}


class Script:
    """A server of chat completions that answers by a script: a list of (status, body) for the requests to come."""

    def __init__(self):
        self.answers, self.requests, self.keys = [], [], []
        self.asked, self.hold, self.came = threading.Event(), threading.Event(), threading.Condition()
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with script.came:
                    script.requests.append(request)
                    script.came.notify_all()
                script.keys.append(self.headers["Authorization"])
                script.asked.set()
                status, body = script.answers.pop(0) if script.answers else (200, completion(SENTENCE))
                if status == "hang":
                    script.hold.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if body.startswith("{") else "text/html")
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reached(self, count: int) -> bool:
        """Wait until so many requests have come; False where they do not in two minutes."""
        with self.came:
            return self.came.wait_for(lambda: len(self.requests) >= count, timeout=120)

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


def completion(text, finish="stop", **more):
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice]}
    return json.dumps(answer | more)


def asked(request: dict) -> str:
    """The question of a request that a scripted server got."""
    return request["messages"][-1]["content"][-1]["text"]


def pictures_of(request: dict) -> list[bytes]:
    """The JPEG bytes of the pictures of a request."""
    parts = [part for part in request["messages"][-1]["content"] if part["type"] == "image_url"]
    return [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in parts]


def said(results: list) -> list[str]:
    """What was said of each clip. Random weights speak no language: it may be a reject for having no words."""
    return [result["text"] if isinstance(result, dict) else result.detail for result in results]
