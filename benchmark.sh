#!/bin/sh
# Measures a running distrack from outside, with a POSIX shell and curl: ./benchmark.sh --help
#
# Times are the API's own timestamps, all of one clock, the database's, and curl's %{time_total}. Each client is one curl
# that sends its requests over one connection, so that the scheduler is measured and not the start of programs.
set -u
LC_ALL=C
export LC_ALL

help() {
    cat <<'HELP'
Measures a running distrack: how fast it accepts tasks, how late it runs them, what it holds under load, and what
each worker does. It needs curl, and nothing else.

  ./benchmark.sh
  NUM_TASKS=500 CONCURRENCY=20 WORKER_COUNT=5 ./benchmark.sh

Variables, all optional:
  SCHEDULER_URL   where the API is                                             http://localhost:8081
  NUM_TASKS       tasks of each section but the load test, 1 to 1000000        100
  DELAY_SECONDS   how far ahead they are scheduled                             1
  CONCURRENCY     clients that send at once, 1 to 500                          10
  WORKER_COUNT    workers that you started; it warns if the fleet differs      3
  LOAD_SECONDS    how long the load test lasts, 1 to 3600                      30
  TIME_LIMIT      seconds after which a due task is given up, 1 to 86400       60
  COMMAND         what each task runs                                          echo benchmark
  DISTRACK_TOKEN  the API's token, where one is needed; with these scopes:
                  distrack token create NAME --scope=submit,read

Sections:
  Task Scheduling Throughput   NUM_TASKS times POST /schedule by CONCURRENCY clients: tasks accepted a second
  Task Execution Latency       the same tasks from schedule to completion, and how much of it was the asked delay
  System Load Test             CONCURRENCY clients for LOAD_SECONDS; each waits for the end of every tenth task, so
                               that the fleet always has work and no endless backlog
  Worker Scalability           NUM_TASKS tasks, all due at one instant: how fast the fleet and each worker run them

All tasks have the label benchmark=RUN, and stay in the history like any other.

Exit codes: 0 all completed, 1 some refused, lost, failed or never ended, 2 it could not begin, 130 interrupted
HELP
}

: "${SCHEDULER_URL:=http://localhost:8081}" "${NUM_TASKS:=100}" "${DELAY_SECONDS:=1}" "${CONCURRENCY:=10}"
: "${WORKER_COUNT:=3}" "${LOAD_SECONDS:=30}" "${TIME_LIMIT:=60}" "${COMMAND:=echo benchmark}" "${DISTRACK_TOKEN:=}"
SCHEDULER_URL=${SCHEDULER_URL%/}

say() {
    printf '%s\n' "$@"
}

complain() {
    printf 'benchmark.sh: %s\n' "$*" >&2
}

give_up() {
    complain "$*"
    exit 2
}

# whole NAME VALUE MOST
whole() {
    case $2 in
        0* | *[!0-9]* | ????????*) ;;
        *) [ "$2" -gt "$3" ] || return 0 ;;
    esac
    wrong "$1 must be a whole number from 1 to $3, not '$2'"
}

# wrong WHAT: they are all said before it ends.
wrong() {
    complain "$1"
    right=false
}

check_settings() {
    right=true
    case $SCHEDULER_URL in
        http*[!][A-Za-z0-9.:/_~%-]*) wrong "SCHEDULER_URL has a character that no address has: '$SCHEDULER_URL'" ;;
        http://?* | https://?*) ;;
        *) wrong "SCHEDULER_URL must be like http://localhost:8081, not '$SCHEDULER_URL'" ;;
    esac
    whole NUM_TASKS "$NUM_TASKS" 1000000
    whole CONCURRENCY "$CONCURRENCY" 500
    whole WORKER_COUNT "$WORKER_COUNT" 1000000
    whole LOAD_SECONDS "$LOAD_SECONDS" 3600
    whole TIME_LIMIT "$TIME_LIMIT" 86400
    case $DELAY_SECONDS in
        *[!0-9.]* | .* | *. | *.*.* | ????????????*)
            wrong "DELAY_SECONDS must be a number of seconds like 1 or 0.5, not '$DELAY_SECONDS'" ;;
    esac
    case $DISTRACK_TOKEN in
        *[!A-Za-z0-9._~+/=-]*) wrong "DISTRACK_TOKEN has a character that no token has" ;;
    esac
    command -v curl >/dev/null || wrong "there is no curl here"
    $right || exit 2
}

