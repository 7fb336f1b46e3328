#!/usr/bin/env bash
# A real PostgreSQL of its own for a test, in a folder of the caller's, from Debian's packages.
#   postgres.sh start DIR [durable|fast] [tcp] [tls]   makes the cluster where there is none, starts it, prints URL=, PID=
#   postgres.sh stop DIR                               ends it in order (fast shutdown)
#   postgres.sh kill DIR                               kill -9 of the server and all its backends, as a power switch would
#   postgres.sh with [durable|fast] [tcp] [tls] -- CMD...
#       starts one in a temporary folder, runs CMD with AION_TEST_POSTGRES_URL and AION_TEST_POSTGRES_DIR, removes it all
# fast: without fsync, for tests of meaning. durable: as in production, for kill tests and figures. It listens on a Unix
# socket in DIR; tcp: also on a free port of 127.0.0.1, and URL names that; tls: with a certificate of a CA in DIR/ca.crt.
# Status 77 and a line "SKIP: reason" where PostgreSQL cannot be had.
set -euo pipefail
SELF=$(readlink -f "${BASH_SOURCE[0]}")
BIN=$(pg_config --bindir 2>/dev/null || true)
[ -x "$BIN/initdb" ] || BIN=$(find /usr/lib/postgresql -maxdepth 3 -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)

skip() {
    echo "SKIP: $*"
    exit 77
}

# PostgreSQL refuses to run as root: then it runs as the user that its package made.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

server_pid() { head -n 1 "$1/data/postmaster.pid" 2>/dev/null || true; }

alive() {
    local pid
    pid=$(server_pid "$1")
    [ -n "$pid" ] && grep -q -z -x -F -- "$1/data" "/proc/$pid/cmdline" 2>/dev/null
}

make_certificates() {
    local dir=$1
    (
        cd "$dir"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=test ca" \
            -keyout ca.key -out ca.crt
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
            -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out server.crt
    ) >/dev/null 2>&1
    chmod 600 "$dir/server.key"
    [ "$(id -u)" -ne 0 ] || chown postgres "$dir/server.key" "$dir/server.crt"
}

make_cluster() {
    local dir=$1
    [ "$(id -u)" -ne 0 ] || chown postgres "$dir"
    echo aion >"$dir/password"
    chmod 644 "$dir/password"
    as_server "$BIN/initdb" -D "$dir/data" -U aion --pwfile="$dir/password" --auth-host=scram-sha-256 --auth-local=trust \
        -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 || { tail -n 5 "$dir/initdb.log" >&2; return 1; }
    rm -f "$dir/password"
}

# Below the range that the kernel gives to clients: else one of them may have it when the server was killed and starts again.
free_port() {
    python3 - <<'END'
import random, socket
while True:
    with socket.socket() as probe:
        port = random.randrange(20000, 32000)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
END
}

# The cluster remembers its port and options, so that a second start is the same server again.
configure() {
    local dir=$1 mode=$2 tcp=$3 tls=$4
    {
        echo "unix_socket_directories = '$dir'"
        echo "shared_buffers = 64MB"
        echo "max_connections = 50"
        if [ "$tcp" = 1 ]; then
            echo "listen_addresses = '127.0.0.1'"
            echo "port = $(free_port)"
        else
            echo "listen_addresses = ''"
        fi
        if [ "$mode" = fast ]; then
            printf '%s = off\n' fsync synchronous_commit full_page_writes
        fi
        if [ "$tls" = 1 ]; then
            echo "ssl = on"
            echo "ssl_cert_file = '$dir/server.crt'"
            echo "ssl_key_file = '$dir/server.key'"
        fi
    } >>"$dir/data/postgresql.conf"
}

setting() { sed -n "s/^$2 = '\{0,1\}\([^']*\)'\{0,1\}\$/\1/p" "$1/data/postgresql.conf" | tail -n 1; }

url_of() {
    local dir=$1 port
    port=$(setting "$dir" port)
    if [ -n "$(setting "$dir" listen_addresses)" ]; then
        if [ -n "$(setting "$dir" ssl)" ]; then
            echo "postgres://aion:aion@localhost:$port/aion?sslmode=verify-full&sslrootcert=$dir/ca.crt"
        else
            echo "postgres://aion:aion@127.0.0.1:$port/aion"
        fi
    else
        echo "postgres://aion@/aion?host=$dir"
    fi
}

