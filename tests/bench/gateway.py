"""(b) POST /v1/tasks as JSON to one unary gRPC call and back: CPU per request of our gateway with API key, metrics and access log, of
grpc-gateway, of Envoy's transcoder. One upstream for all, mTLS to it from all; clients speak HTTP/1.1 in the clear."""
import json
import urllib.request

import peers
from bench import Server, median, resident_mib, run_load, spread, table, verdict

CONNECTIONS = (32, 256)
GOALS = {"grpc-gateway": {32: 0.5, 256: 0.5}, "Envoy": {32: 0.6, 256: 0.5}}
KEY = "bench-key-0123456789"
BODY = {
    "intent": "summarize_text",
    "params": {"text": "We the People of the United States, in Order to form a more perfect Union, establish Justice, insure "
                       "domestic Tranquility, provide for the common defence, promote the general Welfare.",
               "length": 3, "language": "en"},
    "priority": "PRIORITY_NORMAL",
    "sla": {"privacy": "PRIVACY_LOCAL_ONLY", "budgetNanoUsd": "1000000", "p95Ms": 500},
    "metadata": {"team": "documents", "run": "2026-11-24", "source": "constitution"},
}


def envoy_config(context, upstream):
    ca, cert, key = context.tls("gateway")
    descriptor = context.work / "aion.pb"
    peers.descriptor(descriptor)
    transcoder = {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
                  "proto_descriptor": str(descriptor), "services": ["aion.v1.AionTasks"]}
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "http",
               "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                                   "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]},
               "http_filters": [{"name": "transcoder", "typed_config": transcoder}, {"name": "router", "typed_config": router}]}
    h2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          "explicit_http_config": {"http2_protocol_options": {}}}
    tls = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "localhost",
           "common_tls_context": {"tls_certificates": [{"certificate_chain": {"filename": cert}, "private_key": {"filename": key}}],
                                  "validation_context": {"trusted_ca": {"filename": ca}}}}
    def at(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    cluster = {"name": "upstream", "type": "STATIC", "typed_extension_protocol_options": {
                   "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": h2},
               "load_assignment": {"cluster_name": "upstream",
                                   "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(upstream)}}]}]},
               "transport_socket": {"name": "tls", "typed_config": tls}}
    port = context.free_port()
    config = {"static_resources": {"listeners": [{"name": "http", "address": at(port), "filter_chains": [
        {"filters": [{"name": "manager", "typed_config": manager}]}]}], "clusters": [cluster]}}
    path = context.work / "envoy.json"
    path.write_text(json.dumps(config))
    return path, port


def start_ours(context, upstream):
    ca, cert, key = context.tls("gateway")
    port = context.free_port()
    to = f"127.0.0.1:{upstream}"
    server = Server([context.build / "aion", "gateway", f"--listen=127.0.0.1:{port}", "--admin-listen=127.0.0.1:0", f"--tls-ca={ca}",
                     f"--tls-cert={cert}", f"--tls-key={key}", f"--control={to}", f"--router={to}", f"--retention={to}"],
                    context.work / "gateway-access.log", env={"AION_GATEWAY_API_KEYS": f"{KEY}:user"}, ready=False)
    server.port = port
    return server


def start_envoy(context, upstream):
    path, port = envoy_config(context, upstream)
    server = Server([context.envoy, "-c", path, "--concurrency", "1", "--base-id", str(port), "-l", "error"], context.log, ready=False)
    server.port = port
    return server


def check(name, server):
    """Each answers the same task before any is measured."""
    def ask():
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/v1/tasks", json.dumps(BODY).encode(),
                                         {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    from_context = eventually_answer(ask)
    if from_context.get("intent") != "summarize_text" or "taskId" not in from_context:
        raise RuntimeError(f"{name} answered {from_context}")


def eventually_answer(ask):
    import time
    for _ in range(100):
        try:
            return ask()
        except OSError as error:
            last = error
            time.sleep(0.1)
    raise last


def measure(context):
    body = context.work / "task.json"
    body.write_text(json.dumps(BODY))
    upstream = Server([context.build / "tests/bench/gateway/bench_upstream", *context.tls("control")], context.log)
    servers, taken = {}, {}
    try:
        servers["AION"] = start_ours(context, upstream.port)
        servers["grpc-gateway"] = Server([context.go_gateway, f"127.0.0.1:{upstream.port}", *context.tls("gateway")], context.log,
                                         env={"GOMAXPROCS": "1"})
        servers["Envoy"] = start_envoy(context, upstream.port)
        for name, server in servers.items():
            check(name, server)
        for _ in range(context.rounds):
            context.noise.spin()
            for connections in CONNECTIONS:
                for name, server in servers.items():
                    got = run_load([context.build / "tests/bench/http/bench_http_load", f"127.0.0.1:{server.port}", "POST", "/v1/tasks",
                                    body, connections, context.seconds, KEY, server.pid])
                    got["rss"] = resident_mib(server.pid)
                    taken.setdefault((connections, name), []).append(got)
    finally:
        for server in [*servers.values(), upstream]:
            server.stop()
    return taken


def report(taken):
    rows = []
    names = ("AION", "grpc-gateway", "Envoy")
    for connections in CONNECTIONS:
        cost = {name: [got["cpu_us"] for got in taken[connections, name]] for name in names}
        ours = median(cost["AION"])
        rows.append([connections, *(spread(cost[name]) for name in names),
                     *(verdict(ours / median(cost[peer]), GOALS[peer][connections]) for peer in names[1:]),
                     " / ".join(f"{median([got['rate'] for got in taken[connections, name]]):.0f}" for name in names),
                     " / ".join(f"{taken[connections, name][-1]['rss']:.0f}" for name in names)])
    return table(["connections", "AION µs", "grpc-gateway µs", "Envoy µs", "of grpc-gateway", "of Envoy", "requests/s", "RSS MiB"], rows)
