#!/usr/bin/env python3
"""Readers that do not read, over HTTP and gRPC: slow_readers.py AION SLOW_STREAM

They hold no more than their window, also when control is killed under them; nobody waits for them; and when they read
at last, all is there. What they cost in memory is for tests/bench/footprint: a sanitizer's memory says nothing."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
from mesh import Mesh, eventually  # noqa: E402
from readers import Reader, close_all, drip_text  # noqa: E402

POLICY = """version: 1
default: {privacy: local_only}
routes:
  - {name: drip, intents: [drip], module: drip, tier: local, pool: cpu, timeout: 120s, attempts: 10}
  - {name: noop, intents: [noop], module: noop, tier: local, pool: cpu, timeout: 10s}
"""
READERS = 40
WINDOW, CHUNK = 32768, 32768 + 256  # what may be under way, and the one chunk that may pass it
PROMPT_S = 10  # of a reader that reads, under sanitizers on a busy machine; alone it takes about one


def text_of(reader):
    """The text of an event stream, chunked as it came; asserts that its cursors have no gap and no double."""
    raw, body = b"".join(reader.text).split(b"\r\n\r\n", 1)[1], b""
    while raw:
        size, raw = raw.split(b"\r\n", 1)
        body, raw = body + raw[:int(size, 16)], raw[int(size, 16) + 2:]
        if int(size, 16) == 0:
            break
    text, last = [], 0
    for event in body.decode().split("\n\n"):
        data = next((line[5:] for line in event.split("\n") if line.startswith("data:")), None)
        if data is None:
            continue
        chunk = json.loads(data)
        assert not chunk.get("gap") and int(chunk["cursor"]) == last + 1, chunk
        last = int(chunk["cursor"])
        text.append(chunk.get("text", ""))
    return "".join(text)


class Test:
    def __init__(self, mesh, slow_stream):
        self.mesh, self.slow_stream = mesh, slow_stream

    def submit(self, lines, width, pause_ms=0):
        answer = self.mesh.http("POST", "/v1/tasks", {"intent": "drip", "params": {
            "lines": lines, "width": width, "pause_ms": pause_ms}})
        assert answer.status == 202, answer.body
        return answer.json()["taskId"]

    def reader(self, task_id, **options):
        return Reader(self.mesh.env["AION_URL"], self.mesh.env["AION_API_KEY"], task_id, **options)

    def owed(self):
        lines = self.mesh.admin("gateway", "/metrics").splitlines()
        return sum(int(float(line.split()[1])) for line in lines if line.startswith("aion_gateway_stream_owed_bytes "))

    def prompt(self, what, task_id, text):
        """Somebody else reads all of it."""
        reader = self.reader(task_id, keep=True)
        took = reader.read_all(60)
        print(f"{what}: another reader had all after {took:.2f} s")
        assert text_of(reader) == text, f"{what}: not the task's text"
        assert took < PROMPT_S, f"{what}: another reader waited {took:.1f} s"

    def over_http(self, lines, width):
        """Of one task, finished or being written: the window holds, also over a restart of control."""
        text, task_id = drip_text(lines, width), self.submit(lines, width)
        slow = [self.reader(task_id, receive_buffer=4096, keep=True) for _ in range(READERS)]
        self.prompt(f"{READERS} slow readers of {width} bytes a line", task_id, text)
        eventually("every reader is full", lambda: self.owed() >= READERS, 30)
        for _ in range(2):
            os.kill(self.mesh.pid("control"), signal.SIGKILL)
            eventually("control is down", lambda: not self.mesh.status()["ready"])
            self.mesh.wait_ready(30)
            eventually("the gateway has found it again",  # 503 with retry-after until then
                       lambda: self.mesh.http("GET", f"/v1/tasks/{task_id}").status == 200)
            self.prompt("control restarted", task_id, text)
            owed = self.owed()
            print(f"owed: {owed // READERS} bytes a reader")
            assert owed <= READERS * (WINDOW + CHUNK), f"{owed // READERS} bytes are held for a reader"
        for reader in slow[:10]:
            reader.read_all(60)
            assert text_of(reader) == text, "a slow reader did not get the task's text"
        close_all(slow)
        eventually("nothing is held for nobody", lambda: self.owed() == 0)

    def over_grpc(self, lines, width):
        """Their calls fill what the transport takes; new connections and calls are served all the while."""
        text, task_id = drip_text(lines, width), self.submit(lines, width)
        port = next(p["port"] for p in self.mesh.status()["processes"] if p["name"] == "control")
        began = time.monotonic()
        slow = [subprocess.Popen([self.slow_stream, f"127.0.0.1:{port}", self.mesh.home, task_id, "10"],
                                 stdout=subprocess.PIPE, text=True) for _ in range(4)]
        try:
            assert self.mesh.submit().status == 200  # a whole task meanwhile
            assert all(client.stdout.readline() == "open\n" for client in slow), "a call was refused"
            took = time.monotonic() - began
            assert took < PROMPT_S, f"the last call had its first chunk after {took:.1f} s"
            self.prompt(f"40 slow calls of {width} bytes a line", task_id, text)
            assert all(client.poll() is None for client in slow), "a slow call was ended"
        finally:
            for client in slow:
                client.kill()
                client.wait()


def main():
    executable, slow_stream = (os.path.abspath(argument) for argument in sys.argv[1:3])
    with Mesh(executable) as mesh:
        mesh.write_policy(POLICY)
        os.environ["AION_GATEWAY_STALL_TIMEOUT"] = "300s"  # they are to stay
        mesh.up("--modules", mesh.own_modules("noop", "drip"))
        test = Test(mesh, slow_stream)
        test.over_http(64, 65536)
        test.over_http(4000, 512)
        test.over_grpc(64, 65536)
        test.over_grpc(4000, 8)


if __name__ == "__main__":
    main()
