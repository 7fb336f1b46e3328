"""(a) One unary echo: server CPU per call on our runtime with all its middleware, on the bare C core, on grpc-go; mTLS for all,
then plain text for all."""
from bench import Server, median, run_load, spread, table, verdict

SECURITIES, SIZES, CONCURRENCIES = ("mTLS", "plain"), (64, 1024), (1, 16, 128)
NAMES = ("AION", "core", "grpc-go")
GOALS = {"core": {1: 1.4, 16: 1.4, 128: 1.4}, "grpc-go": {1: 0.6, 16: 0.7, 128: 0.6}}


def start(context, security):
    tls = context.tls("control") if security == "mTLS" else []
    programs = dict(zip(NAMES, (context.build / "tests/bench/echo/bench_echo_mesh", context.build / "tests/bench/echo/bench_echo_core",
                                context.go_echo)))
    return {name: Server([program, *tls], context.log) for name, program in programs.items()}


def measure(context):
    servers = {}
    taken = {}
    try:
        for security in SECURITIES:
            servers[security] = start(context, security)
        for _ in range(context.rounds):
            context.noise.spin()
            for key in ((security, size, concurrency) for security in SECURITIES for size in SIZES for concurrency in CONCURRENCIES):
                security, size, concurrency = key
                tls = context.tls("gateway") if security == "mTLS" else []
                for name, server in servers[security].items():
                    got = run_load([context.build / "tests/bench/echo/bench_load", server.port, server.pid, size, concurrency,
                                    context.seconds, *tls])
                    taken.setdefault((*key, name), []).append(got)
    finally:
        for server in (server for by_name in servers.values() for server in by_name.values()):
            server.stop()
    return taken


def report(taken):
    rows = []
    for key in dict.fromkeys(key[:3] for key in taken):
        security, size, concurrency = key
        cost = {name: [got["cpu_us"] for got in taken[*key, name]] for name in NAMES}
        ours = median(cost["AION"])
        rows.append([security, f"{size} B", concurrency, *(spread(cost[name]) for name in NAMES),
                     *(verdict(ours / median(cost[peer]), GOALS[peer][concurrency]) for peer in ("core", "grpc-go")),
                     f"{median(cost['core']) / median(cost['grpc-go']):.2f}",
                     f"{median([got['rate'] for got in taken[*key, 'AION']]):.0f}"])
    return table(["security", "message", "calls at once", "AION µs", "bare core µs", "grpc-go µs", "AION of the core", "AION of grpc-go",
                  "core of grpc-go", "AION calls/s"], rows)
