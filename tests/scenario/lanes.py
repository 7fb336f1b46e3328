#!/usr/bin/env python3
"""What a tenant hears of its tasks, and the lanes that they take, on the real executable: lanes.py AION NAME."""
import datetime
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import Mesh, eventually, write  # noqa: E402
from scenario import has, same  # noqa: E402

WHOLE_LIFE = ["accepted", "routed", "queued", "started", "succeeded"]


class Listener:
    """GET /v1/tasks:watch as an event stream, read by a thread; an error event's data is in `error`."""

    def __init__(self, mesh, query="", key=None):
        request = urllib.request.Request(mesh.env["AION_URL"] + "/v1/tasks:watch" + query)
        request.add_header("Authorization", "Bearer " + (key or mesh.env["AION_API_KEY"]))
        request.add_header("Accept", "text/event-stream")
        self.events, self.error, self.ended = [], None, False
        self.answer = urllib.request.urlopen(request, timeout=60)  # pylint: disable=consider-using-with
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        failed = False
        for line in self.answer:
            text = line.decode().strip()
            failed = failed or text == "event: error"
            if text.startswith("data: "):
                value = json.loads(text.removeprefix("data: "))
                if failed:
                    self.error = value
                else:
                    self.events.append(value)
        self.ended = True

    def kinds(self, task_id):
        return [event["kind"] for event in self.events if event["taskId"] == task_id]


def time_of(seconds_ago):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def watch_tasks(mesh):
    """A tenant hears its own tasks, live and of the past, over HTTP and by the command line; a restart of control ends what
    listened, and whoever begins anew with a time has missed nothing."""
    keys = pathlib.Path(mesh.home, "keys")
    write(keys, "key-of-one-tenant@one:user\nkey-of-the-other@other:user\nkey-of-an-admin-here@default:admin\n")
    keys.chmod(0o600)
    os.environ["AION_GATEWAY_API_KEYS_FILE"] = str(keys)
    mesh.up()
    own, other = Listener(mesh, key="key-of-one-tenant"), Listener(mesh, key="key-of-the-other")
    ends = Listener(mesh, "?states=TASK_STATE_SUCCEEDED&tenant=*", key="key-of-an-admin-here")

    def submit(key):
        answer = mesh.http("POST", "/v1/tasks", {"intent": "noop"}, {"Authorization": "Bearer " + key, "Prefer": "wait=20"})
        same(answer.status, 200, answer.body)
        return answer.json()["taskId"]

    mine = [submit("key-of-one-tenant") for _ in range(5)]
    his = submit("key-of-the-other")
    eventually("the ends", lambda: len(ends.events) == 6)
    eventually("whole lives", lambda: all(own.kinds(task) == WHOLE_LIFE for task in mine) and other.kinds(his) == WHOLE_LIFE)
    same({event["taskId"] for event in own.events}, set(mine))
    same({event["taskId"] for event in other.events}, {his})
    same({event["tenant"] for event in ends.events}, {"one", "other"})
    refused = mesh.http("GET", "/v1/tasks:watch?tenant=other", headers={"Authorization": "Bearer key-of-one-tenant"})
    same(refused.status, 403, refused.body)
    past = Listener(mesh, f"?since={time_of(600)}", key="key-of-one-tenant")
    eventually("the past", lambda: len(past.events) == 25)
    same(len({(event["taskId"], event["sequence"]) for event in past.events}), 25)

    command = subprocess.Popen([mesh.executable, "tasks", "watch", "--state", "succeeded", "--since", "10m", "-o", "json",
                                "--home", mesh.home], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown = submit("key-of-an-admin-here")
    event = json.loads(command.stdout.readline())
    same((event["taskId"], event["kind"]), (shown, "succeeded"))

    before = mesh.pid("control")
    os.kill(before, 15)
    eventually("the end of those that listened", lambda: own.ended and past.ended)
    has(json.dumps(own.error), "stopping")
    same(command.wait(20), 3, command.stderr.read())
    eventually("the next control", lambda: mesh.pid("control") not in (0, before), 20)
    mesh.wait_ready()
    mine.append(submit("key-of-one-tenant"))
    anew = Listener(mesh, f"?since={time_of(600)}", key="key-of-one-tenant")
    eventually("all of it", lambda: all(anew.kinds(task) == WHOLE_LIFE for task in mine))


def main():
    executable, name = os.path.abspath(sys.argv[1]), sys.argv[2]
    mesh = Mesh(executable)
    try:
        globals()[name](mesh)
        print(f"{name}: passed")
    except AssertionError:
        print(mesh.run("logs", "-n", "15").stdout[-6000:], file=sys.stderr)
        raise
    finally:
        mesh.close()


if __name__ == "__main__":
    main()
