"""Captions by a server that speaks OpenAI's protocol."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clipmill.captions.caption import Caption, Request
from clipmill.captions.prompts import AGAIN, wording
from clipmill.captions.secret import Secret
from clipmill.captions.spread import Spread
from clipmill.engine.shown import shown

JPEG_QUALITY = 92


class ServerError(ConnectionError):
    """The caption server is at fault, not an item."""


class ServerCaptioner:
    """Any server that speaks OpenAI's chat completions (vLLM, SGLang, TGI, `transformers serve`, a hosted one).

    Frames are sent as JPEG in the request. The client tries again, with growing pauses, on time-outs, lost
    connections, 408, 409, 429 and 5xx. What still fails is the server's fault and raises ServerError. An answer 400,
    413 or 422 is the item's fault once the server has captioned something, and before that the set-up's.

    `settings` is the `caption` block: prompt, max_tokens and `server`: url, model, concurrency, timeout (s), retries,
    api_key_env (the environment variable that holds the key, if the server asks for one); `server.urls`, where several
    servers hold the model. What the server says is passed on without the key.
    """

    uses = ()
    """Columns of a row that it looks at."""

    @staticmethod
    def least_batch(settings: dict) -> int:
        """The fewest items that a batch should have: their requests are sent at once and keep the server busy until
        the slowest answer."""
        return 4 * settings["server"]["concurrency"]

    def __init__(self, settings: dict, device: str = "cpu"):
        from openai import OpenAI

        self.settings, self.server, self.served = settings, settings["server"], False
        self.secret = Secret(os.environ.get(self.server["api_key_env"], ""))
        if not self.secret.fits_a_header():
            name = self.server["api_key_env"]
            raise self._fault(f"the key in ${name} holds characters that no key has, such as a blank or a new line")
        client = OpenAI(
            base_url=self.server["url"],
            # A self-hosted server needs no key, but the client asks for one.
            api_key=self.secret.text or "none",
            timeout=self.server["timeout"],
            max_retries=self.server["retries"],
        )
        urls = self.server.get("urls", [self.server["url"]])
        self.clients = Spread([client.with_options(base_url=url) for url in urls])

    def prepare(self, request: Request, again: bool = False) -> list[dict]:
        """The messages of one item."""
        text = wording(self.settings["prompt"], request.kind) + (AGAIN if again else "")
        content = [{"type": "image_url", "image_url": {"url": _data_uri(frame)}} for frame in request.frames]
        return [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]

    def caption(self, prepared: list[list[dict]], again: bool = False) -> list[Caption]:
        """The captions of items, in their order, `concurrency` requests at a time. Raises ServerError."""
        pool = ThreadPoolExecutor(max_workers=self.server["concurrency"])
        try:
            captions = list(pool.map(lambda messages: self._ask(messages, again), prepared))
        finally:
            # A job that is told to stop must not wait for answers.
            pool.shutdown(wait=False, cancel_futures=True)
        if captions and not self.served:
            raise self._fault(captions[0].text)
        return captions

    def _ask(self, messages: list[dict], again: bool) -> Caption:
        import openai

        options = {"frequency_penalty": 0.5} if again else {}
        try:
            with self.clients.client() as client:
                answer = client.chat.completions.create(
                    model=self.server["model"],
                    messages=messages,
                    max_tokens=self.settings["max_tokens"] * (2 if again else 1),
                    temperature=0,
                    **options,
                )
        except openai.APIStatusError as error:
            if error.status_code in (400, 413, 422):
                return Caption(self.secret.hidden(str(error)), "refused")
            key = self.server["api_key_env"]
            hint = f" (the key is read from ${key}, see caption.server.api_key_env)" if error.status_code == 401 else ""
            raise self._fault(f"{error}{hint}") from None
        except (openai.OpenAIError, ValueError) as error:
            raise self._fault(f"{type(error).__name__}: {error}") from None
        try:
            choice = answer.choices[0]
            # JSON may carry half a surrogate pair, which no file can.
            text = (choice.message.content or "").encode("utf-8", "replace").decode()
        except (AttributeError, IndexError, TypeError):
            said = self.secret.hidden(str(answer))[:200]
            raise self._fault(f"the answer is not a chat completion: {said!r}") from None
        self.served = True
        if choice.finish_reason == "content_filter":
            return Caption("content filter", "refused")
        return Caption(self.secret.hidden(text.strip()), "length" if choice.finish_reason == "length" else "stop")

    def _fault(self, why: str) -> ServerError:
        text = f"caption.server.url {self.server['url']} (model {self.server['model']}): {why}"
        return ServerError(shown(self.secret.hidden(text)))


def _data_uri(frame: np.ndarray) -> str:
    import cv2

    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
