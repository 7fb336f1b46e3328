#!/usr/bin/env python3
"""What control tells of the whole mesh, second by second, live and from the past: ops.py AION NAME."""
import os
import pathlib
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import eventually, has, run_scenario, same  # noqa: E402


class Watch:
    """A reader of Ops.Watch beside the test: tests/bench/fleet/watch.c, line by line."""

    def __init__(self, mesh, *arguments):
        self.lines = []
        self.process = subprocess.Popen(watch_command(mesh, "watch", *arguments), stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        eventually("control says hello", lambda: self.lines, 20)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(words_of(line))

    def frames(self, span="1000"):
        return [words for words in self.lines if words["line"] == "frame" and words["span"] == span]

    def events(self, kind):
        return [words for words in self.lines if words["line"] == "event" and words["kind"] == str(kind)]

    def counted(self):
        return sum(int(words["count"]) for words in self.lines if words["line"] == "events")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)


def watch_command(mesh, *arguments):
    tool = pathlib.Path(mesh.executable).parent / "tests/bench/fleet/bench_fleet_watch"
    return [str(tool), *(mesh.env[name] for name in ("AION_CONTROL", "AION_CA", "AION_CERT", "AION_KEY")), *arguments]


def words_of(line):
    """{"line": "frame", "at": "...", ...}; what follows note= is one word."""
    line, _, note = line.rstrip("\n").partition(" note=")
    first, *rest = line.split(" ")
    words = {"line": first, "note": note}
    for word in rest:
        name, _, value = word.partition("=")
        words[name] = value
    return words


def frames_at(mesh, times):
    done = subprocess.run(watch_command(mesh, "at", *times), capture_output=True, text=True, timeout=60, check=True)
    return [words_of(line) for line in done.stdout.splitlines()]


def cells(mesh, row):
    """The cells of a row ("11/host/host-1") in the next whole frame."""
    done = subprocess.run(watch_command(mesh, "watch", "frames=1", f"row={row}"), capture_output=True, text=True, timeout=60)
    found = [words_of(line).get("cells") for line in done.stdout.splitlines() if line.startswith("frame")]
    return [int(value) for value in found[0].split(",")] if found and found[0] else None


def telemetry(mesh):
    """What was live at a second is what the history says of it, before and after control was killed; the gap is told."""
    mesh.up()
    eventually("the host's program reports", lambda: (cells(mesh, "11/host/host-1") or [0])[0] == 1, 20)
    live = Watch(mesh, "rate=10", "events=all")
    eventually("the first second", lambda: len(live.frames()) >= 1)
    tasks = [mesh.submit("noop").json() for _ in range(20)]
    assert all(task["state"] == "TASK_STATE_SUCCEEDED" for task in tasks)

    def ends():
        return {event["task"]: event["took"] for event in live.events(1) if event["what"] == "succeeded"}

    eventually("all is told", lambda: len(ends()) == 20 and len(live.events(2)) == 20)
    eventually("some seconds", lambda: len(live.frames()) >= 6, 30)
    same(ends(), {task["taskId"]: task["usage"]["latencyUs"] for task in tasks}, "told live and in the record")
    same(len(live.events(2)), 20, "decisions")
    same(len(live.frames("100")) > 0, True, "live cells between seconds")
    live.stop()
    seconds = live.frames()
    times = [frame["at"] for frame in seconds]
    hashes = [frame["hash"] for frame in seconds]
    same([frame["hash"] for frame in frames_at(mesh, times)], hashes)
    os.kill(mesh.pid("control"), signal.SIGKILL)
    eventually("control is gone", lambda: not mesh.status()["ready"])
    mesh.wait_ready()
    same([frame["hash"] for frame in frames_at(mesh, times)], hashes, "after kill -9")
    past = Watch(mesh, f"from={times[0]}")
    eventually("the present", lambda: len(past.frames()) > len(times) + 2, 30)
    past.stop()
    same([frame["hash"] for frame in past.frames()[:len(times)]], hashes, "from a past second")
    gaps = [frame["at"] for frame in past.frames() if frame["gap"] == "1"]
    same(len(gaps), 1, "gaps")
    assert gaps[0] > times[-1], (gaps, times)
    eventually("all programs report again", lambda: (cells(mesh, "11/host/host-1") or [0])[0] == 1, 20)
    files = os.listdir(os.path.join(mesh.home, "frames"))
    assert "1s.journal" in files, files
    nothing = frames_at(mesh, ["1000000"])[0]
    same(nothing["line"], "error")


