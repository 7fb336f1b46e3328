#!/bin/sh
# Builds Google's conformance runner from the source package of Debian's protobuf, once, into $1.
# The package index and the source are fetched by a private apt configuration made of the machine's own
# sources with deb replaced by deb-src; nothing of it touches the machine's apt state. Leaves
#   $1/conformance_test_runner, $1/protos/{conformance,google/protobuf/test_messages_proto3}.proto
# Exit 77 with the reason when the source cannot be had.
set -eu
out=$1
[ -x "$out/conformance_test_runner" ] && [ -d "$out/protos" ] && exit 0
mkdir -p "$out"
cd "$out"

skip() {
    echo "SKIP: $1"
    exit 77
}

fetch() {
    mkdir -p apt/lists/partial apt/cache/archives/partial apt/sources
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"apt/sources/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && sed -n 's/^deb /deb-src /p' "$file" >"apt/sources/${file##*/}"
    done
    set -- -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$out/apt/sources" \
        -o Dir::State::Lists="$out/apt/lists" -o Dir::Cache="$out/apt/cache"
    apt-get "$@" -qq update || return 1
    apt-get "$@" -qq source --download-only protobuf
}

if ! ls protobuf_*.orig.tar.gz >/dev/null 2>&1; then
    command -v apt-get >/dev/null || skip "no apt-get"
    fetch >fetch.log 2>&1 || skip "the source package of protobuf cannot be fetched (see $out/fetch.log)"
fi
command -v c++ >/dev/null || skip "no C++ compiler"
[ -f /usr/include/google/protobuf/message.h ] || skip "libprotobuf-dev is not installed"

rm -rf source && mkdir source
tar -xzf protobuf_*.orig.tar.gz -C source --strip-components=1
protoc -Isource/conformance --cpp_out=source/conformance source/conformance/conformance.proto
protoc -Isource/src --cpp_out=source/conformance \
    source/src/google/protobuf/test_messages_proto2.proto \
    source/src/google/protobuf/test_messages_proto3.proto
cd source/conformance
# The suites include generated headers by these paths.
flags="-O1 -w -std=c++17 -I. -Ithird_party/jsoncpp -I.. -idirafter ../src"
for unit in binary_json_conformance_suite text_format_conformance_suite conformance_test \
    conformance_test_runner conformance_test_main third_party/jsoncpp/jsoncpp conformance.pb \
    google/protobuf/test_messages_proto2.pb google/protobuf/test_messages_proto3.pb; do
    source=$unit.cc
    [ -f "$source" ] || source=$unit.cpp
    [ -f "$source" ] || continue
    object=$(basename "$unit").o
    # shellcheck disable=SC2086
    c++ $flags -c "$source" -o "$object"
done
c++ -o "$out/conformance_test_runner.new" ./*.o -lprotobuf -lpthread
mkdir -p "$out/protos/google/protobuf"
cp conformance.proto "$out/protos/"
cp ../src/google/protobuf/test_messages_proto3.proto "$out/protos/google/protobuf/"
mv "$out/conformance_test_runner.new" "$out/conformance_test_runner"
cd "$out" && rm -rf source apt