# What every request says, in a file: a token among the arguments could be read by everybody on this machine.
write_configs() {
    cat >common <<'CURL'
silent
show-error
connect-timeout = 5
max-time = 90
header = "Content-Type: application/json"
CURL
    [ -z "$DISTRACK_TOKEN" ] || say "header = \"Authorization: Bearer $DISTRACK_TOKEN\"" >>common
    # What curl itself has to say follows the answer in the manner of one, so that one reader reads both.
    cat >sending <<'CURL'
no-buffer
fail-early
write-out = ",\"http_code\":\"%{http_code}\",\"time_total\":\"%{time_total}\",\n"
CURL
}

# ask PATH [curl's arguments]: keeps the body in the file `answer` and prints the status code, 000 without an answer.
ask() {
    : >answer
    path=$1 && shift
    curl -q -K common -o answer -w '%{http_code}' "$@" "$SCHEDULER_URL$path" 2>error || cat error >>errors
}

# task SECTION DELAY: prints the request for one.
task() {
    printf '%s' "$COMMAND" | awk -v delay="$2" -v run="$run" -v section="$1" '
        # Not by gsub: awks differ in what they make of backslashes there.
        BEGIN {
            for (i = 1; i < 32; i++) escaped[sprintf("%c", i)] = sprintf("\\u%04x", i)
            escaped["\\"] = "\\\\"; escaped["\""] = "\\\""
        }
        NR > 1 { command = command "\\n" }
        {
            for (i = 1; i <= length($0); i++) { c = substr($0, i, 1); command = command (c in escaped ? escaped[c] : c) }
        }
        END {
            printf "{\"command\":\"%s\",\"delay_seconds\":%s,", command, delay + 0
            printf "\"labels\":{\"benchmark\":\"%s\",\"section\":\"%s\"}}", run, section
        }'
}

# read_tasks FILE: prints for each whole task of an answer its id, state, attempt, worker, the instants at which it was
# created, due, started and ended, and how long the answer took. A page's cursor goes to the file `cursor`, the code of a
# refusal to `refused`.
#
# Records end at commas and fields at quotes. So a key is $2, and never a part of a string, since quotes in a string are
# escaped. A task begins with its id, the first of a page after "tasks", and ends with its links.
read_tasks() {
    awk -v RS=, -F '"' -v OFS='\t' '
        function tell() {
            if ("links" in is)
                print is["task_id"], is["state"], is["attempt"], is["worker"], is["created_at"], is["scheduled_at"],
                    is["started_at"], is["ended_at"], is["time_total"]
            split("", is)
        }
        BEGIN {
            split("state attempt worker created_at scheduled_at started_at links time_total", names, " ")
            for (n in names) wanted[names[n]]
        }
        $4 == "task_id" { tell(); is["task_id"] = $6 }
        $2 == "task_id" { tell(); is["task_id"] = $4 }
        $2 ~ /^(completed|failed|cancelled|expired)_at$/ && $3 == ":" { is["ended_at"] = $4 }
        $2 in wanted && !($2 in is) { is[$2] = $3 == ":" ? $4 : substr($3, 2) }
        $2 == "next_cursor" && $3 == ":" { print $4 >"cursor" }
        $2 == "http_code" && $4 !~ /^2/ { print $4 >>"refused" }
        END { tell() }
    ' "$1"
}

# client NAME CONFIG [again]: sends what the config says, over and over if told so, until it is terminated; keeps what
# was accepted in the file NAME.
client() {
    told=false
    trap 'told=true; kill "$!"' TERM
    while :; do
        curl -q -K common -K sending -K "$2" >"raw.${1##*.}" 2>>errors &
        # It may have been told before there was a curl to kill.
        if $told; then kill "$!"; fi
        wait "$!"
        status=$?
        if $told; then wait "$!"; fi
        read_tasks "raw.${1##*.}" >>"$1"
        sed -n '/"http_code":"[^2]/{p;q;}' "raw.${1##*.}" >>refusals
        # Where nobody answers, asking again and again measures nothing.
        if $told || [ $status -ne 0 ] || [ -z "${3:-}" ]; then return; fi
    done
}

# list SECTION: writes its tasks, newest first, to the file SECTION.tasks.
list() {
    : >listing
    first="/v1/tasks?label=benchmark%3D$run&label=section%3D$1&limit=1000"
    page=$first
    while [ -n "$page" ]; do
        code=$(ask "$page")
        [ "$code" = 200 ] || return
        : >cursor
        read_tasks answer >>listing
        page=$(awk -v first="$first" '{ print first "&cursor=" $0 }' cursor)
    done
    mv listing "$1.tasks"
}

