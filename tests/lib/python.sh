# Python packages that tests use, sourced by their scripts: a venv in $AION_TOOLS.
# shellcheck shell=bash

# python_tool NAME PACKAGE==VERSION...: $AION_TOOLS/venv-NAME holds those packages. Status 1 when they cannot be had (no
# network); the reason is in $AION_TOOLS/venv-NAME.log.
python_tool() {
    local name=$1 venv=$AION_TOOLS/venv-$1
    shift
    mkdir -p "$AION_TOOLS"
    (
        flock 9
        if [ "$(cat "$venv/.packages" 2>/dev/null)" = "$*" ]; then
            exit 0
        fi
        rm -rf "$venv"
        if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q "$@"; } >"$AION_TOOLS/venv-$name.log" 2>&1; then
            rm -rf "$venv"
            exit 1
        fi
        echo "$*" >"$venv/.packages"
    ) 9>"$AION_TOOLS/.venv-$name.lock"
}
