#!/usr/bin/env bash
# server.sh plain|tls SERVER FOLDER: grpc-go's interoperability client, case by case, against our test server.
# AION_TOOLS names the cache of tools. Status 77: the client cannot be had here.
set -euo pipefail
transport=$1 server=$2 folder=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export AION_TOOLS=${AION_TOOLS:-$TOOLS_DEFAULT}
# shellcheck source=tests/lib/go.sh
. "$here/../../lib/go.sh"
if ! go_tool grpc-interop-client google.golang.org/grpc/interop/client@v1.85.0; then
    echo "SKIP: grpc-go's interop client cannot be built here: $(tail -n 1 "$AION_TOOLS/go-grpc-interop-client.log")"
    exit 77
fi

cases=(empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server
    cancel_after_begin cancel_after_first_response status_code_and_message special_status_message custom_metadata
    unimplemented_method unimplemented_service)
rm -rf "$folder" && mkdir -p "$folder/tls"
flags=() arguments=()
if [ "$transport" = tls ]; then
    arguments=("$folder/tls")
    flags=(-use_tls -use_test_ca -ca_file "$folder/tls/ca.crt" -server_host_override localhost)
fi
"$server" "${arguments[@]}" >"$folder/out" 2>"$folder/err" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true' EXIT
for ((i = 0; i < 100; i++)); do
    grep -q ready "$folder/out" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
port=$(sed -n 's/^ready //p' "$folder/out")
[ -n "$port" ] || { echo "the server did not start:"; cat "$folder/err"; exit 1; }

failed=0
for case in "${cases[@]}"; do
    if timeout 60 "$AION_TOOLS/bin/grpc-interop-client" -server_host 127.0.0.1 -server_port "$port" "${flags[@]}" \
        -test_case "$case" >"$folder/$case.log" 2>&1; then
        echo "ok      $case"
    else
        echo "FAILED  $case: $(tail -n 1 "$folder/$case.log")"
        failed=$((failed + 1))
    fi
done
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
trap - EXIT
[ "$status" -eq 0 ] || { echo "the server ended with status $status:"; tail -n 30 "$folder/err"; failed=$((failed + 1)); }
echo "${#cases[@]} cases over $transport, $failed failed"
[ "$failed" -eq 0 ]
