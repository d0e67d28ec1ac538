#!/usr/bin/env bash
# Checks licences, sources, bans and advisories of the dependencies against deny.toml.
# Uses cargo-deny from PATH, else installs it once for this account (two minutes on two cores).
# What cannot be had here (the tool, the advisory database) is not held against the code: the arrows are proved by a
# test besides. It is said, and appended to the file that NOT_CHECKED names, so that CI can say it again at its end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
oldest=0.18.0 # reads deny.toml as it is written
tools=${XDG_CACHE_HOME:-$HOME/.cache}/distrack/tools

not_checked() {
    echo "NOT CHECKED: $1" | tee -a "${NOT_CHECKED:-/dev/null}" >&2
}

usable() {
    local found
    found=$("$1" --version 2>/dev/null) && printf '%s\n' "$oldest" "${found##* }" | sort -C -V
}

deny=$(command -v cargo-deny || true)
if [[ -z $deny ]] || ! usable "$deny"; then
    deny=$tools/bin/cargo-deny
fi
if ! usable "$deny" &&
    ! timeout 600 cargo install --quiet --locked --debug --force --version "$version" --root "$tools" cargo-deny; then
    not_checked "licences, bans, sources and advisories: cargo-deny $version cannot be installed here"
    exit 0
fi

checks=(licenses bans sources)
if timeout 60 "$deny" --log-level off fetch db >/dev/null 2>&1; then
    checks+=(advisories)
else
    not_checked "advisories: their database cannot be reached"
fi
"$deny" --log-level error check "${checks[@]}"
