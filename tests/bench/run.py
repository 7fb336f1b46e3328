"""The benchmarks in one run: run.py BUILD [echo|gateway|task|engine|queued|fleet...]; see tests/bench/run."""
import datetime
import functools
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile

import console
import echo
import engine
import fleet
import gateway
import peers
import queued
import task
from bench import SOURCE, Noise
from mesh import Mesh

PARTS = {"echo": echo, "gateway": gateway, "task": task, "engine": engine, "queued": queued, "fleet": fleet, "console": console}


class Context:
    """Where things are, and how long to measure."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.rounds = int(os.environ.get("AION_BENCH_ROUNDS", "5"))
        self.seconds = float(os.environ.get("AION_BENCH_SECONDS", "2"))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="aion-bench-"))
        self.log = self.work / "servers.log"
        self.noise = Noise()
        self.certificates = None

    # peers are built when the first part asks for them
    @functools.cached_property
    def go_peers(self):
        return peers.go_peers()

    @property
    def go_echo(self):
        return self.go_peers[0]

    @property
    def go_gateway(self):
        return self.go_peers[1]

    @functools.cached_property
    def envoy(self):
        return peers.envoy()

    def mesh(self):
        mesh = Mesh(str(self.build / "aion"))
        mesh.up()
        return mesh

    def tls(self, name):
        """CA, certificate and key of a service, made by a mesh that ran once."""
        if self.certificates is None:
            home = self.work / "home"
            mesh = Mesh(str(self.build / "aion"), str(home))
            mesh.up()
            mesh.down()
            self.certificates = home / "tls"
        return [str(self.certificates / file) for file in ("ca.crt", f"{name}.crt", f"{name}.key")]

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions(context):
    def first(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0]
    packages = {name: first("dpkg-query", "-W", "-f", "${Version}", name) for name in ("libgrpc-dev", "libnghttp2-dev", "libsqlite3-dev")}
    modules = dict(line.split() for line in (SOURCE / "tests/bench/peers/go.mod").read_text().splitlines()
                   if line.startswith("\t") and len(line.split()) == 2)
    return ("gRPC core {libgrpc-dev}, nghttp2 {libnghttp2-dev}, SQLite {libsqlite3-dev}; ".format(**packages)
            + "grpc-go " + modules["google.golang.org/grpc"]
            + ", grpc-gateway " + modules["github.com/grpc-ecosystem/grpc-gateway/v2"] + ", " + peers.ENVOY)


def commit():
    return subprocess.run(["git", "-C", str(SOURCE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def main():
    names = sys.argv[2:] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; there are: {' '.join(PARTS)}")
    context = Context(sys.argv[1])
    parts, own = [], {}
    for name in names:
        print(f"measuring {name}", flush=True)
        text = PARTS[name].report(PARTS[name].measure(context))
        section = f"## {name}\n{' '.join(PARTS[name].__doc__.split())}\n\n{text}"
        if getattr(PARTS[name], "RESULTS", None):
            own[PARTS[name].RESULTS] = section + "\n\nVersions: " + PARTS[name].versions() + "."
        else:
            parts.append(section)
        print(text, flush=True)
    machine = (f"Written by `tests/bench/run {' '.join(sys.argv[2:])}` on {datetime.date.today()}; {os.cpu_count()} cores, {cpu_model()}, "
               f"Linux {platform.release()}; AION {commit()}.\n").replace("run `", "run`")
    for name, text in own.items():
        (SOURCE / "tests/bench" / name).write_text(f"# Results\n{machine}Noise: {context.noise.report()}.\n\n{text}\n")
    head = (f"# Results\n{machine}Median (least-most) of {context.rounds} interleaved rounds of {context.seconds:g} s. CPU is the "
            f"server process's, from schedstat; rates and latencies\nare indicative only.\n\nVersions: {versions(context)}.\n\n"
            f"Noise: {context.noise.report()}.\n")
    print(context.noise.report())
    if len(names) == len(PARTS):
        (SOURCE / "tests/bench/RESULTS.md").write_text(head + "\n" + "\n\n".join(parts) + "\n")
    shutil.rmtree(context.work, ignore_errors=True)  # what failed leaves its logs


if __name__ == "__main__":
    main()
