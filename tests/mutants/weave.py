"""Weaves every mutant that cargo-mutants lists into a copy of the sources, each to be chosen at run time.

`a < b` becomes `match (&a, &b) { (l, r) => if mutated(7) { *l == *r } else if mutated(8) { *l > *r } else { *l < *r } }`, and so on:
one build holds them all. A mutant that rustc refuses is left out, and the rest is built again.

Owns: the mutants' names, which carry no line numbers, and the woven text. Must not: run a test (`trial.py` does).
"""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter
import tree_sitter_rust

M = "crate::mutated::mutated"
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
COMPARED = {"<", ">", "<=", ">="}
RECKONED = {"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"}


@dataclass
class Mutant:
    """One change of one place. `number` is for one build only, `name` stays."""

    number: int
    file: str
    function: str
    genre: str
    replacement: str
    start: int  # bytes
    end: int
    name: str = ""
    fate: str = ""  # why it is not tried, if it is not

    def line(self):
        return f"{self.file} | {self.function} | {self.name}"


@dataclass
class Region:
    """A stretch of the source that is written otherwise, with its mutants."""

    start: int
    end: int
    rank: int  # of two of the same extent, the smaller is outside
    shape: str
    node: object = None
    mutants: list = field(default_factory=list)


def short(text, most, tail=False):
    text = re.sub(r"\s+", " ", text.strip())
    if len(text) <= most:
        return text
    return "…" + text[-most:] if tail else text[:most] + "…"


def listed(root, cargo_mutants, folders):
    """What cargo-mutants would do, as byte ranges."""
    filters = [word for folder in folders for word in ("-f", folder)]
    out = subprocess.run([*cargo_mutants, "--list", "--json", *filters], cwd=root, check=True, capture_output=True)
    texts, mutants = {}, []

    def offset(file, at):
        lines = texts.setdefault(file, (root / file).read_text().splitlines(keepends=True))
        before = "".join(lines[: at["line"] - 1]) + lines[at["line"] - 1][: at["column"] - 1]
        return len(before.encode())

    for number, m in enumerate(json.loads(out.stdout), 1):
        file, span = m["file"], m["span"]
        start, end = offset(file, span["start"]), offset(file, span["end"])
        function = (m["function"] or {"function_name": "-"})["function_name"]
        mutants.append(Mutant(number, file, function, m["genre"], m["replacement"], start, end))
    return mutants


