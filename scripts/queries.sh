#!/usr/bin/env bash
# Writes the caches against which an ordinary build checks the stores' queries: crates/store-*/.sqlx.
# With --check it writes nothing, and fails if they are not what the queries and migrations give now.
#
#   scripts/queries.sh [--check] [postgres|sqlite]... [-- FLAGS of cargo check]
#
# sqlx writes a query's description whenever it expands the query against a live database and
# SQLX_OFFLINE_DIR names a folder. So: fresh databases, migrations applied, one cargo check for each store.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

check=() inside=false stores=()
while (($#)); do
    case $1 in
    --check) check=(--check) ;;
    --inside) inside=true ;; # with-migrations started us: the databases are there
    postgres | sqlite) stores+=("$1") ;;
    --) shift && break ;;
    *) echo "queries: unknown argument $1" >&2 && exit 2 ;;
    esac
    shift
done
((${#stores[@]})) || stores=(postgres sqlite)

if ! $inside; then
    # WITH_MIGRATIONS may name the program if it is built already, as in CI.
    runner=(cargo run --quiet --package distrack-testkit --bin with-migrations --)
    [[ -z ${WITH_MIGRATIONS:-} ]] || runner=("$WITH_MIGRATIONS")
    exec "${runner[@]}" "$self" --inside "${check[@]}" "${stores[@]}" -- "$@"
fi

declare -A urls=([postgres]=$DISTRACK_POSTGRES_URL [sqlite]=$DISTRACK_SQLITE_URL)
unset DISTRACK_POSTGRES_URL DISTRACK_SQLITE_URL # each crate sees its own only, below

# Flags may widen the check to the workspace, as CI does to share what it builds. Nothing but the store itself
# must then be left to build below, or others would look into its folder.
if ((${#check[@]})) && ! cargo check --quiet "$@" "${stores[@]/#/--package=distrack-store-}" --lib; then
    echo "queries: the stores do not build against their caches: run scripts/queries.sh" >&2
    exit 1
fi

fresh=$(mktemp -d)
# Gives a store's lib.rs its time back, or whatever is built next would build the store again, and all above it.
# Unless somebody has edited it meanwhile.
restore() {
    local store file
    for store in "${stores[@]}"; do
        file=crates/store-$store/src/lib.rs
        [[ ! -e $fresh/$store.touched || $file -nt $fresh/$store.touched ]] || touch -r "$fresh/$store.before" "$file"
    done
}
trap 'restore; rm -rf "$fresh"' EXIT
failed=0
for store in "${stores[@]}"; do
    crate=crates/store-$store
    cache=$crate/.sqlx
    mkdir "$fresh/$store"
    touch -r "$crate/src/lib.rs" "$fresh/$store.before"
    touch "$crate/src/lib.rs" # cargo does not know that the macros read a database: make it expand them again
    touch -r "$crate/src/lib.rs" "$fresh/$store.touched"
    env "DISTRACK_${store^^}_URL=${urls[$store]}" SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh/$store" \
        cargo check --quiet "$@" --package "distrack-store-$store" --lib
    restore

    count=$(find "$fresh/$store" -name 'query-*.json' | wc -l)
    if ((!${#check[@]})); then
        mkdir -p "$cache"
        find "$cache" -name 'query-*.json' -delete
        find "$fresh/$store" -name 'query-*.json' -exec mv -t "$cache" {} +
        echo "queries: $cache has $count queries"
    elif differences=$(diff -rq "$cache" "$fresh/$store" 2>&1); then
        echo "queries: $cache is up to date, $count queries"
    else
        echo "queries: $cache is stale: run scripts/queries.sh $store and commit what it writes" >&2
        sed "s|$fresh/$store|what the queries give now|" <<<"$differences" >&2
        failed=1
    fi
done
exit $failed
