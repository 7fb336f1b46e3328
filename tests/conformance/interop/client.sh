#!/usr/bin/env bash
# client.sh plain|tls CLIENT FOLDER: our client in every case against grpc-go's interoperability server.
# AION_TOOLS names the cache of tools. Status 77: the server cannot be had here.
set -euo pipefail
transport=$1 client=$2 folder=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export AION_TOOLS=${AION_TOOLS:-$TOOLS_DEFAULT}
# shellcheck source=tests/lib/go.sh
. "$here/../../lib/go.sh"
if ! go_tool grpc-interop-server google.golang.org/grpc/interop/server@v1.85.0; then
    echo "SKIP: grpc-go's interop server cannot be built here: $(tail -n 1 "$AION_TOOLS/go-grpc-interop-server.log")"
    exit 77
fi

rm -rf "$folder" && mkdir -p "$folder/tls"
flags=() arguments=()
if [ "$transport" = tls ]; then
    "$client" make "$folder/tls"
    flags=(-use_tls -tls_cert_file "$folder/tls/server.crt" -tls_key_file "$folder/tls/server.key")
    arguments=("$folder/tls")
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$AION_TOOLS/bin/grpc-interop-server" -port "$port" "${flags[@]}" >"$folder/log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true' EXIT
for ((i = 0; i < 100; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$pid" 2>/dev/null || { echo "the server did not start:"; cat "$folder/log"; exit 1; }
    sleep 0.1
done
timeout 120 "$client" run "127.0.0.1:$port" "${arguments[@]}"