class Woven:
    """One source file and the mutants in it."""

    def __init__(self, root, file, mutants):
        self.file = file
        self.source = (root / file).read_bytes()
        self.tree = PARSER.parse(self.source)
        self.mutants = mutants
        self.regions = {}
        for m in mutants:
            self.place(m)

    def node_at(self, start, end, kinds):
        """The smallest node of one of these kinds that contains the range."""
        node = self.tree.root_node.descendant_for_byte_range(start, end)
        while node and node.type not in kinds:
            node = node.parent
        return node

    def text(self, node):
        return self.source[node.start_byte : node.end_byte].decode()

    def region(self, m, start, end, rank, shape, node=None):
        key = (start, end, rank)
        self.regions.setdefault(key, Region(start, end, rank, shape, node)).mutants.append(m)

    def place(self, m):
        there = self.source[m.start : m.end].decode()
        if m.genre == "FnValue":
            m.name = f"→ {m.replacement}"
            function = self.node_at(m.start, m.end, {"function_item"})
            returned = function and function.child_by_field_name("return_type")
            if returned and self.text(returned).startswith("impl Iterator"):
                self.region(m, m.start, m.end, 0, "iterator")
            else:
                self.region(m, m.start, m.start, 0, "value")
        elif m.genre == "BinaryOperator":
            node = self.node_at(m.start, m.end, {"binary_expression", "compound_assignment_expr", "let_chain"})
            if node is None or node.type == "let_chain":
                around = self.source[max(0, m.start - 30) : m.end + 30].decode(errors="ignore")
                m.name, m.fate = f"[{there} → {m.replacement}] in {short(around, 70)}", "unviable"
                return
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            m.name = f"{short(self.text(left), 34, tail=True)} [{there} → {m.replacement}] {short(self.text(right), 34)}"
            if node.type == "compound_assignment_expr":
                shape = "assigned"
            elif there in ("&&", "||", "==", "!="):
                shape = "turned"
            else:
                shape = "compared" if there in COMPARED else "reckoned"
            self.region(m, node.start_byte, node.end_byte, 3, shape, node)
        elif m.genre == "UnaryOperator":
            node = self.node_at(m.start, m.end, {"unary_expression"})
            m.name = f"[{there} → ] {short(self.text(node)[len(there):], 60)}"
            self.region(m, node.start_byte, node.end_byte, 3, "unary", node)
        elif m.genre == "MatchArmGuard":
            m.name = f"if [{short(there, 60)} → {m.replacement}]"
            self.region(m, m.start, m.end, 2, "guard")
        elif m.genre == "MatchArm":
            arm = self.node_at(m.start, m.end, {"match_arm"})
            pattern = arm.child_by_field_name("pattern")
            m.name = f"[arm → ] {short(self.text(pattern), 70)}"
            condition = pattern.child_by_field_name("condition")
            if condition:
                self.region(m, condition.start_byte, condition.end_byte, 1, "arm")
            else:
                self.region(m, pattern.end_byte, pattern.end_byte, 0, "bare arm")
        elif m.genre == "StructField":
            node = self.node_at(m.start, m.start + 1, {"field_initializer", "shorthand_field_initializer"})
            listing = node.parent
            base = next((n for n in listing.children if n.type == "base_field_initializer"), None)
            m.name = f"[field → ] {short(self.text(node), 60)}"
            if base is None:
                m.fate = "not tried"
                return
            self.region(m, node.start_byte, node.end_byte, 1, "field", (node, base))
        else:
            m.name, m.fate = there, "not tried"
        if m.function == "-":
            m.fate = "not tried"  # a constant: reckoned while it compiles

    def render(self):
        """The woven text, and what stands where: (start, end, mutants, whether it is one alternative)."""
        self.out, self.places = bytearray(), []
        live = []
        for key, r in sorted(self.regions.items()):
            alive = [m for m in r.mutants if not m.fate]
            if alive:
                live.append(Region(r.start, r.end, r.rank, r.shape, r.node, alive))
        live.sort(key=lambda r: (r.start, r.end != r.start, -r.end, r.rank))
        self.stretch(0, len(self.source), live)
        return bytes(self.out)

    def put(self, text):
        self.out += text if isinstance(text, bytes) else text.encode()

    def stretch(self, start, end, regions):
        """The source from start to end, with these regions, which are in it."""
        at, i = start, 0
        while i < len(regions):
            r = regions[i]
            inner = []
            i += 1
            while i < len(regions) and r.end != r.start and regions[i].start < r.end:
                inner.append(regions[i])
                i += 1
            self.put(self.source[at : r.start])
            begin = len(self.out)
            self.write(r, inner)
            self.places.append((begin, len(self.out), [m.number for m in r.mutants], False))
            at = r.end
        self.put(self.source[at:end])

    def part(self, node, inner):
        inside = [r for r in inner if node.start_byte <= r.start and r.end <= node.end_byte]
        self.stretch(node.start_byte, node.end_byte, inside)

    def alternative(self, m, text):
        """`text` may be a function that writes."""
        begin = len(self.out)
        self.put(text) if isinstance(text, str) else text()
        self.places.append((begin, len(self.out), [m.number], True))

    def choices(self, mutants, text_of, otherwise):
        for m in mutants:
            self.put(f"if {M}({m.number}) {{ ")
            self.alternative(m, text_of(m))
            self.put(" } else ")
        self.put("{ ")
        otherwise()
        self.put(" }")

    def write(self, r, inner):
        ms, node = r.mutants, r.node
        turned = " ^ ".join(f"{M}({m.number})" for m in ms)
        if r.shape == "value":
            for m in ms:
                self.put(f"if {M}({m.number}) {{ ")
                self.alternative(m, f"return {m.replacement};")
                self.put(" }\n")
        elif r.shape == "iterator":
            either = "crate::mutated::Either"
            for m in ms:
                self.put(f"if {M}({m.number}) {{ {either}::Left(")
                self.alternative(m, m.replacement)
                self.put(f") }} else {{ {either}::Right({{")
            self.stretch(r.start, r.end, inner)
            self.put("}) }" * len(ms))
        elif r.shape == "turned":
            left, op, right = (node.child_by_field_name(n) for n in ("left", "operator", "right"))
            logical = self.text(op) in ("&&", "||")
            self.put("((((" if logical else "(((")
            self.part(left, inner)
            self.put(f") ^ {turned}) {self.text(op)} ((" if logical else f") {self.text(op)} (")
            self.part(right, inner)
            self.put(f") ^ {turned})) ^ {turned})" if logical else f")) ^ {turned})")
        elif r.shape in ("compared", "reckoned"):
            left, op, right = (node.child_by_field_name(n) for n in ("left", "operator", "right"))
            by, of = ("&", "*") if r.shape == "compared" else ("", "")
            self.put(f"(match ({by}(")
            self.part(left, inner)
            self.put(f"), {by}(")
            self.part(right, inner)
            self.put(")) { (l, r) => ")
            plain = f"{of}l {self.text(op)} {of}r"
            self.choices(ms, lambda m: f"{of}l {m.replacement} {of}r", lambda: self.put(plain))
            self.put(" })")
        elif r.shape == "assigned":
            left, op, right = (node.child_by_field_name(n) for n in ("left", "operator", "right"))

            def assign(sign):
                self.part(left, inner)
                self.put(f" {sign} ")
                self.part(right, inner)

            self.choices(ms, lambda m: lambda: assign(m.replacement), lambda: assign(self.text(op)))
        elif r.shape == "unary":
            operand = node.children[-1]
            if self.text(node).startswith("!"):
                self.put("((!(")
                self.part(operand, inner)
                self.put(f")) ^ {turned})")
            else:
                self.put("(match (")
                self.part(operand, inner)
                self.put(") { l => ")
                sign = self.text(node)[0]
                self.choices(ms, lambda m: "l", lambda: self.put(f"{sign}l"))
                self.put(" })")
        elif r.shape == "guard":
            holds = [m for m in ms if m.replacement == "true"]
            fails = [m for m in ms if m.replacement == "false"]
            self.put("(" + "".join(f"{M}({m.number}) || " for m in holds) + "(")
            self.put("".join(f"!{M}({m.number}) && " for m in fails) + "(")
            self.stretch(r.start, r.end, inner)
            self.put(")))")
        elif r.shape == "arm":
            self.put("(" + "".join(f"!{M}({m.number}) && " for m in ms) + "(")
            self.stretch(r.start, r.end, inner)
            self.put("))")
        elif r.shape == "bare arm":
            self.put(" if " + " && ".join(f"!{M}({m.number})" for m in ms))
        elif r.shape == "field":
            initializer, base = node
            name = self.text(initializer.child_by_field_name("field") or initializer)
            value = initializer.child_by_field_name("value")
            of = self.text(base).removeprefix("..")
            self.put(f"{name}: ")
            self.choices(
                ms,
                lambda m: f"({of}).{name}",
                lambda: self.part(value, inner) if value else self.put(name),
            )


