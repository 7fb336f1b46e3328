#!/usr/bin/env python3
"""The digests that are kept or compared over versions, written a second time from their definition: what the C code must
give is computed here, never taken from it.

    digests.py             every vector of the files beside this one has the bytes that its json asks for
    digests.py --update    writes them anew; to be looked at before it is committed: keys and policies live on under them

A vector is a block of `name: value` lines: name, json, what is computed from it ("-" = no bytes), and (by hand)
`same-as: NAME` or `differs-from: NAME` of an earlier one. Lines that begin with # are comments."""
import base64
import hashlib
import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
VARINT, DOUBLE, BYTES = 0, 1, 2


# -- the canonical form: records of (number, kind, value) in the order of numbers ------------------------------------

def varint(value):
    value &= (1 << 64) - 1  # a negative integer is its 64-bit two's complement
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def integer(number, value):
    return varint(number << 3 | VARINT) + varint(value)


def double(number, value):
    return varint(number << 3 | DOUBLE) + struct.pack("<d", value or 0.0)  # -0.0 is 0


def octets(number, value):
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def text(number, value):
    return octets(number, value.encode())


def by_bytes(mapping):
    return sorted(mapping.items(), key=lambda entry: entry[0].encode())


def entry(number, key, value):
    """A map's entry: an empty key is a default and left out."""
    return octets(number, (text(1, key) if key else b"") + value)


def struct_form(members):
    return b"".join(entry(1, key, octets(2, value_form(value))) for key, value in by_bytes(members))


def value_form(value):
    """google.protobuf.Value: what it holds is there even when it is a default."""
    if value is None:
        return integer(1, 0)
    if isinstance(value, bool):
        return integer(4, int(value))
    if isinstance(value, (int, float)):
        return double(2, float(value))
    if isinstance(value, str):
        return text(3, value)
    if isinstance(value, dict):
        return octets(5, struct_form(value))
    return octets(6, b"".join(octets(1, value_form(element)) for element in value))


# -- TaskRequest: protos/aion/v1/tasks.proto --------------------------------------------------------------------------

PRIORITIES = ["UNSPECIFIED", "CRITICAL", "HIGH", "NORMAL", "LOW", "BATCH"]
PRIVACIES = ["UNSPECIFIED", "LOCAL_ONLY", "ANY"]
NOT_IN_THE_DIGEST = ("taskId", "idempotencyKey", "deadline", "wait")


def enum(value, prefix, names):
    return value if isinstance(value, int) else names.index(value.removeprefix(prefix))


def scalar(write, number, value):
    return write(number, value) if value else b""


def from_base64(value):
    value = value.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(value + "=" * (-len(value) % 4))


def sla_form(sla):
    return (scalar(integer, 1, int(sla.get("budgetNanoUsd", 0))) + scalar(integer, 2, int(sla.get("p95Ms", 0)))
            + scalar(integer, 3, enum(sla.get("privacy", 0), "PRIVACY_", PRIVACIES)))


def metadata_form(metadata):
    return b"".join(entry(12, key, text(2, value) if value else b"") for key, value in by_bytes(metadata))


TASK_REQUEST = [  # in the order of field numbers
    ("intent", lambda value: scalar(text, 1, value)),
    ("params", lambda value: octets(2, struct_form(value))),
    ("input", lambda value: scalar(octets, 3, from_base64(value))),
    ("contentType", lambda value: scalar(text, 4, value)),
    ("priority", lambda value: scalar(integer, 7, enum(value, "PRIORITY_", PRIORITIES))),
    ("sla", lambda value: octets(8, sla_form(value))),
    ("preferredEngine", lambda value: scalar(text, 9, value)),
    ("metadata", metadata_form),
]


def camel(name):
    """JSON takes a field by its proto name as well."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def fields(message):
    """The members by their JSON names; null is an absent field."""
    return {camel(name): value for name, value in message.items() if value is not None}


def canonical_task_request(source):
    request = fields(json.loads(source))
    if "sla" in request:
        request["sla"] = fields(request["sla"])
    known = {name for name, _ in TASK_REQUEST}
    assert known.issuperset(set(request) - set(NOT_IN_THE_DIGEST)), f"unknown field in {source}"
    return b"".join(write(request[name]) for name, write in TASK_REQUEST if name in request)


def task_request(source):
    form = canonical_task_request(source)
    return {"canonical": form.hex() or "-", "sha256": hashlib.sha256(form).hexdigest()}


# -- a policy: SHA-256 over `path NUL sha256(bytes) LF`, by path -------------------------------------------------------

def policy_digest(files):
    """files: {path: content as bytes}."""
    whole = hashlib.sha256()
    for path, content in by_bytes(files):
        whole.update(path.encode() + b"\0" + hashlib.sha256(content).digest() + b"\n")
    return "sha256:" + whole.hexdigest()


def policy(source):
    files = json.loads(source)["files"]
    return {"digest": policy_digest({file["path"]: file.get("content", "").encode() for file in files})}


# -- the files ---------------------------------------------------------------------------------------------------------

FILES = {"task_request.txt": task_request, "policy.txt": policy}


def judged(vector, computed, earlier):
    """What is wrong with one vector, or None."""
    for name, value in computed.items():
        if vector.get(name) != value:
            return f"{name} is {vector.get(name)}, computed {value}"
    outcome = list(computed.values())[-1]
    if "same-as" in vector and earlier[vector["same-as"]] != outcome:
        return f"is another than \"{vector['same-as']}\""
    if "differs-from" in vector and earlier[vector["differs-from"]] == outcome:
        return f"is the same as \"{vector['differs-from']}\""
    return None


def walk(file, compute, update):
    """Judges (or rewrites) one file: (vectors, faults)."""
    faults, out, earlier = [], [], {}
    for block in file.read_text().strip("\n").split("\n\n"):
        comments = [line for line in block.split("\n") if line.startswith("#")]
        vector = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith("#"))
        if vector:
            computed = compute(vector["json"])
            vector = {**vector, **computed} if update else vector
            wrong = judged(vector, computed, earlier)
            faults += [f"{file.name}: {vector['name']}: {wrong}"] if wrong else []
            assert vector["name"] not in earlier, f"{file.name}: two vectors \"{vector['name']}\""
            earlier[vector["name"]] = list(computed.values())[-1]
        out.append("\n".join(comments + [f"{name}: {value}" for name, value in vector.items()]))
    if update:
        file.write_text("\n\n".join(out) + "\n")
    return len(earlier), faults


def main():
    faults = []
    for name, compute in FILES.items():
        count, wrong = walk(HERE / name, compute, "--update" in sys.argv[1:])
        print(f"{name}: {count} vectors")
        faults += wrong
    print("\n".join(faults + [f"{len(faults)} faults"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
