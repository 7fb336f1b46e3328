#!/usr/bin/env python3
"""The console as people meet it: console.py AION NAME. Exit 77 with "SKIP: reason" where one cannot run."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import Mesh, eventually, gone, skip, write  # noqa: E402
from terminal import Pty, Tmux  # noqa: E402

POLICY = """version: 1
default: {privacy: local_only}
routes:
  - {name: drip, intents: [drip], module: drip, tier: local, pool: cpu, timeout: 120s, attempts: 10}
  - {name: quick, intents: [noop], module: noop, tier: local, pool: cpu, timeout: 10s}
"""


class Load:
    """Quick tasks all the time, slow ones now and then: the route drip is the slow one."""

    def __init__(self, mesh):
        self.mesh, self.stop = mesh, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(body, pause)) for body, pause in (
            ({"intent": "noop", "params": {"text": "x"}}, 0.05),
            ({"intent": "drip", "params": {"lines": 20, "pause_ms": 60}}, 0.5))]
        for thread in self.threads:
            thread.start()

    def run(self, body, pause):
        while not self.stop.wait(pause):
            try:
                self.mesh.http("POST", "/v1/tasks", body, timeout=5)
            except OSError:
                pass  # control is away for a while: that is part of the story

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def command(mesh, *arguments):
    return " ".join([mesh.executable, "console", "--home", mesh.home, *arguments])


def wait_dialog(screen, text):
    """Until a dialog says this and hears: for its first 0.3 s it is deaf to keys that were meant for what was there before."""
    screen.wait(text)
    time.sleep(0.35)


def act(screen, keys, asks, reason, done):
    """An action: its keys, what its dialog asks, a reason, the key that confirms, and what is said when it is done."""
    screen.keys(*keys)
    wait_dialog(screen, asks)
    screen.type(reason)
    screen.keys("Tab", "y")
    screen.wait(done)
    screen.escape()


def first_row(screen):
    """The route that stands on top."""
    rows = re.findall(r"(?m)^.(\S+/\S+) ", screen.screen())
    return rows[0] if rows else None


def chunks_shown(screen):
    found = re.search(r"(\d+) chunks", screen.screen())
    return int(found.group(1)) if found else 0


def story(mesh):
    """Start, find the slow route, open a task, follow its chunks, cancel it, lose control and regain it, scrub back."""
    screen = Tmux(command(mesh))
    load = Load(mesh)
    try:
        screen.wait(r"LIVE 10 Hz")
        screen.wait(r"drip/drip")
        # the slow route is on top when the largest p95 comes first
        screen.keys("2")
        screen.wait(r"\[2\]Router")
        screen.type(":sort p95")
        screen.keys("Enter")
        screen.wait(r"P95-")
        screen.wait(r"(?m)^.drip/drip .*(ok|SLOW) ", seconds=30)
        eventually("it is on top", lambda: first_row(screen) == "drip/drip")
        screen.wait(r"module: drip")  # the policy's text, from the router
        # a task of our own that goes on for a minute
        task = mesh.http("POST", "/v1/tasks", {"intent": "drip", "params": {"lines": 600, "pause_ms": 100}}).json()["taskId"]
        screen.keys("3")
        screen.wait(r"\[3\]Tasks")
        screen.type("/")
        screen.type("id:" + task)
        screen.wait(r"1 of \d+ match")
        screen.keys("Enter")
        screen.wait(rf"{task[:8]}\.\.{task[-4:]} .*drip +RUNNING")
        screen.keys("Enter")
        screen.wait(rf"RUNNING +{task}")
        screen.wait(r"[1-9]\d* chunks, attempt 1")
        first = chunks_shown(screen)
        screen.wait(r"00000\d klmn|0000\d\d ")
        eventually("more chunks", lambda: chunks_shown(screen) > first + 5)
        # cancel it: preview, reason, its name
        screen.keys("a")
        screen.wait(r"what can be done here")
        screen.keys("c")
        wait_dialog(screen, r"its module is told to stop")
        screen.type("story")
        screen.keys("Enter")
        screen.keys("y")
        screen.keys("C-u")
        screen.type(f"cancel {task[-4:]}")
        screen.wait(r"is (cancelled|RUNNING; it ends)")
        screen.escape()
        screen.wait(rf"cancelled +{task}")
        final = mesh.http("GET", f"/v1/tasks/{task}").json()
        assert final["state"] == "TASK_STATE_CANCELLED" and "story" in final["error"]["message"], final
        screen.keys("q", "1")
        screen.wait(r"\[1\]Overview")
        # control goes by kill -9 and comes back by itself; the console says both
        earlier = re.search(r"(\d\d:\d\d:\d\d)Z lag", screen.wait(r"\d\d:\d\d:\d\dZ lag")).group(1)
        os.kill(mesh.pid("control"), signal.SIGKILL)
        screen.wait(r"DISCONNECTED \d+ s")
        screen.wait(r"LIVE 10 Hz", seconds=20)
        screen.wait(r"drip/drip", seconds=20)
        # the second before it went is still here
        screen.keys("p")
        at = re.search(r"PAUSED at (\S+)Z", screen.wait(r"PAUSED at")).group(1)
        screen.keys("[")
        screen.wait(r"PAUSED at (?!" + at + ")")
        screen.type(f":at {earlier}")
        screen.keys("Enter")
        screen.wait(r"PAUSED at " + earlier)
        screen.wait(r"drip/drip")
        screen.keys("End")
        screen.wait(r"LIVE 10 Hz")
        screen.keys("q")
        assert screen.exit_status() == 0
    finally:
        load.end()
        screen.close()


def actions(mesh):
    """Draining a host and reloading the policy by the console are seen by control and by the router, and in the audit."""
    screen = Tmux(command(mesh), cols=80, rows=24)
    try:
        screen.wait(r"LIVE 10 Hz")
        screen.keys("4")
        screen.wait(r"host-1 .* ok")
        act(screen, "ad", r"keeps 0 of \d+ slots: its tasks will wait", "new disk", r"host-1 is DRAINING")
        screen.wait(r"host-1 .* DRAINING")
        host = mesh.http("GET", "/v1/hosts").json()["hosts"][0]
        assert host["draining"] and host["drainReason"] == "new disk", host
        act(screen, "au", r"take tasks again", "disk is in", r"host-1 is in service")
        # the policy: what a reload would change is seen before it is done
        mesh.write_policy(POLICY.replace("name: quick", "name: faster"))
        screen.keys("2")
        screen.wait(r"\[2\]Router")
        act(screen, "ar", r"\+   - \{name: faster", "renamed", r"revision 2 is in force")
        policy = mesh.http("GET", "/v1/router/policy").json()
        assert policy["cause"] == "reload: renamed", policy
        screen.keys("7")
        screen.wait(r"Router/PolicyInForce")
        screen.wait(r"Hosts/DrainHost")
        screen.keys("a", "v")
        screen.wait(r"control holds: \d+ lines")
        # a wrong file is refused and says where
        mesh.write_policy(POLICY.replace("tier: local", "tier: cloud", 1))
        screen.keys("2")
        screen.wait(r"\[2\]Router")
        screen.keys("a", "r")
        screen.wait(r"10-default\.yaml:4:\d+")
        screen.wait(r"REFUSED: the policy in force stays")
        screen.escape()
    finally:
        screen.close()


def signals(mesh):
    """The terminal is as it was after every end: by a key, by signals, by crashes, by KILL of either process."""
    console = [mesh.executable, "console", "--home", mesh.home]
    for name in ("q", "INT", "TERM", "HUP", "QUIT", "SEGV", "ABRT", "BUS", "FPE", "KILL", "guard KILL", "guard TERM"):
        line = Pty(console)
        try:
            line.wait(b"LIVE")
            child = line.console()
            os.write(line.master, b":set mouse on\r")
            line.wait(b"\x1b[?1000h")
            if name == "q":
                os.write(line.master, b"q")
            elif name.startswith("guard "):
                line.process.send_signal(getattr(signal, "SIG" + name[6:]))
            else:
                os.kill(child, getattr(signal, "SIG" + name))
            status = line.end()
            eventually(f"{name}: the console has ended", lambda: gone(child))
            line.read(0.2)
            assert line.restored() == "", f"{name}: not restored: {line.restored()}"
            number = getattr(signal, "SIG" + name.split()[-1], 0)
            wanted = {0} if name == "q" else {-number, 128 + number}
            assert status in wanted, f"{name}: exit {status}"
            if name in ("SEGV", "KILL"):
                said = line.process.stderr.read().decode()
                assert "ended by signal" in said and "the terminal was restored" in said, said
        finally:
            line.close()


def terminals(mesh):
    """The console starts on the terminals people have; what cannot place a cursor is told so."""
    console = [mesh.executable, "console", "--home", mesh.home]
    for term in ("xterm-256color", "tmux-256color", "screen-256color", "linux", "vt100", "xterm-direct"):
        line = Pty(console, term=term)
        try:
            line.wait(b"LIVE")
            os.write(line.master, b"q")
            assert line.end() == 0, term
            assert line.restored() == "", f"{term}: {line.restored()}"
        finally:
            line.close()
    for term, said in (("dumb", "cannot place a cursor"), ("no-such-terminal", "is not in the terminfo database"), ("", "TERM is not set")):
        line = Pty(console, term=term)
        try:
            assert line.end() == 2, term
            text = line.process.stderr.read().decode()
            assert said in text and line.output == b"", (term, text, line.output)
        finally:
            line.close()
    piped = subprocess.run(console, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert piped.returncode == 2 and "needs a terminal" in piped.stderr, piped


def storm(mesh):
    """Two hundred sizes in two seconds: the right picture a moment later, and suspending gives the shell its terminal."""
    screen = Tmux(command(mesh))
    try:
        screen.wait(r"LIVE 10 Hz")
        until = time.monotonic() + 2
        for i in range(200):
            screen.resize(60 + i * 37 % 200, 16 + i * 13 % 60)
            time.sleep(max(0.0, (until - time.monotonic()) / (200 - i)))
        screen.resize(120, 33)
        # until it has drawn anew, tmux shows what was drawn for the size before, folded into the new one: its last line is then half of one
        last = screen.wait(r"\A AION .*\n tasks/s .*(\n.*){30}\n \?help .* LIVE 10 Hz *\n*\Z", seconds=3).rstrip("\n").split("\n")
        assert all(len(line) <= 120 for line in last) and any(line.startswith("─ latency ") and line.endswith("─") for line in last), last
        screen.resize(50, 12)
        screen.wait(r"needs 60x16")
        screen.resize(80, 24)
        screen.wait(r"LIVE 10 Hz")
    finally:
        screen.close()
    shell = Tmux("bash --norc --noprofile -i", cols=80, rows=24)
    try:
        shell.type(command(mesh))
        shell.keys("Enter")
        shell.wait(r"LIVE 10 Hz")
        shell.keys("C-z")
        shell.wait(r"Stopped")
        shell.type("echo shell-$((40+2))")
        shell.keys("Enter")
        shell.wait(r"shell-42")
        shell.type("fg")
        shell.keys("Enter")
        shell.wait(r"LIVE 10 Hz")
        shell.keys("q")
        shell.wait(r"LIVE 10 Hz", gone=True)
    finally:
        shell.close()


def recovery(mesh):
    """A control that stands still is told from one that is gone; the console is usable before control is there."""
    screen = Tmux(command(mesh), cols=80, rows=24)
    control = mesh.pid("control")
    try:
        screen.wait(r"LIVE 10 Hz")
        os.kill(control, signal.SIGSTOP)
        screen.wait(r"STALE \d s|DISCONNECTED", seconds=3)
        screen.wait(r"DISCONNECTED \d+ s", seconds=3)
        screen.keys("3", "?")
        screen.wait(r"help for Tasks")
        screen.escape()
        screen.keys("1")
        os.kill(control, signal.SIGCONT)
        screen.wait(r"LIVE 10 Hz")
    finally:
        os.kill(control, signal.SIGCONT)
        screen.close()


def files(mesh):
    """Settings and keys from a file, exports, copies and recordings come out as they should."""
    settings = pathlib.Path(mesh.home, "console.conf")
    write(settings, "# mine\nset theme mono\nbind z overview\nbind ctrl-t tasks\n")
    folder = pathlib.Path(mesh.home, "exports")
    folder.mkdir()
    screen = Tmux(f"cd {folder} && {command(mesh, '--settings', str(settings))}", cols=100, rows=30)
    try:
        screen.wait(r"LIVE 10 Hz")
        screen.keys("C-t")
        screen.wait(r"\[3\]Tasks")
        screen.keys("4")
        screen.wait(r"host-1")
        screen.keys("y")
        screen.wait(r"copied host-1")
        eventually("the clipboard", lambda: screen.tmux("show-buffer").stdout == "host-1")
        screen.type("xcsv hosts.csv")
        screen.keys("Enter")
        screen.wait(r"wrote hosts\.csv: 1 rows")
        lines = (folder / "hosts.csv").read_text().splitlines()
        assert lines[0].startswith("host,pool,state,cpu_ppm") and lines[1].startswith('"host-1","cpu",'), lines
        assert (folder / "hosts.csv").stat().st_mode & 0o777 == 0o600
        screen.type("xjson hosts.csv")
        screen.keys("Enter")
        screen.wait(r"there is a file of this name")
        screen.type(":export json")
        screen.keys("Enter")
        screen.wait(r"wrote aion-hosts-\d{8}-\d{6}\.json")
        (made,) = folder.glob("aion-hosts-*.json")
        assert json.loads(made.read_text())[0]["host"] == "host-1"
        screen.type(":record screen.cast")
        screen.keys("Enter")
        screen.wait(r" REC\b")
        screen.keys("2")
        screen.wait(r"\[2\]Router")
        screen.resize(120, 35)
        screen.wait(r"dropped 0")  # from 120 columns on
        screen.type(":record")
        screen.keys("Enter")
        screen.wait(r"the recording has ended")
        cast = [json.loads(line) for line in (folder / "screen.cast").read_text().splitlines()]
        assert cast[0] == {**cast[0], "version": 2, "width": 100, "height": 30}
        assert len(cast) > 2 and "Router" in "".join(event[2] for event in cast[1:])
        assert [event[2] for event in cast[1:] if event[1] == "r"] == ["120x35"], cast[-5:]
        screen.keys("q")
        assert screen.exit_status() == 0
    finally:
        screen.close()
    write(settings, "set theme mono\nbind z nothing\n")
    line = Pty([mesh.executable, "console", "--home", mesh.home, "--settings", str(settings)])
    try:
        assert line.end() == 2
        said = line.process.stderr.read().decode()
        assert f'{settings}:2: no command "nothing"' in said, said
    finally:
        line.close()


class Watching:
    """`aion watch` into a file."""

    def __init__(self, mesh, what):
        self.file = pathlib.Path(mesh.home, f"watched-{what}")
        self.process = subprocess.Popen([mesh.executable, "watch", what, "-o", "json", "--home", mesh.home], stdout=self.file.open("w"),
                                        stderr=subprocess.PIPE, text=True)

    def lines(self):
        return [json.loads(line) for line in self.file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def end(self):
        self.process.terminate()
        return self.process.communicate(timeout=10)[1]


def beyond_a_restart(mesh):
    """A new control counts its events from 1: they are told all the same. No frame is printed twice while there is none."""
    tasks, totals = Watching(mesh, "tasks"), Watching(mesh, "totals")
    try:
        eventually("a first picture", totals.lines)

        def heard():
            mesh.submit("noop")
            return len(tasks.lines()) > 20
        eventually("twenty events", heard, seconds=20)
        before, control = len(tasks.lines()), mesh.pid("control")
        os.kill(control, signal.SIGKILL)
        eventually("another control", lambda: mesh.pid("control") not in (0, control), seconds=20)
        mesh.wait_ready()
        pictures = len(totals.lines())
        eventually("a picture of the new control", lambda: len(totals.lines()) > pictures, seconds=20)
        for _ in range(3):
            mesh.submit("noop")
        eventually("its events", lambda: len(tasks.lines()) > before + 6)
        at = [line["at"] for line in totals.lines()]
        assert at == sorted(set(at)), at
    finally:
        tasks.end()
        said = totals.end()
    assert "control says nothing any more" in said and "control speaks again" in said, said


def batch(mesh):
    """Every view as JSON and as text, now and of a past second; events as they come; exit statuses."""
    mesh.submit("noop")
    completion = subprocess.run([mesh.executable, "completion", "bash"], capture_output=True, text=True, timeout=20).stdout
    names = re.search(r"there are: ?(.*)", mesh.run("get", "nothing").stderr).group(1).split()
    words = re.search(r"\n +get\) words='([^']*)'", completion).group(1).split()
    assert [word for word in words if not word.startswith("-")] == names, (names, words)
    for name in names:
        done = mesh.run("get", name, "-o", "json")
        if name in ("task_events", "decisions", "happenings"):
            assert done.returncode == 1 and f"aion watch {name} follows them" in done.stderr, done
            continue
        assert done.returncode == 0, done
        json.loads(done.stdout)
        table = mesh.run("get", name)
        assert table.returncode == 0 and table.stdout.strip(), table
    (route,) = [row for row in json.loads(mesh.run("get", "routes", "-o", "json").stdout) if row["route"] == "noop/quick"]
    assert route["state"] in ("ok", "idle") and route["module"] == "noop", route
    lines = json.loads(mesh.run("get", "audit", "-o", "json").stdout)["audit_log"]
    assert [line["action"] for line in lines] == ["Router/PolicyInForce"], lines
    # an empty list of events would say that there were none
    assert list(json.loads(mesh.run("get", "router", "-o", "json").stdout)) == ["routes", "revisions"]
    tasks = json.loads(mesh.run("get", "tasks", "-o", "json", "--filter", "intent:noop state:done").stdout)["tasks"]
    assert len(tasks) == 1 and tasks[0]["route"] == "quick", tasks
    past = json.loads(mesh.run("get", "hosts", "-o", "json", "--at", "-1s").stdout)
    assert past[0]["host"] == "host-1", past
    assert mesh.run("get", "hosts", "--at", "soon").returncode == 2
    wrong = mesh.run("get", "tasks", "--filter", "~[a")
    assert wrong.returncode == 2 and "terminating ]" in wrong.stderr, wrong
    assert mesh.run("get").returncode == 2 and mesh.run("get", "hosts", "-o", "xml").returncode == 2
    # events: one line each, as they happen
    watching = subprocess.Popen([mesh.executable, "watch", "tasks", "-o", "json", "--count", "3", "--home", mesh.home],
                                stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 20
        while watching.poll() is None and time.monotonic() < until:
            mesh.submit("noop")
        assert watching.wait(timeout=5) == 0
        rows = [json.loads(line) for line in watching.stdout.read().splitlines()]
        assert len(rows) == 3 and all(row["intent"] == "noop" for row in rows), rows
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
    two = [json.loads(line) for line in mesh.run("watch", "totals", "-o", "json", "--count", "2").stdout.splitlines()]
    assert len(two) == 2 and two[0]["at"] < two[1]["at"], two
    beyond_a_restart(mesh)
    mesh.down()
    assert mesh.run("get", "routes").returncode == 3


def main():
    executable, name = os.path.abspath(sys.argv[1]), sys.argv[2]
    if shutil.which("tmux") is None:
        skip("tmux is missing")
    with Mesh(executable) as mesh:
        mesh.write_policy(POLICY)
        mesh.up("--modules", mesh.own_modules("noop", "drip"))
        globals()[name](mesh)
        print(f"{name}: passed")


if __name__ == "__main__":
    main()
