"""Every mutant of `src/run` and `src/plan` that the tests let live must stand in `survivors`, with its reason. See `run`."""

import argparse
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import trial
import weave

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target/mutants"
LATER = "left for another time"


def known():
    """{"file | function | mutant": reason}"""
    lines = (HERE / "survivors").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return dict(line.rsplit(" | ", 1) for line in lines)


def main():
    say = argparse.ArgumentParser(prog="tests/mutants/run", description=__doc__)
    say.add_argument("--again", action="store_true", help="try only what survived last time")
    say.add_argument("--only", default="", help="try only mutants whose line contains this")
    say.add_argument("--jobs", type=int, default=os.cpu_count())
    say.add_argument("--lib", action="store_true", help="ask the tests of the library only")
    told = say.parse_args()
    if told.again and not (WORK / "fates.json").exists():
        say.error("--again: there is no former run")

    env = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_INCREMENTAL": "0"}
    mutants = weave.listed(ROOT, ["cargo", "mutants"], ["src/run/**", "src/plan/**"])
    weave.weave(ROOT, WORK / "tree", mutants, env, WORK / "refused.json")
    line = {m.number: m.line() for m in mutants}
    if told.lib:
        trial.BINARIES.clear()
    tests = trial.Trial(WORK / "tree", env, trial.built(WORK / "tree", env), WORK / "reached.json")
    began = time.monotonic()
    for test in tests.record(told.jobs):
        print(f"not asked, for it fails in the copy or is slow: {test}", file=sys.stderr)
    print(f"record: {len(tests.tests)} tests come by a mutant ({time.monotonic() - began:.0f} s)", flush=True)

    kept = WORK / "fates.json"
    fates = json.loads(kept.read_text()) if kept.exists() and (told.again or told.only) else {}
    wanted = [m for m in mutants if not m.fate and told.only in line[m.number]]
    if told.again:
        wanted = [m for m in wanted if fates.get(line[m.number], [LATER])[0] in ("survived", LATER)]
    for m in mutants:
        if m.fate:
            fates[line[m.number]] = [m.fate, ""]

    def one(m):
        fates[line[m.number]] = tests.judge(m)
        if fates[line[m.number]][0] == "survived":
            print(f"survived: {line[m.number]} ({fates[line[m.number]][1]})", flush=True)

    with ThreadPoolExecutor(told.jobs) as pool:
        for n, _ in enumerate(as_completed([pool.submit(one, m) for m in wanted]), 1):
            if n % 50 == 0:
                print(f"{n} of {len(wanted)} tried ({time.monotonic() - began:.0f} s)", flush=True)
                kept.write_text(json.dumps(dict(fates), indent=0))
    fates = {line[m.number]: fates.get(line[m.number], [LATER, ""]) for m in mutants}
    kept.write_text(json.dumps(fates, indent=0))

    reasons = known()
    count = Counter(fate for fate, _ in fates.values())
    living = [name for name, (fate, _) in fates.items() if fate == "survived"]
    untold = [name for name in living if name not in reasons]
    for name in untold:
        print(f"survivor without a reason: {name}")
    for name in sorted(reasons.keys() - set(living)):
        fate = fates.get(name, ["no such mutant"])[0]
        if fate != LATER:
            print(f"in the list, but {fate}: {name}")
    every = ("killed", "timed out", "survived", "unviable", "not tried", LATER)
    figures = ", ".join(f"{count[fate]} {fate}" for fate in every)
    print(f"mutants of src/run and src/plan: {len(mutants)}: {figures}")
    still_open = sum(name not in reasons or reasons[name].startswith("open:") for name in living)
    print(f"figure: mutants of src/run and src/plan that live and may matter | {still_open} of {len(mutants)} | -")
    return 1 if untold else 0


sys.exit(main())