start() {
    local dir=$1 mode=durable tcp=0 tls=0 fresh=0 word port
    shift
    for word in "$@"; do
        case $word in
        fast | durable) mode=$word ;;
        tcp) tcp=1 ;;
        tls) tcp=1 tls=1 ;;
        *) echo "postgres.sh start: unknown word \"$word\"" >&2; exit 2 ;;
        esac
    done
    [ -x "$BIN/initdb" ] || skip "PostgreSQL's server is not installed (package postgresql)"
    mkdir -p "$dir"
    dir=$(readlink -f "$dir")
    if [ ! -s "$dir/data/PG_VERSION" ]; then
        fresh=1
        make_cluster "$dir"
        [ "$tls" = 0 ] || make_certificates "$dir"
        configure "$dir" "$mode" "$tcp" "$tls"
    fi
    as_server test -r "$dir/data/PG_VERSION" || { echo "$dir cannot be reached by the user postgres" >&2; exit 1; }
    # somebody else may take a free port in the meantime: then another one, as long as nobody knows this one
    for _ in 1 2 3 4 5; do
        ! run_server "$dir" || break
        [ "$tcp" = 0 ] || [ "$fresh" = 0 ] || echo "port = $(free_port)" >>"$dir/data/postgresql.conf"
    done
    port=$(setting "$dir" port)
    if [ -z "$("$BIN/psql" -X -h "$dir" -p "${port:-5432}" -U aion -d postgres -tAc \
        "SELECT 1 FROM pg_database WHERE datname = 'aion'" 2>>"$dir/server.log")" ]; then
        "$BIN/createdb" -h "$dir" -p "${port:-5432}" -U aion aion || { tail -n 5 "$dir/server.log" >&2; exit 1; }
    fi
    echo "URL=$(url_of "$dir")"
    echo "PID=$(server_pid "$dir")"
}

# Ready, or ended: status 1.
run_server() {
    local dir=$1 child port
    port=$(setting "$dir" port)
    if ! alive "$dir"; then
        as_server setsid "$BIN/postgres" -D "$dir/data" >>"$dir/server.log" 2>&1 </dev/null &
        child=$!
    fi
    for _ in $(seq 300); do
        ! "$BIN/pg_isready" -q -h "$dir" -p "${port:-5432}" || return 0
        [ -z "${child:-}" ] || [ -d "/proc/$child" ] || return 1
        sleep 0.1
    done
    return 1
}

gone() {
    local pid=$1
    for _ in $(seq 300); do
        [ -d "/proc/$pid" ] || return 0
        sleep 0.1
    done
    return 1
}

stop() {
    local dir pid
    dir=$(readlink -f "$1")
    alive "$dir" || return 0
    pid=$(server_pid "$dir")
    kill -INT "$pid"
    gone "$pid" || kill -9 "$pid"
}

# The server first, so that it starts no new backends; then those it had.
kill_hard() {
    local dir pid children
    dir=$(readlink -f "$1")
    alive "$dir" || return 0
    pid=$(server_pid "$dir")
    children=$(pgrep -P "$pid" || true)
    kill -9 "$pid"
    for child in $children; do
        kill -9 "$child" 2>/dev/null || true
    done
    for child in $pid $children; do
        gone "$child"
    done
}

with() {
    local words=() dir status=0 line
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    dir=$(mktemp -d /tmp/aion-postgres-XXXXXX)
    chmod 755 "$dir"
    # shellcheck disable=SC2064
    trap "'$SELF' stop '$dir' >/dev/null 2>&1 || true; rm -rf '$dir'" EXIT
    line=$("$SELF" start "$dir" "${words[@]}") || { status=$?; echo "$line"; exit "$status"; }
    export AION_TEST_POSTGRES_URL AION_TEST_POSTGRES_DIR=$dir AION_TEST_POSTGRES=$SELF
    AION_TEST_POSTGRES_URL=$(sed -n 's/^URL=//p' <<<"$line")
    "$@" || status=$?
    exit "$status"
}

command=${1:-}
shift || true
case $command in
start) start "$@" ;;
stop) stop "$@" ;;
kill) kill_hard "$@" ;;
with) with "$@" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$SELF" >&2; exit 2 ;;
esac