def name_all(mutants):
    """Tells mutants of one function that read the same apart."""
    same = Counter()
    for m in mutants:
        same[m.file, m.function, m.name] += 1
        if same[m.file, m.function, m.name] > 1:
            m.name += f" #{same[m.file, m.function, m.name]}"


def copy(root, tree, woven):
    """The repository as it is here, what is not committed included, less what is woven; only what differs is written."""
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, check=True, capture_output=True
    )
    wanted = {name for name in out.stdout.decode().split("\0") if name and (root / name).is_file()}
    for old in [p for p in tree.rglob("*") if p.is_file() and "target" not in p.relative_to(tree).parts[:1]]:
        if str(old.relative_to(tree)) not in wanted and old.name != "mutated.rs":
            old.unlink()
    for name in wanted - woven:
        put(tree / name, altered(name, (root / name).read_bytes()), (root / name).stat().st_mode)
    put(tree / "src/mutated.rs", (root / "tests/mutants/mutated.rs").read_bytes())


def altered(name, data):
    """Tests start pitstop without their own environment: the mutant's number goes with it."""
    if name == "src/lib.rs":
        return data + b"\npub mod mutated;\n"
    if name.startswith("tests/") and name.endswith(".rs"):
        passed = b'.env_clear().envs(std::env::vars().filter(|(n, _)| n.starts_with("PITSTOP_MUTANT")))'
        return data.replace(b".env_clear()", passed)
    return data


