#!/usr/bin/env python3
"""Refuses an incompatible change of what is stable in protos/aion/v1.

check.py              compares with baseline.txt, exits 1 with a line per broken promise, and per promise that nobody wrote down
check.py --accept     rewrites baseline.txt (for additions, and when something becomes stable)
check.py --selftest   every kind of break is found

Stable: every method without (aion.v1.rpc).unstable and every message or enum whose comment does not say UNSTABLE. A removal,
a renumbering, another type, label, JSON name or streaming breaks; an addition does not, but it is a promise from then on."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RPC, UNSTABLE = 50100, 7
TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
         10: "group", 11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64"}
LABELS = {1: "one", 2: "required", 3: "repeated"}


def fields(data):
    """(number, value) of a message's wire form; a length-delimited value is bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
        elif kind == 2:
            size = varint()
            yield tag >> 3, data[at:at + size]
            at += size
        else:
            size = 8 if kind == 1 else 4
            yield tag >> 3, data[at:at + size]
            at += size


def get(data, number, default=b""):
    found = default
    for key, value in fields(data):
        if key == number:
            found = value
    return found


def each(data, number):
    return [value for key, value in fields(data) if key == number]


def comments(file):
    """path (a tuple of numbers) → leading comment, of SourceCodeInfo."""
    found = {}
    for location in each(get(file, 9), 1):
        path = tuple(varints(get(location, 1)))
        found[path] = get(location, 3).decode()
    return found


def varints(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def message_lines(message, full, path, notes):
    if "UNSTABLE" in notes.get(path, "") or get(get(message, 7), 7, 0):
        return
    for field in each(message, 2):
        name = get(field, 1).decode()
        yield (f"field {full}.{name} = {get(field, 3, 0)} {LABELS[get(field, 4, 1)]} {TYPES[get(field, 5, 0)]} "
               f"{get(field, 6).decode() or '-'} json {get(field, 10).decode()}")
    for index, nested in enumerate(each(message, 3)):
        yield from message_lines(nested, f"{full}.{get(nested, 1).decode()}", (*path, 3, index), notes)
    for index, enum in enumerate(each(message, 4)):
        yield from enum_lines(enum, full, (*path, 4, index), notes)


def enum_lines(enum, scope, path, notes):
    if "UNSTABLE" in notes.get(path, ""):
        return
    for value in each(enum, 2):
        yield f"value {scope}.{get(enum, 1).decode()}.{get(value, 1).decode()} = {get(value, 2, 0)}"


def method_lines(service, package):
    for method in each(service, 2):
        if get(get(get(method, 4), RPC), UNSTABLE, 0):
            continue
        streams = ("client-stream " if get(method, 5, 0) else "") + ("server-stream" if get(method, 6, 0) else "")
        yield (f"method {package}.{get(service, 1).decode()}.{get(method, 1).decode()} {get(method, 2).decode()} "
               f"{get(method, 3).decode()} {streams.strip() or 'unary'}")


def describe(folder):
    """The stable lines of folder/aion/v1."""
    with tempfile.NamedTemporaryFile() as out:
        files = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).glob("aion/v1/*.proto"))
        subprocess.run(["protoc", f"-I{folder}", f"-I{ROOT}/protos/third_party", "-I/usr/include", "--include_source_info",
                        f"--descriptor_set_out={out.name}", *files], check=True)
        data = pathlib.Path(out.name).read_bytes()
    lines = set()
    for file in each(data, 1):
        package, notes = get(file, 2).decode(), comments(file)
        for index, message in enumerate(each(file, 4)):
            lines.update(message_lines(message, f"{package}.{get(message, 1).decode()}", (4, index), notes))
        for index, enum in enumerate(each(file, 5)):
            lines.update(enum_lines(enum, package, (5, index), notes))
        for service in each(file, 6):
            lines.update(method_lines(service, package))
    return lines


def broken(before, after):
    return sorted(before - after)


def selftest():
    tasks = (ROOT / "protos/aion/v1/tasks.proto").read_text()
    breaks = {
        "removal": ("  uint64 cursor = 17;", "  // gone"),
        "renumbering": ("  string intent = 1;                 ", "  string intent = 99;"),
        "type": ("  bytes input = 3; ", "  string input = 3; "),
        "label": ("  repeated TaskState states = 3;", "  TaskState states = 3;"),
        "enum value": ("TASK_STATE_HELD = 6;", "TASK_STATE_PARKED = 6;"),
        "method": ("rpc Cancel(CancelRequest) returns (Task)", "rpc Stop(CancelRequest) returns (Task)"),
        "streaming": ("returns (stream StreamChunk)", "returns (StreamChunk)"),
        "JSON name": ("  string task_id = 1;\n  string intent = 2;", "  string task_id = 1 [json_name = \"id\"];\n  string intent = 2;"),
    }
    before = describe(ROOT / "protos")
    assert len(before) > 200
    for name, (old, new) in breaks.items():
        assert old in tasks, f"{name}: tasks.proto changed, mend this test"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cp", "-r", f"{ROOT}/protos/.", folder], check=True)
            (pathlib.Path(folder) / "aion/v1/tasks.proto").write_text(tasks.replace(old, new, 1))
            assert broken(before, describe(folder)), f"{name} was not found"
        print(f"{name}: found")


def main():
    baseline = HERE / "baseline.txt"
    if "--selftest" in sys.argv:
        selftest()
    elif "--accept" in sys.argv:
        baseline.write_text("\n".join(sorted(describe(ROOT / "protos"))) + "\n")
    else:
        promised, present = set(baseline.read_text().split("\n")) - {""}, describe(ROOT / "protos")
        lost, unwritten = broken(promised, present), broken(present, promised)
        for line in lost:
            print(f"broken: {line}")
        for line in unwritten:
            print(f"new, and stable: {line}: mark it UNSTABLE, or write it down by check.py --accept")
        sys.exit(1 if lost or unwritten else 0)


if __name__ == "__main__":
    main()
