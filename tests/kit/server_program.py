#!/usr/bin/env python3
"""A program with the command line of `vllm serve` that answers by a script, in place of the real one.

    server_program.py serve FOLDER --host HOST --port PORT ... [--dies-after N] [--never-ready] [--breaks]

It has a child that ignores SIGTERM and has left its group and its session, as a worker may have. What it was started
with goes to its log as a line of JSON.
"""

import argparse
import http.server
import json
import os
import signal
import subprocess
import sys
import threading

SENTENCE = "A man walks his brown dog through the park while it rains."
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("serve")
    parser.add_argument("folder")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--dies-after", type=int)
    parser.add_argument("--hangs", action="store_true")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--breaks", action="store_true")
    args, _ = parser.parse_known_args()
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    environment = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "VLLM_API_KEY", "HF_HUB_OFFLINE")}
    started = {"pids": [os.getpid(), child.pid], "arguments": sys.argv[1:], "environment": environment}
    print(json.dumps(started), flush=True)
    if args.breaks:
        print("ValueError: the cause of it all", *["another line"] * 30, "Failed: see the root cause above", sep="\n")
        sys.exit(3)
    answers, lock = [], threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(503 if args.never_ready else 200, {})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if args.hangs:
                print("asked", flush=True)
                threading.Event().wait()
            if self.headers["Authorization"] != f"Bearer {environment['VLLM_API_KEY']}":
                return self.answer(401, {"error": {"message": "wrong key"}})
            with lock:
                answers.append(1)
                number = len(answers)
            if args.dies_after is not None and number > args.dies_after:
                print("CUDA error: out of memory", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            print("answered", flush=True)
            choice = {"index": 0, "message": {"role": "assistant", "content": SENTENCE}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny"}
            self.answer(200, {**answer, "choices": [choice], "usage": usage})

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer((args.host, args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
