"""Applies each mutation in turn and runs the test that is to catch it: scripts/mutations.sh says more."""
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib

LIMIT = 900  # seconds for a build, and for a test; a mutation that hangs its test is noticed as well
FIELDS = {"what", "file", "find", "replace", "caught_by"}


def run(command, copy):
    """Whether it ended in time, its exit code, and what it said."""
    process = subprocess.Popen(
        shlex.split(command), cwd=copy, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = process.communicate(timeout=LIMIT)
        return True, process.returncode, said
    except subprocess.TimeoutExpired:
        # With all that it started.
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return False, -1, said


class Tested:
    """What a test said of the code as it is in the copy."""

    def __init__(self, command, copy):
        _, code, self.said = run(f"{command.partition(' -- ')[0]} --no-run", copy)
        self.built = code == 0
        self.passed, self.failed = 0, []
        if not self.built:
            return
        ended, code, self.said = run(command, copy)
        self.passed = sum(int(n) for n in re.findall(r"^test result: .* (\d+) passed", self.said, re.M))
        self.failed = re.findall(r"^test (\S+) (?:- should panic )?\.\.\. FAILED", self.said, re.M)
        if not ended:
            self.failed = self.failed or ["a test that never ended"]
        elif code and not self.failed:
            self.failed = re.findall(r"^thread '([^']+)' .*panicked", self.said, re.M)

    def is_good(self):
        return self.built and self.passed > 0 and not self.failed


class Mutation:
    def __init__(self, path, copy):
        self.name = path.stem
        fields = tomllib.loads(path.read_text())
        if set(fields) != FIELDS:
            raise SystemExit(f"{self.name}: it has the fields {sorted(fields)}, not {sorted(FIELDS)}")
        self.__dict__.update(fields)
        self.target = copy / self.file
        self.whole = self.target.read_text()
        self.broken = self.whole
        # Two mechanisms that stand in for each other are taken out together.
        lists = [one if isinstance(one, list) else [one] for one in (self.find, self.replace)]
        for find, replace in zip(*lists, strict=True):
            found = self.whole.count(find)
            if found != 1:
                raise SystemExit(f"{self.name}: {self.file} has the text {find!r} {found} times, not once")
            self.broken = self.broken.replace(find, replace)
        if self.broken == self.whole:
            raise SystemExit(f"{self.name}: it changes nothing")

    def is_meant(self, names):
        _, _, name = self.name.partition("-")
        return not names or any(name.startswith(one) or self.name.startswith(one) for one in names)

    def is_caught(self, copy):
        """Prints what came of it."""
        began = time.monotonic()
        self.target.write_text(self.broken)
        try:
            tested = Tested(self.caught_by, copy)
        finally:
            self.target.write_text(self.whole)
        took = f"{time.monotonic() - began:.0f} s"
        if not tested.built:
            print(f"{self.name}: DOES NOT BUILD\n{tested.said[-3000:]}", flush=True)
        elif not tested.failed:
            print(f"{self.name}: SURVIVED {self.caught_by}, {took} ({self.what})", flush=True)
        else:
            print(f"{self.name}: caught by {tested.failed[0]}, {took}", flush=True)
        return tested.built and bool(tested.failed)


def main(arguments):
    check = arguments[0] == "--check"
    copy, names = pathlib.Path(arguments[1 if check else 0]), [] if check else arguments[1:]
    paths = sorted((copy / "crates/testkit/mutations").glob("*.toml"))
    mutations = [one for one in (Mutation(path, copy) for path in paths) if one.is_meant(names)]
    if not mutations:
        raise SystemExit("there is no such mutation")
    if check:
        print(f"{len(mutations)} mutations fit the code")
        return
    good, caught = {}, 0
    for one in mutations:
        if one.caught_by not in good:
            tested = Tested(one.caught_by, copy)
            good[one.caught_by] = tested.is_good()
            if not tested.is_good():
                print(f"{one.name}: NOT PASSED on whole code: {one.caught_by}\n{tested.said[-3000:]}", flush=True)
        caught += good[one.caught_by] and one.is_caught(copy)
    print(f"\n{caught} of {len(mutations)} mutations caught")
    raise SystemExit(caught != len(mutations))


main(sys.argv[1:])
