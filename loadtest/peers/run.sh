#!/usr/bin/env bash
# Builds a peer and runs one of its modes against a PostgreSQL. Prints a line of JSON.
#   run.sh PEER [--workers N] DATABASE_URL MODE NUMBER…
#   run.sh all postgres://postgres@localhost/peers drain-shell 6000
# PEER is river, graphile-worker, or all. Built once, in $PEERS_BUILD or .build/ beside this file.
set -euo pipefail
peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${PEERS_BUILD:-$peers/.build}

if [[ $# -lt 4 ]]; then
    sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi

river() {
    (cd "$peers/river" && CGO_ENABLED=0 go build -trimpath -o "$build/river" .)
    "$build/river" "$@"
}

graphile-worker() {
    local made=$build/graphile-worker
    mkdir -p "$made"
    if ! cmp -s "$peers/graphile-worker/package-lock.json" "$made/package-lock.json"; then
        cp "$peers/graphile-worker"/{package.json,.npmrc} "$made"
        # Last: it says that all before it is there.
        (cd "$made" && cp "$peers/graphile-worker/package-lock.json" . &&
            npm ci --no-audit --no-fund --ignore-scripts >&2) || { rm -f "$made/package-lock.json" && exit 1; }
    fi
    cp "$peers/graphile-worker/main.js" "$made"
    node "$made/main.js" "$@"
}

peer=$1
shift
case $peer in
    river | graphile-worker) "$peer" "$@" ;;
    all)
        river "$@"
        graphile-worker "$@"
        ;;
    *)
        echo "run.sh: no peer '$peer'" >&2
        exit 2
        ;;
esac
