"""A mesh of its own for a test: the real executable, a temporary home, free ports."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FINAL = {"TASK_STATE_SUCCEEDED", "TASK_STATE_FAILED", "TASK_STATE_CANCELLED", "TASK_STATE_EXPIRED", "TASK_STATE_DEAD"}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def reason(self):
        """The ErrorInfo reason of an error body, or ""."""
        for detail in self.json().get("details", []):
            if detail.get("@type", "").endswith("ErrorInfo"):
                return detail.get("reason", "")
        return ""


# How a program ends that nobody ended: by a signal of its own making (as the supervisor says), a failed assertion, a
# sanitizer's report (but for leaks: OpenSSL keeps what a handshake had that an end cut off). What modules die of is the
# host's to tell.
CRASH = re.compile(r"\bended by signal (?!9;|15;)\d+; restarted|ERROR: AddressSanitizer|runtime error: |Assertion `.*' failed")


class Mesh:
    def __init__(self, executable, home=None):
        self.executable = executable
        self.home = home or tempfile.mkdtemp(prefix="aion-scenario-")
        self.own_home = home is None
        self.env = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """What failed shows the ends of the logs; the mesh is closed in any case."""
        try:
            if kind is not None and kind is not SystemExit:
                print(self.run("logs", "-n", "40").stdout[-8000:], file=sys.stderr)
        finally:
            self.close()

    def run(self, *arguments, check=False, timeout=60, stdin=None):
        """aion ARGUMENTS --home HOME: the finished process."""
        done = subprocess.run([self.executable, *arguments, "--home", self.home], capture_output=True, text=True,
                              timeout=timeout, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"aion {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def command(self, *arguments, timeout=60):
        """aion ARGUMENTS, of a command that knows no home: what it printed."""
        return subprocess.run([self.executable, *arguments], capture_output=True, text=True, timeout=timeout, check=True).stdout

    def admin(self, name, path):
        """A page of a program's admin port."""
        port = next(process["admin_port"] for process in self.status()["processes"] if process["name"] == name)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()

    @property
    def policy(self):
        """The file of its policy."""
        return pathlib.Path(self.home, "policies/10-default.yaml")

    def write_policy(self, text):
        self.policy.parent.mkdir(exist_ok=True)
        write(self.policy, text)

    def own_modules(self, *names):
        """A folder with these modules alone, of those that ship and those of the tests: for `up("--modules", ...)`."""
        built, folder = pathlib.Path(self.executable).resolve().parent, pathlib.Path(self.home, "modules")
        folder.mkdir()
        for name in names:
            shipped = built / "modules" / name
            (folder / name).symlink_to(shipped if shipped.exists() else built / "tests/modules" / name)
        return str(folder)

    def write_keys(self, *keys):
        """API keys, as "KEY@TENANT:ROLE", for the gateway that is started next."""
        file = pathlib.Path(self.home, "keys")
        write(file, "\n".join(keys) + "\n")
        file.chmod(0o600)
        os.environ["AION_GATEWAY_API_KEYS_FILE"] = str(file)

    def up(self, *arguments):
        self.run("up", "--port-base", "0", "--detach", *arguments, check=True)
        self.read_env()

    def read_env(self):
        for line in self.run("env", check=True).stdout.splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.env[name] = value.strip("'")

    def down(self):
        return self.run("down", timeout=30)

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def pid(self, name):
        return next(process["pid"] for process in self.status()["processes"] if process["name"] == name)

    def wait_ready(self, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.status()["ready"]:
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready after {seconds} s: {self.run('status').stdout}")

    def http(self, method, path, body=None, headers=None, timeout=30):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.env["AION_URL"] + path, data=data, method=method)
        request.add_header("Authorization", "Bearer " + self.env["AION_API_KEY"])
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            if value is None:
                request.remove_header(name)
            else:
                request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def submit(self, intent="noop", text="x", **more):
        body = {"intent": intent, "params": {"text": text, **more.pop("params", {})}, **more}
        return self.http("POST", "/v1/tasks", body, {"Prefer": "wait=20"})

    def sse(self, task_id, cursor=None):
        """The (id, event data) pairs of a stream until its final chunk."""
        headers = {"Accept": "text/event-stream"}
        if cursor is not None:
            headers["Last-Event-ID"] = str(cursor)
        answer = self.http("GET", f"/v1/stream/{task_id}", headers=headers)
        same(answer.status, 200, answer.body)
        has(answer.headers["content-type"], "text/event-stream")
        chunks = []
        for block in answer.body.decode().split("\n\n"):
            fields = [line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":")]
            fields = dict(fields)
            if "data" in fields and "id" in fields:
                chunks.append((int(fields["id"]), json.loads(fields["data"])))
        return chunks

    def state(self, task_id):
        """QUEUED, RUNNING ..."""
        return self.http("GET", f"/v1/tasks/{task_id}/status").json()["state"].removeprefix("TASK_STATE_")

    def listed(self, *states):
        """The first 1000 tasks of the key's tenant in these states."""
        query = "".join(f"&states=TASK_STATE_{state}" for state in states)
        return self.http("GET", "/v1/tasks?page_size=1000" + query).json().get("tasks", [])

    def crashes(self):
        """What its programs wrote when they crashed: with 50 lines of each log from there."""
        found = []
        for log in sorted(pathlib.Path(self.home, "logs").glob("*.log*")):
            lines = log.read_text(errors="replace").splitlines()
            at = next((i for i, line in enumerate(lines) if CRASH.search(line)), None)
            if at is not None:
                found.append("\n".join([f"{log.name}:", *lines[at:at + 50]]))
        return found

    def close(self):
        try:
            self.run("down", timeout=30)
            crashes = self.crashes()
        finally:
            if self.own_home:
                shutil.rmtree(self.home, ignore_errors=True)
        assert not crashes, "\n".join(["a program has crashed", *crashes])


def eventually(what, check, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def same(got, wanted, what=""):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"


def has(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def descendants(pid):
    """A process's children, their children and so on, those first."""
    parents, found = {}, [pid]
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def gone(pid):
    """The process has ended (a zombie of somebody else's counts as ended)."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def run_scenario(scenarios):
    """PROGRAM AION NAME: the function of that name in a module's globals(), with a mesh of its own."""
    executable, name = os.path.abspath(sys.argv[1]), sys.argv[2]
    with Mesh(executable) as mesh:
        scenarios[name](mesh)
        print(f"{name}: passed")


def write(path, text):
    pathlib.Path(path).write_text(text)


__all__ = ["FINAL", "SOURCE", "Answer", "Mesh", "descendants", "eventually", "gone", "has", "os", "run_scenario", "same", "skip", "time", "write"]
