#!/usr/bin/env bash
# Checks docker-compose.yml, without an image: what every service must say, by the text; and that compose understands it,
# where compose is. What cannot be checked here is said, and appended to the file that NOT_CHECKED names.
#   compose-check.sh [FILE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
file=${1:-docker-compose.yml}

not_checked() {
    echo "NOT CHECKED: $1" | tee -a "${NOT_CHECKED:-/dev/null}" >&2
}

if ! python3 -c '' 2>/dev/null; then
    not_checked "the rules of $file: there is no python3 here"
    exit 0
fi
python3 - "$file" <<'PYTHON'
"""The rules. Read from the lines, since there may be no YAML library: two spaces an indent, anchors only on whole mappings."""
import re
import sys

path = sys.argv[1]
lines = [line for line in open(path, encoding="utf-8").read().split("\n")]
problems = []


def say(number, text):
    problems.append(f"{path}:{number}: {text}")


def code(line):
    """The line without its comment."""
    return re.sub(r"(^|\s)#.*$", "", line).rstrip()


def keys_of(start, indent):
    """The keys at `indent` that follow line `start`: name → (line number, their lines)."""
    found, last = {}, None
    for number in range(start, len(lines)):
        line = code(lines[number])
        if not line:
            continue
        depth = len(line) - len(line.lstrip())
        if depth < indent:
            break
        if depth == indent and (key := re.match(r"\s*([\w.<-]+):(.*)$", line)):
            last = key[1]
            found[last] = (number + 1, [key[2].strip()])
        elif last:
            found[last][1].append(line)
    return found


top = keys_of(0, 0)
anchors = {}
for number, line in enumerate(lines):
    if anchor := re.match(r"( *)[\w-]+: &(\w+)$", code(line)):
        anchors[anchor[2]] = (number + 1, len(anchor[1]) + 2)


def resolved(start, indent):
    """The keys of a mapping, those that it merges included."""
    own = keys_of(start, indent)
    merged = {}
    for name in re.findall(r"\*(\w+)", own.get("<<", (0, [""]))[1][0]):
        for key, value in resolved(*anchors[name]).items():
            merged.setdefault(key, value)
    return {**merged, **own}


def text(value):
    return "\n".join(value[1]) if value else ""


# Nothing must have to be set. Innermost braces first: a default may hold a variable with a default.
for number, line in enumerate(lines, 1):
    rest = code(line).replace("$$", "")
    for _ in range(5):
        for variable in re.findall(r"\$\{([^{}]*)\}", rest):
            if not re.fullmatch(r"[A-Z0-9_]+:-.*", variable):
                say(number, f"${{{variable}}} has no default")
        rest = re.sub(r"\$\{[^{}]*\}", "", rest)
    if re.search(r"\$\w", rest):
        say(number, "a variable without braces has no default")

services = {name: (number, resolved(number, 4)) for name, (number, _) in keys_of(top["services"][0], 2).items()}
once = {name for name, (_, keys) in services.items() if text(keys.get("restart")) == '"no"'}
awaited = set()
for _, keys in services.values():
    awaited |= set(re.findall(r"(\w+): \{condition: service_completed_successfully\}", text(keys.get("depends_on"))))

for name, (number, keys) in services.items():
    def must(held, what):
        if not held:
            say(number, f"{name} {what}")

    limits = text(keys.get("deploy"))
    must("memory:" in limits and "pids:" in limits, "has no limits of memory and pids")
    must("restart" in keys, "has no restart rule")
    must(name in once or "unless-stopped" in text(keys.get("restart")), "does not come back after a crash")
    must(name in once or "healthcheck" in keys, "has no health check")
    must(name in once or "stop_grace_period" in keys, "does not say how long its stop may take")
    must("ALL" in text(keys.get("cap_drop")), "keeps capabilities: cap_drop [ALL]")
    must("no-new-privileges:true" in text(keys.get("security_opt")), "may gain privileges")
    must(text(keys.get("read_only")) == "true", "has a root folder that can be written")
    must("container_name" not in keys, "has a container_name, and cannot be scaled")
    must("privileged" not in keys, "is privileged")
    # `up --wait` takes a service that ended for a failure, unless another one waits for just that.
    must(name not in once or name in awaited or "profiles" in keys, "runs once, and nobody waits for its end")

    root = re.fullmatch(r'"?(0|root)(:.*)?"?', text(keys.get("user")))
    must(not root or name == "prepare", "is root")
    must(not keys.get("cap_add") or name == "prepare", "adds capabilities")

    image = text(keys.get("image"))
    ours = image.startswith("${DISTRACK_IMAGE:-")
    must(ours or keys.get("user"), "does not say which user it is")
    must(ours or re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*", image), f"has an image that is not pinned: '{image}'")
    must(not ours or text(keys.get("pull_policy")) == "never", "would look for our image elsewhere")

    ports = re.findall(r'"([^"]*:\d+(?:/\w+)?)"', text(keys.get("ports")))
    must("ports" not in keys or ports, "has ports in a form that is not understood")
    for port in ports:
        must(re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port), f"publishes {port}: not on 127.0.0.1, or not to be moved")
    must(name not in ("worker", "coordinator") or "ports" not in keys, "publishes a port, and cannot be scaled")

