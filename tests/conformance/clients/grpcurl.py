#!/usr/bin/env python3
"""A foreign client against every method of a whole mesh: grpcurl.py AION GRPCURL. Over mTLS, by reflection alone."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(SOURCE / "tests/scenario"), str(SOURCE / "tests/golden")]
from digests import policy_digest  # noqa: E402
from mesh import Mesh  # noqa: E402

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 0, 3, 4, 5, 7
FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED = 9, 11, 12
EXIT_OF_CODES = 64  # grpcurl ends with this plus the code

ENDPOINTS = {  # what reflection must list, beside the services of every endpoint
    "AION_CONTROL": {"aion.v1.AionTasks", "aion.v1.Budgets", "aion.v1.Events", "aion.v1.Hosts", "aion.v1.Keys", "aion.v1.Modules",
                     "aion.v1.Ops", "aion.v1.State"},
    "AION_ROUTER": {"aion.v1.Router"},
    "AION_RETENTION": {"aion.v1.Retention"},
    "AION_HOSTS": {"aion.v1.ModuleHost"},
}
EVERYWHERE = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

NO_TASK = "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
WATCH = {"watchId": 1, "open": {"taskId": "TASK", "principal": {"tenant": "default", "subject": "x", "roles": ["user"]}}}
REFLECTION = [("user-admin", {}, OK, "errorResponse"), ("user-admin", {"listServices": ""}, OK, "grpc.health.v1.Health"),
              ("user-admin", {"fileContainingSymbol": "no.Such"}, OK, "errorResponse")]


def of_a_task(accepted):
    """The rows of a method that names a task: none, a malformed one, one that is not there, the one that is."""
    return [("user-admin", {}, INVALID_ARGUMENT, "task_id"), ("user-admin", {"taskId": "x"}, INVALID_ARGUMENT, "task_id"),
            ("user-admin", {"taskId": NO_TASK}, NOT_FOUND, NO_TASK), ("user-admin", {"taskId": "TASK"}, OK, accepted)]


# method: (whose certificate, request, code, a part of the answer or of the error). A method that is served and has no
# row here fails the test. TASK stands for the id of a task that has succeeded.
ROWS = {
    "aion.v1.AionTasks.Submit": [
        ("user-admin", {}, INVALID_ARGUMENT, "intent is missing"),
        ("user-admin", {"intent": "no_such"}, NOT_FOUND, "INTENT_UNKNOWN"),
        ("user-admin", {"intent": "noop", "wait": "61s"}, INVALID_ARGUMENT, "wait"),
        ("user-admin", {"intent": "noop", "params": {"text": "x"}, "wait": "10s"}, OK, "TASK_STATE_SUCCEEDED"),
        ("control", {"intent": "noop"}, PERMISSION_DENIED, "no tenant"),
    ],
    "aion.v1.AionTasks.SubmitBatch": [
        ("user-admin", {}, INVALID_ARGUMENT, "give 1 to 1000"),
        ("user-admin", {"requests": [{"intent": "noop", "wait": "1s"}]}, INVALID_ARGUMENT, "wait"),
        ("user-admin", {"requests": [{"intent": "noop"}, {"intent": "no_such"}]}, OK, "INTENT_UNKNOWN"),
    ],
    "aion.v1.AionTasks.HoldQueue": [
        ("user-admin", {"filter": {"tenant": "nobody"}}, OK, '"holdId"'),
        ("user-admin", {"filter": {"module": "x"}}, INVALID_ARGUMENT, "tenant and intent"),
    ],
    "aion.v1.AionTasks.ReleaseQueue": [
        ("user-admin", {"holdId": "none"}, NOT_FOUND, "none"),
        ("user-admin", {"holdId": "none", "perSecond": 1000001}, INVALID_ARGUMENT, "per_second"),
    ],
    "aion.v1.AionTasks.ListHolds": [("user-admin", {}, OK, "{")],
    "aion.v1.AionTasks.ListDeadLetters": [
        ("user-admin", {}, OK, "{"),
        ("user-admin", {"page": {"size": 1001}}, INVALID_ARGUMENT, "page.size"),
        ("user-admin", {"filter": {}}, INVALID_ARGUMENT, "set `all`"),
    ],
    "aion.v1.AionTasks.ReplayDeadLetters": [
        ("user-admin", {}, INVALID_ARGUMENT, "filter is missing"),
        ("user-admin", {"filter": {"taskIds": ["x"]}}, INVALID_ARGUMENT, "not a UUID"),
        ("user-admin", {"filter": {"all": True}, "dryRun": True}, OK, "{"),
    ],
    "aion.v1.AionTasks.GetReplay": [("user-admin", {"replayId": "none"}, NOT_FOUND, "none")],
    "aion.v1.AionTasks.ResolveDoubt": [
        ("user-admin", {"taskId": "TASK"}, INVALID_ARGUMENT, "outcome"),
        ("user-admin", {"taskId": "TASK", "outcome": "OUTCOME_FAILED"}, FAILED_PRECONDITION, "not in doubt"),
    ],
    "aion.v1.Budgets.SetBudget": [
        ("user-admin", {}, INVALID_ARGUMENT, "budget_id"),
        ("user-admin", {"budgetId": "b", "limitNanoUsd": "5"}, INVALID_ARGUMENT, "period"),
        ("user-admin", {"budgetId": "b", "period": "PERIOD_DAY", "tenant": "nobody", "limitNanoUsd": "5"}, OK, '"leftNanoUsd": "5"'),
    ],
    "aion.v1.Budgets.GetBudget": [
        ("user-admin", {"budgetId": "none"}, NOT_FOUND, "none"),
    ],
    "aion.v1.Budgets.ListBudgets": [("user-admin", {}, OK, "{")],
    "aion.v1.Ops.ListAudit": [
        ("user-admin", {}, OK, '"lines"'),
        ("user-admin", {"page": {"size": 1001}}, INVALID_ARGUMENT, "page.size"),
        ("user-admin", {"page": {"token": "x"}}, INVALID_ARGUMENT, "page.token"),
    ],
    "aion.v1.Ops.VerifyAudit": [("user-admin", {}, OK, '"valid": true')],
    "aion.v1.AionTasks.StatusById": of_a_task("TASK_STATE_SUCCEEDED"),
    "aion.v1.AionTasks.GetTask": of_a_task('"attempts"'),
    "aion.v1.AionTasks.Cancel": of_a_task("TASK_STATE_SUCCEEDED"),
    "aion.v1.AionTasks.Stream": of_a_task('"final"'),
    "aion.v1.AionTasks.WatchTasks": [
        ("user-admin", {"since": "2020-01-01T00:00:00Z"}, INVALID_ARGUMENT, "24 h"),
        ("user-admin", {"states": [99]}, INVALID_ARGUMENT, "states"),
        ("user-admin", {"since": "TODAY", "intent": "noop"}, DEADLINE_EXCEEDED, '"succeeded"'),
        ("control", {}, PERMISSION_DENIED, "no tenant"),
    ],
    "aion.v1.AionTasks.AckStream": of_a_task("{"),
    "aion.v1.AionTasks.ListTasks": [
        ("user-admin", {}, OK, '"tasks"'),
        ("user-admin", {"pageSize": 1001}, INVALID_ARGUMENT, "page_size"),
        ("user-admin", {"pageToken": "x"}, INVALID_ARGUMENT, "page_token"),
    ],
    "aion.v1.AionTasks.WatchStreams": [("gateway", {}, OK, ""), ("gateway", WATCH, OK, '"closed"')],
    "aion.v1.Events.ReadEvents": [
        ("user-admin", {"topic": "aion.tasks.lifecycle"}, OK, "LifecycleEvent/1"),
        ("user-admin", {"topic": "aion.router.decisions", "limit": 1}, OK, "DecisionEvent/1"),
        ("user-admin", {"topic": "aion.no"}, INVALID_ARGUMENT, "topic"),
        ("user-admin", {"topic": "aion.tasks.lifecycle", "limit": 1001}, INVALID_ARGUMENT, "limit"),
        ("user-admin", {"topic": "aion.tasks.lifecycle", "wait": "31s"}, INVALID_ARGUMENT, "wait"),
        ("user-admin", {"topic": "aion.tasks.lifecycle", "group": "A"}, INVALID_ARGUMENT, "group"),
        ("user-admin", {"topic": "aion.tasks.lifecycle", "after": [{"source": "64"}]}, INVALID_ARGUMENT, "source"),
    ],
    "aion.v1.Events.CommitEvents": [
        ("user-admin", {"topic": "aion.tasks.lifecycle", "group": "g", "positions": [{"source": "1", "sequence": "1"}]}, OK, "{"),
        ("user-admin", {"topic": "aion.tasks.lifecycle"}, INVALID_ARGUMENT, "group"),
    ],
    "aion.v1.Events.ForgetReader": [
        ("user-admin", {"group": "g"}, OK, "{"), ("user-admin", {"group": "g"}, NOT_FOUND, "no reader"),
        ("user-admin", {}, INVALID_ARGUMENT, "group"),
    ],
    "aion.v1.Hosts.Attach": [
        ("host-1", {}, FAILED_PRECONDITION, "hello"),
        ("host-1", {"hello": {"pool": "cpu", "slots": 1}}, INVALID_ARGUMENT, "host_id"),
        ("host-1", {"hello": {"hostId": "grpcurl", "pool": "cpu", "slots": 1}}, OK, '"welcome"'),
    ],
    "aion.v1.Hosts.DrainHost": [
        ("user-admin", {}, INVALID_ARGUMENT, "reason"),
        ("user-admin", {"hostId": "nobody", "reason": "a look"}, NOT_FOUND, "nobody"),
    ],
    "aion.v1.Ops.Watch": [
        ("user-admin", {"rateHz": 11}, INVALID_ARGUMENT, "rate_hz"),
        ("user-admin", {"rateHz": 1, "kinds": ["OPS_KIND_MESH"]}, DEADLINE_EXCEEDED, '"full": true'),
    ],
    "aion.v1.Ops.Report": [("gateway", {"component": "router"}, PERMISSION_DENIED, "as 'router'")],
    "aion.v1.Ops.GetAt": [("user-admin", {"atUs": "NOW"}, OK, '"atUs"'), ("user-admin", {}, OUT_OF_RANGE, "oldest second")],
    "aion.v1.Hosts.ListHosts": [("user-admin", {}, OK, '"summarize_text"')],
    "aion.v1.State.PutPolicyRevision": [("router", {}, INVALID_ARGUMENT, "digest")],
    "aion.v1.State.ListPolicyRevisions": [("router", {}, OK, '"revisions"')],
    "aion.v1.State.GetPolicyRevision": [
        ("router", {"ordinal": 1}, OK, '"files"'),
        ("router", {"ordinal": 99}, NOT_FOUND, "99"),
        ("control", {"ordinal": 1}, PERMISSION_DENIED, "router"),
    ],
    "aion.v1.State.GetRetentionPlan": [("retention", {}, OK, '"keepSucceeded"')],
    "aion.v1.State.PutRetentionPlan": [
        ("retention", {"keepSucceeded": "1s"}, INVALID_ARGUMENT, "keep"),
        ("retention", {}, OK, '"keepSucceeded"'),
    ],
    "aion.v1.State.SweepTasks": [("retention", {"dryRun": True}, OK, "{")],
    "aion.v1.State.LookAtShards": [("control", {}, OK, "{"), ("router", {}, PERMISSION_DENIED, "control")],
    "aion.v1.State.ReplayLetter": [
        ("control", {"taskId": "01890000-0000-7000-8000-000000000000"}, FAILED_PRECONDITION, "no dead letter"),
        ("control", {}, INVALID_ARGUMENT, "task_id"),
        ("router", {}, PERMISSION_DENIED, "control"),
    ],
    "aion.v1.Router.Decide": [
        ("control", {}, NOT_FOUND, "INTENT_UNKNOWN"),
        ("control", {"intent": "noop", "tenant": "default"}, OK, '"decisionId"'),
    ],
    "aion.v1.Router.DecideStream": [
        ("control", {}, OK, "INTENT_UNKNOWN"),
        ("control", {"request": {"intent": "noop", "tenant": "default"}}, OK, '"decisionId"'),
    ],
    "aion.v1.Router.GetPolicy": [("user-admin", {}, OK, '"files"')],
    "aion.v1.Router.ValidatePolicy": [
        ("user-admin", {}, OK, '"valid": true'),
        ("user-admin", {"files": [{"path": "x.yaml", "content": "a: ["}]}, OK, '"faults"'),
    ],
    "aion.v1.Router.ReloadPolicy": [("user-admin", {}, OK, '"revision"')],
    "aion.v1.Router.RollbackPolicy": [
        ("user-admin", {}, FAILED_PRECONDITION, "no revision before"),
        ("user-admin", {"ordinal": 99}, NOT_FOUND, "99"),
    ],
    "aion.v1.Router.ListPolicyRevisions": [
        ("user-admin", {}, OK, '"revisions"'),
        ("user-admin", {"pageSize": 1001}, INVALID_ARGUMENT, "page_size"),
    ],
    "aion.v1.Retention.GetPlan": [("user-admin", {}, OK, '"sweepEvery"')],
    "aion.v1.Retention.SetPlan": [
        ("user-admin", {"keepSucceeded": "1s"}, INVALID_ARGUMENT, "keep_succeeded"),
        ("user-admin", {"keepSucceeded": "3600s"}, OK, '"3600s"'),
    ],
    "aion.v1.Retention.Sweep": [("user-admin", {"dryRun": True}, OK, '"done": true')],
    "aion.v1.ModuleHost.Describe": [("control", {}, OK, '"workers"')],
    "grpc.health.v1.Health.Check": [
        ("user-admin", {}, OK, "SERVING"),
        ("user-admin", {"service": "no.such"}, NOT_FOUND, "no.such"),
    ],
    # stays open: the client's own deadline ends it
    "grpc.health.v1.Health.Watch": [("user-admin", {}, DEADLINE_EXCEEDED, "SERVING")],
    "grpc.reflection.v1.ServerReflection.ServerReflectionInfo": REFLECTION,
    "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": REFLECTION,
}


class Grpcurl:
    def __init__(self, program, mesh):
        self.program, self.mesh = program, mesh

    def flags(self, whose):
        tls = pathlib.Path(self.mesh.home, "tls")
        return ["-cacert", self.mesh.env["AION_CA"], "-cert", tls / f"{whose}.crt", "-key", tls / f"{whose}.key"]

    def run(self, flags, address, words, request=None, seconds=5):
        """The finished process."""
        data = ["-d", json.dumps(request)] if request is not None else []
        return subprocess.run([self.program, "-max-time", str(seconds), *flags, *data, address, *words],
                              capture_output=True, text=True, timeout=seconds + 20)

    def call(self, whose, address, method, request, seconds=5):
        """whose: a certificate's name in the mesh's tls folder."""
        return self.run(self.flags(whose), address, [method], request, seconds)

    def read(self, address, *words):
        done = self.run(self.flags("user-admin"), address, words)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def methods(self, address, service):
        """(name, role, unstable) of each method, as reflection describes it."""
        text = self.read(address, "describe", service)
        for name, rest in re.findall(r"^  rpc (\w+) (.*?)(?=^  rpc |^\})", text, re.M | re.S):
            role = re.search(r"role: ROLE_(\w+)", rest)
            yield f"{service}.{name}", role.group(1) if role else "ANY", "unstable: true" in rest


class Faults(list):
    def expect(self, good, *what):
        if not good:
            self.append(" ".join(str(part).strip() for part in what))


def judge(faults, client, address, method, row):
    whose, request, code, part = row
    seconds = 1 if code == DEADLINE_EXCEEDED else 5
    done = client.call(whose, address, method, request, seconds)
    got = done.returncode - EXIT_OF_CODES if done.returncode >= EXIT_OF_CODES else done.returncode
    faults.expect(got == code and part in done.stdout + done.stderr, f"{method} {json.dumps(request)} as {whose}:",
                  f"code {got}, wanted {code} and {part!r}:", done.stdout, done.stderr)
    faults.expect("is not recognized" not in done.stderr, f"{method}: reflection does not know a detail:", done.stderr)


def judge_method(faults, client, address, method, role, unstable, task_id):
    rows = ROWS.get(method, [])
    if unstable:
        faults.expect(not rows, f"{method} is unstable, but has rows")
        rows = [("user-admin", {}, UNIMPLEMENTED, "not served")]
    else:
        faults.expect(rows, f"{method} is served, but has no row")
        if role == "SERVICE":
            rows = rows + [("user-admin", {}, PERMISSION_DENIED, "role service")]
    for whose, request, code, part in rows:
        request = json.loads(json.dumps(request).replace('"TASK"', f'"{task_id}"')
                             .replace("TODAY", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600)))
                             .replace('"NOW"', f'"{int((time.time() - 2) * 1e6)}"'))
        judge(faults, client, address, method, (whose, request, code, part))
    return len(rows)


def submitted(client, address):
    done = client.call("user-admin", address, "aion.v1.AionTasks/Submit", {"intent": "noop", "wait": "10s"}, 15)
    return json.loads(done.stdout)["taskId"]


def judge_endpoint(faults, client, name, services, task_id):
    address, calls, methods = client.mesh.env[name], 0, 0
    listed = set(client.read(address, "list").split())
    faults.expect(listed == services | EVERYWHERE, f"{name} lists {sorted(listed)}")
    for service in sorted(listed):
        for method, role, unstable in client.methods(address, service):
            calls += judge_method(faults, client, address, method, role, unstable, task_id)
            methods += 1
    print(f"{name}: {methods} methods, {calls} calls")


def made_certificate(folder):
    """The flags of a certificate of the administrator's name that signed itself."""
    names = ["-subj", "/CN=user-admin", "-addext", "subjectAltName=URI:spiffe://aion.local/user/admin"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    *names, "-keyout", f"{folder}/own.key", "-out", f"{folder}/own.crt"], check=True, capture_output=True)
    return ["-cert", f"{folder}/own.crt", "-key", f"{folder}/own.key"]


