"""A symbolic model of events and state (keys.md §6 and §7, "Kept keys").

What anybody can derive is a closure under Horn rules, which say what the text says: a derivation is
one-way, a ciphertext opens with its keys, a signature is not asked for (everything signed is shown to
everybody). Each history of a small group is played: every order of healing epochs, a generation that
ends, a reader who leaves and one who joins, a theft, a recovery. Coalitions pool all that they ever held
with all that was ever published, and goals say what they must not open.

Then the same with one rule changed (a twin). Each twin has to break a goal: a goal that no twin breaks
would say nothing.

    python3 spec/model/kept.py
"""

import itertools
import sys

EPOCHS, WINDOW, KEPT = 6, 1, 2
# Leaves of a tree of depth 2: the readers' half is 2, the other one 3.
PATHS = {4: (4, 2), 5: (5, 2), 6: (6, 3), 7: (7, 3)}
STAYS, LEAVES, WRITES = 4, 5, 6


def half(node):
    return node if node in (2, 3) else node // 2


class History:
    """What the authority does: which epochs heal, who is removed when, where a generation or a recovery begins."""

    def __init__(self, heals, leaves, joins, moves, recovers, twin=None):
        self.twin, self.leaves, self.joins, self.moves, self.recovers = twin, leaves, joins, moves, recovers
        self.healing = {1, *heals, leaves, recovers} - {None}
        if moves and twin != "generation ends without healing":
            self.healing.add(moves + 1)
        if twin == "recovery without healing" and recovers:
            self.healing.discard(recovers)
        if twin == "removal without healing" and leaves:
            self.healing.discard(leaves)

    def generations(self, epoch):
        """Trees that the epoch covers: at `moves` both, afterwards the new one; from a recovery on its own."""
        if self.recovers and epoch >= self.recovers:
            return ["recovered"]
        if not self.moves or epoch < self.moves:
            return ["first"]
        return ["first", "second"] if epoch == self.moves else ["second"]

    def kept_epoch(self, epoch):
        return max(e for e in self.healing if e <= epoch)

    def kept_epochs(self):
        return sorted(self.healing)

    def continues(self, old, new):
        """Whether kept keys of `old` count when those of `new` are the newest."""
        return not self.recovers or (old < self.recovers) == (new < self.recovers)

    def rules(self):
        """(premises, conclusion)."""
        for e in range(1, EPOCHS + 1):
            reader, psk = ("reader_secret", e), ("psk", e)
            yield (reader,), psk
            yield (reader,), ("group_sk", e)
            yield (reader,), ("heal", 2, e)
            yield (psk,), ("heal", 3, e)
            yield (psk,), ("session_psk", e)
            yield (("group_sk", e), ("session_psk", e)), ("event", e)
            k = self.kept_epoch(e)
            yield (("kept_sk", k), ("kept_psk", k)), ("state", e)
            for tree in self.generations(e):
                gone = {LEAVES} if self.leaves and e >= self.leaves and self.had_leaf(tree) else set()
                covered = [node for leaf in PATHS for node in PATHS[leaf] if self.covers(e, node, gone)]
                for node in covered:
                    yield (("N", tree, node, e),), reader if half(node) == 2 else psk
                for node in {node for path in PATHS.values() for node in path}:
                    needs = (("N", tree, node, e),)
                    if e in self.healing and self.twin != "healing that ratchets only":
                        heal = 3 if self.twin == "one heal secret" else half(node)
                        needs += (("heal", heal, e),)
                    yield needs, ("N", tree, node, e + 1)
            if e in self.healing:
                yield from self.kept_rules(e, reader, psk)

    def had_leaf(self, tree):
        """Whether who leaves was in that tree."""
        begins = {"first": 1, "second": self.moves, "recovered": self.recovers}[tree]
        return begins < self.leaves

    def covers(self, epoch, node, gone):
        if epoch not in self.healing:
            return node in (2, 3)
        return not any(node in PATHS[leaf] for leaf in gone)

    def kept_rules(self, k, reader, psk):
        secret, kept_psk = ("kept_secret", k), ("kept_psk", k)
        yield ((psk,) if self.twin == "kept_secret from psk" else (reader,)), secret
        yield (psk,), kept_psk
        yield (secret,), ("kept_sk", k)
        if self.twin == "kept_secret is reader_secret":
            yield (secret,), reader
        if self.twin == "kept key pair is the group's":
            yield (secret,), ("group_sk", k)
            yield (kept_psk,), ("session_psk", k)
        # The chain: with the secret of a kept epoch those of the one before.
        older = [o for o in self.kept_epochs() if o < k and self.chained(o, k)]
        if older:
            old = ("kept_secret", older[-1])
            yield (secret,), old
            yield (secret,), ("kept_psk", older[-1])
            if self.twin == "chain goes forward":
                yield (old,), secret
                yield (old,), kept_psk
            if self.twin == "chain under kept_psk":
                yield (kept_psk,), old

    def chained(self, old, new):
        if self.twin == "chain over a recovery":
            return True
        return self.continues(old, new)

    def welcome(self, leaf, tree, epoch):
        """What the plaintext of a welcome brings."""
        yield from (("N", tree, node, epoch) for node in PATHS[leaf])
        if epoch == 1:
            return
        k = self.kept_epoch(epoch - 1)
        if not self.continues(k, epoch) and self.twin != "welcome over a recovery":
            return
        yield ("kept_psk", k)
        if half(leaf // 2) == 2 or self.twin == "kept_secret for everybody":
            yield ("kept_secret", k)
        if self.twin == "welcome brings the epoch before":
            yield ("reader_secret", epoch - 1) if leaf in (4, 5) else ("psk", epoch - 1)


def closure(known, rules):
    known, rules = set(known), list(rules)
    while True:
        new = {conclusion for premises, conclusion in rules if conclusion not in known and known.issuperset(premises)}
        if not new:
            return known
        known |= new


def opens(known, kind):
    return {term[1] for term in known if term[0] == kind}


def reader(history, leaf, first):
    """All that a member ever holds that came with `first` and goes on: its welcomes, in each tree that it is moved to."""
    held = set(history.welcome(leaf, history.generations(first)[-1], first))
    for begins, tree in ((history.moves, "second"), (history.recovers, "recovered")):
        if begins and begins >= first and not (leaf == LEAVES and history.leaves and begins >= history.leaves):
            if tree in history.generations(begins):
                held |= set(history.welcome(leaf, tree, begins))
    return held


def store_copy(history, leaf, epoch):
    """A member's store at the end of an epoch: path keys at the base, slots of the window, kept keys."""
    tree = history.generations(epoch)[0]
    base = max(1, epoch - WINDOW)
    # Path keys stand at the base; with the slots they go on from there.
    held = {("N", tree, node, base) for node in PATHS[leaf]} if tree in history.generations(base) else set()
    held |= {("reader_secret", e) for e in range(base, epoch + 1)}
    kept = [k for k in history.kept_epochs() if k <= epoch and history.continues(k, epoch)][-KEPT - 1 :]
    return held | {("kept_secret", k) for k in kept} | {("kept_psk", k) for k in kept}


def broken(history):
    """The goals that fail."""
    rules = list(history.rules())
    everything = set(range(1, EPOCHS + 1))
    writer = reader(history, WRITES, 1)
    if opens(closure(writer, rules), "event") | opens(closure(writer, rules), "state"):
        yield "a publish-only member opens nothing"
    if not history.recovers:
        stays = closure(reader(history, STAYS, 1), rules)
        if opens(stays, "event") != everything or opens(stays, "state") != everything:
            yield "a reader who stays opens everything"
    if history.leaves:
        pool = closure(reader(history, LEAVES, 1) | writer, rules)
        if any(e >= history.leaves for e in opens(pool, "event") | opens(pool, "state")):
            yield "who was removed, with a live publish-only member, opens nothing of afterwards"
    if history.joins:
        joined = closure(reader(history, STAYS, history.joins), rules)
        if any(e < history.joins for e in opens(joined, "event")):
            yield "who joins opens no event of before"
        before = {e for e in everything if e < history.joins and history.continues(e, history.joins)}
        if not opens(joined, "state") >= before:
            yield "who joins opens the state of before"
        pool = closure(reader(history, STAYS, history.joins) | writer, rules)
        if any(e < history.joins for e in opens(pool, "event")):
            yield "who joins opens no event of before, with a publish-only member"
    for epoch in everything:
        copy = closure(store_copy(history, STAYS, epoch), rules)
        if any(e < epoch - WINDOW for e in opens(copy, "event")):
            yield "a copy of a store opens no event older than the window"
        if history.moves and epoch < history.moves:
            later = opens(copy, "event") | opens(copy, "state")
            if any(e > history.moves for e in later):
                yield "a copy of a generation's store opens nothing after its end"
        if history.recovers and epoch < history.recovers:
            # The thief of the authority has all trees and all secrets of then.
            thief = {("reader_secret", e) for e in range(1, epoch + 1)}
            thief |= {("N", "first", node, 1) for path in PATHS.values() for node in path}
            found = closure(thief | store_copy(history, STAYS, epoch), rules)
            if any(e >= history.recovers for e in opens(found, "event") | opens(found, "state")):
                yield "a thief of before a recovery opens nothing of afterwards"
    if history.recovers:
        after = closure(reader(history, STAYS, history.recovers), rules)
        if any(k < history.recovers for k in opens(after, "state")):
            yield "state of before a recovery opens for nobody who joins afterwards"


TWINS = {
    "removal without healing": "who was removed, with a live publish-only member, opens nothing of afterwards",
    "generation ends without healing": "a copy of a generation's store opens nothing after its end",
    "recovery without healing": "a thief of before a recovery opens nothing of afterwards",
    "healing that ratchets only": "who was removed, with a live publish-only member, opens nothing of afterwards",
    "one heal secret": "who was removed, with a live publish-only member, opens nothing of afterwards",
    "kept_secret from psk": "a publish-only member opens nothing",
    "kept_secret for everybody": "a publish-only member opens nothing",
    "kept_secret is reader_secret": "who joins opens no event of before",
    "kept key pair is the group's": "who joins opens no event of before",
    "chain goes forward": "who was removed, with a live publish-only member, opens nothing of afterwards",
    "chain under kept_psk": "a publish-only member opens nothing",
    "chain over a recovery": "state of before a recovery opens for nobody who joins afterwards",
    "welcome over a recovery": "state of before a recovery opens for nobody who joins afterwards",
    "welcome brings the epoch before": "who joins opens no event of before",
}


def histories(twin=None):
    some = (None, 3, 4, 5)
    for count in range(3):
        for heals in itertools.combinations(range(2, EPOCHS + 1), count):
            for leaves, joins, moves, recovers in itertools.product(some, some, (None, 3, 4), (None, 4, 5)):
                if moves and recovers:
                    continue
                yield History(heals, leaves, joins, moves, recovers, twin)


def main():
    played, faults = 0, set()
    for history in histories():
        played += 1
        faults |= set(broken(history))
    print(f"{played} histories: {len(faults)} goals fail")
    for fault in sorted(faults):
        print(f"  {fault}")
    for twin, goal in TWINS.items():
        found = set()
        for history in histories(twin):
            found |= set(broken(history))
            if goal in found:
                break
        if goal not in found:
            faults.add(twin)
            print(f"  twin `{twin}` does not break: {goal}; it breaks {sorted(found)}")
    print(f"{len(TWINS)} twins")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
