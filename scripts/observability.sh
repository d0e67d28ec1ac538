#!/usr/bin/env bash
# Checks observability/ and docs/runbooks/. First by the text: each alert says what it must, has a page, a test in which
# it fires and one in which it is silent; each metric and label is one of docs/telemetry.md. Then with promtool:
# configuration, rules and their tests.
# promtool is taken from PATH. It comes with Prometheus 2.42 or newer (Debian: apt-get install prometheus); CI takes it out
# of Debian's package by itself. Without it the second half is said to be unchecked, also in the file that NOT_CHECKED names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

not_checked() {
    echo "NOT CHECKED: $1" | tee -a "${NOT_CHECKED:-/dev/null}" >&2
}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

python3 - "$made/runbooks.yml" <<'PYTHON'
"""The rules of the house for rules. Files are read as our own layout has them, a key a line: there may be no YAML library."""
import json
import pathlib
import re
import sys

RUNBOOKS = "https://github.com/distrack/distrack/blob/main/docs/runbooks/"
DASHBOARDS = ["overview", "queues", "workers", "latency", "internals", "slo"]
SECTIONS = ["Meaning", "Impact", "Is it real?", "Causes", "What to do", "Silence", "The test"]
# Prometheus's own, and what comes from Jaeger.
BUILT_IN = re.compile(r"up|ALERTS|ALERTS_FOR_STATE|scrape_\w+|(otelcol|jaeger|traces_span_metrics)_\w+")
FREE_LABELS = {"job", "instance", "le", "alertname", "alertstate", "severity", "slo", "worker", "worker_id"}
WORDS = set("and or unless by without on ignoring group_left group_right bool offset inf nan atan2".split())
problems = []


def say(where, text):
    problems.append(f"{where}: {text}")


def unquoted(value):
    return value[1:-1].replace('\\"', '"') if value.startswith('"') else value


class Rule:
    def __init__(self, file, name, is_alert):
        self.file, self.name, self.is_alert, self.expr, self.keys = file, name, is_alert, "", {}


def rules_of(path):
    found, in_expr = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("#") or not line:
            continue
        key, _, value = line.removeprefix("- ").partition(": ")
        if key in ("record", "alert"):
            found.append(Rule(path, value, key == "alert"))
            in_expr = False
        elif line.startswith("expr:"):
            found[-1].expr, in_expr = ("" if value == "|" else value), True
        elif re.fullmatch(r"for|labels|annotations|keep_firing_for|severity|slo|summary|description|\w+_url", key.rstrip(":")):
            in_expr = False
            if found:
                found[-1].keys[key.rstrip(":")] = unquoted(value)
        elif in_expr:
            found[-1].expr += "\n" + line
    return found


