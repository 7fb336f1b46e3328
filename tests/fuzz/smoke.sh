#!/usr/bin/env bash
# Fuzzes every target for some seconds from its corpus: smoke.sh SOURCE BUILD [SECONDS]. AION_TEST_LONG: five minutes each.
# A crash ends it with the input's path; keep the input in tests/fuzz/corpus/TARGET.
set -euo pipefail
source=$1 build=$2 seconds=${3:-6}
[ -z "${AION_TEST_LONG:-}" ] || seconds=300
if ! command -v clang-14 >/dev/null; then
    echo "SKIP: clang-14 is not here"
    exit 77
fi
mkdir -p "$build"
cmake -S "$source" --preset fuzz -B "$build" >"$build/configure.log" 2>&1 || { tail -n 20 "$build/configure.log"; exit 1; }
mapfile -t targets < <(sed -n 's/^\([^:]*\):.*/\1/p' "$build/fuzzers.txt")
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target"; exit 1; }
ninja -C "$build" "${targets[@]}" >"$build/build.log" 2>&1 || { grep -aE 'error|FAILED' "$build/build.log" | head -n 20; exit 1; }
status=0
while IFS=: read -r name corpus dict; do
    work=$build/work/$name
    mkdir -p "$work"
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/" -verbosity=0)
    [ -z "$dict" ] || options+=(-dict="$dict")
    if "$build/tests/fuzz/$name" "${options[@]}" "$work" "$corpus" >"$work.log" 2>&1; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work.log") inputs in $seconds s"
    else
        tail -n 30 "$work.log"
        echo "$name: FAILED, the input is in $work"
        status=1
    fi
done <"$build/fuzzers.txt"
exit "$status"
