"""A mesh of several controls, gateways, routers and hosts on one PostgreSQL, each a process of its own that a test may
kill, stop and start. Certificates, key and policies are those of a home that `aion up` has made."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

from mesh import Mesh, eventually, gone


def free_ports(count):
    """A run of ports that nobody has, below the ephemeral range."""
    for _ in range(200):
        base = random.SystemRandom().randrange(10000, 30000)
        sockets = []
        try:
            for port in range(base, base + count):
                sockets.append(socket.socket())
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sockets[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no run of free ports was found")


class Process:
    def __init__(self, cluster, name, program, port, admin_port, arguments, certificate):
        self.cluster, self.name, self.program, self.port, self.admin_port = cluster, name, program, port, admin_port
        tls = cluster.home + "/tls/"
        self.command = [cluster.executable, program, f"--listen=127.0.0.1:{port}", f"--admin-listen=127.0.0.1:{admin_port}",
                        f"--tls-ca={tls}ca.crt", f"--tls-cert={tls}{certificate}.crt", f"--tls-key={tls}{certificate}.key",
                        *arguments]
        self.popen = None

    def start(self):
        log = open(f"{self.cluster.home}/logs/{self.name}.log", "ab")
        self.popen = subprocess.Popen(self.command, env=self.cluster.env, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def send(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=15):
        return self.popen.wait(timeout=seconds)

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def admin(self, path):
        """(status, text) of the admin port, or (0, "")."""
        try:
            with socket.create_connection(("127.0.0.1", self.admin_port), timeout=2) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                data = b""
                while piece := connection.recv(65536):
                    data += piece
        except OSError:
            return 0, ""
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def ready(self):
        return self.alive() and self.admin("/readyz")[0] == 200

    def metric(self, name):
        """The sum over a family's series; counters end in _total."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.admin("/metrics")[1].splitlines()
                   if line.split("{")[0].split(" ")[0] == name)


class Cluster:
    def __init__(self, executable, modules, store_url, controls=2, gateways=2, hosts=2, routers=2, lease="2s", policy=None,
                 options=(), pinned=False):
        self.executable = os.path.abspath(executable)
        self.store_url, self.schema = store_url, f"c{os.getpid()}_{random.SystemRandom().randrange(1 << 30)}"
        self.mesh = Mesh(self.executable)
        self.home = self.mesh.home
        if policy is not None:
            self.mesh.write_policy(policy)
        self.mesh.up()  # for the home: CA, certificates, key
        self.key = self.mesh.env["AION_API_KEY"]
        self.mesh.down()
        modules = self.mesh.own_modules(*modules)
        self.env = {**os.environ, "AION_STORE_URL": f"{store_url}?aion_schema={self.schema}",
                    "AION_GATEWAY_API_KEYS_FILE": self.home + "/api-key"}
        self.processes = {}
        self.pinned = pinned  # the n-th gateway knows the n-th control alone
        self.lay_out(controls, gateways, hosts, routers, lease, modules, options)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.logs(), file=sys.stderr)
        self.close()

    def lay_out(self, controls, gateways, hosts, routers, lease, modules, options):
        count = controls + gateways + hosts + routers + 1
        base = free_ports(2 * count)
        ports = iter(range(base, base + count))
        places = {f"{program}-{i + 1}": next(ports) for program, many in
                  (("control", controls), ("router", routers), ("retention", 1), ("gateway", gateways), ("host", hosts))
                  for i in range(many)}

        def all_of(program):
            return ",".join(f"127.0.0.1:{port}" for name, port in places.items() if name.startswith(program + "-"))

        own = {
            "control": [f"--router={all_of('router')}", f"--shard-lease={lease}", *options],
            "router": [f"--control={all_of('control')}", f"--policy-dir={self.home}/policies"],
            "retention": [f"--control={all_of('control')}"],
            "gateway": [f"--control={all_of('control')}", f"--router={all_of('router')}",
                        f"--retention={all_of('retention')}"],
            "host": [f"--control={all_of('control')}", f"--modules-dir={modules}", "--slots=8"],
        }
        for name, port in places.items():
            program = name.rsplit("-", 1)[0]
            mine = list(own[program])
            if program == "control":
                mine.append("--replica=" + name)
            if program == "host":
                mine.append("--host-id=" + name)
            if program == "gateway" and self.pinned:
                mine[0] = f"--control=127.0.0.1:{places[name.replace('gateway', 'control')]}"
            certificate = "host-1" if program == "host" else program
            self.processes[name] = Process(self, name, program, port, port + count, mine, certificate)

    def of(self, program):
        return [process for process in self.processes.values() if process.program == program]

    def up(self, seconds=60):
        for process in self.processes.values():
            process.start()
        self.wait_ready(seconds)

    def wait_ready(self, seconds=60):
        for process in self.processes.values():
            eventually(f"{process.name} is ready", process.ready, seconds)

    def url(self, index):
        return f"http://127.0.0.1:{self.of('gateway')[index].port}"

    def sql(self, text):
        """Rows of a query on the store, as lists of texts."""
        done = subprocess.run(["psql", "-X", "-tA", "-F", "\t", self.store_url, "-c",
                               f"SET search_path TO {self.schema}", "-c", text], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines() if line and line != "SET"]

    def hold_shards(self, owner, seconds):
        """Locks the rows of a control's shards for so long: its writes queue up in it meanwhile."""
        return subprocess.Popen(["psql", "-X", "-q", self.store_url, "-c", f"SET search_path TO {self.schema}", "-c", "BEGIN",
                                 "-c", f"SELECT count(*) FROM (SELECT 1 FROM shard WHERE owner = '{owner}' FOR UPDATE) held",
                                 "-c", f"SELECT pg_sleep({seconds})", "-c", "COMMIT"], stdout=subprocess.DEVNULL)

    def owners(self):
        """Of each shard: the control whose lease is not over, or ""."""
        rows = self.sql("SELECT s.shard, CASE WHEN r.until_us > extract(epoch FROM clock_timestamp()) * 1000000 THEN s.owner "
                        "ELSE '' END FROM shard s LEFT JOIN replica r ON r.id = s.owner ORDER BY 1")
        return {int(row[0]): row[1] for row in rows}

    def shared_out(self, among):
        """Every shard is one of these controls', none has more than its share."""
        owners = self.owners()
        most = -(-64 // len(among))
        return set(owners.values()) == set(among) and all(list(owners.values()).count(name) <= most for name in among)

    def log(self, name, lines):
        path = pathlib.Path(self.home, f"logs/{name}.log")
        told = path.read_text(errors="replace").splitlines() if path.exists() else []
        return f"== {name}\n" + "\n".join(line[:300] for line in told[-lines:])

    def logs(self):
        """The ends of all logs, those of controls last and longer."""
        first = [self.log(name, 10) for name, process in self.processes.items() if process.program != "control"]
        return "\n".join(first + [self.log(process.name, 40) for process in self.of("control")])

    def close(self):
        for process in self.processes.values():
            if process.alive():
                process.send(signal.SIGCONT)
                process.send(signal.SIGTERM)
        for process in self.processes.values():
            if process.popen is None:
                continue
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.send(signal.SIGKILL)
                process.wait()
        self.mesh.close()


__all__ = ["Cluster", "eventually", "gone", "time"]
