#!/usr/bin/env bash
# Asks the queries of every panel and every rule of a Prometheus that scrapes a running distrack, and fails where one has
# no answer: a metric that was renamed, a label that is never there, a rule that Prometheus cannot evaluate.
#   live-queries.sh [FILE]    FILE instead of the panels' queries: a dashboard, a panel and a query a line, tabs between
# Starts the built programs on free ports in a folder of its own, and ends them. Prometheus is taken from PATH (Debian:
# apt-get install prometheus); CI takes it out of Debian's package by itself. Without it this is said to be unchecked,
# also in the file that NOT_CHECKED names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
built=${CARGO_TARGET_DIR:-target}/release

not_checked() {
    echo "NOT CHECKED: $1" | tee -a "${NOT_CHECKED:-/dev/null}" >&2
    exit 0
}

python3 -c '' 2>/dev/null || not_checked "the queries of panels and rules: there is no python3 here"
tools=${XDG_CACHE_HOME:-$HOME/.cache}/distrack/tools/prometheus
prometheus=$(command -v prometheus || true)
if [[ -z $prometheus && ! -x $tools/usr/bin/prometheus && ${CI:-} == true && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    # Taken out of the package, not installed: that would start a server.
    package=$(mktemp -d)
    trap 'rm -rf "$package"' EXIT
    (cd "$package" && apt-get -qq update && apt-get -qq download prometheus) >/dev/null 2>&1 || true
    mkdir -p "$tools"
    dpkg -x "$package"/prometheus_*.deb "$tools" 2>/dev/null || true
    rm -rf "$package"
fi
[[ -n $prometheus ]] || prometheus=$tools/usr/bin/prometheus
[[ -x $prometheus ]] ||
    not_checked "the queries of panels and rules: there is no prometheus (Debian: apt-get install prometheus; or a release of it, 2.42 or newer)"
for program in distrack distrack-dashboards; do
    [[ -x $built/$program ]] || {
        echo "there is no $built/$program: cargo build --workspace --release --locked --bins" >&2
        exit 1
    }
done

# In place of this shell, so that a signal reaches the one that has something to end.
exec python3 - "$built" "$prometheus" "$@" <<'PYTHON'
import collections
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

START, ANSWER = 60, 180  # seconds
ROLES = ("scheduler", "coordinator", "worker")
# Jaeger makes these of spans, and there is none here.
SPAN_METRICS = re.compile(r"\b(otelcol|jaeger|traces_span_metrics)_\w+")

built, prometheus_program = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
given = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
folder = pathlib.Path(tempfile.mkdtemp(prefix="distrack-queries-"))
processes, stop = {}, threading.Event()
local = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy
Query = collections.namedtuple("Query", "where expr")


def fetch(url, body=None, method=None):
    """The status and the text of an answer; 0 and why where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {}, method=method)
    try:
        with local.open(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as error:
        return 0, str(error)


def start(name, *command):
    # What is set for another stack is not for this one.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DISTRACK_", "OTEL_", "RUST_LOG"))}
    with open(folder / f"{name}.log", "wb") as log:
        processes[name] = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def log_of(name):
    return (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def wait_for(what, condition, limit):
    """The first answer of `condition` that is true."""
    end = time.monotonic() + limit
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                sys.exit(f"{name} has ended:\n{log_of(name)[-3000:]}")
        if found := condition():
            return found
        if time.monotonic() > end:
            sys.exit(f"not within {limit} s: {what}")
        stop.wait(0.2)


def addresses():
    """The scheduler's API, and whose metrics are where."""
    said = [json.loads(line) for line in log_of("distrack").splitlines() if '"message":"listening"' in line]
    found = {}
    for address in (one["address"] for one in said if one["setting"] in ("scheduler_port", "metrics_port")):
        role = re.search(r'^distrack_build_info\{.*role="(\w+)"', fetch(f"http://{address}/metrics")[1], re.M)
        found[role[1] if role else ""] = address
    return found if set(ROLES) <= set(found) else None


def feed(api):
    """Tasks of every kind, all along, so that whatever counts has something to count."""
    def schedule(**task):
        return json.loads(fetch(f"{api}/v1/tasks", task)[1] or "{}").get("task_id")

    retry = {"max_attempts": 2, "backoff": {"initial": "100ms"}}
    while not stop.is_set():
        try:
            schedule(command="echo out; echo err >&2")
            schedule(command="exit 1", queue="etl", **retry)
            schedule(command="sleep 30", timeout="300ms")
            schedule(command="true", delay_seconds=1, queue="etl")
            schedule(executor="noop", priority=5)
            schedule(argv=["/no/such/program"])
            # Only what rises above the worker's own memory can be told to be the command's.
            schedule(argv=[sys.executable, "-c", "b'x' * (256 << 20)"])
            schedule(command="true", queue="No Queue")  # refused
            fetch(f"{api}/v1/tasks/batch", {"tasks": [{"executor": "noop"}] * 3})
            # Nobody has the label: it waits until it is cancelled.
            fetch(f"{api}/v1/tasks/{schedule(command='true', queue='gpu', requires={'gpu': 'true'})}/cancel", method="POST")
            fetch(f"{api}/v1/tasks/{schedule(command='sleep 30')}/cancel", method="POST")
        except ValueError:
            pass  # No answer now. Should it stay so, the queries will say it.
        stop.wait(0.5)


def start_prometheus(targets):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{free.getsockname()[1]}"
    jobs = {f"distrack-{role}": targets[role] for role in ROLES} | {"prometheus": own}
    rules = folder / "rules"
    rules.mkdir()
    for file in pathlib.Path("observability/prometheus/rules").glob("*.yml"):
        # As they are, but more often: what they say does not depend on it.
        text = re.sub(r"^(    interval:) \w+$", r"\1 1s", file.read_text(encoding="utf-8"), flags=re.M)
        (rules / file.name).write_text(text, encoding="utf-8")
    # Prometheus reads JSON as YAML.
    (folder / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules / "*.yml")],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [at]}]} for job, at in jobs.items()],
    }), encoding="utf-8")
    start("prometheus", prometheus_program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
          f"--web.listen-address={own}", "--enable-feature=exemplar-storage")
    wait_for("Prometheus is ready", lambda: fetch(f"http://{own}/-/ready")[0] == 200, START)
    return f"http://{own}/api/v1", len(jobs)