def put(path, data, mode=0o644):
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode & 0o777)


def refused(tree, env, what):
    """What rustc says against the woven sources: [(file, [(start, end)], message)]."""
    run = subprocess.run(
        ["cargo", "test", "--no-run", "--quiet", "--message-format", "json", *what], cwd=tree, env=env, capture_output=True
    )
    errors = []
    for line in run.stdout.decode().splitlines():
        message = json.loads(line).get("message") if line.startswith("{") else None
        if not message or message.get("level") != "error" or not message["spans"]:
            continue
        spans = sorted(message["spans"], key=lambda s: not s["is_primary"])
        while spans and spans[0]["expansion"] and not spans[0]["file_name"].startswith("src/"):
            spans[0] = spans[0]["expansion"]["span"]
        where = [(s["file_name"], s["byte_start"], s["byte_end"]) for s in spans]
        errors.append((where, message["rendered"]))
    if run.returncode and not errors:
        sys.exit(run.stderr.decode()[-4000:])
    return errors


def weave(root, tree, mutants, env, kept):
    """Writes the woven tree, and takes out what does not compile until the rest does; `kept` remembers what was taken out."""
    files = defaultdict(list)
    for m in mutants:
        files[m.file].append(m)
    woven = {file: Woven(root, file, ms) for file, ms in files.items()}
    copy(root, tree, woven.keys())
    name_all(mutants)
    former = json.loads(kept.read_text()) if kept.exists() else {}
    for m in mutants:
        m.fate = m.fate or former.get(m.line(), "")
    by_number = {m.number: m for m in mutants}
    copy_of = {file: w.render() for file, w in woven.items()}
    for turn in range(40):
        for file, text in copy_of.items():
            put(tree / file, text)
        errors = refused(tree, env, ["--lib"])
        print(f"weave: turn {turn + 1}: {len(errors)} errors", flush=True)
        if not errors:
            kept.write_text(json.dumps({m.line(): m.fate for m in mutants if m.fate}, indent=0))
            return
        dropped = 0
        for where, rendered in errors:
            # The smallest stretch around the place, an alternative before what is around it.
            found = None
            for file, start, end in where:
                if file not in woven:
                    continue
                around = [p for p in woven[file].places if p[0] <= start and end <= p[1]]
                around.sort(key=lambda p: (p[1] - p[0]))
                if around:
                    found = around[0]
                    break
            if not found:
                print(rendered, file=sys.stderr)
                continue
            for number in found[2]:
                m = by_number[number]
                if not m.fate:
                    m.fate = "unviable" if found[3] else "not tried"
                    dropped += 1
        if not dropped:
            sys.exit("weave: rustc refuses what no mutant explains")
        copy_of = {file: w.render() for file, w in woven.items()}
    sys.exit("weave: no end of errors")

