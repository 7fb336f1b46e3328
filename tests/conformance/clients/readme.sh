#!/usr/bin/env bash
# readme.sh CLIENT AION: brings what a client of README.md needs, then lets readme.py run it. Status 77: it cannot be had.
set -euo pipefail
client=$1 executable=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export AION_TOOLS=${AION_TOOLS:-${TOOLS_DEFAULT:?names the cache of tools}}
# shellcheck source=tests/lib/go.sh
. "$here/../../lib/go.sh"
# shellcheck source=tests/lib/python.sh
. "$here/../../lib/python.sh"

skip() {
    echo "SKIP: $1"
    exit 77
}

case $client in
    python_grpc)
        python_tool grpc grpcio==1.85.3 grpcio-tools==1.85.1 || skip "no grpcio: $(tail -n 1 "$AION_TOOLS/venv-grpc.log")"
        ;;
    node)
        version=$({ node --version 2>/dev/null || true; } | sed -n 's/^v\([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge 18 ] || skip "no Node of 18 or newer (Debian package nodejs)"
        ;;
    go)
        go_ready >"$AION_TOOLS/go-ready.log" 2>&1 || skip "no Go: $(tail -n 1 "$AION_TOOLS/go-ready.log")"
        ;;
    grpcurl)
        go_tool grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 ||
            skip "grpcurl cannot be built here: $(tail -n 1 "$AION_TOOLS/go-grpcurl.log")"
        PATH=$AION_TOOLS/bin:$PATH
        ;;
esac
exec python3 "$here/readme.py" "$client" "$executable"
