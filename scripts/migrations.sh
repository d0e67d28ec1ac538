#!/usr/bin/env bash
# Checks that migrations which somebody's database may have seen are as they were: released ones are listed with
# their checksums in migrations/released.sha256, and that list is only ever appended to.
#
#   scripts/migrations.sh             checks
#   scripts/migrations.sh --release   appends the migrations that are not listed yet
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
list=migrations/released.sha256

if [[ ${1:-} == --release ]]; then
    touch "$list"
    for file in migrations/*/*.sql; do
        grep -qF "  $file" "$list" || sha256sum "$file" >>"$list"
    done
fi

if [[ ! -e $list ]]; then
    echo "migrations: none is released yet"
    exit 0
fi
if ! sha256sum --check --quiet "$list"; then
    echo "migrations: a released migration was changed: take the change back and write a new migration" >&2
    exit 1
fi
if git rev-parse --git-dir >/dev/null 2>&1 &&
    git log --format= -p -- "$list" | grep -E '^-[0-9a-f]{64} ' >&2; then
    echo "migrations: these lines were taken out of $list, to which lines are only ever appended" >&2
    exit 1
fi
echo "migrations: $(wc -l <"$list") released ones are unchanged"
