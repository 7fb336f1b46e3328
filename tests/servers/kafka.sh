#!/usr/bin/env bash
# A real Apache Kafka of its own for a test, one node, in a folder of the caller's; its jars come by Maven into $AION_TOOLS.
#   kafka.sh start DIR [tls] [sasl]   makes the node where there is none, starts it; prints BROKERS=, PID=, with tls
#                                     TLS_BROKERS= CA= CERT= KEY= (a client's, asked for), with sasl SASL_BROKERS= CA=
#                                     (SASL over TLS: user aion, password aion-secret, PLAIN or SCRAM-SHA-512)
#   kafka.sh stop DIR                 ends it in order
#   kafka.sh kill DIR                 kill -9
#   kafka.sh tool DIR NAME ARGS...    Kafka's own tools against it: topics configs console-consumer consumer-groups
#   kafka.sh with [tls] [sasl] -- CMD...
#       starts one in a temporary folder, runs CMD with AION_TEST_KAFKA (this script), AION_TEST_KAFKA_DIR and
#       AION_TEST_KAFKA_BROKERS, removes it all
# Status 77 and a line "SKIP: reason" where Kafka cannot be had.
set -euo pipefail
SELF=$(readlink -f "${BASH_SOURCE[0]}")
VERSION=4.1.1
TOOLS=${AION_TOOLS:-${TOOLS_DEFAULT:?names the cache of tools}}
JARS=$TOOLS/kafka-$VERSION/jars

skip() {
    echo "SKIP: $*"
    exit 77
}

# -- the program --------------------------------------------------------------------------------------------------------------
pom() {
    cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>kafka-run</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
}

need_program() {
    command -v java >/dev/null || skip "no java (package openjdk-17-jre-headless)"
    [ ! -e "$JARS/.complete" ] || return 0
    command -v mvn >/dev/null || skip "no mvn (package maven)"
    mkdir -p "$JARS"
    (
        flock 9
        [ ! -e "$JARS/.complete" ] || exit 0
        pom >"$JARS/../pom.xml"
        mvn -q -B -Dstyle.color=never -f "$JARS/../pom.xml" dependency:copy-dependencies -DoutputDirectory="$JARS" -DincludeScope=runtime \
            >"$JARS/../maven.log" 2>&1 || exit 1
        touch "$JARS/.complete"
    ) 9>"$JARS/../.lock" || skip "Kafka's jars cannot be had: $(grep -m 1 '^\[ERROR\]' "$JARS/../maven.log" || echo "see maven.log")"
}

# java_of HEAP LEVEL CLASS ARGS...
java_of() {
    local heap=$1 level=$2
    shift 2
    exec java "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dorg.slf4j.simpleLogger.defaultLogLevel=$level" \
        -cp "$JARS/*" "$@"
}

# -- the node -----------------------------------------------------------------------------------------------------------------
free_ports() {
    python3 - "$1" <<'PY'
import socket
import sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in held])
PY
}

make_certificates() {
    local dir=$1 who
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=test ca" \
        -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
    for who in server client; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$who" \
            -keyout "$dir/$who.key" -out "$dir/$who.csr" 2>/dev/null
        openssl x509 -req -in "$dir/$who.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
            -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$dir/$who.crt" 2>/dev/null
    done
    cat "$dir/server.key" "$dir/server.crt" >"$dir/keystore.pem"
}

configure() {
    local dir=$1 tls=$2 sasl=$3 plain controller tls_port sasl_port listeners advertised
    read -r plain controller tls_port sasl_port < <(free_ports 4)
    advertised=PLAINTEXT://127.0.0.1:$plain
    [ "$tls" = 0 ] || advertised=$advertised,SSL://127.0.0.1:$tls_port
    [ "$sasl" = 0 ] || advertised=$advertised,SASL_SSL://127.0.0.1:$sasl_port
    listeners=$advertised,CONTROLLER://127.0.0.1:$controller
    cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
CONF
    [ "$tls$sasl" = 00 ] || cat <<CONF
ssl.keystore.type=PEM
ssl.keystore.location=$dir/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/ca.crt
listener.name.ssl.ssl.client.auth=required
CONF
    [ "$sasl" = 0 ] || cat <<CONF
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_aion="aion-secret";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
CONF
}