# Who writes each volume of secrets, and who reads it: a service that is not named here has no business with them. A worker's
# commands can read whatever it can, so it must not get to the database's.
secrets = {
    "secrets_database": ("secrets", {"postgres", "migrate", "scheduler", "coordinator", "token"}),
    "secrets_cluster": ("secrets", {"coordinator", "worker"}),
    "secrets_grafana": ("secrets", {"grafana"}),
    "secrets_loadtest": ("token", {"k6"}),
}
in_database = {"postgres", "migrate", "scheduler", "coordinator", "token"}
volumes = keys_of(top["volumes"][0], 2)
networks = keys_of(top["networks"][0], 2)
for volume in sorted({volume for volume in volumes if volume.startswith("secrets")} ^ secrets.keys()):
    say(top["volumes"][0], f"{volume} is not both a volume here and one whose readers compose-check.sh knows")
if "internal: true" not in text(networks.get("database")):
    say(top["networks"][0], "the network database leads out")



def before(name):
    """Whom a service waits for, directly or not."""
    names = re.findall(r"^ +(\w+): \{", text(services[name][1].get("depends_on")), re.M)
    return set(names).union(*map(before, names))


for name, (number, keys) in services.items():
    def must(held, what):
        if not held:
            say(number, f"{name} {what}")

    mounts = text(keys.get("volumes"))
    for volume, (writer, readers) in secrets.items():
        if volume not in mounts:
            must(name != writer and name not in readers, f"does not have {volume}")
            continue
        must(name == writer or name in readers, f"has {volume}, which it must not know")
        must(name == writer or re.search(volume + r":/run/secrets/\w+:ro\b", mounts), f"can write to {volume}")
        must(name == writer or writer in before(name), f"does not wait for {volume} to be written")
        # Their files are of group 10001, which is that of our image.
        ours = text(keys.get("image")).startswith("${DISTRACK_IMAGE:-")
        grouped = '"10001"' in text(keys.get("group_add"))
        must(grouped or ours and "user" not in keys, f"is not of the group that may read {volume}")

    must(text(keys.get("network_mode")) in ("", "none"), "is in a network that it shares with the host or a neighbour")
    must(name != "secrets" or text(keys.get("network_mode")) == "none", "has a network, and all secrets")
    networked = "database" in re.findall(r"\w+", text(keys.get("networks")))
    must(networked == (name in in_database), "is in the database's network" if networked else "does not reach the database")

# Values are for the one that writes them to files; everybody else gets a file's name.
allowed = text(services["secrets"][1].get("environment")).split("\n")
for number, line in enumerate(map(code, lines), 1):
    if line in allowed and re.fullmatch(r" +(\w+): \$\{\1:-\}", line):
        continue
    for variable, value in re.findall(r"(\w*(?:PASSWORD|TOKEN|SECRET)\w*): +([^\s,}]*)", line):
        if not (variable.endswith("_FILE") and value.startswith("/run/secrets/")):
            say(number, f"a secret in a variable: {variable}")
    if re.match(r'\s*- "?\w*(PASSWORD|TOKEN|SECRET)\w*=', line):
        say(number, "a secret in a list of variables")

telemetry = {"jaeger", "prometheus", "grafana", "alertmanager", "webhook"}
for name in services.keys() - telemetry:
    for other in re.findall(r"^ +(\w+):", text(services[name][1].get("depends_on")), re.M):
        if other in telemetry:
            say(services[name][0], f"{name} waits for telemetry: {other}")

# What .env.example offers must be read, with the default that it shows.
example = open(".env.example", encoding="utf-8").read()
file_text = "\n".join(map(code, lines))
for variable, shown in re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", example, re.M):
    defaults = set(re.findall(r"\$\{%s:-((?:[^{}]|\{[^{}]*\})*)\}" % variable, file_text))
    if not defaults:
        problems.append(f".env.example: {variable} is not in {path}")
    elif shown and shown not in defaults:
        problems.append(f".env.example: {variable}={shown}, where {path} has {' and '.join(sorted(defaults))}")
offered = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", example, re.M))
for variable in sorted(set(re.findall(r"\$\{([A-Z0-9_]+):-", file_text.replace("$$", ""))) - offered):
    problems.append(f".env.example: {variable} is missing")

print("\n".join(problems), file=sys.stderr) if problems else None
sys.exit(bool(problems))
PYTHON

if docker compose version >/dev/null 2>&1; then
    # Not what this machine happens to set.
    env -i PATH="$PATH" HOME="$HOME" docker compose --env-file /dev/null --file "$file" --profile '*' config --quiet
else
    not_checked "whether compose understands $file: there is no docker compose here"
fi
