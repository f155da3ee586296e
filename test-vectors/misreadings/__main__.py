"""Applies each misreading to the Python verifier and checks that the vectors notice it.

    python3 test-vectors/misreadings           all of them. Exit code 1 if one survives, or cannot be applied.
    python3 test-vectors/misreadings ID…       some, with every vector that disagrees.
"""

import ast
import functools
import importlib
import importlib.util
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import time
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent
sys.path[0] = str(VECTORS)

from sealmq_spec import wire  # noqa: E402

# The same signatures occur in many vectors. These two functions are pure; a misreading of wire.py loads them anew.
wire.verify, wire.is_strong = functools.lru_cache(None)(wire.verify), functools.lru_cache(None)(wire.is_strong)

import verify  # noqa: E402
from sealmq_spec import xwing  # noqa: E402
from sealmq_spec.files import resolve  # noqa: E402

AREAS = ("conventions", "topics", "envelope", "opening", "objects", "announcements", "tree", "following", "packages", "validity", "joining", "backups", "kept", "short")
SECONDS = 120
# Where a misreading of a module shows first: only a question of time.
NEAR = {"envelope": ("seal", "open", "padding"), "reader": ("open",), "devices": ("two_devices",), "topics": ("topic_match", "filter_overlap", "reserved_topic", "name"), "tree": ("tree", "derive", "cover", "announcement_follow"),
        "validity": ("lease",), "joining": ("token", "join_request"), "packages": ("package_life",), "audit": ("audit_log",), "kept": ("kept_chain", "announcement_follow"), "places": ("open", "connections"), "backup": ("backup",), "files": ("armour",)}


def misreadings():
    return [entry for area in AREAS for entry in importlib.import_module(f"misreadings.{area}").MISREADINGS]


def prepared():
    """(seconds, stem, vector, its values) of all vectors, after all of them agreed with the verifier as it is."""
    out = []
    for stem in ("envelope", "keys"):
        data = json.loads((VECTORS / f"{stem}.json").read_text(encoding="utf-8"))
        for vector in data["vectors"]:
            vector = resolve(vector, data["fixtures"], set())
            start = time.perf_counter()
            verify.run(verify.KINDS[stem][vector["kind"]], vector)
            out.append((time.perf_counter() - start, stem, vector, verify.values_of(vector)))
    return out


def source_of(module):
    return (VECTORS / "sealmq_spec" / f"{module}.py").read_text(encoding="utf-8")


@functools.cache
def imports_of(module):
    """The modules of sealmq_spec that one of them imports."""
    names = set()
    for node in ast.walk(ast.parse(source_of(module))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names |= {node.module} if node.module else {each.name for each in node.names}
    return names


@functools.cache
def above(module):
    """The module, and those that import it or import one that does: they have to be loaded anew with it."""
    found = {module}
    while True:
        more = {path.stem for path in (VECTORS / "sealmq_spec").glob("[a-z]*.py") if imports_of(path.stem) & found} - found
        if not more:
            return found
        found |= more


class Finder:
    """Finds one module of sealmq_spec with its misreading, and leaves the others to Python."""

    def __init__(self, module, source):
        self.name, self.source = f"sealmq_spec.{module}", source

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.source, self.name, "exec"), module.__dict__)


def load(entry):
    """`verify`, above a sealmq_spec that has the misreading."""
    package = sys.modules["sealmq_spec"]
    del sys.modules["verify"]
    for module in above(entry.module):
        if sys.modules.pop(f"sealmq_spec.{module}", None):
            delattr(package, module)
    sys.meta_path.insert(0, Finder(entry.module, source_of(entry.module).replace(entry.old, entry.new)))
    return importlib.import_module("verify")


def disagreeing(entry, all_of_them=False):
    """The ids of vectors that disagree with the misreading: the first one, unless all are asked for."""
    program, found, crash = load(entry), [], None
    near = NEAR.get(entry.module, ("varint", "object"))
    words = set(entry.identity.split("-"))

    def order(each):
        """Slow ones last; first those whose names have most in common with the misreading's."""
        seconds, _, vector, _ = each
        return seconds > 0.2, -len(words & set(vector["id"].split("-"))), vector["kind"] not in near, seconds

    for _, stem, vector, values in sorted(PREPARED, key=order):
        try:
            program.compare(program.KINDS[stem][vector["kind"]], vector, values)
        except program.Disagreement as fault:
            found.append(f"{vector['id']}: {fault}")
            if not all_of_them:
                break
        except Exception as fault:  # a misreading that only crashes shows nothing
            crash = fault
    if crash and not found:
        raise crash
    return found


def judge(numbered):
    """(identity, what is wrong or None, the vector that noticed it or None) of one misreading, in a process of its own."""
    entry, all_of_them = numbered
    signal.alarm(SECONDS)
    try:
        found = disagreeing(entry, all_of_them)
    except Exception as fault:
        return entry, f"fails with {type(fault).__name__}: {fault}", []
    if entry.unobservable and found:
        return entry, "was thought to be unobservable", found
    return entry, None if found or entry.unobservable else "SURVIVES: no vector notices it", found


def misfits(entries):
    """Entries that cannot be what they want to be."""
    twice = [identity for identity, n in Counter(entry.identity for entry in entries).items() if n > 1]
    yield from (f"{identity}: the id is used twice" for identity in twice)
    for entry in entries:
        n = source_of(entry.module).count(entry.old)
        if n != 1:
            yield f"{entry.identity}: its statement occurs {n} times in {entry.module}.py:\n    {entry.old}"
        elif entry.old == entry.new:
            yield f"{entry.identity}: changes nothing"


def main(arguments):
    global PREPARED
    entries = misreadings()
    faults = list(misfits(entries))
    if arguments:
        entries = [entry for entry in entries if entry.identity in arguments]
    if not xwing.available:
        skipped = [entry for entry in entries if entry.module == "xwing"]
        entries = [entry for entry in entries if entry.module != "xwing"]
        print(f"This `cryptography` has no ML-KEM: {len(skipped)} misreadings of suite 2 are left out.")
    if not faults:
        PREPARED = prepared()
        for entry in entries:
            above(entry.module)  # remembered, before the processes are made
        # Every misreading gets a process that has loaded everything, and no other misreading.
        with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
            for entry, fault, found in pool.imap_unordered(judge, [(entry, bool(arguments)) for entry in entries], 1):
                if fault:
                    faults.append(f"{entry.identity} ({entry.section}): {fault}\n    {entry.rule}: read as {entry.read_as}" + "".join(f"\n    {each}" for each in found))
                elif arguments:
                    print(f"{entry.identity}: {len(found)} vectors notice it" + "".join(f"\n    {each[:200]}" for each in found))
    for fault in faults:
        print(f"FAULT {fault}")
    unobservable = sum(entry.unobservable is not None for entry in entries)
    print(f"{len(entries)} misreadings: {len(entries) - unobservable} to be caught, {unobservable} unobservable, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
