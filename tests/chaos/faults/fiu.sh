#!/usr/bin/env bash
# The store under libfiu's faults: fiu.sh STORE_FAULTS [SANITIZER]. The sanitizer's library must stand before libfiu's.
set -euo pipefail
command -v fiu-run >/dev/null || { echo "SKIP: no fiu-run (Debian package fiu-utils)"; exit 77; }
preload=$(fiu-run -n -x true | sed -n 's/.*LD_PRELOAD="\([^"]*\)".*/\1/p')
exec "$1" --fiu "${2:+$2 }$preload"
