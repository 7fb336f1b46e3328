#!/usr/bin/env python3
"""What README.md shows works as it stands there: readme.py CLIENT AION takes its code and runs it against a whole mesh."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests/scenario"))
from mesh import Mesh, gone  # noqa: E402

TEXT = (SOURCE / "tests/data/us-constitution.txt").read_text()
TOOLS = pathlib.Path(os.environ.get("AION_TOOLS", "/nonexistent"))


def block(language, part):
    """The one code block of README.md in that language that holds `part`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.M | re.S)
    found = [text for text in blocks if part in text]
    assert len(found) == 1, f"README.md has {len(found)} blocks of {language} with {part!r}"
    return found[0]


class Reader:
    """Somebody who follows README.md: the mesh's variables are set, AION_HOME names its home."""

    def __init__(self, executable, folder):
        self.mesh, self.folder = Mesh(executable), pathlib.Path(folder)
        self.mesh.up()

    def run(self, *command, **variables):
        env = {**os.environ, **self.mesh.env, "AION_HOME": self.mesh.home, **variables}
        done = subprocess.run(command, cwd=SOURCE, env=env, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def summary(self):
        """What the clients must print, asked for by a request of our own."""
        task = self.mesh.submit("summarize_text", TEXT, params={"length": 2}).json()
        return f"{task['result']['text']}\n{task['state']} by {task['engine']['route']}"

    def prints_summary(self, *command, **variables):
        got, wanted = self.run(*command, **variables).strip(), self.summary()
        assert "TASK_STATE_SUCCEEDED by local-summary" in wanted, wanted
        assert got == wanted, f"printed {got!r}, wanted {wanted!r}"


def python_http(reader):
    reader.prints_summary(sys.executable, reader.write("client.py", block("python", "urllib")))


def python_grpc(reader):
    """The stubs are made by the line that README.md shows; its venv is the one of the tests."""
    lines = block("sh", "grpc_tools.protoc").replace("\\\n", "").splitlines()
    make = next(line for line in lines if "grpc_tools.protoc" in line)
    start = next(line for line in lines if "client.py" in line)
    client = reader.write("client.py", block("python", "import grpc\n"))
    places = {"build/client/bin/python": str(TOOLS / "venv-grpc/bin/python"), "build/client": str(reader.folder),
              "client.py": client}
    for place, here in places.items():
        make, start = re.sub(rf"(?<![\w/]){place}\b", here, make), re.sub(rf"(?<![\w/]){place}\b", here, start)
    reader.run("bash", "-euc", make)
    reader.prints_summary("bash", "-euc", start)


def node(reader):
    reader.prints_summary("node", reader.write("client.mjs", block("js", "fetch")))


def go(reader):
    client = reader.write("client.go", block("go", "package main"))
    gofmt = reader.run("go", "env", "GOROOT").strip() + "/bin/gofmt"
    assert reader.run(gofmt, "-l", client) == "", "the Go client is not formatted"
    reader.prints_summary("go", "run", client)


def grpcurl(reader):
    told = reader.run("bash", "-euc", block("sh", "grpcurl -cacert"))
    listed, task = told.split("{", 1)
    assert "aion.v1.AionTasks" in listed.split(), listed
    task = json.loads("{" + task)
    assert (task["state"], task["result"]["text"]) == ("TASK_STATE_SUCCEEDED", "hello"), task


def shell(reader):
    """The block "Use" from its first line to its last, which stops the mesh."""
    task = reader.mesh.submit("summarize_text", TEXT, params={"length": 3}).json()
    pids = [process["pid"] for process in reader.mesh.status()["processes"]]
    commands = block("sh", "aion env").replace("build/release/aion", reader.mesh.executable).replace("TASK_ID", task["taskId"])
    told = reader.run("bash", "-euo", "pipefail", "-c", commands)
    for part in ('"text":"First sentence."', "data: ", '"TASK_STATE_SUCCEEDED"', task["result"]["text"], "version: 1", "stopped"):
        assert part in told, f"{part!r} is not in {told}"
    assert all(gone(pid) for pid in pids), "processes are left"


CLIENTS = {client.__name__: client for client in (python_http, python_grpc, node, go, grpcurl, shell)}


def main():
    client = CLIENTS[sys.argv[1]]
    with tempfile.TemporaryDirectory(prefix="aion-readme-") as folder:
        reader = Reader(sys.argv[2], folder)
        try:
            client(reader)
        finally:
            reader.mesh.close()
    print(f"{sys.argv[1]}: works as README.md shows it")


if __name__ == "__main__":
    main()