def drain_host(mesh):
    """An admin drains a host with a reason: nothing new runs there, over its restarts, until it is undrained."""
    mesh.up()
    watch = Watch(mesh, "events=all")
    refused = mesh.http("POST", "/v1/hosts/host-1:drain", {})
    same(refused.status, 400)
    has(refused.body.decode(), "reason")
    same(mesh.http("POST", "/v1/hosts/nobody:drain", {"reason": "x"}).status, 404)
    drained = mesh.http("POST", "/v1/hosts/host-1:drain", {"reason": "new kernel"})
    same(drained.status, 200, drained.body)
    same(drained.json()["host"]["draining"], True)
    task = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "x"}}).json()
    host = mesh.http("GET", "/v1/hosts").json()["hosts"][0]
    same((host["draining"], host["drainReason"]), (True, "new kernel"))
    os.kill(mesh.pid("host-1"), signal.SIGKILL)
    mesh.wait_ready()
    eventually("the host is back", lambda: mesh.http("GET", "/v1/hosts").json().get("hosts", [{}])[0].get("draining"), 20)
    same(mesh.state(task["taskId"]), "QUEUED")
    eventually("a row says so", lambda: (cells(mesh, "7/host-1") or [0])[0] == 4)
    same(mesh.http("POST", "/v1/hosts/host-1:drain", {"undrain": True, "reason": "it is in"}).status, 200)
    eventually("the task runs", lambda: mesh.state(task["taskId"]) == "SUCCEEDED")
    eventually("events of it all", lambda: len(watch.events(3)) >= 4 and watch.events(4)[-1]["what"] == "undrained")
    watch.stop()
    told = [event["what"] for event in watch.events(4)]
    same(told[0], "draining")
    has(" ".join(told), "lost attached")
    audits = [(event["what"], event["note"], event["reason"]) for event in watch.events(3)]
    has(str(audits), "('Hosts.DrainHost', 'host-1', '')")
    has(str(audits), "('Hosts.DrainHost', 'nobody', 'HOST_NOT_FOUND')")
    lines = mesh.http("GET", "/v1/audit?action=Hosts/DrainHost").json()["lines"]
    same([(line["target"], line["detail"], line["reason"]) for line in lines if line["result"] == "done"],
         [("host/host-1", "undrained", "it is in"), ("host/host-1", "drained", "new kernel")])


def ops_events(mesh):
    """What happens in other programs is told by control: policies in force and refused, audited calls of the router."""
    mesh.up()
    watch = Watch(mesh, "events=tail")
    good = mesh.policy.read_text()
    mesh.write_policy(good.replace("tier: local", "tier: cloud", 1))
    same(mesh.http("POST", "/v1/router/policy/reload", {}).status, 422)
    eventually("the refusal", lambda: [event["what"] for event in watch.events(5)] == ["refused"])
    has(watch.events(5)[0]["note"], "10-default.yaml:")
    mesh.write_policy(good.replace("name: local-noop", "name: other-noop", 1))
    same(mesh.http("POST", "/v1/router/policy/reload", {}).status, 200)
    eventually("the new policy", lambda: [event["what"] for event in watch.events(5)] == ["refused", "active"])
    eventually("the audit", lambda: len(watch.events(3)) == 2)
    watch.stop()
    same([event["what"] for event in watch.events(3)], ["Router.ReloadPolicy"] * 2)
    same([event["reason"] for event in watch.events(3)], ["POLICY_INVALID", ""])


if __name__ == "__main__":
    run_scenario(globals())
