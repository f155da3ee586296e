"""Group keys, the key tree, covers, welcomes, and following announcements (keys.md §6, §7)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke, kept, objects
from .objects import HEALING, ORDINARY  # noqa: F401
from .wire import Cursor, Refused, be, blob, expand, extract, require

MAX_CATCH_UP = 65536


class GroupKeys:
    """What follows from an epoch's reader_secret."""

    def __init__(self, reader_secret):
        self.reader_secret = reader_secret
        self.psk = expand(reader_secret, b"sealmq/1 group psk")
        self.psk_check = psk_check(self.psk)
        self.session_psk = session_psk(self.psk)
        self.kem_ikm = expand(reader_secret, b"sealmq/1 group kem")
        self.secret_key, self.group_key = hpke.derive_key_pair(self.kem_ikm)
        self.heal_r = expand(reader_secret, b"sealmq/1 heal r")
        self.heal_w = heal_w(self.psk)
        # Of a healing epoch:
        self.kept_secret, self.kept_psk = kept.secret_of(reader_secret), kept.psk_of(self.psk)
        self.kept_ikm = kept.kem_ikm(self.kept_secret)
        self.kept_secret_key, self.kept_key = kept.key_pair(self.kept_secret)


def psk_check(psk):
    return expand(psk, b"sealmq/1 psk check")


def session_psk(psk):
    """The psk of HPKE in sessions (envelope.md §6)."""
    return expand(psk, b"sealmq/1 session psk")


def heal_w(psk):
    return expand(psk, b"sealmq/1 heal w")


# --- the tree ---

def half(node):
    """2 for nodes of the readers' half, 3 for the publish-only half."""
    return node >> (node.bit_length() - 2)


def path_of(leaf):
    """The nodes from a leaf up to 2 or 3."""
    return [leaf >> i for i in range(leaf.bit_length() - 1)]


def first_key(tree_secret, node):
    return expand(tree_secret, b"sealmq/1 node" + be(4, node))


def next_key(key, heal=None):
    """The same node's key in the next epoch; `heal` after a healing epoch, the secret of the node's half."""
    return expand(key, b"sealmq/1 ratchet") if heal is None else extract(key, b"sealmq/1 healed" + heal)


def wrap_key(key, node, head_hash):
    return expand(key, b"sealmq/1 wrap" + be(4, node) + head_hash)


def wrap(key, secret):
    return AESGCM(key).encrypt(bytes(12), secret, None)


def unwrap(key, sealed):
    try:
        return AESGCM(key).decrypt(bytes(12), sealed, None)
    except InvalidTag:
        return None


def healing_cover(depth, removed):
    """The largest subtrees without a removed leaf, in the order of their leaves."""
    tainted = {node for leaf in removed for node in path_of(leaf)}

    def below(node):
        if node not in tainted:
            return [node]
        return below(2 * node) + below(2 * node + 1) if node >> depth == 0 else []

    return below(2) + below(3)


# --- welcomes ---

def welcome_info(f):
    return (b"sealmq/1 welcome" + f["domain"] + f["group"] + be(4, f["member"]) + be(4, f["generation"])
            + be(1, f["depth"]) + be(4, f["leaf"]) + be(8, f["epoch"]) + f["package"])


def welcome_aad(welcome, f):
    """Form, kind and the fields before `enc`, as received."""
    return welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]


def check_welcome(authority, member, welcome, package, installed=None, suite=1):
    """Everything before it is opened: the welcome's fields and the package."""
    f = objects.check("welcome", welcome, authority=authority, member=member, suite=suite).fields
    package = objects.check("key_package", package, suite=suite)
    require((f["package_number"], f["package"]) == (package.fields["number"], package.hash), "package")
    if installed:
        order = lambda of: (of["generation"], of["epoch"], of["package_number"])
        require(order(f) > order(installed), "too_old", "already installed")
    return f, package