# settle SECTION DELAY: waits until its tasks have ended, or the time limit is over.
settle() {
    newest=
    until=$(($(date +%s) + ${2%.*} + 1 + TIME_LIMIT))
    while :; do
        if list "$1"; then
            # Tasks run in the order in which they are due, so that most have ended once the newest has.
            newest=$(awk -F '\t' '$2 !~ /^(completed|failed|cancelled|expired)$/ { print $1; exit }' "$1.tasks")
            [ -n "$newest" ] || return 0
        fi
        left=$((until - $(date +%s)))
        [ $left -gt 0 ] || return 0
        [ -z "$newest" ] || code=$(ask "/status?task_id=$newest&wait=$((left < 10 ? left : 10))s")
        [ "$code" = 200 ] || sleep 1
    done
}

# judge SECTION [ASKED]: adds a line of what became of its tasks to the file `verdicts`, and those that did not complete
# to the file `troubles`.
judge() {
    if [ ! -e "$1.tasks" ] && cat "$1".client.* >"$1.tasks"; then
        complain "these tasks could not be listed, so that none of them is known to have ended"
    fi
    completed=$(cat "$1".client.* | awk -F '\t' -v asked="${2:-}" '
        function trouble(what, id) { count[what]++; printf "  %-12s %s\n", what, id >>"troubles" }
        FILENAME != "-" {
            is_there[$1]
            count["accepted"]++
            if ($3 > 1) count["again"]++
            if ($2 == "completed") count["completed"]++
            else trouble($2 ~ /^(failed|cancelled|expired)$/ ? "failed" : "never ended", $1)
            next
        }
        { answered++; if (!($1 in is_there)) { count["accepted"]++; trouble("lost", $1) } }
        END {
            if (asked != "") count["refused"] = asked - answered
            else while ((getline <"refused") > 0) count["refused"]++
            print count["accepted"] + 0, count["completed"] + 0, count["failed"] + 0, count["lost"] + 0,
                count["never ended"] + 0, count["refused"] + 0, count["again"] + 0 >>"verdicts"
            print count["completed"] + 0
        }' "$1.tasks" -)
}

# The seconds of a timestamp since some instant long ago.
at='function at(t,   y, m, day) {
    y = substr(t, 1, 4); m = substr(t, 6, 2)
    if (m < 3) { y--; m += 12 }
    day = 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m - 457) / 5) + substr(t, 9, 2)
    return (day - 739000) * 86400 + substr(t, 12, 2) * 3600 + substr(t, 15, 2) * 60 + substr(t, 18, length(t) - 18)
}'

# section TITLE WHAT
section() {
    say "" "== $1" "$2" "" "$heading"
}

# row CELL...: a row of the table, which is shown at once, and at the end with those of the other sections.
row() {
    printf '| %-26s | %-30s | %7s | %7s | %7s | %7s | %7s |\n' "$@" | tee -a table
}

# figure NAME: a row of the percentiles, by nearest rank, of the numbers that it reads.
figure() {
    sort -n | awk '
        function rank(p) { return NR ? n[int((NR * p + 99) / 100)] : "-" }
        { n[NR] = $1 }
        END { print rank(50), rank(90), rank(95), rank(99), rank(100) }' >ranks
    read -r p50 p90 p95 p99 most <ranks
    row "- $1" "" "$p50" "$p90" "$p95" "$p99" "$most"
}

# between SECTION FROM TO: the milliseconds of each completed task from the instant in one column to that in another.
between() {
    awk -F '\t' -v from="$2" -v to="$3" "$at"'
        $2 == "completed" { printf "%.0f\n", (at($to) - at($from)) * 1000 }' "$1.tasks"
}

# drained SECTION FROM: completed tasks a second, from the first instant in this column to the last end, and the fewest in
# one second.
drained() {
    awk -F '\t' -v from="$2" "$at"'
        $2 == "completed" {
            begin = at($from); end = at($8)
            if (!n++ || begin < first) first = begin
            if (end > last) last = end
            in_second[int(end)]++
        }
        END {
            # The first second and the last were no whole ones.
            for (second = int(first) + 1; second < int(last); second++)
                if (least == "" || in_second[second] < least) least = in_second[second] + 0
            printf "%.1f %s\n", n ? n / (last > first ? last - first : 0.001) : 0, (least == "" ? "-" : least)
        }' "$1.tasks" >drained
    read -r rate least <drained
}

