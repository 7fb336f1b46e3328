#!/usr/bin/env python3
"""What protoc-gen-aion refuses, and what the compiler refuses of handlers: check.py PLUGIN GEN INCLUDE CC."""
import pathlib
import subprocess
import sys
import tempfile

PLUGIN, GEN, SOURCE, CC = sys.argv[1:5]
HEAD = 'syntax = "proto3";\npackage t;\nimport "aion/v1/options.proto";\nimport "google/api/annotations.proto";\nmessage M { string a = 1; }\n'


def protoc(text):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "t.proto").write_text(HEAD + text)
        return subprocess.run(["protoc", f"--plugin=protoc-gen-aion={PLUGIN}", f"--aion_out=mesh:{folder}", f"-I{folder}",
                               f"-I{SOURCE}/protos", f"-I{SOURCE}/protos/third_party", "-I/usr/include", "t.proto"],
                              capture_output=True, text=True)


def refused(what, text, part):
    done = protoc(text)
    assert done.returncode != 0 and part in done.stderr, f"{what}: {done.returncode} {done.stderr}"
    print(f"protoc refuses {what}")


HANDLERS = """
#include "mesh_test.mesh.h"
static void e_unary(struct mesh_call *c, const Mesh__Test__Msg *r) { mesh_test_echo_unary_reply(c, r); }
static void e_held(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_block(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_fail(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_admin(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_internal(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_down(struct mesh_call *c, const Mesh__Test__Msg *r) { mesh_test_echo_down_send(c, r); }
static void e_down_writable(struct mesh_call *c) { (void)c; }
static void e_down_done(struct mesh_call *c, bool x) { (void)c; (void)x; }
static void e_up_open(struct mesh_call *c) { (void)c; }
static void e_up(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_up_half_close(struct mesh_call *c) { (void)c; }
static void e_up_writable(struct mesh_call *c) { (void)c; }
static void e_up_done(struct mesh_call *c, bool x) { (void)c; (void)x; }
static void e_both_open(struct mesh_call *c) { (void)c; }
static void e_both(struct mesh_call *c, const Mesh__Test__Msg *r) { (void)c; (void)r; }
static void e_both_half_close(struct mesh_call *c) { (void)c; }
static void e_both_writable(struct mesh_call *c) { (void)c; }
static void e_both_done(struct mesh_call *c, bool x) { (void)c; (void)x; }
const struct mesh_test_echo_server t = MESH_TEST_ECHO_SERVER(e);
"""


def compiles(text):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "t.c")
        file.write_text(text)
        done = subprocess.run([CC, "-std=c17", "-D_GNU_SOURCE", "-Werror", "-fsyntax-only", f"-I{SOURCE}/services/lib", "-isystem", GEN,
                               str(file)], capture_output=True, text=True)
        return done.returncode == 0, done.stderr


def main():
    refused("a method without its option", "service S { rpc A(M) returns (M); }", "(aion.v1.rpc) is missing")
    refused("a method without a role", "service S { rpc A(M) returns (M) { option (aion.v1.rpc) = {idempotent: true}; } }", "role")
    refused("a public method without a route",
            "service S { rpc A(M) returns (M) { option (aion.v1.rpc) = {role: ROLE_USER public: true}; } }", "google.api.http")
    refused("two methods of one C name",
            "service S { rpc GetX(M) returns (M) { option (aion.v1.rpc) = {role: ROLE_USER}; }\n"
            " rpc get_x(M) returns (M) { option (aion.v1.rpc) = {role: ROLE_USER}; } }", "same C name")
    done = protoc("service S { rpc A(M) returns (M) { option (aion.v1.rpc) = {role: ROLE_USER}; } }")
    assert done.returncode == 0, done.stderr
    good, text = compiles(HANDLERS)
    assert good, text
    lines = HANDLERS.splitlines(keepends=True)
    for name in ("e_unary", "e_down_done", "e_both_half_close"):
        without = "".join(line for line in lines if f"void {name}(" not in line)
        assert not compiles(without)[0], f"a missing {name} compiled"
        print(f"a missing {name} does not compile")
    wrong = HANDLERS.replace("e_held(struct mesh_call *c, const Mesh__Test__Msg *r)", "e_held(struct mesh_call *c, const char *r)")
    assert not compiles(wrong)[0], "a handler of a wrong type compiled"
    wrong = HANDLERS.replace("mesh_test_echo_unary_reply(c, r);", 'mesh_test_echo_unary_reply(c, "text");')
    assert not compiles(wrong)[0], "a reply of a wrong type compiled"
    print("a handler and a reply of a wrong type do not compile")


if __name__ == "__main__":
    main()
