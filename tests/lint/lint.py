#!/usr/bin/env python3
"""The checks that hold the tree together: lint.py CHECK [ROOT [BUILD]]. Prints every fault, exits 1 when there is one, 77
with "SKIP: reason" when a tool is missing. Rules: rules.txt beside this file."""
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OWN = ("services", "gateway-http", "tui", "deploy", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


class Rules:
    def __init__(self, text):
        self.areas, self.headers, self.banned = {}, [], set()
        for line in text.splitlines():
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "area":
                name, folder, prefixes, uses = words[1:]
                self.areas[name] = (folder, tuple(prefixes.split(",")), set() if uses == "-" else set(uses.split(",")))
            elif words[0] == "header":
                self.headers.append((words[1], words[2].split(",")))
            elif words[0] == "banned":
                self.banned.update(words[1:])

    def area_of(self, path):
        for name, (folder, _, _) in self.areas.items():
            if str(path).startswith(folder + "/"):
                return name
        return None


def sources(root, *endings):
    for top in OWN:
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and path.name.endswith(endings) and "corpus" not in path.parts:
                yield path.relative_to(root)


def directions(rules, root):
    """Areas use only what rules.txt says; private headers stay home; third-party headers stay with their owner."""
    edges = {}
    for path in sources(root, ".c", ".h"):
        area = rules.area_of(path)
        for name in INCLUDE.findall((root / path).read_text(errors="replace")):
            top = name.split("/")[0]
            is_area = top in rules.areas and "/" in name and name.endswith(".h") and top not in ("module", "control")
            if is_area and area is not None and top != area:
                edges.setdefault(area, set()).add(top)
                if top not in rules.areas[area][2]:
                    yield f"{path}: {area} may not include {name}"
            if name.endswith("_private.h") and is_area and area not in (None, top):
                yield f"{path}: {name} is private to {top}"
            for prefix, folders in rules.headers:
                if name.startswith(prefix):
                    if area is not None and not any(f"{path}/".startswith(place + "/") for place in folders):
                        yield f"{path}: <{name}> belongs to {', '.join(folders)}"
                    break
            if name.endswith("_main.h") and area not in (None, "cli") and not path.name.endswith("_main.c"):
                yield f"{path}: only deploy/aion includes a program's main ({name})"
    for area in rules.areas:
        seen, todo = set(), list(edges.get(area, ()))
        while todo:
            other = todo.pop()
            if other == area:
                yield f"{area} includes itself through others"
                break
            if other not in seen:
                seen.add(other)
                todo += edges.get(other, ())


def objects(rules, root, build):
    """Banned calls and exported names, read from the object files of the areas' libraries."""
    if shutil.which("nm") is None:
        raise SkipCheck("nm is missing")
    found = False
    for name, (folder, prefixes, _) in rules.areas.items():
        for file in sorted(pathlib.Path(build).glob(f"{folder}/**/*.o")):
            if "gen" in file.parts or "__" in file.parts or "/gen/" in str(file) or "strip_services" in file.name:
                continue
            found = True
            listed = subprocess.run(["nm", "-g", file], capture_output=True, text=True).stdout
            for line in listed.splitlines():
                words = line.split()
                kind, symbol = words[-2], words[-1].split("@")[0]
                # the compiler itself makes strcpy out of a snprintf that it sees through: the source must name it
                if kind == "U" and symbol in rules.banned and names_call(root / folder, file.name, symbol):
                    yield f"{file.name} ({name}): calls {symbol}"
                if kind in "TDBRC" and not symbol.startswith(prefixes) and symbol not in ("main",) \
                        and not symbol.startswith(("__asan", "__odr_asan", "_sub_")):
                    yield f"{file.name} ({name}): exports {symbol}, which begins with none of {', '.join(prefixes)}"
    if not found:
        yield f"no object files below {build}"


def names_call(folder, object_name, symbol):
    texts = [path.read_text(errors="replace") for path in folder.rglob(object_name.removesuffix(".o"))]
    return not texts or any(re.search(rf"\b{symbol}\s*\(", text) for text in texts)


class SkipCheck(Exception):
    pass


def style(rules, root):
    """clang-format 14 has nothing to change."""
    tool = shutil.which("clang-format-14")
    if tool is None:
        raise SkipCheck("clang-format-14 is missing")
    files = [str(root / path) for path in sources(root, ".c", ".h")]
    done = subprocess.run([tool, "--dry-run", "-Werror", "--style=file", *files], capture_output=True, text=True)
    for line in sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line}):
        yield f"{pathlib.Path(line).relative_to(root) if line.startswith(str(root)) else line}: clang-format-14 -i"


def shell(rules, root):
    """shellcheck has nothing to say."""
    tool = shutil.which("shellcheck")
    if tool is None:
        raise SkipCheck("shellcheck is missing")
    scripts = [root / ".ci/run"]
    for path in sources(root, ""):
        file = root / path
        if path.name.endswith(".sh") or file.read_bytes()[:64].startswith((b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash")):
            scripts.append(file)
    done = subprocess.run([tool, "-x", "-P", str(root), "-f", "gcc", *[str(s) for s in scripts if s.exists()]], capture_output=True,
                          text=True, cwd=root)
    yield from done.stdout.splitlines()


def sizes(rules, root):
    """Files stay below 800 lines; a function above 70 says why in a comment with "long:"."""
    for path in sources(root, ".c", ".h"):
        lines = (root / path).read_text(errors="replace").splitlines()
        if len(lines) > 800 and not str(path).startswith("tests/"):
            yield f"{path}: {len(lines)} lines"
        start = None
        for number, line in enumerate(lines):
            if line == "{" and number > 0:
                start = number
            elif line == "}" and start is not None:
                above = "\n".join(lines[max(0, start - 12):start])
                if number - start > 70 and "long:" not in above and not str(path).startswith("tests/"):
                    yield f"{path}:{start}: a function of {number - start} lines without a reason"
                start = None


def hygiene(rules, root):
    """No absolute path of a machine, no registry's host name, no TODO without a number."""
    hosts = ["pypi" + ".org", "proxy." + "golang.org", "registry." + "npmjs.org", "crates" + ".io",
             "deb." + "debian.org", "repo1." + "maven.org"]
    paths = re.compile(r"(?<![\w.])/(" + "|".join(["work", "home", "root"]) + r")/\w")
    for path in list(sources(root, "")) + [pathlib.Path(name) for name in ("README.md", "CMakeLists.txt", ".ci/run")]:
        file = root / path
        if not file.exists() or path.parts[:2] == ("tests", "data"):
            continue
        text = file.read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if paths.search(line):
                yield f"{path}:{number}: an absolute path of a machine"
            if any(host in line for host in hosts):
                yield f"{path}:{number}: a registry's host name"
            if re.search(r"\b" + "TODO" + r"\b(?!\s*\(?#?\d)", line) and path.name != "lint.py" and not path.name.endswith(".md"):
                yield f"{path}:{number}: a TODO without a number"


CHECKS = {"directions": directions, "objects": objects, "style": style, "shell": shell, "sizes": sizes, "hygiene": hygiene}


def run(check, root, build=None):
    rules = Rules((HERE / "rules.txt").read_text())
    arguments = (rules, root, build) if check == "objects" else (rules, root)
    return list(CHECKS[check](*arguments))


def main():
    check = sys.argv[1]
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".").resolve()
    try:
        faults = run(check, root, sys.argv[3] if len(sys.argv) > 3 else None)
    except SkipCheck as reason:
        print(f"SKIP: {reason}")
        sys.exit(77)
    for fault in faults:
        print(fault)
    print(f"{check}: {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
