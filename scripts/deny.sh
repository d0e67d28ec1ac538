#!/usr/bin/env bash
# Checks licences, sources, bans and advisories of the dependencies against deny.toml.
# Uses cargo-deny from PATH, else installs it below target/ once (two minutes on two cores).
# What cannot be had here (the tool, the advisory database) is said in one line and not held against the code:
# the arrows are proved by a test besides.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
tools=${CARGO_TARGET_DIR:-target}/tools
deny=$(command -v cargo-deny || echo "$tools/bin/cargo-deny")
if [[ ! -x $deny ]] &&
    ! timeout 600 cargo install --quiet --locked --debug --version "$version" --root "$tools" cargo-deny; then
    echo "deny: cargo-deny $version cannot be installed here: licences, sources and advisories were not checked" >&2
    exit 0
fi

checks=(licenses bans sources)
if timeout 60 "$deny" --log-level off fetch db >/dev/null 2>&1; then
    checks+=(advisories)
else
    echo "deny: the advisory database cannot be reached: advisories were not checked" >&2
fi
"$deny" --log-level error check "${checks[@]}"
