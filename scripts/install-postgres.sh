#!/usr/bin/env bash
# Sees to it that the tests can start a PostgreSQL: finds its programs, or installs them if that needs no question.
# Does nothing if DISTRACK_TEST_POSTGRES_URL names a server.
set -euo pipefail
shopt -s nullglob

[[ -z ${DISTRACK_TEST_POSTGRES_URL:-} ]] || exit 0

# Where crates/testkit/src/postgres/programs.rs looks, too.
if command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then exit 0; fi
for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb \
    /usr/local/opt/postgresql@*/bin/initdb /opt/homebrew/bin/initdb /usr/local/pgsql/bin/initdb; do
    [[ -x $initdb ]] && exit 0
done

as_root=()
((EUID == 0)) || as_root=(sudo --non-interactive)
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "no PostgreSQL 15 or newer found: install it (Debian, Ubuntu: apt-get install postgresql;" \
        "Fedora: dnf install postgresql-server; macOS: brew install postgresql@17)" \
        "or set DISTRACK_TEST_POSTGRES_URL to a server" >&2
    exit 1
fi
echo "installing PostgreSQL"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql >/dev/null