def open_welcome(authority, member, welcome, package, package_seed, installed=None, suite=1):
    """Returns (secret key of the package, info, aad, plaintext, path keys by node, kept keys)."""
    f, package = check_welcome(authority, member, welcome, package, installed, suite)
    secret_key, init_key = hpke.key_pair_of_suite(suite, package_seed)
    require(init_key == package.fields["init_key"], "wrong_secret", "not the seed of this package")
    info, aad = welcome_info(f), welcome_aad(welcome, f)
    try:
        plaintext = hpke.base_receiver(suite, secret_key, f["enc"], info).open_first(aad, f["sealed"])
    except Refused as refused:
        raise Refused("wrong_secret", str(refused)) from None
    inside = Cursor(plaintext)
    keys = [inside.take(32) for _ in range(f["depth"])]
    brought = kept.of_welcome(inside.blob(), f, half(f["leaf"]) == 2)
    require(inside.left() <= 1024, "field", "more than 1024 bytes of extensions")
    found = objects.extensions(inside)
    inside.end()
    objects.require_known(found)
    return secret_key, info, aad, plaintext, dict(zip(path_of(f["leaf"]), keys)), brought


# --- following announcements ---

class Slot:
    """What a member keeps of one epoch."""

    def __init__(self, announcement, secret):
        f = announcement.fields
        self.hash, self.previous = announcement.hash, f["previous"]
        self.healed, self.healing_epoch, self.group_key = f["epoch_kind"] == HEALING, f["healing_epoch"], f["group_key"]
        self.secret = secret


