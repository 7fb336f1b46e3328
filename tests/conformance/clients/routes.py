#!/usr/bin/env python3
"""Every method with a google.api.http option is served over HTTP as its proto says, and README.md lists just those:
routes.py AION."""
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests/scenario"))
from mesh import Mesh  # noqa: E402

NO_TASK = "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
ENDLESS = {"WatchTasks": "?since=2020-01-01T00:00:00Z"}  # what a stream that goes on for ever refuses
MALFORMED = [b"{", b"[]", b'{"no_such":1}', b"\xff"]


def routes():
    """(method, verb, path, has a body, unstable) of the protos."""
    for file in sorted((SOURCE / "protos/aion/v1").glob("*.proto")):
        for method, options in re.findall(r"^  rpc (\w+)\((.*?)^  \}", file.read_text(), re.M | re.S):
            rule = re.search(r'google\.api\.http\) = \{(\w+): "([^"]+)"( body)?', options)
            if rule:
                yield method, rule.group(1).upper(), rule.group(2), bool(rule.group(3)), "unstable: true" in options


def shown():
    """The "VERB path" of README.md's table; "..." stands for the path before it."""
    table = re.search(r"^\| method and path .*?\n\n", (SOURCE / "README.md").read_text(), re.M | re.S).group(0)
    before = ""
    for verbs, path in re.findall(r"`([A-Z|]+) ([^` ]+)`", table):
        before = before if path.startswith("...") else path
        for verb in verbs.split("|"):
            yield f"{verb} {re.sub(r'{.*?}', '{}', path.replace('...', before))}"


def judge(mesh, method, verb, path, has_body, unstable):
    """Each fault of one route."""
    def ask(body):
        answer = mesh.http(verb, re.sub(r"\{\w+\}", NO_TASK, path) + ENDLESS.get(method, ""), body)
        return answer.status, answer.body.decode(errors="replace")

    status, text = ask({} if has_body else None)
    good = status == 501 if unstable else status in (200, 400) or (status == 404 and NO_TASK in text)
    if not good:
        yield f"{verb} {path} ({method}): {status} {text}"
    for body in MALFORMED if has_body and not unstable else []:
        status, text = ask(body)
        if status != 400:
            yield f"{verb} {path} ({method}) with {body}: {status} {text}"


def main():
    faults, known = [], list(routes())
    served = sorted(f"{verb} {re.sub(r'{.*?}', '{}', path)}" for _, verb, path, _, unstable in known if not unstable)
    if served != sorted(shown()):
        faults.append(f"README.md's table differs from what is served: {sorted(set(served) ^ set(shown()))}")
    mesh = Mesh(sys.argv[1])
    try:
        mesh.up()
        for route in known:
            faults += judge(mesh, *route)
    finally:
        mesh.close()
    print("\n".join(faults + [f"{len(known)} routes, {len(served)} of them served, {len(faults)} faults"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
