#!/usr/bin/env bash
# Checks that migrations which have landed are as they were, since somebody's database may have seen them: they are
# listed with their checksums in migrations/landed.sha256, and that list is only ever appended to.
#
#   scripts/migrations.sh          checks
#   scripts/migrations.sh --land   appends the migrations that are not listed yet
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
list=migrations/landed.sha256

if [[ ${1:-} == --land ]]; then
    touch "$list"
    for file in migrations/*/*.sql; do
        grep -qF "  $file" "$list" || sha256sum "$file" >>"$list"
    done
fi

# Every line that the list ever had, on whichever side of a merge, it still has: so it cannot be emptied, edited or
# removed to get a change past the next check. Outside of a clone there is no history to ask.
if git rev-parse --git-dir >/dev/null 2>&1; then
    gone=$(git log --format= -m -p -- "$list" | sed -nE 's/^\+([0-9a-f]{64}  .*)$/\1/p' | sort -u |
        grep -vxF -f <(cat "$list" 2>/dev/null) || true)
    if [[ -n $gone ]]; then
        printf '%s\n' "$gone" >&2
        echo "migrations: these lines are gone from $list, to which lines are only ever appended" >&2
        exit 1
    fi
fi
if [[ ! -s $list ]]; then
    echo "migrations: none has landed yet"
    exit 0
fi
if ! sha256sum --check --quiet "$list"; then
    echo "migrations: a landed migration was changed: take the change back and write a new migration" >&2
    exit 1
fi
echo "migrations: $(wc -l <"$list") landed ones are unchanged"
