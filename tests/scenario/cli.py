#!/usr/bin/env python3
"""An operator at a shell, on the real mesh: cli.py AION NAME. What is changed is looked at over HTTP, too, where it counts."""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import Mesh, eventually, write  # noqa: E402
from scenario import PRICED, has, same  # noqa: E402


def rows(done):
    """The rows of a printed table: a dict of title and cell each. Columns stand at least two blanks apart."""
    same(done.returncode, 0, done.stderr)
    lines = [[cell for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines()]
    return [{title.strip(): cell.strip() for title, cell in zip(lines[0], line)} for line in lines[1:]]


def asked(mesh, *arguments):
    """The answer as JSON."""
    return json.loads(mesh.run(*arguments, "-o", "json", check=True).stdout)


def refused(mesh, status, part, *arguments):
    """A refusal: its exit status, a part of what it says, nothing on stdout."""
    done = mesh.run(*arguments)
    same((done.returncode, done.stdout), (status, ""), done.stderr)
    has(done.stderr, part)


def budgets(mesh):
    """A budget is set, bounds tasks to the nano-dollar, is raised, listed and removed."""
    mesh.up()
    write(pathlib.Path(mesh.home, "policies/10-default.yaml"), PRICED)
    same(mesh.run("policy", "reload").returncode, 0)
    same(rows(mesh.run("budgets", "list")), [])
    (made,) = rows(mesh.run("budgets", "set", "day", "--limit", "0.000002", "--period", "day", "--intent", "noop"))
    same((made["LIMIT USD"], made["LEFT USD"], made["PERIOD"], made["TENANT"], made["INTENT"]),
         ("0.000002000", "0.000002000", "day", "any", "noop"))
    for _ in range(2):
        same(mesh.run("submit", "noop", "--wait").returncode, 0)
    refused(mesh, 1, "`aion budgets list` shows what is left", "submit", "noop")
    (spent,) = rows(mesh.run("budgets", "get", "day"))
    same((spent["SPENT USD"], spent["LEFT USD"]), ("0.000002000", "0.000000000"))
    same(mesh.run("budgets", "set", "day", "--limit", "3000nano", "--period", "DAY", "--intent", "noop").returncode, 0)
    same(mesh.run("submit", "noop", "--wait").returncode, 0)
    same(mesh.run("budgets", "set", "a", "--limit", "9223372036.854775807", "--period", "total", "--tenant", "acme").returncode, 0)
    same([row["BUDGET"] for row in rows(mesh.run("budgets", "list"))], ["a", "day"])
    (of_acme,) = asked(mesh, "budgets", "list", "--tenant", "acme")["budgets"]
    same((of_acme["budgetId"], of_acme["limitNanoUsd"]), ("a", "9223372036854775807"))
    (gone,) = rows(mesh.run("budgets", "remove", "day"))
    same((gone["PERIOD"], gone["LIMIT USD"]), ("removed", "0.000003000"))
    same([row["BUDGET"] for row in rows(mesh.run("budgets", "list"))], ["a"])
    same(mesh.run("submit", "noop", "--wait").returncode, 0)
    refused(mesh, 4, "`aion budgets list` shows the budgets there are", "budgets", "get", "nothing")
    refused(mesh, 4, "[BUDGET_NOT_FOUND]", "budgets", "remove", "nothing")
    refused(mesh, 1, "budget_id is 1 to 64 of", "budgets", "set", "NO", "--limit", "1", "--period", "day")


def silence(mesh):
    """Why the mesh does not answer is said: a control that stands still, a certificate of another mesh, none at all."""
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # OpenSSL keeps what a handshake that was cut off had
    mesh.up()
    os.kill(mesh.pid("control"), signal.SIGSTOP)
    try:
        refused(mesh, 3, "does not answer: `aion status` shows what runs", "budgets", "list")
    finally:
        os.kill(mesh.pid("control"), signal.SIGCONT)
    foreign = Mesh(mesh.executable)
    foreign.up()
    own = pathlib.Path(mesh.home, "tls/user-admin.key")
    kept = own.read_bytes()
    own.write_bytes(pathlib.Path(foreign.home, "tls/user-admin.key").read_bytes())
    foreign.close()
    refused(mesh, 3, "user-admin.key is not the key of", "tasks", "list")
    same(mesh.run("doctor").returncode, 1)
    has(mesh.run("doctor").stdout, "FAIL  identity")
    own.write_bytes(kept)
    eventually("all is well", lambda: mesh.run("budgets", "list").returncode == 0)
    same(mesh.run("doctor").returncode, 0)
    own.rename(own.with_suffix(".away"))
    refused(mesh, 3, "user-admin.key\" cannot be read", "tasks", "list")
    own.with_suffix(".away").rename(own)
    mesh.down()
    refused(mesh, 3, "start one by `aion up`", "budgets", "list")


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
