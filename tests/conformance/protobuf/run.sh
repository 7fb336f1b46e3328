#!/bin/sh
# Runs Google's protobuf conformance suite (proto3, binary and JSON, required and recommended) against our codec.
# $1: a folder of its own. The environment is set by CMakeLists.txt; AION_TOOLS names the cache of the runner.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
tools=${AION_TOOLS:-$TOOLS_DEFAULT}/protobuf
"$here/runner.sh" "$tools" || exit $?

# The testee: messages of the suite, generated as ours are.
gen=$work/gen
rm -rf "$gen" && mkdir -p "$gen"
export ASAN_OPTIONS=detect_leaks=0 AION_STRIP_SERVICES
"$PROTOC" --plugin=protoc-gen-copt="$PROTOC_GEN_C" --copt_out="$gen" \
    --plugin=protoc-gen-aion="$PROTOC_GEN_AION" --aion_out=plain:"$gen" -I"$tools/protos" \
    conformance.proto google/protobuf/test_messages_proto3.proto
# protobuf-c makes one enumerator of the aliases MOO and moo: keep the first.
header=$gen/google/protobuf/test_messages_proto3.pb-c.h
awk '/^  PROTOBUF_TEST_MESSAGES__PROTO3__[A-Z0-9_]* = / { if (seen[$1]++) next } { print }' \
    "$header" >"$header.new"
mv "$header.new" "$header"
# shellcheck disable=SC2086
"$CC" -std=c17 -O1 -g -w -D_GNU_SOURCE -fno-strict-aliasing $TESTEE_FLAGS -I"$gen" -I"$GEN_DIR" -I"$LIB_DIR" \
    -o "$work/testee" "$here/testee.c" "$gen/conformance.pb-c.c" \
    "$gen/google/protobuf/test_messages_proto3.pb-c.c" "$gen/google/protobuf/test_messages_proto3.schema.c" \
    $LIBS -lprotobuf-c -lm -lpthread

# Text format and proto2 are answered "skipped"; a failure of what remains fails the test, and so does a case that is
# skipped where there were enough to judge: 1,364 required and recommended ones in 3.21.12.
least=1364
status=0
"$tools/conformance_test_runner" --enforce_recommended --output_dir "$work" "$work/testee" \
    >"$work/report.txt" 2>&1 || status=$?
grep -E '^(CONFORMANCE SUITE|ERROR|WARNING)' "$work/report.txt" || true
passed=$(sed -n 's/^CONFORMANCE SUITE [A-Z]*: \([0-9]*\) successes.*/\1/p' "$work/report.txt" | head -n 1)
if [ "${passed:-0}" -lt "$least" ]; then
    echo "only ${passed:-0} cases passed, at least $least are expected"
    status=1
fi
[ "$status" -eq 0 ] || echo "the whole report: $work/report.txt"
exit "$status"
