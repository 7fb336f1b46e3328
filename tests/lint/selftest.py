#!/usr/bin/env python3
"""Every check can fail: each is fed a tree with the fault it is there for."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lint  # noqa: E402

BAD = {
    "directions": {"services/lib/base/x.c": '#include "mesh/loop.h"\n',
                   "services/lib/yaml/y.c": "#include <sqlite3.h>\n",
                   "services/router/z.c": '#include "mesh/core_private.h"\n#include "retention_main.h"\n'},
    "style": {"services/lib/base/x.c": "int   x ( void ) { return 1 ;}\n"},
    "shell": {"tests/x.sh": "#!/bin/sh\nrm -rf $1/*\n"},
    "sizes": {"services/lib/base/x.c": "void f(void)\n{\n" + "    f();\n" * 80 + "}\n"},
    "hygiene": {"services/lib/base/x.c": "/* see /ho" + "me/me/notes */\n/* TO" + "DO later */\n"},
}
WANTED = {"directions": 4, "style": 1, "shell": 1, "sizes": 1, "hygiene": 2}


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / ".clang-format").write_text((lint.HERE.parents[1] / ".clang-format").read_text())
    return root


def find_all(folder):
    for check, files in BAD.items():
        try:
            faults = lint.run(check, tree(folder / check, files))
        except lint.SkipCheck as reason:
            print(f"{check}: not tried, {reason}")
            continue
        assert len(faults) >= WANTED[check], f"{check} found only {faults}"
        print(f"{check}: finds {len(faults)} planted faults")
    build = folder / "objects/services/lib/base"
    build.mkdir(parents=True)
    source = build / "x.c"
    source.write_text("#include <stdlib.h>\nint wrong(const char *s);\nint wrong(const char *s) { return atoi(s); }\n")
    subprocess.run(["cc", "-O0", "-c", str(source), "-o", str(build / "x.o")], check=True)
    faults = lint.run("objects", build.parents[2], build.parents[2])
    assert any("atoi" in fault for fault in faults) and any("wrong" in fault for fault in faults), faults
    print("objects: finds a banned call and a foreign name")


def main():
    with tempfile.TemporaryDirectory(prefix="aion-lint-") as folder:
        find_all(pathlib.Path(folder))


if __name__ == "__main__":
    main()