def selectors(expr):
    """Each metric of an expression, with its matchers (label, operator, value)."""
    texts = []

    def keep(match):
        texts.append(match[0][1:-1])
        return f'"{len(texts) - 1}"'

    expr = re.sub(r'"(?:[^"\\]|\\.)*"', keep, expr)
    expr = re.sub(r"\[[^\]]*\]", " ", expr)
    expr = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expr)
    for name, matchers in re.findall(r"(?<![\w:.\"])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|[\w:])", expr):
        if name not in WORDS:
            yield name, [(label, op, texts[int(text)]) for label, op, text in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"(\d+)"', matchers)]


# The catalogue: each metric's type, and its labels with the values that they take, where these are a closed set.
catalogue = {}
section = ""
for line in pathlib.Path("docs/telemetry.md").read_text(encoding="utf-8").splitlines():
    section = line[3:] if line.startswith("## ") else section
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if section != "Metrics" or not line.startswith("| `") or len(cells) != 4:
        continue
    kind = cells[1]
    closed = re.findall(r"`(\w+)`(?:=((?:`[^`]+`,?)+))?", cells[2])
    labels = {name: set(re.findall(r"`([^`]+)`", values)) for name, values in closed}
    for name in re.findall(r"`(\w+)`", cells[0]):
        for suffix in ["", "_bucket", "_sum", "_count"] if "histogram" in kind else [""]:
            # Two services may say the same metric.
            catalogue[name + suffix] = (kind, {**catalogue.get(name + suffix, ("", {}))[1], **labels})
if len(catalogue) < 60:
    sys.exit("docs/telemetry.md was not understood")

rules = [rule for path in sorted(pathlib.Path("observability/prometheus/rules").glob("*.yml")) for rule in rules_of(path)]
alerts = {rule.name: rule for rule in rules if rule.is_alert}
recorded = {rule.name for rule in rules if not rule.is_alert}
if len(alerts) < 20 or not recorded:
    sys.exit("observability/prometheus/rules was not understood")


def check_expr(where, expr):
    for metric, matchers in selectors(expr):
        if BUILT_IN.fullmatch(metric) or metric in recorded:
            continue
        if metric not in catalogue:
            say(where, f"{metric} is not in docs/telemetry.md, nor recorded")
            continue
        labels = catalogue[metric][1]
        for label, operator, value in matchers:
            if label not in labels and label not in FREE_LABELS:
                say(where, f"{metric} has no label {label}")
            for one in value.split("|") if labels.get(label) else []:
                if one not in labels[label] and "$" not in one and one != ".+":
                    say(where, f"{label} of {metric} is never {one}")


for rule in rules:
    where = f"{rule.file}: {rule.name}"
    check_expr(where, rule.expr)
    for metric, _ in selectors(rule.expr):
        fleet = metric in catalogue and "fleet-wide" in catalogue[metric][0]
        if fleet and rule.file.name != "fleet.yml" and not re.search(rf"max by \([^)]*\) \(\s*{metric}", rule.expr):
            say(where, f"{metric} is fleet-wide: take its max, or what rules/fleet.yml makes of it")
    if not rule.is_alert and ":" not in rule.name:
        say(where, "a recorded series is named level:metric:operation")

tests = {}
for path in sorted(pathlib.Path("observability/prometheus/tests").glob("*_test.yml")):
    text = path.read_text(encoding="utf-8")
    for name, rest in re.findall(r"- alertname: (\w+)\n\s+eval_time: \S+\n\s+exp_alerts:(.*)", text):
        tests.setdefault(name, set()).add("silent" if rest.strip() == "[]" else "fires")
        if name not in alerts:
            say(path, f"there is no alert {name}")
    if len(re.findall(r"alertname:", text)) != len(re.findall(r"- alertname: \w+\n\s+eval_time: \S+\n\s+exp_alerts:", text)):
        say(path, "a case does not read alertname, eval_time, exp_alerts")

asked = []
index = pathlib.Path("docs/runbooks/README.md").read_text(encoding="utf-8")
for name, alert in alerts.items():
    where, keys = f"{alert.file}: {name}", alert.keys
    if keys.get("severity") not in ("page", "ticket"):
        say(where, "severity is neither page nor ticket")
    for key in ("summary", "description"):
        if not keys.get(key):
            say(where, f"has no {key}")
    if not re.search(r"\$value|\$labels", keys.get("description", "") + keys.get("summary", "")) and not keys.get("slo"):
        say(where, "says neither of what it speaks nor how much")
    if keys.get("runbook_url") != f"{RUNBOOKS}{name}.md":
        say(where, f"runbook_url is not {RUNBOOKS}{name}.md")
    if not re.match(r"http://localhost:3000/d/distrack-(%s)(\?|\{|$)" % "|".join(DASHBOARDS), keys.get("dashboard_url", "")):
        say(where, "dashboard_url leads to none of the dashboards")
    for case, what in (("fires", "in which it fires"), ("silent", "in which it is silent")):
        if case not in tests.get(name, ()):
            say(where, f"has no test {what}")

    page = pathlib.Path(f"docs/runbooks/{name}.md")
    if not page.is_file():
        say(where, f"has no {page}")
        continue
    text = page.read_text(encoding="utf-8")
    if not text.startswith(f"# {name}\n"):
        say(page, "does not open with the alert's name")
    if re.findall(r"^## (.*)$", text, re.M) != SECTIONS:
        say(page, f"its sections are not {', '.join(SECTIONS)}")
    if f"`{keys.get('severity')}`" not in text:
        say(page, f"does not say its severity, {keys.get('severity')}")
    queries = re.findall(r"```promql\n(.*?)```", text, re.S)
    if not queries:
        say(page, "has no query")
    for query in queries:
        check_expr(page, query)
        asked.append({"record": f"runbook:{name}:{len(asked)}", "expr": query})
    for metric in re.findall(r"(?<![\w:,])((?:\w+:)?distrack[_:][\w:]+)(?![\w:=])", text):
        if metric not in catalogue and metric not in recorded and metric not in ("distrack_coordinator", "distrack_worker"):
            say(page, f"{metric} is not in docs/telemetry.md, nor recorded")
    if f"[{name}]({name}.md)" not in index:
        say("docs/runbooks/README.md", f"does not list {name}")
for page in pathlib.Path("docs/runbooks").glob("Distrack*.md"):
    if page.stem not in alerts:
        say(page, "there is no such alert")
for name in re.findall(r"\]\((Distrack\w+)\.md\)", "".join(page.read_text(encoding="utf-8") for page in pathlib.Path("docs/runbooks").glob("*.md"))):
    if name not in alerts:
        say("docs/runbooks", f"a page leads to {name}, which is no alert")

if problems:
    print("\n".join(problems), file=sys.stderr)
    sys.exit(1)
# For promtool, which reads JSON as YAML: the queries of the pages, as if they were rules.
pathlib.Path(sys.argv[1]).write_text(json.dumps({"groups": [{"name": "runbooks", "rules": asked}]}), encoding="utf-8")
print(f"{len(alerts)} alerts with page, firing test and silent test; {len(recorded)} recorded series")
PYTHON

tools=${XDG_CACHE_HOME:-$HOME/.cache}/distrack/tools/prometheus
promtool=$(command -v promtool || true)
if [[ -z $promtool && ! -x $tools/usr/bin/promtool && ${CI:-} == true && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    # Taken out of the package, not installed: that would start a server.
    (cd "$made" && apt-get -qq update && apt-get -qq download prometheus) >/dev/null 2>&1 || true
    mkdir -p "$tools"
    dpkg -x "$made"/prometheus_*.deb "$tools" 2>/dev/null || true
fi
[[ -n $promtool ]] || promtool=$tools/usr/bin/promtool
if [[ ! -x $promtool ]]; then
    not_checked "rules and their tests: there is no promtool (Debian: apt-get install prometheus; or a release of Prometheus, 2.42 or newer)"
    exit 0
fi

run() {
    "$promtool" "$@" >"$made/said" 2>&1 || {
        cat "$made/said" >&2
        echo "failed: promtool $*" >&2
        exit 1
    }
}
cd observability/prometheus
run check config prometheus.yml
run check rules "$made/runbooks.yml"
run test rules tests/*_test.yml
echo "$("$promtool" --version 2>&1 | head -1 | cut -d'(' -f1): configuration, rules and $(grep -c '^  - name:' tests/*_test.yml | awk -F: '{ n += $2 } END { print n }') tests hold"
