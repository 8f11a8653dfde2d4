"""Captions by a server that speaks OpenAI's protocol."""

import base64
import os
import threading
from typing import NamedTuple

import numpy as np

from clipmill.captions import moments, pictures
from clipmill.captions.answers import echoes
from clipmill.captions.caption import Caption, Request
from clipmill.captions.patience import Patience
from clipmill.captions.prompts import AGAIN, schema
from clipmill.captions.secret import Secret
from clipmill.captions.spread import Spread
from clipmill.engine.shown import shown
from clipmill.videos.frames import Shot

ECHOES = 3
"""First answers that all hold the question: after so many the server is at fault."""
NO_VIDEO = (
    " (caption.server.video: this server takes no frames as a video; vLLM does, where it is started with "
    "--trust-request-mm-kwargs and its model takes videos)"
)
PENALTY = 0.5
"""Frequency penalty of a second attempt."""


class ServerError(ConnectionError):
    """The caption server is at fault, not an item."""


class Sent(NamedTuple):
    """What is sent for one item: its messages, and the times of its frames where they go as a video (vLLM's
    `media_io_kwargs`)."""

    messages: list[dict]
    video: dict | None = None


class ServerCaptioner:
    """Any server that speaks OpenAI's chat completions (vLLM, SGLang, TGI, `transformers serve`, a hosted one).

    Frames are sent as the JPEG bytes that the store holds, each with its time where there are several; with
    `server.video` as one video, which vLLM takes. It may be used by many threads. `patience` says what is tried again.
    What still fails is the server's fault and raises ServerError. An answer 400, 413 or 422 is the item's fault once
    the server has captioned something of its kind (pictures or a video), and before that the set-up's.

    `settings` is the `caption` block; `server.urls` are there where several servers hold the model. What the server
    says is passed on without the key.
    """

    uses = ()
    """Columns of a row that it looks at."""
    lanes = 1
    """Its requests overlap by themselves."""

    @staticmethod
    def threads(settings: dict) -> int:
        """The requests that this process has under way at any time: its part of the job's."""
        return max(1, settings["server"]["concurrency"] // int(os.environ.get("WORLD_SIZE", 1)))

    def __init__(self, settings: dict, device: str = "cpu"):
        from openai import OpenAI

        self.settings, self.server = settings, settings["server"]
        self.lock, self.served, self.echoed = threading.Lock(), False, 0
        self.limit_key, self.shown = "max_tokens", False
        self.secret = Secret(os.environ.get(self.server["api_key_env"], ""))
        if not self.secret.fits_a_header():
            name = self.server["api_key_env"]
            raise self._fault(f"the key in ${name} holds characters that no key has, such as a blank or a new line")
        self.patience = Patience(self.server)
        client = OpenAI(
            base_url=self.server["url"],
            # A self-hosted server needs no key, but the client asks for one.
            api_key=self.secret.text or "none",
            timeout=self.server["timeout"],
            max_retries=0,
        )
        urls = self.server.get("urls", [self.server["url"]])
        self.clients = Spread([client.with_options(base_url=url) for url in urls])

    def prepare(self, request: Request, again: bool = False) -> Sent:
        """What is sent for one item."""
        return sent(request, self.settings, again)

    def caption(self, prepared: list[Sent], again: bool = False) -> list[Caption]:
        """The captions of items, in their order, one request after the other. Raises ServerError."""
        return [self._ask(item, again) for item in prepared]

    def setup(self) -> dict:
        """What may change single words besides the settings: only the server knows."""
        return {}

    def _ask(self, item: Sent, again: bool) -> Caption:
        import openai

        try:
            answer = self.patience.call(lambda: self._send(item, again))
        except openai.APIStatusError as error:
            known = self.shown if item.video else self.served
            if error.status_code in (400, 413, 422) and (known or self._answers(item.video is not None)):
                return Caption(self.secret.hidden(str(error)), "refused")
            raise self._fault(f"{error}{hint(error.status_code, self.server['api_key_env'], item)}") from None
        except (openai.OpenAIError, ValueError) as error:
            raise self._fault(f"{type(error).__name__}: {error}") from None
        self.shown = self.shown or item.video is not None
        return self._understood(answer, item.messages[-1]["content"][-1]["text"])

    def _answers(self, video: bool) -> bool:
        """Whether the server answers a plain question (about a grey video), so that what it refuses is an item and not
        all."""
        import openai

        try:
            self._send(plain(self.settings, video), False)
        except (openai.OpenAIError, ValueError):
            return False
        return True

    def _send(self, item: Sent, again: bool):
        """One request. A server that wants `max_completion_tokens` says so once, and gets it from then on."""
        import openai

        options = options_of(self.settings, again, item.video)
        while True:
            limit_key = self.limit_key
            options[limit_key] = self.settings["max_tokens"] * (2 if again else 1)
            try:
                with self.clients.client() as client:
                    return client.chat.completions.create(model=self.server["model"], messages=item.messages, **options)
            except openai.BadRequestError as error:
                if "max_completion_tokens" not in str(error) or limit_key != "max_tokens":
                    raise
                self.limit_key = "max_completion_tokens"
                del options[limit_key]

    def _understood(self, answer, asked: str) -> Caption:
        """The caption of an answer. Raises ServerError where it is none, or where all first answers are echoes."""
        try:
            choice = answer.choices[0]
            # JSON may carry half a surrogate pair, which no file can.
            text = (choice.message.content or "").encode("utf-8", "replace").decode()
        except (AttributeError, IndexError, TypeError):
            said = self.secret.hidden(str(answer))[:200]
            raise self._fault(f"the answer is not a chat completion: {said!r}") from None
        with self.lock:
            if not self.served:
                self.echoed = self.echoed + 1 if echoes(text, asked) else 0
                self.served = self.echoed == 0
                if self.echoed >= ECHOES:
                    raise self._fault(f"its answers repeat the question: {text[:200]!r}")
        return told(choice.finish_reason, self.secret.hidden(text.strip()), answer, self.secret)

    def _fault(self, why: str) -> ServerError:
        text = f"caption.server.url {self.server['url']} (model {self.server['model']}): {why}"
        return ServerError(shown(self.secret.hidden(text)))


def sent(request: Request, settings: dict, again: bool) -> Sent:
    """What is sent for a request, its pictures as data URIs of JPEG bytes; several as one video with `server.video`."""
    data = [base64.b64encode(pictures.jpeg(shot, settings["max_pixels"])).decode() for shot in request.shots]
    content, video = [], None
    if settings["server"]["video"] and request.kind == "video" and len(data) > 1:
        content.append({"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{','.join(data)}"}})
        video = moments.timing([shot.seconds for shot in request.shots], request.seconds) | {"num_frames": -1}
    else:
        for shot, jpeg in zip(request.shots, data, strict=True):
            # A server gets pictures where a model in the job gets a video: these words tell it what is when.
            content += [{"type": "text", "text": f"{shot.seconds:.1f} s:"}] if len(data) > 1 else []
            content.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{jpeg}"}})
    content.append({"type": "text", "text": request.ask + (AGAIN if again else "")})
    system = settings["system"]
    turns = [{"role": "system", "content": system}] if system else []
    return Sent([*turns, {"role": "user", "content": content}], video)