# look_at_fleet: asks for the workers that take tasks, and counts them and their slots.
look_at_fleet() {
    code=$(ask /v1/workers)
    [ "$code" = 200 ] && grep -q '"workers":' answer || return
    awk -v RS=, -F '"' '
        function tell() { if (is["state"] == "alive" && is["draining"] == "false") { workers++; slots += is["slots"] } }
        $2 == "worker_id" || $4 == "worker_id" { tell(); split("", is) }
        # The first of a name: labels, which may be called anything, come later.
        $2 ~ /^(state|draining|slots|version)$/ && !($2 in is) { is[$2] = $3 == ":" ? $4 : substr($3, 2) }
        $2 == "version" { version = $4 }
        END { tell(); print workers + 0, slots + 0, version }' answer >fleet
    read -r workers slots version <fleet
}

# start_clients SECTION DELAY COUNT [PERIOD again]: has the clients send so many tasks, each client its part. With a
# PERIOD every PERIODth request waits for the end of its task, and each client sends its part again and again.
start_clients() {
    task "$1" "$2" >"$1.body"
    awk -v section="$1" -v url="$SCHEDULER_URL/schedule" -v count="$3" -v period="${4:-0}" -v clients="$CONCURRENCY" 'BEGIN {
        for (client = 0; client < clients && client < count; client++) {
            config = section ".config." client
            print "data-binary = \"@" section ".body\"" >config
            for (n = client; n < count; n += clients)
                print "url = \"" url (period && ++sent % period == 0 ? "?wait=60s" : "") "\"" >config
            close(config)
        }
    }'
    for config in "$1".config.*; do
        # The shell says of each curl that it was terminated.
        client "$1.client.${config##*.}" "$config" "${5:-}" 2>/dev/null &
        clients="$clients $!"
    done
}

end_clients() {
    # shellcheck disable=SC2086 # They are numbers.
    wait $clients
    clients=
}

throughput() {
    section "Task Scheduling Throughput" \
        "$NUM_TASKS times POST /schedule by $CONCURRENCY clients, each task due in $DELAY_SECONDS s"
    start_clients schedule "$DELAY_SECONDS" "$NUM_TASKS"
    end_clients
    # From when the first was sent, which is as long before its acceptance as its answer took, to the last acceptance.
    rate=$(cat schedule.client.* | awk -F '\t' "$at"'
        {
            accepted = at($5)
            if (!n++ || accepted - $9 < first) first = accepted - $9
            if (accepted > last) last = accepted
        }
        END { printf "%.1f", n ? n / (last - first) : 0 }')
    row "Task Scheduling Throughput" "$rate tasks/s accepted"
    cat schedule.client.* | awk -F '\t' '{ printf "%.1f\n", $9 * 1000 }' | figure "answer"
}

latency() {
    section "Task Execution Latency" "the same tasks, from schedule to completion"
    settle schedule "$DELAY_SECONDS"
    judge schedule "$NUM_TASKS"
    row "Task Execution Latency" "$completed of $NUM_TASKS completed"
    between schedule 5 8 | figure "schedule to completion"
    between schedule 5 6 | figure "of which asked delay"
    between schedule 6 7 | figure "start delay"
    between schedule 7 8 | figure "run"
}

load() {
    section "System Load Test" "$CONCURRENCY clients for $LOAD_SECONDS seconds, tasks that are due at once"
    : >refused
    start_clients load 0 $((200 * CONCURRENCY)) 10 again
    sleep "$LOAD_SECONDS" & # Beside the script, so that it hears a Ctrl-C meanwhile.
    wait $!
    # shellcheck disable=SC2086
    kill $clients 2>/dev/null
    end_clients
    settle load 0
    judge load
    drained load 5
    row "System Load Test" "$rate tasks/s completed"
    row "- in the slowest second" "$least tasks"
    between load 5 8 | figure "schedule to completion"
    between load 6 7 | figure "of which start delay"
    between load 7 8 | figure "run"
}

scalability() {
    look_at_fleet || complain "GET /v1/workers answered $code: the number of workers is that of the start"
    section "Worker Scalability" "$NUM_TASKS tasks that are due at one instant; workers: $workers, slots: $slots"
    [ "$workers" = "$WORKER_COUNT" ] ||
        complain "warning: WORKER_COUNT is $WORKER_COUNT, but GET /v1/workers has $workers, and the rate for each is by that"
    task drain "$DELAY_SECONDS" >drain.body
    : >drain.client.0
    left=$NUM_TASKS
    # A batch has at most 10,000 tasks and 8 MiB; those of the next one are due a little later.
    most=$((8000000 / $(wc -c <drain.body)))
    [ $most -lt 10000 ] || most=10000
    while [ "$left" -gt 0 ]; do
        now=$((left < most ? left : most))
        awk -v n=$now '{ printf "{\"tasks\":["; while (n-- > 1) printf "%s,", $0; print $0 "]}" }' drain.body >batch.body
        code=$(ask /v1/tasks/batch --data-binary @batch.body)
        case $code in
            2*) read_tasks answer >>drain.client.0 ;;
            *) say "$code $(cat answer)" >>refusals ;;
        esac
        left=$((left - now))
    done
    settle drain "$DELAY_SECONDS"
    judge drain "$NUM_TASKS"
    drained drain 6
    row "Worker Scalability" "$rate tasks/s completed"
    row "- for each worker" "$(awk -v rate="$rate" -v n="$workers" 'BEGIN { printf "%.1f", n ? rate / n : 0 }') tasks/s"
    between drain 6 7 | figure "start delay"
    awk -F '\t' '$4 != "null" { n[$4]++ } END { for (name in n) print n[name], name }' drain.tasks | sort -rn | awk '
        { n = $1; sub(/^[0-9]+ /, "") }
        NR <= 10 { all = all (NR > 1 ? ", " : "") $0 " " n }
        END { print "\nran by worker: " all (NR > 10 ? ", and " NR - 10 " more workers" : "") }'
}