make_node() {
    local dir=$1 tls=$2 sasl=$3 users=()
    [ "$tls$sasl" = 00 ] || make_certificates "$dir"
    configure "$dir" "$tls" "$sasl" >"$dir/server.properties"
    [ "$sasl" = 0 ] || users=(--add-scram 'SCRAM-SHA-512=[name=aion,password=aion-secret]')
    (java_of 96m error kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$dir/server.properties" "${users[@]}") \
        >"$dir/format.log" 2>&1 || { tail -n 5 "$dir/format.log" >&2; return 1; }
}

address() { sed -n 's/^advertised.listeners=//p' "$1/server.properties" | tr , '\n' | sed -n "s#^$2://##p"; }

# The pid file names the process and when it began, so that a pid used again is never hit.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() {
    local pid when
    [ -s "$1/pid" ] && read -r pid when <"$1/pid" && [ -n "$when" ] && [ "$(began "$pid")" = "$when" ]
}

answers() {
    (java_of 64m off org.apache.kafka.tools.TopicCommand --bootstrap-server "$(address "$1" PLAINTEXT)" --list) >/dev/null 2>&1
}

# kcat answers in milliseconds where it is there; Kafka's own tool needs a second.
ready() {
    if command -v kcat >/dev/null; then
        kcat -b "$(address "$1" PLAINTEXT)" -L -m 1 >/dev/null 2>&1
    else
        answers "$1"
    fi
}

launch() {
    local dir=$1 pid
    (java_of 256m warn -Xms64m kafka.Kafka "$dir/server.properties") >>"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid $(began "$pid")" >"$dir/pid"
    for _ in $(seq 300); do
        ! ready "$dir" || return 0
        alive "$dir" || break
        sleep 0.1
    done
    tail -n 20 "$dir/server.log" >&2
    echo "Kafka does not start" >&2
    return 1
}

start() {
    local dir=$1 tls=0 sasl=0 word
    shift
    for word in "$@"; do
        case $word in
        tls) tls=1 ;;
        sasl) sasl=1 ;;
        *) echo "kafka.sh start: unknown word \"$word\"" >&2; exit 2 ;;
        esac
    done
    need_program
    mkdir -p "$dir"
    dir=$(readlink -f "$dir")
    [ -s "$dir/data/meta.properties" ] || make_node "$dir" "$tls" "$sasl"
    alive "$dir" || launch "$dir"
    echo "BROKERS=$(address "$dir" PLAINTEXT)"
    echo "PID=$(cut -d' ' -f1 "$dir/pid")"
    [ ! -e "$dir/ca.crt" ] || echo "CA=$dir/ca.crt"
    [ -z "$(address "$dir" SSL)" ] ||
        printf 'TLS_BROKERS=%s\nCERT=%s\nKEY=%s\n' "$(address "$dir" SSL)" "$dir/client.crt" "$dir/client.key"
    [ -z "$(address "$dir" SASL_SSL)" ] || echo "SASL_BROKERS=$(address "$dir" SASL_SSL)"
}

# end DIR SIGNAL: waits until it is gone.
end() {
    local dir=$1 pid
    alive "$dir" || return 0
    read -r pid _ <"$dir/pid"
    kill "-$2" "$pid"
    for _ in $(seq 300); do
        alive "$dir" || return 0
        sleep 0.1
    done
    kill -9 "$pid"
}

tool() {
    local dir=$1 name=$2 class
    shift 2
    case $name in
    topics) class=org.apache.kafka.tools.TopicCommand ;;
    configs) class=kafka.admin.ConfigCommand ;;
    console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    *) echo "kafka.sh tool: unknown tool \"$name\"" >&2; exit 2 ;;
    esac
    java_of 96m error "$class" --bootstrap-server "$(address "$dir" PLAINTEXT)" "$@"
}

with() {
    local words=() dir status=0 line
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    dir=$(mktemp -d /tmp/aion-kafka-XXXXXX)
    # shellcheck disable=SC2064
    trap "'$SELF' kill '$dir' >/dev/null 2>&1 || true; rm -rf '$dir'" EXIT
    line=$("$SELF" start "$dir" "${words[@]}") || { status=$?; echo "$line"; exit "$status"; }
    export AION_TEST_KAFKA=$SELF AION_TEST_KAFKA_DIR=$dir AION_TEST_KAFKA_BROKERS
    AION_TEST_KAFKA_BROKERS=$(sed -n 's/^BROKERS=//p' <<<"$line")
    "$@" || status=$?
    exit "$status"
}

command=${1:-}
shift || true
case $command in
start) start "$@" ;;
stop) end "$(readlink -f "$1")" TERM ;;
kill) end "$(readlink -f "$1")" KILL ;;
tool) tool "$@" ;;
with) with "$@" ;;
*) sed -n '2,13s/^# \{0,1\}//p' "$SELF" >&2; exit 2 ;;
esac
