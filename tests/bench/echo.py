"""(a) One unary echo: server CPU per call on our runtime with all its middleware, on the bare C core, on grpc-go; mTLS for all."""
from bench import Server, median, run_load, spread, table, verdict

SIZES, CONCURRENCIES = (64, 1024), (1, 16, 128)
GOALS = {"core": {1: 1.4, 16: 1.4, 128: 1.4}, "grpc-go": {1: 0.6, 16: 0.7, 128: 0.6}}


def measure(context):
    tls = context.tls("control")
    servers = {
        "AION": Server([context.build / "tests/bench/echo/bench_echo_mesh", *tls], context.log),
        "core": Server([context.build / "tests/bench/echo/bench_echo_core", *tls], context.log),
        "grpc-go": Server([context.go_echo, *tls], context.log),
    }
    taken = {}
    try:
        for _ in range(context.rounds):
            context.noise.spin()
            for size in SIZES:
                for concurrency in CONCURRENCIES:
                    for name, server in servers.items():
                        got = run_load([context.build / "tests/bench/echo/bench_load", server.port, server.pid, size, concurrency,
                                        context.seconds, *context.tls("gateway")])
                        taken.setdefault((size, concurrency, name), []).append(got)
    finally:
        for server in servers.values():
            server.stop()
    return taken


def report(taken):
    rows = []
    for size in SIZES:
        for concurrency in CONCURRENCIES:
            cost = {name: [got["cpu_us"] for got in taken[size, concurrency, name]] for name in ("AION", "core", "grpc-go")}
            ours = median(cost["AION"])
            rows.append([f"{size} B", concurrency, *(spread(cost[name]) for name in ("AION", "core", "grpc-go")),
                         *(verdict(ours / median(cost[peer]), GOALS[peer][concurrency]) for peer in ("core", "grpc-go")),
                         f"{median([got['rate'] for got in taken[size, concurrency, 'AION']]):.0f}"])
    return table(["message", "calls at once", "AION µs", "bare core µs", "grpc-go µs", "of the core", "of grpc-go", "AION calls/s"], rows)
