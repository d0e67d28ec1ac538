#!/usr/bin/env bash
# Checks loadtest/: the types of the scripts, against those of k6; their pure parts; and, if a program is given, their
# requests against it, by a stand-in for k6. Whether k6 itself takes them is checked where k6 is.
# What cannot be checked here is said, and appended to the file that NOT_CHECKED names.
#   loadtest.sh [DISTRACK]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ $# -gt 0 ]]; then
    DISTRACK_PROGRAM=$(realpath "$1")
    export DISTRACK_PROGRAM
fi
cd "$root/loadtest"

not_checked() {
    echo "NOT CHECKED: $1" | tee -a "${NOT_CHECKED:-/dev/null}" >&2
}

# 20.6 is the first with hooks for modules.
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 6) ? 0 : 1)' 2>/dev/null; then
    not_checked "the load test's scripts: there is no Node.js 20.6 or newer here"
    exit 0
fi
node --test --test-reporter=dot test/*.test.js
[[ -n ${DISTRACK_PROGRAM:-} ]] || not_checked "the requests of the load test's scripts: no program was given"

installed=node_modules/.package-lock.json
if [[ ! $installed -nt package-lock.json ]]; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! command -v npm >/dev/null; then
        not_checked "the types of the load test's scripts: there is no npm here"
        exit 0
    fi
    if ! timeout 60 npm ci --no-audit --no-fund --ignore-scripts --fetch-retries=1 >"$log" 2>&1; then
        # A lock file that does not fit is our mistake, and so is another content under a version; all else is the network's.
        if grep -qE 'EUSAGE|EINTEGRITY|ETARGET|EJSONPARSE' "$log"; then
            cat "$log" >&2
            exit 1
        fi
        tail -n 3 "$log" >&2
        not_checked "the types of the load test's scripts: npm ci could not get the compiler"
        exit 0
    fi
fi
npm run --silent types

if command -v k6 >/dev/null; then
    for script in *.js; do
        k6 inspect "$script" >/dev/null
    done
else
    not_checked "whether k6 takes the load test's scripts: there is no k6 here"
fi