def ask(prometheus, path, **parameters):
    """What Prometheus says, and what is wrong with it."""
    text = fetch(f"{prometheus}/{path}?{urllib.parse.urlencode(parameters)}")[1]
    try:
        answer = json.loads(text)
    except ValueError:
        return None, text.strip() or "an empty answer"
    return answer.get("data"), answer.get("error")


def problem_of(prometheus, query, may_be_empty):
    data, error = ask(prometheus, "query", query=query.expr)
    if error or may_be_empty:
        return error
    # NaN is what a panel shows as nothing.
    values = [data["result"]] if data["resultType"] == "scalar" else [one["value"] for one in data["result"]]
    if all(math.isnan(float(value)) for _, value in values):
        return "only NaN" if values else "no answer"
    return None


def unhealthy(prometheus, expected_targets):
    """Targets and rules that Prometheus is not content with."""
    targets = (ask(prometheus, "targets")[0] or {}).get("activeTargets", [])
    found = [] if len(targets) == expected_targets else [f"{len(targets)} targets instead of {expected_targets}"]
    found += [f"target {one['scrapeUrl']} is {one['health']}: {one['lastError']}" for one in targets if one["health"] != "up"]
    return found + [f"rule {one['name']} is {one['health']}: {one.get('lastError', '')}" for one in rules_of(prometheus) if one["health"] != "ok"]


def rules_of(prometheus):
    return [rule for group in (ask(prometheus, "rules")[0] or {}).get("groups", []) for rule in group["rules"]]


def panels(*arguments):
    if given and not arguments:
        text = given.read_text(encoding="utf-8")
    else:
        text = subprocess.run([built / "distrack-dashboards", "queries", *arguments], check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in text.splitlines()]
    return [Query(f"{dashboard}, {panel}", expr) for dashboard, panel, expr in lines]


def check():
    began = time.monotonic()
    start("distrack", built / "distrack", "up", "--scheduler_port=:0", "--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0",
          f"--data_dir={folder}/data", f"--output_dir={folder}/output", "--canary_interval=1s", "--heartbeat_interval=1s",
          "--drain_timeout=1s", "--kill_grace=1s", "--log_format=json")
    targets = wait_for("the services say where their metrics are", addresses, START)
    threading.Thread(target=feed, args=[f"http://{targets['scheduler']}"], daemon=True).start()
    prometheus, expected_targets = start_prometheus(targets)

    rules = wait_for("Prometheus lists the rules", lambda: rules_of(prometheus), START)
    recorded = [Query(f"recorded {one['name']}", one["query"]) for one in rules if one["type"] == "recording"]
    alerts = [Query(f"alert {one['name']}", one["query"]) for one in rules if one["type"] == "alerting"]
    must, may = panels() + recorded, panels("--may-be-empty") + alerts
    for kind in (recorded, alerts, must[: -len(recorded)], may[: -len(alerts)]):
        if not kind:
            sys.exit("nothing to ask: the list of queries or the rules were not understood")
    skipped = [one for one in must + may if SPAN_METRICS.search(one.expr)]
    must, may = ([one for one in kind if one not in skipped] for kind in (must, may))
    if skipped:
        print(f"skipped, since nothing makes metrics of spans here: {len(skipped)} queries")

    missing, trouble = {}, []

    def all_answer():
        """Whoever answered once is not asked again."""
        asked = missing if missing else dict.fromkeys(must)
        now = {query: problem_of(prometheus, query, False) for query in asked}
        missing.clear()
        missing.update({query: problem for query, problem in now.items() if problem})
        trouble[:] = unhealthy(prometheus, expected_targets)
        return not missing and not trouble or time.monotonic() > end

    end = time.monotonic() + ANSWER
    wait_for("every query answers", all_answer, ANSWER + START)
    # Last, when there is something that they could stumble over.
    failed = {query: problem for query in may if problem_of(prometheus, query, True) and (problem := problem_of(prometheus, query, True))}
    problems = [f"{query.where}: {problem}: {query.expr}" for query, problem in {**missing, **failed}.items()]
    problems += trouble
    print(f"{len(must) - len(missing)} of {len(must)} queries answered, {len(may) - len(failed)} of {len(may)} that may be empty "
          f"are understood; {len(recorded)} recorded series, {len(alerts)} alerts, {time.monotonic() - began:.0f} s")
    if problems:
        sys.exit("\n".join(problems))


signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
try:
    check()
finally:
    stop.set()
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
PYTHON
