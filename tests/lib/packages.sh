# Debian packages of AION, sourced by deploy/quickstart and tests/run: what is missing is installed, or named.
# shellcheck shell=bash disable=SC2034

AION_BUILD_PACKAGES=(build-essential cmake ninja-build pkg-config protobuf-compiler libprotobuf-dev libprotoc-dev protobuf-c-compiler
    libprotobuf-c-dev libgrpc-dev libssl-dev libsqlite3-dev libpq-dev libfyaml-dev libjansson-dev libnghttp2-dev
    libncurses-dev libpcre2-dev librdkafka-dev)
AION_TEST_PACKAGES=(libcmocka-dev clang-14 libclang-rt-14-dev clang-format-14 shellcheck python3 python3-venv curl openssl
    ccache procps nodejs postgresql libvterm-dev tmux ncurses-term fiu-utils openjdk-17-jre-headless maven kcat)

# packages_missing NAME...: those of the names that are not installed.
packages_missing() {
    local name
    for name in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

# packages_need NAME...: installs what is missing, as root or by sudo; one clear line and status 1 where it cannot.
packages_need() {
    local missing sudo=()
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "missing Debian packages: ${missing[*]} (run as root or with sudo, or install them yourself)" >&2
            return 1
        fi
        sudo=(sudo)
    fi
    echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        echo "could not install: ${missing[*]}" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
