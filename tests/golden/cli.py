#!/usr/bin/env python3
"""What the command line says, word by word: cli.py AION [--update]. Each call's status, output and errors stand in a file of
cli/; --update writes them anew, to be read before they are committed."""
import concurrent.futures
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COMMANDS = ("up", "down", "status", "console", "get", "watch", "env", "logs", "submit", "tasks", "explain", "dead", "policy", "budgets", "hosts", "audit", "store", "doctor", "topics", "events",
            "completion")
NO_MESH = ["--home", "HOME"]

# file: calls
CASES = {
    "help": [["--help"], ["help"], ["--version"], []],
    **{f"help-{command}": [[command, "--help"]] for command in COMMANDS},
    **{f"completion-{shell}": [["completion", shell]] for shell in ("bash", "zsh", "fish")},
    "wrong-usage": [
        ["sumbit"], ["x"], ["--colour"],
        ["submit"], ["submit", "noop", "--colour"], ["submit", "--param"], ["submit", "noop", "-o", "xml"],
        ["submit", "noop", "--wait=soon"],
        ["submit", "noop", "--batch", "f"], ["submit", "--batch", "f", "--wait"], ["submit", "--batch"], ["submit", "noop", "--param", "novalue"],
        ["submit", "noop", "--priority", "soon"], ["submit", "--json", "f", "--key", "k"], ["submit", "noop", "--stream", "-o", "json"],
        ["tasks"], ["tasks", "get"], ["tasks", "eat"], ["tasks", "list", "-o", "xml"],
        ["tasks", "list", "--state", "asleep"], ["tasks", "list", "--limit", "0"], ["tasks", "list", "--since", "noon"], ["tasks", "get", "--rate", "1"],
        ["tasks", "watch", "t", "--state", "dead"], ["tasks", "watch", "t", "u"],
        ["tasks", "hold"], ["tasks", "hold", "--all", "--intent", "noop"], ["tasks", "hold", "--error", "X"], ["tasks", "release"],
        ["tasks", "release", "h", "--rate", "0"], ["tasks", "resolve", "t"], ["tasks", "resolve", "t", "--outcome", "maybe"],
        ["tasks", "resolve", "t", "--outcome", "failed", "--result", "x"], ["tasks", "resolve", "t", "--outcome", "did-not-run", "--cost", "1"],
        ["explain"], ["explain", "a", "b"], ["explain", "--why"],
        ["dead"], ["dead", "eat"], ["dead", "list", "--all"], ["dead", "replay"], ["dead", "replay", "--all", "--error", "X"], ["dead", "status"],
        ["dead", "replay", "--all", "--rate", "fast"], ["dead", "replay", "--all", "--rate", "10001"], ["dead", "replay", "--all", "--dry-run", "--wait"],
        ["policy"], ["policy", "eat"], ["policy", "get", "-o", "xml"], ["completion"], ["completion", "tcsh"],
        ["budgets"], ["budgets", "eat"], ["budgets", "-o", "xml"], ["budgets", "get"], ["budgets", "get", ""], ["budgets", "list", "more"],
        ["budgets", "list", "--limit", "1"], ["budgets", "set", "a"], ["budgets", "set", "a", "--limit", "1"], ["budgets", "set", "a", "--limit"],
        ["budgets", "set", "a", "--limit", "0.0000000001"], ["budgets", "set", "a", "--limit", "-1"],
        ["budgets", "set", "a", "--limit", "1", "--period", "week"], ["budgets", "set", "a", "--limit", "1", "--period", "day", "--key", "k"],
        ["hosts"], ["hosts", "eat"], ["hosts", "drain"], ["hosts", "drain", "host-1"], ["hosts", "drain", "host-1", "--reason", ""],
        ["hosts", "list", "--reason", "x"], ["audit"], ["audit", "eat"], ["audit", "list", "--since", "x"], ["audit", "verify", "--limit", "1"],
        ["store"], ["store", "eat"], ["store", "export"], ["store", "export", "--to", "f", "--resume"], ["store", "import"], ["store", "migrate", "--colour"],
        ["up", "--port-base"], ["up", "--port-base", "x", *NO_MESH], ["up", "--port-base", "70000", *NO_MESH],
        ["topics"], ["topics", "eat"], ["topics", "list"], ["topics", "list", "--brokers", "nowhere"], ["topics", "apply", "--replicas", "0"],
        ["topics", "apply", "--brokers", "a:1", "--environment", "stage"], ["doctor", "kafka", "--brokers"],
        ["doctor", "kafka", "--brokers", "a:1", "--user", "u", *NO_MESH], ["events"], ["events", "tail"], ["events", "tail", "aion.tasks"],
        ["events", "forget"], ["events", "forget", "g", "--kafka"], ["events", "forget", "g", "--json"],
        ["events", "tail", "aion.tasks.lifecycle", "--kafka"], ["events", "tail", "aion.tasks.lifecycle", "--from", "noon", *NO_MESH],
        ["topics", "list", "--dry-run"], ["get"], ["get", "hosts", "-o", "xml"], ["get", "hosts", "--at", "noon"], ["watch", "hosts", "--every", "0"],
        ["status", "more"], ["logs", "nobody", *NO_MESH], ["control", "--colour"], ["router", "--listen"],
    ],
    "no-mesh": [
        ["down", *NO_MESH], ["status", *NO_MESH], ["status", "--json", *NO_MESH], ["env", *NO_MESH], ["logs", *NO_MESH],
        ["submit", "noop", *NO_MESH], ["submit", "--batch", "-", *NO_MESH], ["tasks", "list", *NO_MESH], ["policy", "get", *NO_MESH],
        ["explain", "t", *NO_MESH], ["dead", "list", *NO_MESH], ["budgets", "list", *NO_MESH], ["budgets", *NO_MESH, "list"], ["hosts", "list", *NO_MESH],
        ["audit", "verify", *NO_MESH],
        ["store", "export", "--to", "-", *NO_MESH],
        ["events", "tail", "aion.tasks.lifecycle", *NO_MESH], ["events", "forget", "g", *NO_MESH],
    ],
}