class Member:
    """A member's group state, from its welcome on (keys.md §7)."""

    def __init__(self, authority, group, generation, depth, leaf, base, previous, healing_epoch, healing, path_keys, kept_keys=None):
        self.authority, self.group = authority, group
        self.generation, self.depth, self.leaf = generation, depth, leaf
        self.base = base
        self.current = base - 1
        self.before_base = previous                     # hash of the announcement of epoch base − 1
        self.last_healing = (healing_epoch, healing)    # the last one before base
        self.path = dict(zip(path_of(leaf), path_keys))  # at epoch base
        self.slots = {}
        self.serial, self.installed = 1, (generation, base, 1)  # of the welcome; the first one is of serial 1
        self.newest_serial = 0                          # of the newest announcement
        self.kept = kept.Ring(authority, self.is_reader)
        self.kept.bring(healing_epoch, self.serial, kept_keys)  # the kept epoch of the epoch before
        self.named = set()                              # hashes in the `previous` and `healing` of announcements that count

    @property
    def is_reader(self):
        return half(self.leaf) == 2

    def take_delegation(self, authority):
        """Returns whether a kept key ended with it."""
        self.authority = authority
        return self.kept.take_delegation(authority)

    def take_kept_keys(self, data):
        """Returns whether they told of anything new."""
        obj = objects.check("kept_keys", data, authority=self.authority, group=self.group)
        try:
            return self.kept.go_back(obj)
        except Refused:
            if obj.fields["epoch"] > self.current:
                raise
            return False  # of an epoch that was followed, and not what it was

    def follow(self, data, now, skew, chunks=None):
        """Takes one announcement object; returns whether it is new. Raises Refused, and changes nothing then.

        `chunks` are the contents of the chunk topics that are there, by number over all covers.
        """
        named = self.named | {slot.hash for slot in self.slots.values()}
        announcement = objects.check("announcement", data, authority=self.authority, group=self.group, named=named, now=now, skew=skew)
        f, e = announcement.fields, announcement.fields["epoch"]
        if e in self.slots and self.slots[e].hash == announcement.hash:
            return False
        self._require_no_fork(announcement)
        require(e >= self.base, "too_old")
        require(e <= self.base + MAX_CATCH_UP, "too_far")
        self._require_healing(f)
        secret = self._unwrap(announcement, {} if chunks is None else chunks)
        self.named |= {f["previous"], f["healing"]}
        self.slots[e] = Slot(announcement, secret)
        if e > self.current:
            self.current, self.newest_serial = e, f["serial"]
            oldest = e - f["policy"]["window"]
            self._move_base(max(self.base, oldest))
            self.slots = {epoch: slot for epoch, slot in self.slots.items() if epoch >= oldest}
            self.kept.policy = f["policy"]["kept"]
        if f["epoch_kind"] == HEALING:
            self.kept.take(self._kept_of(announcement, secret))
        self.kept.trim()
        return True

    def install(self, f, path_keys, kept_keys=None):
        """Takes another welcome, verified and opened (§6, §7 "Replacing"); returns whether it replaced everything."""
        order = (f["serial"], f["generation"], f["epoch"], f["package_number"])
        require(order > (self.serial, *self.installed), "too_old", "not above the installed welcome")
        contradicts = self._contradicts(f)
        supersedes = f["serial"] > max(self.serial, self.newest_serial)
        replaces = supersedes and (contradicts or f["epoch"] <= self.current)
        goes_back = any(slot.hash == f["previous"] for e, slot in self.slots.items() if e < self.current)
        replaces = replaces or (goes_back and supersedes)
        if not replaces:
            require(f["epoch"] >= self.base, "too_old", "the group has moved on")
            require(not contradicts, "fork", "the welcome contradicts what was followed")
            if supersedes:
                self._keep_named(f)
        else:
            self.slots, self.newest_serial, self.named = {}, 0, set()
            self.kept.policy = 0
            self.current = f["epoch"] - 1
        moves = half(f["leaf"]) != half(self.leaf)
        if replaces or moves:
            self.kept.clear(half(f["leaf"]) == 2)
        self.kept.bring(f["healing_epoch"], f["serial"], kept_keys)
        if moves:  # the slots from its epoch on hold secrets of the other half
            self.slots = {e: slot for e, slot in self.slots.items() if e < f["epoch"]}
            self.current = max(self.slots, default=f["epoch"] - 1)
        self.serial, self.installed = f["serial"], order[1:]
        self.generation, self.depth, self.leaf = f["generation"], f["depth"], f["leaf"]
        self.base, self.before_base = f["epoch"], f["previous"]
        self.last_healing = (f["healing_epoch"], f["healing"])
        self.path = dict(zip(path_of(f["leaf"]), path_keys))
        return replaces

    def _contradicts(self, f):
        """Steps 3 and 5, for what a welcome says of the epochs before its own."""
        epoch = f["epoch"]
        if epoch < self.base:
            return False
        known = {self.slots[epoch - 1].hash} if epoch - 1 in self.slots else set()
        known |= {self.slots[epoch].previous} if epoch in self.slots else set()
        known |= {self.before_base} if epoch == self.base else set()
        healed = {e: slot.hash for e, slot in self.slots.items() if slot.healed and self.base <= e < epoch}
        last = max(healed.items(), default=self.last_healing)
        claimed = (f["healing_epoch"], f["healing"])
        seen = claimed[0] <= max(self.current, self.base - 1)  # no healing epoch up to here was skipped
        denied = claimed != last and (seen or claimed[0] < last[0])
        return any(other != f["previous"] for other in known) or denied

    def _keep_named(self, f):
        """A welcome of a newer delegation vouches for what it names, and what that names."""
        named, kept = {f["previous"], f["healing"]}, {}
        for e, slot in sorted(self.slots.items(), reverse=True):
            if slot.hash in named:
                kept[e] = slot
                named.add(slot.previous)
        self.slots = kept
        self.current = max(kept, default=f["epoch"] - 1)

    def _require_no_fork(self, announcement):
        f, e = announcement.fields, announcement.fields["epoch"]
        require(e not in self.slots, "fork", "two announcements of one epoch")
        before = self.slots[e - 1].hash if e - 1 in self.slots else self.before_base if e == self.base else None
        require(before is None or f["previous"] == before, "fork", "another previous announcement")
        require(e + 1 not in self.slots or self.slots[e + 1].previous == announcement.hash, "fork", "the next one has another previous")

    def _require_healing(self, f):
        """Every healing epoch from base up to this epoch was applied, and nothing that was applied is denied."""
        e, healing_epoch = f["epoch"], f["healing_epoch"]
        if healing_epoch < self.base:
            require((healing_epoch, f["healing"]) == self.last_healing, "fork", "another last healing epoch")
        elif healing_epoch not in self.slots:
            covered = any(generation["number"] == self.generation for generation in f["generations"])
            require(covered, "not_covered", "the healing announcements of a generation go with it")
            self.named |= {f["healing"]}
            raise Refused("needs_healing", ask_epoch=healing_epoch)
        else:
            slot = self.slots[healing_epoch]
            require(slot.healed and slot.hash == f["healing"], "fork", "another healing announcement")
        for other, slot in self.slots.items():
            require(not (slot.healed and healing_epoch < other < e), "fork", "denies a healing epoch")
            require(not (f["epoch_kind"] == HEALING and other > e > slot.healing_epoch), "fork", "a later one denies this healing")

    def _path_at(self, epoch):
        """The path keys, taken from base to `epoch`; epochs without a slot are ordinary."""
        path = self.path
        for e in range(self.base, epoch):
            heal = self._heal(self.slots[e]) if e in self.slots and self.slots[e].healed else None
            path = {node: next_key(key, heal) for node, key in path.items()}
        return path

    def _heal(self, slot):
        return GroupKeys(slot.secret).heal_r if self.is_reader else heal_w(slot.secret)

    def _entries(self, f, chunks):
        """The entries of this member's generation, of its chunk if they come in chunks."""
        before = 0  # chunks are numbered over all covers
        for generation, cover in zip(f["generations"], f["covers"]):
            if generation["number"] != self.generation:
                before += len(cover.get("chunked", []))
                continue
            require(generation["depth"] == self.depth, "field", "another depth")
            if "inline" in cover:
                return cover["inline"]
            index = objects.chunk_for(cover["chunked"], self.leaf)
            require(index is not None, "not_covered")
            if before + index not in chunks:
                raise Refused("needs_chunk", ask_chunk=before + index)
            return objects.read_chunk(cover["chunked"], index, self.depth, chunks[before + index])
        raise Refused("not_covered", "this generation is covered no longer")

    def _unwrap(self, announcement, chunks):
        f = announcement.fields
        entries = self._entries(f, chunks)
        entry = next((entry for entry in entries if entry["node"] in self.path), None)
        require(entry is not None, "not_covered")
        node = entry["node"]
        key = wrap_key(self._path_at(f["epoch"])[node], node, announcement.head_hash)
        secret = unwrap(key, entry["wrapped"] + entry["tag"])
        require(secret is not None, "wrong_secret", "the entry does not open")
        psk = secret
        if self.is_reader:
            keys = GroupKeys(secret)
            psk = keys.psk
            require(keys.group_key == f["group_key"], "wrong_secret", "another group key")
            require(f["epoch_kind"] != HEALING or keys.kept_key == f["kept_key"], "wrong_secret", "another kept key")
        require(psk_check(psk) == f["psk_check"], "wrong_secret", "psk_check")
        return secret

    def _kept_of(self, announcement, secret):
        """The kept keys of a healing epoch."""
        f = announcement.fields
        if self.is_reader:
            keys = GroupKeys(secret)
            return kept.Kept(f["epoch"], announcement.hash, keys.kept_psk, f["serial"], keys.kept_secret)
        return kept.Kept(f["epoch"], announcement.hash, kept.psk_of(secret), f["serial"], public=f["kept_key"])

    def _move_base(self, base):
        if base == self.base:
            return
        self.path = self._path_at(base)
        for e in range(self.base, base):
            slot = self.slots.pop(e, None)
            if slot and slot.healed:
                self.last_healing = (e, slot.hash)
        self.before_base = slot.hash if slot else None
        self.base = base  # slots from another welcome's window may stay below it