# Says what became of all tasks; false if not all is well.
totals() {
    awk '
        { for (i = 1; i <= 7; i++) all[i] += $i }
        END {
            printf "\naccepted %d, completed %d, failed %d, lost %d, never ended %d, refused %d, run again %d\n",
                all[1], all[2], all[3], all[4], all[5], all[6], all[7]
            exit all[3] + all[4] + all[5] + all[6] > 0
        }' verdicts
}

# Where to look, for each of the first ten.
show_troubles() {
    if [ -s troubles ]; then
        say "" "These did not complete, their links say why:"
        awk -v url="$SCHEDULER_URL/v1/tasks/" '
            NR <= 10 { print $0 "  " url $NF "/why" }
            END { if (NR > 10) print "  and " NR - 10 " more" }' troubles
    fi
    if [ -s refusals ]; then
        say "" "Not accepted, for instance:"
        head -n 1 refusals | cut -c 1-600
        head -n 1 errors
    fi
}

# shellcheck disable=SC2317
interrupted() {
    trap '' INT TERM HUP
    # shellcheck disable=SC2086
    [ -z "$clients" ] || kill $clients $! 2>/dev/null
    wait
    accepted=$(cat ./*.client.* 2>/dev/null | awk 'END { print NR }')
    complain "interrupted. Of $accepted tasks that were accepted, those that have not ended run on:" \
        "distrack list --label=benchmark=$run"
    exit 130
}

case ${1:-} in
    '') ;;
    -h | --help) help && exit ;;
    *) give_up "it takes no arguments but --help, and its settings from variables" ;;
esac
check_settings

run=$(date -u +%Y%m%dT%H%M%SZ)-$$
dir=${TMPDIR:-/tmp}/distrack-benchmark-$run
umask 077
mkdir "$dir" || give_up "cannot make the folder $dir"
cd "$dir" || exit 2
dir=$(pwd)
trap 'cd / && rm -rf "$dir"' EXIT
clients=
trap interrupted INT TERM HUP
heading=$(
    row "" "" "p50 ms" "p90 ms" "p95 ms" "p99 ms" "max ms"
    say '|----------------------------|--------------------------------|--------:|--------:|--------:|--------:|--------:|'
)
# After the heading, which is no row of it.
for file in table troubles refusals errors; do : >$file; done
settings="NUM_TASKS=$NUM_TASKS DELAY_SECONDS=$DELAY_SECONDS CONCURRENCY=$CONCURRENCY LOAD_SECONDS=$LOAD_SECONDS"
write_configs
if ! look_at_fleet; then
    case $code in
        000) give_up "no scheduler answers at $SCHEDULER_URL: $(cat error)" ;;
        401) give_up "$SCHEDULER_URL wants a token in DISTRACK_TOKEN (--help says how to make one): $(cut -c 1-600 answer)" ;;
        200) give_up "what answers at $SCHEDULER_URL is no scheduler of distrack" ;;
        *) give_up "$SCHEDULER_URL answers $code: $(cut -c 1-600 answer)" ;;
    esac
fi
[ "$workers" -gt 0 ] || give_up "no worker takes tasks (GET $SCHEDULER_URL/v1/workers): nothing would run"

say "benchmark of distrack $version at $SCHEDULER_URL, workers: $workers, slots: $slots" "$settings" "each task runs: $COMMAND"
throughput
latency
load
scalability
section Result "$(date -u +%Y-%m-%dT%H:%M:%SZ), distrack $version, workers: $workers, slots: $slots, $settings"
cat table
totals && exit
show_troubles
exit 1
