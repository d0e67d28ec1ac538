#!/usr/bin/env bash
# Sees to it that the tests can start a PostgreSQL: finds its programs, or installs them if that needs no question.
# Does nothing if DISTRACK_TEST_POSTGRES_URL names a server.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -z ${DISTRACK_TEST_POSTGRES_URL:-} ]] || exit 0

# Looks as crates/testkit/src/postgres/programs.rs does.
oldest=15
found() {
    local folder version
    for folder in ${PATH//:/ } $(<crates/testkit/src/postgres/places.txt); do
        [[ -f $folder/initdb && -f $folder/pg_ctl && -f $folder/postgres ]] || continue
        version=$("$folder/postgres" -V 2>/dev/null) || continue
        [[ $version =~ \(PostgreSQL\)\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= oldest)) && return 0
    done
    return 1
}
if found; then exit 0; fi

as_root=()
((EUID == 0)) || as_root=(sudo --non-interactive)
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "no PostgreSQL $oldest or newer found: install it (Debian, Ubuntu: apt-get install postgresql;" \
        "Fedora: dnf install postgresql-server; macOS: brew install postgresql@17)" \
        "or set DISTRACK_TEST_POSTGRES_URL to a server" >&2
    exit 1
fi

# One at a time on this machine. The lock is on a file that every account can open, and nobody else locks.
exec 9<"$(command -v apt-get)"
flock 9
if found; then exit 0; fi

echo "installing PostgreSQL"
# The programs are wanted, not a server that runs for ever: the package starts none when it is told so beforehand.
conf=/etc/postgresql-common/createcluster.conf
if [[ ! -e $conf ]]; then
    "${as_root[@]}" mkdir -p "${conf%/*}"
    echo "create_main_cluster = false" | "${as_root[@]}" tee "$conf" >/dev/null
fi
apt() {
    # No lock of ours is left to what the packages start, and no file is asked about.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 "$@" >/dev/null 9<&-
}
apt update
apt install --no-install-recommends postgresql
if ! found; then
    echo "the PostgreSQL that this system's packages bring is older than $oldest:" \
        "install a newer one, or set DISTRACK_TEST_POSTGRES_URL to a server" >&2
    exit 1
fi