def told(executable, arguments, home):
    """A call as its file shows it; places and versions of this machine have names."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AION_", "XDG_"))}
    done = subprocess.run([executable, *[home if word == "HOME" else word for word in arguments]], capture_output=True,
                          text=True, env={**env, "HOME": home, "LC_ALL": "C"}, stdin=subprocess.DEVNULL, timeout=30)
    text = " ".join(["$ aion", *arguments]) + "\n" + done.stdout
    text += "".join(f"2> {line}\n" for line in done.stderr.splitlines()) + f"exit {done.returncode}\n"
    text = text.replace(home, "HOME").replace(str(executable), "aion")
    return re.sub(r"\baion \d+\.\d+\.\d+\S*?(?=[:\n])", "aion VERSION", text)


def main():
    executable, update = pathlib.Path(sys.argv[1]).resolve(), "--update" in sys.argv[2:]
    wrong, folder = 0, HERE / "cli"
    with tempfile.TemporaryDirectory(prefix="aion-golden-") as home, concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, calls in CASES.items():
            file = folder / f"{name}.txt"
            got = "\n".join(pool.map(lambda arguments: told(executable, arguments, home), calls))
            if update:
                file.write_text(got)
                continue
            wanted = file.read_text() if file.exists() else ""
            if got != wanted:
                wrong += 1
                sys.stdout.writelines(difflib.unified_diff(wanted.splitlines(True), got.splitlines(True),
                                                           f"cli/{name}.txt", "now"))
    for file in sorted(folder.glob("*.txt")):
        if file.stem not in CASES:
            wrong += 1
            print(f"cli/{file.name} belongs to no case")
    print(f"{len(CASES)} files, {wrong} differ" + ("; if they should: tests/golden/cli.py AION --update" if wrong else ""))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
