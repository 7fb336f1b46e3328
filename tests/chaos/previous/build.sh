#!/usr/bin/env bash
# Builds aion as the previous release had it, from this repository's own history: optimised, without its tests, with two
# jobs, once per commit. The last line of output is the path of the executable. Status 77 and "SKIP: reason" where the history
# is not here.
#   build.sh FOLDER      builds in FOLDER/COMMIT, and removes what is there of other commits
set -euo pipefail
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(readlink -f "$HERE/../../..")

skip() {
    echo "SKIP: $*"
    exit 77
}

# The newest tag of a release below HEAD, else the commit that is written down.
previous() {
    local tag
    tag=$(git -C "$ROOT" tag --list 'v[0-9]*' --merged HEAD --no-contains HEAD --sort=-version:refname | head -n 1)
    if [ -n "$tag" ]; then
        echo "$tag"
    else
        sed -n 's/^\([0-9a-f]\{40\}\).*/\1/p' "$HERE/release"
    fi
}

mkdir -p "$1"
folder=$(readlink -f "$1")
command -v git >/dev/null || skip "git is not here"
top=$(git -C "$ROOT" rev-parse --show-toplevel 2>&1) || skip "no history of this tree: $(head -n 1 <<<"$top")"
[ "$(readlink -f "$top")" = "$ROOT" ] || skip "this tree is not a clone of its repository"
name=$(previous)
if ! commit=$(git -C "$ROOT" rev-parse --quiet --verify "$name^{commit}"); then
    [ "$(git -C "$ROOT" rev-parse --is-shallow-repository)" = false ] ||
        skip "this clone is shallow and has no $name: git fetch --unshallow"
    skip "$name is not in the history of this clone"
fi

place=$folder/$commit
exec 9>"$folder/.lock"
flock 9
if [ ! -e "$place/built" ]; then
    find "$folder" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
    mkdir -p "$place/source"
    git -C "$ROOT" archive "$commit" | tar -x -C "$place/source"
    began=$SECONDS
    if ! { cmake -S "$place/source" -B "$place/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DAION_TESTS=OFF &&
        ninja -C "$place/build" -j 2 aion; } >"$place/build.log" 2>&1; then
        tail -n 30 "$place/build.log"
        echo "the previous release ($name) does not build here; all of it: $place/build.log"
        exit 1
    fi
    echo "$name built in $((SECONDS - began)) s"
    touch "$place/built"
fi
echo "$place/build/aion"
