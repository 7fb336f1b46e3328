#!/usr/bin/env bash
# grpcurl.sh AION: brings grpcurl here and runs grpcurl.py with it. Status 77: it cannot be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export AION_TOOLS=${AION_TOOLS:-${TOOLS_DEFAULT:?names the cache of tools}}
# shellcheck source=tests/lib/go.sh
. "$here/../../lib/go.sh"
if ! go_tool grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3; then
    echo "SKIP: grpcurl cannot be built here: $(tail -n 1 "$AION_TOOLS/go-grpcurl.log")"
    exit 77
fi
exec python3 "$here/grpcurl.py" "$1" "$AION_TOOLS/bin/grpcurl"