def told(finish: str, text: str, answer, secret: Secret) -> Caption:
    """A caption of this text, with how its answer ended, the tokens that it took and the model's name."""
    if finish == "content_filter":
        return Caption("content filter", "refused")
    used = [getattr(answer.usage, f"{kind}_tokens", 0) or 0 for kind in ("prompt", "completion")]
    return Caption(text, "length" if finish == "length" else "stop", *used, secret.hidden(str(answer.model or "")))


def plain(settings: dict, video: bool) -> Sent:
    """A question that any server can answer; `video`: about a grey one."""
    grey = [Shot(float(second), None, np.full((64, 64, 3), 90, np.uint8)) for second in range(2 * video)]
    return sent(Request(grey, "video", "Say yes.", 2.0), settings, False)


def hint(status: int, key: str, item: Sent) -> str:
    """Which key of the configuration may have brought about an answer of this status."""
    if status == 401:
        return f" (the key is read from ${key}, see caption.server.api_key_env)"
    return NO_VIDEO if item.video else ""


def options_of(settings: dict, again: bool, video: dict | None) -> dict:
    """The keys of a request besides its messages: OpenAI's own, and in `extra_body` those that vLLM added; `video`: the
    times of a video's frames."""
    sampling, wanted = settings["sampling"], {}
    if sampling["temperature"] is not None:
        wanted["temperature"] = sampling["temperature"]
    for name in ("top_p", "presence_penalty", "seed"):
        wanted |= {name: sampling[name]} if sampling[name] else {}
    extra = {name: sampling[name] for name in ("top_k", "min_tokens") if sampling[name]}
    extra |= {"repetition_penalty": sampling["repetition_penalty"]} if sampling["repetition_penalty"] != 1 else {}
    template = settings["chat_template_kwargs"]
    extra |= {"media_io_kwargs": {"video": video}} if video else {}
    extra |= ({"chat_template_kwargs": template} if template else {}) | settings["server"]["extra_body"]
    if again:
        wanted["frequency_penalty"] = PENALTY
    if settings["format"] == "json":
        wanted["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "caption", "strict": True, "schema": schema(settings["fields"])},
        }
    return wanted | ({"extra_body": extra} if extra else {})
