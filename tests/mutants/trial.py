"""Runs the tests once for each mutant, only those tests that come by it, the quickest first.

Owns: which tests are asked, their time, and what became of each mutant. Must not: know how a mutant is woven in (`weave.py` does).
"""

import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Binaries of tests/ that see a plan or a run as a whole, beside the tests of the library. What needs minutes is left.
BINARIES = ["report", "golden", "cli", "bad_input", "wrong_files", "site_files", "spans", "ansible"]
# Seconds: a test that needs more is not asked. Of the library's the quick ones are as many as anybody needs.
SLOWEST = {"lib": 2}
SLOWEST_ELSE = 20
# Seconds of tests that one mutant is worth; the quickest of those that come by it are asked.
WORTH = 10
MEMORY = 12 << 30


def built(tree, env):
    """The test binaries: {name: path}."""
    chosen = [word for name in BINARIES for word in ("--test", name)]
    command = ["cargo", "test", "--no-run", "--quiet", "--message-format", "json", "--lib", *chosen]
    run = subprocess.run(command, cwd=tree, env=env, check=True, stdout=subprocess.PIPE)
    found = {}
    for line in run.stdout.decode().splitlines():
        said = json.loads(line)
        if said.get("executable") and said["profile"]["test"]:
            found[said["target"]["name"] if "test" in said["target"]["kind"] else "lib"] = said["executable"]
    return found


def bounded(limit):
    """In the child: the time that counts is the processor's, for the machine may be busy with something else."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 5))
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def end(group):
    """Whatever of it still runs."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Trial:
    """The tests of one build."""

    def __init__(self, tree, env, binaries, kept):
        self.tree, self.binaries, self.kept = tree, binaries, kept
        self.env = {**env, "INSTA_UPDATE": "no", "CI": "1", "PITSTOP_SIMULATED": "400", "PITSTOP_RUNS": "50", "RUST_BACKTRACE": "0"}

    def ask(self, binary, tests, limit, **env):
        """Runs these tests: "held", "failed" or "late", and the seconds that they took, of the processor or of waiting."""
        began = time.monotonic()
        command = [self.binaries[binary], "--exact", "--test-threads=1", "--quiet", *tests]
        child = subprocess.Popen(
            command,
            cwd=self.tree,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: bounded(limit),
        )
        clock = threading.Timer(5 * limit, end, [child.pid])
        clock.start()
        _, status, usage = os.wait4(child.pid, 0)
        clock.cancel()
        end(child.pid)
        child.returncode = os.waitstatus_to_exitcode(status)
        late = child.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
        said = "late" if late else "failed" if child.returncode else "held"
        return said, max(usage.ru_utime + usage.ru_stime, time.monotonic() - began)

    def names(self, binary):
        out = subprocess.run([self.binaries[binary], "--list", "--format", "terse"], cwd=self.tree, env=self.env, capture_output=True)
        return [line.removesuffix(": test") for line in out.stdout.decode().splitlines() if line.endswith(": test")]

    def record(self, jobs):
        """Each test by itself without a mutant: its time, and the mutants it comes by. Those that fail here are not asked.

        A binary that is older than what is kept of it is not recorded again.
        """
        known = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        self.tests, bad = {}, []

        def one(binary, name):
            with tempfile.TemporaryDirectory() as dir:
                file = Path(dir) / "reached"
                said, took = self.ask(binary, [name], 60, PITSTOP_MUTANT_REACHED=str(file))
                return [name, said, took, sorted({int(n) for n in file.read_text().split()}) if file.exists() else []]

        with ThreadPoolExecutor(jobs) as pool:
            for binary, path in self.binaries.items():
                former = known.get(binary)
                if not former or former["built"] != os.stat(path).st_mtime_ns:
                    rows = list(pool.map(lambda name: one(binary, name), self.names(binary)))
                    known[binary] = {"built": os.stat(path).st_mtime_ns, "tests": rows}
                    self.kept.write_text(json.dumps(known))
                for name, said, took, reached in known[binary]["tests"]:
                    if said != "held" or took > SLOWEST.get(binary, SLOWEST_ELSE):
                        bad.append(f"{binary} {name}: {said}, {took:.1f} s")
                    elif reached:
                        self.tests[binary, name] = (took, set(reached))
        return bad

    def rounds(self, number):
        """The tests that come by a mutant, in processes: tests of the library first and together, the quick before the slow."""
        reaching = sorted((b != "lib", took, b, n) for (b, n), (took, reached) in self.tests.items() if number in reached)
        rounds, spent = [], 0.0
        for _, took, binary, name in reaching:
            spent += took
            if spent > WORTH:
                break
            last = rounds[-1] if rounds else None
            if last and last[0] == binary == "lib" and last[2] + took <= max(0.5, 4 * last[3]):
                last[1].append(name)
                last[2] += took
            else:
                rounds.append([binary, [name], took, last[2] if last and last[0] == "lib" else 0.0])
        return [(binary, names, took) for binary, names, took, _ in rounds]

    def judge(self, mutant):
        """ "killed", "timed out" or "survived", and by what."""
        rounds = self.rounds(mutant.number)
        if not rounds:
            return "survived", "no test comes by"
        for binary, names, took in rounds:
            said, _ = self.ask(binary, names, 5 * took + 10, PITSTOP_MUTANT=str(mutant.number))
            if said != "held":
                return ("killed" if said == "failed" else "timed out"), f"{binary} {names[0] if len(names) == 1 else len(names)}"
        return "survived", f"{sum(len(n) for _, n, _ in rounds)} tests come by"