def judge_refusals(faults, client, name):
    """Who brings no certificate of the mesh's CA learns nothing, not even what is served."""
    authority = ["-cacert", client.mesh.env["AION_CA"]]
    with tempfile.TemporaryDirectory(prefix="aion-grpcurl-") as folder:
        for flags in (authority, authority + made_certificate(folder), ["-insecure"], ["-plaintext"]):
            done = client.run(flags, client.mesh.env[name], ["list"], seconds=2)
            faults.expect(done.returncode != 0 and not done.stdout, f"{name} answered {flags}:", done.stdout)


def judge_policy(faults, client):
    """The policy that reflection's client reads has the digest that its files ask for."""
    policy = json.loads(client.read(client.mesh.env["AION_ROUTER"], "aion.v1.Router.GetPolicy"))
    files = {file["path"]: file["content"].encode() for file in policy["files"]}
    faults.expect(policy["revision"]["digest"] == policy_digest(files), "the digest of the policy:", policy["revision"])


def pids(mesh):
    return {process["name"]: (process["pid"], process.get("restarts", 0)) for process in mesh.status()["processes"]}


def main():
    mesh, faults = Mesh(sys.argv[1]), Faults()
    try:
        mesh.up()
        client, before = Grpcurl(sys.argv[2], mesh), pids(mesh)
        task_id = submitted(client, mesh.env["AION_CONTROL"])
        for name, services in ENDPOINTS.items():
            judge_endpoint(faults, client, name, services, task_id)
            judge_refusals(faults, client, name)
        judge_policy(faults, client)
        faults.expect(pids(mesh) == before, f"processes died: {before} became {pids(mesh)}")
    finally:
        mesh.close()
    print("\n".join(faults + [f"{len(faults)} faults"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
