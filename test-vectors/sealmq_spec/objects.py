"""The key objects: decoding, rules, verification (keys.md §1–§7, constants.md §3).

An object is decoded to a dict with the names and the order of the spec. Every function raises Refused.
"""

from . import topics
from .wire import Cursor, be, blob, expand, is_ml_kem_768, is_strong, is_usable_x25519, require, sha256, verify

FORM, FORM_2 = 0x11, 0x12
WITH_KEM = {"delegation", "key_package", "enrolment_request", "welcome"}  # have FORM_2 in a domain of suite 2; join requests too
KEM = {1: (0x0020, 32, 32), 2: (0x647A, 1216, 1120)}                      # suite: id, bytes of a public key, bytes of enc
ISSUE, GROUPS, HEARTBEAT = 1, 2, 4
ROLES = {"credential": ISSUE, "join_refusal": ISSUE, "heartbeat": HEARTBEAT, "nonce_answer": HEARTBEAT}  # the others: GROUPS
KINDS = {"delegation": 1, "credential": 2, "key_package": 3, "welcome": 4, "announcement": 5, "refused_list": 6,
         "heartbeat": 7, "nonce_answer": 8, "enrolment_request": 9, "confirmation": 11, "join_refusal": 12, "kept_keys": 13, "nonce": 14}
LABELS = {kind: "sealmq/1 " + kind.replace("_", " ") for kind in KINDS}
MAX_SIZE = {"delegation": 8192, "credential": 8192, "welcome": 4096, "announcement": 65536, "refused_list": 65536,
            "heartbeat": 1024, "nonce_answer": 1024, "confirmation": 8192, "join_refusal": 1024, "kept_keys": 8192, "nonce": 256}
SIZE_FIRST = {"heartbeat", "nonce_answer", "nonce", "confirmation", "join_refusal"}
MAX_CHUNK, MAX_PACKAGE_SET = 8216, 16384
MAX_NUMBER = 2**28 - 1
REMOVED = 0xFFFFFFFF
CONTINUES = 1  # the id of the extension of delegations (keys.md §3)
DEVICE_REPORTS = 2  # of confirmations (keys.md §4)
SHARED_NUMBER, TURNS = 0, 1
ORDINARY, HEALING = 0, 1
NOBODY = bytes(32)


def form_of(kind, suite):
    return FORM_2 if suite == 2 and kind in WITH_KEM else FORM


class Object:
    """A decoded object: `fields`, and the hash by which others name it."""

    def __init__(self, kind, data, suite=1):
        self.kind, self.data, self.suite = kind, data, suite
        if kind in SIZE_FIRST:
            require(len(data) <= MAX_SIZE[kind], "size")
        require(len(data) >= 66, "form", "too short for an object")
        require(data[0] == form_of(kind, suite), "form")
        require(data[1] == KINDS[kind], "kind")
        require(len(data) <= MAX_SIZE.get(kind, len(data)), "size")
        self.signature = data[-64:]
        self.hash = sha256(data[:-64])
        cursor = Cursor(data[:-64])
        cursor.take(2)
        self.fields = DECODERS[kind](cursor, self)
        if "extensions" not in self.fields:
            self.fields["extensions"] = extensions(cursor)
        cursor.end()
        require_known(self.fields["extensions"])
        RULES[kind](self.fields, suite) if kind in WITH_KEM else RULES[kind](self.fields)
        if kind == "delegation":
            self.continues = continuation(self.fields)
        if kind == "confirmation":
            self.reports = device_reports(self.fields)

    def require_signed(self, key):
        require(verify(key, LABELS[self.kind], self.hash, self.signature), "signature")

    def require_signed_by(self, authority, role):
        """Signed by the key that the object names, of the delegation that the verifier holds."""
        f = self.fields
        require(f["domain"] == authority["domain"], "domain")
        require(f["serial"] == authority["serial"], "role", "a key of another delegation")
        require(f["signer"] < len(authority["keys"]), "role", "no such key")
        named = authority["keys"][f["signer"]]
        require(named["roles"] & role, "role")
        self.require_signed(named["key"])

    def require_issued(self, authority):
        """A credential under which state was sealed: of this delegation, or of one that it continues (envelope.md §9)."""
        f = self.fields
        if f["serial"] == authority["serial"]:
            self.require_signed_by(authority, ISSUE)
            return
        require(f["domain"] == authority["domain"], "domain")
        require(continues(authority, f["serial"]), "role", "a key of a delegation that is not continued")
        issuers = authority["continues"]["issuers"]
        named = next((entry for entry in issuers if (entry["serial"], entry["signer"]) == (f["serial"], f["signer"])), None)
        require(named, "role", "not an issuer")
        self.require_signed(named["key"])

    def require_times(self, now, skew, expiry=True):
        if now is not None:
            require(self.fields["issued_at"] <= now + (skew or 0), "expired", "not valid yet")
            require(not expiry or now <= self.fields["not_after"], "expired")


# --- decoding ---

def extensions(c):
    """What later versions may add behind the fields of an object (keys.md §1)."""
    return c.list(lambda e: {"id": e.u16(), "value": e.blob()})


def require_known(found):
    ids = [extension["id"] for extension in found]
    _ascending(ids, "extensions ascending, each once")
    require(not any(number & 0x8000 for number in ids), "unsupported", "a critical extension")


def _lead(c):
    return {"domain": c.take(16), "serial": c.u32(), "signer": c.u8()}


def _times(c):
    return {"issued_at": c.u64(), "not_after": c.u64()}


def _delegation(c, _):
    return {
        "domain": c.take(16), "root_key": c.take(32), "serial": c.u32(), **_times(c),
        "keys": c.list(lambda e: {"key": e.take(32), "roles": e.u8()}),
        "kem_keys": c.list(lambda e: {"kem": e.u16(), "key": e.blob()}),
    }


def _credential(c, _):
    return {
        **_lead(c), "member": c.u32(), "credential_serial": c.u32(), "name": c.text(),
        "key": c.take(32), "request": c.take(32), **_times(c),
        "grants": c.list(lambda e: {"group": e.take(16), "access": e.u8(), "publish_filter": e.text()}),
    }


def _key_package(c, _):
    return {"domain": c.take(16), "identity": c.take(32), "number": c.u32(), "kem": c.u16(), "init_key": c.blob(), **_times(c)}


def _enrolment_request(c, _):
    return {"domain": c.take(16), "token": c.take(8), "name": c.text(), "key": c.take(32), "issued_at": c.u64(), "packages": c.list(Cursor.blob)}


def _welcome(c, _):
    return {
        **_lead(c), "member": c.u32(), "group": c.take(16), "generation": c.u32(), "depth": c.u8(), "leaf": c.u32(),
        "epoch": c.u64(), "previous": c.take(32), "healing_epoch": c.u64(), "healing": c.take(32),
        "package_number": c.u32(), "package": c.take(32), "extensions": extensions(c), "enc": c.blob(), "sealed": c.blob(),
    }


def _policy(c):
    return {
        "window": c.u8(), "lease": c.u32(), "grace": c.u32(), "freshness": c.u32(), "skew": c.u32(), "padding": c.u8(), "bucket": c.u32(),
        "session_messages": c.u32(), "session_bytes": c.u64(), "session_seconds": c.u32(), "will_age": c.u32(), "kept": c.u8(),
    }


def _cover(c):
    variant = c.u32()
    require(variant <= 1, "encoding", "unknown kind of cover")
    if variant == 1:
        return {"chunked": c.list(lambda e: {"first_leaf": e.u32(), "hash": e.take(32)})}
    entries = c.blob()
    require(len(entries) <= 49152, "field", "length of the cover")
    return {"inline": cover_entries(entries)}


def cover_entries(data):
    require(len(data) % 52 == 0, "field", "length of the entries")
    entries, out = Cursor(data), []
    while entries.left():
        out.append({"node": entries.be(4), "wrapped": entries.take(32), "tag": entries.take(16)})
    return out


def _announcement(c, obj):
    fields = {
        **_lead(c), "epoch_kind": c.u8(), "group": c.take(16), "name": c.text(), "epoch": c.u64(),
        "salt": c.take(32), "previous": c.take(32), "healing_epoch": c.u64(), "healing": c.take(32), **_times(c),
        "policy": _policy(c), "filters": c.list(Cursor.text), "group_key": c.take(32), "psk_check": c.take(32), "kept_key": c.blob(), "refused": c.take(32),
        "generations": c.list(lambda e: {"number": e.u32(), "depth": e.u8(), "first_epoch": e.u64(), "deadline": e.u64()}),
        "extensions": extensions(c),
    }
    obj.head_hash = sha256(c.data[:c.at])  # everything before the covers, form and kind included
    obj.key_id = obj.hash[:8]
    fields["covers"] = c.list(_cover)
    return fields


def _refused_list(c, _):
    fields = {**_lead(c), "group": c.take(16), "entries": refusals(c.blob())}
    return {**fields, "chunks": c.list(lambda e: {"first": e.u32(), "hash": e.take(32)})}


def refusals(data):
    """The records of a refused list, or of a chunk of one."""
    entries, out = Cursor(data), []
    require(entries.left() % 8 == 0, "field", "length of the entries")
    while entries.left():
        out.append({"member": entries.be(4), "lowest_serial": entries.be(4)})
    return out


def _heartbeat(c, _):
    return {
        **_lead(c), "group": c.take(16), "epoch": c.u64(), "announcement": c.take(32), "issued_at": c.u64(), "lease": c.u32(),
        "log_size": c.u64(), "log_head": c.take(32),
    }


def _nonce_answer(c, _):
    return {
        **_lead(c), "group": c.take(16), "member": c.u32(), "nonce": c.take(16), "epoch": c.u64(), "announcement": c.take(32), "lease": c.u32(),
    }


def _nonce(c, _):
    return {"domain": c.take(16), "member": c.u32(), "number": c.u64(), "group": c.take(16), "nonce": c.take(16)}


def _confirmation(c, _):
    return {
        "domain": c.take(16), "member": c.u32(),
        "entries": c.list(lambda e: {"group": e.take(16), "generation": e.u32(), "epoch": e.u64(), "package_number": e.u32(), "proof": e.take(32)}),
    }


def _kept_keys(c, _):
    return {**_lead(c), "group": c.take(16), "epoch": c.u64(), "newest": c.take(32),
            "entries": c.list(lambda e: {"epoch": e.u64(), "kept": e.take(32), "sealed": e.take(80)})}


def _join_refusal(c, _):
    return {**_lead(c), "request": c.take(32), "reason": c.u8()}


DECODERS = {
    "heartbeat": _heartbeat, "nonce": _nonce, "nonce_answer": _nonce_answer, "confirmation": _confirmation, "join_refusal": _join_refusal,
    "kept_keys": _kept_keys, "delegation": _delegation, "credential": _credential, "key_package": _key_package, "enrolment_request": _enrolment_request,
    "welcome": _welcome, "announcement": _announcement, "refused_list": _refused_list,
}


# --- rules on values ---

def _ascending(values, detail):
    require(all(a < b for a, b in zip(values, values[1:])), "field", detail)


def _is_member(number):
    return 1 <= number <= MAX_NUMBER


def _time_rules(f):
    require(f["not_after"] > f["issued_at"], "field", "not_after")


def _chain_rules(f):
    """How an epoch refers to the ones before it, in announcements and welcomes."""
    require(f["epoch"] >= 1, "field", "epochs begin with 1")
    require((f["epoch"] == 1) == (f["previous"] == NOBODY), "field", "only the first epoch has no previous")
    require(f["healing_epoch"] < f["epoch"], "field", "healing_epoch")
    require((f["healing_epoch"] == 0) == (f["healing"] == NOBODY), "field", "healing")
    require(not 0 < f["healing_epoch"] == f["epoch"] - 1 or f["healing"] == f["previous"], "field", "two hashes for the previous epoch")


def _delegation_rules(f, _):
    _time_rules(f)
    keys = [entry["key"] for entry in f["keys"]]
    require(1 <= len(keys) <= 8, "field", "1 to 8 keys")
    require(all(map(is_strong, keys)), "field", "weak key")
    require(len(set(keys)) == len(keys), "field", "a key twice")
    require(all(entry["roles"] < 8 for entry in f["keys"]), "field", "unknown role")
    require(len(f["kem_keys"]) <= 4, "field", "more than 4 KEM keys")


def continuation(f):
    """What a delegation says of the ones before it: {since, issuers}, or None without the extension (keys.md §3)."""
    value = next((extension["value"] for extension in f["extensions"] if extension["id"] == CONTINUES), None)
    if value is None:
        return None
    c = Cursor(value)
    said = {"since": c.u32(), "issuers": c.list(lambda e: {"serial": e.u32(), "signer": e.u8(), "key": e.take(32)})}
    c.end()
    issuers = said["issuers"]
    require(said["since"] < f["serial"], "field", "continues nothing")
    require(len(issuers) <= 64, "field", "more than 64 issuers")
    _ascending([(entry["serial"], entry["signer"]) for entry in issuers], "issuers ascending, each once")
    require(all(said["since"] <= entry["serial"] < f["serial"] for entry in issuers), "field", "an issuer of a serial that is not continued")
    require(all(is_strong(entry["key"]) for entry in issuers), "field", "weak key")
    return said


def continues(authority, serial):
    """Whether what ends with a delegation goes on if it is of this serial; what is of the current one does."""
    said = authority.get("continues")
    return serial == authority["serial"] or (said is not None and said["since"] <= serial < authority["serial"])


def _credential_rules(f):
    require(_is_member(f["member"]), "field", "member number")
    require(f["credential_serial"] != REMOVED, "field", "serial that stands for removed")
    require(topics.is_name(f["name"]), "field", "name")
    require(is_strong(f["key"]), "field", "weak key")
    _time_rules(f)
    require(len(f["grants"]) <= 64, "field", "more than 64 grants")
    _ascending([grant["group"] for grant in f["grants"]], "groups ascending, each once")
    for grant in f["grants"]:
        require(1 <= grant["access"] <= 3, "field", "access")
        if grant["publish_filter"]:
            require(grant["access"] & 1, "field", "publish filter without publish access")
            topics.require_filter(grant["publish_filter"], "publish filter")


def _key_package_rules(f, suite):
    require(f["number"] >= 1, "field", "numbers begin with 1")
    _time_rules(f)
    require((f["kem"], len(f["init_key"])) == KEM[suite][:2], "field", "KEM")
    require(is_ml_kem_768(f["init_key"][:1184]) if suite == 2 else is_usable_x25519(f["init_key"]), "field", "nothing can be sealed to this key")


def _enrolment_request_rules(f, _):
    require(len(f["packages"]) <= 64, "field", "more than 64 packages")
    require(topics.is_name(f["name"]), "field", "name")
    require(is_strong(f["key"]), "field", "weak key")


def _welcome_rules(f, suite):
    require(_is_member(f["member"]), "field", "member number")
    require(2 <= f["depth"] <= 24, "field", "depth")
    require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")
    _chain_rules(f)
    require(f["package_number"] >= 1, "field", "package numbers begin with 1")
    # Inside: the node keys, `kept` of 0 or 96 bytes and its length, 1 to 1024 bytes of extensions.
    require(len(f["enc"]) == KEM[suite][2] and 2 <= len(f["sealed"]) - 32 * f["depth"] - 16 <= 97 + 1024, "field", "length of enc or sealed")


POLICY = {  # constants.md §3; `bucket` depends on `padding`
    "window": (0, 16), "grace": (0, 2**31), "freshness": (0, 2**31), "skew": (0, 86400), "padding": (0, 2),
    "session_messages": (1, 2**21 - 1), "session_bytes": (1024, 2**36), "session_seconds": (60, 604800), "will_age": (0, 2**31), "kept": (0, 64),
}


def _announcement_rules(f):
    require(f["epoch_kind"] <= 1, "field", "epoch_kind")
    require(topics.is_name(f["name"]), "field", "name")
    _chain_rules(f)
    _time_rules(f)
    require(f["policy"]["lease"] == 0 or 10 <= f["policy"]["lease"] <= 2**31, "field", "policy lease")
    for name, (low, high) in POLICY.items():
        require(low <= f["policy"][name] <= high, "field", "policy " + name)
    low, high = (16, 65536) if f["policy"]["padding"] == 2 else (0, 0)
    require(low <= f["policy"]["bucket"] <= high, "field", "policy bucket")
    require(1 <= len(f["filters"]) <= 32, "field", "1 to 32 filters")
    for text in f["filters"]:
        topics.require_filter(text, "filter")
        require(not text.startswith("$"), "field", "filter begins with $")
    require(sum(len(blob(text.encode())) for text in f["filters"]) <= 1024, "field", "filters above 1024 bytes as encoded")
    if f["epoch_kind"] == HEALING:
        require(len(f["kept_key"]) == 32 and is_usable_x25519(f["kept_key"]), "field", "kept_key")
    else:
        require(not f["kept_key"], "field", "a kept_key where no kept epoch begins")
    generations = f["generations"]
    require(1 <= len(generations) <= 2 and len(generations) == len(f["covers"]), "field", "generations and covers")
    _ascending([generation["number"] for generation in generations], "generations ascending")
    require(not any(generation["deadline"] for generation in generations[-1:]), "field", "a deadline of the newer generation")
    for generation, cover in zip(generations, f["covers"]):
        require(2 <= generation["depth"] <= 24, "field", "depth")
        require(1 <= generation["first_epoch"] <= f["epoch"], "field", "first_epoch")
        if "inline" in cover:
            cover_rules(cover["inline"], generation["depth"])
        else:
            leaves = [chunk["first_leaf"] for chunk in cover["chunked"]]
            require(len(leaves) >= 2, "field", "at least 2 chunks")
            _ascending(leaves, "chunks ascending by first_leaf")
            require(all(leaf >> generation["depth"] == 1 for leaf in leaves), "field", "first_leaf is not a leaf")


def cover_rules(entries, depth, first_leaf=0, end=None):
    """The entries' nodes stand in the order of the leaves that they cover, share none, and (of a chunk) stay within its bounds."""
    require(entries, "field", "empty cover")
    covered = 0
    for entry in entries:
        node = entry["node"]
        require(2 <= node < 2 << depth, "field", "node outside the tree")
        height = depth + 1 - node.bit_length()
        require(node << height >= covered, "field", "entries overlap or are out of order")
        require(covered or not first_leaf or node << height == first_leaf, "field", "the first entry does not cover first_leaf first")
        covered = (node + 1) << height
    require(covered <= (end or covered), "field", "an entry reaches into the next chunk")


def _refused_list_rules(f):
    require(bool(f["entries"]) != bool(f["chunks"]), "field", "entries or chunks")
    if f["entries"]:
        refusal_rules(f["entries"])
    else:
        require(len(f["chunks"]) >= 2, "field", "at least 2 chunks")
        firsts = [chunk["first"] for chunk in f["chunks"]]
        require(all(_is_member(first) for first in firsts), "field", "first is no member number")
        _ascending(firsts, "chunks ascending by first")


def refusal_rules(entries, first=1, end=MAX_NUMBER + 1):
    require(1 <= len(entries) <= 1027, "field", "1 to 1027 records")
    members = [entry["member"] for entry in entries]
    _ascending(members, "members ascending, each once")
    require(first <= members[0] and members[-1] < end, "field", "no member number, or a record outside of the chunk's bounds")


def _renewal_rules(f):
    """Common to heartbeats and nonce answers."""
    require(f["epoch"] >= 1, "field", "epochs begin with 1")
    require(1 <= f["lease"] <= 2**31, "field", "lease")


def _heartbeat_rules(f):
    _renewal_rules(f)
    require((f["log_size"] == 0) == (f["log_head"] == NOBODY), "field", "log_head")


def _nonce_rules(f):
    require(_is_member(f["member"]), "field", "the member that asks")
    require(f["number"] != 0, "field", "nonces are numbered from 1")


def _nonce_answer_rules(f):
    _renewal_rules(f)
    require(_is_member(f["member"]), "field", "member number")


def _confirmation_rules(f):
    require(_is_member(f["member"]), "field", "member number")
    require(1 <= len(f["entries"]) <= 64, "field", "1 to 64 entries")
    _ascending([entry["group"] for entry in f["entries"]], "groups ascending, each once")
    require(all(entry["epoch"] >= 1 and entry["package_number"] >= 1 for entry in f["entries"]), "field", "epoch and package_number from 1")


def device_reports(f):
    """The members of which a confirmation says that two devices use their identity (keys.md §4)."""
    value = next((extension["value"] for extension in f["extensions"] if extension["id"] == DEVICE_REPORTS), None)
    if value is None:
        return []
    c = Cursor(value)
    reports = c.list(lambda e: {"member": e.u32(), "serial": e.u32(), "credential_serial": e.u32(), "sign": e.u32(), "group": e.take(16), "first": e.u64(), "second": e.u64(), "at": e.u64()})
    c.end()
    require(all(report["sign"] in (SHARED_NUMBER, TURNS) for report in reports), "encoding", "unknown sign")
    require(1 <= len(reports) <= 8, "field", "1 to 8 reports")
    _ascending([report["member"] for report in reports], "members ascending, each once")
    require(all(_is_member(report["member"]) for report in reports), "field", "member number of a report")
    require(all(report["member"] != f["member"] for report in reports), "field", "reports itself")
    for report in reports:
        first, second = report["first"], report["second"]
        require(1 <= first and second < 2**35, "field", "session number")
        require(first < second if report["sign"] == TURNS else first == second, "field", "session numbers and sign")
    return reports


def _kept_keys_rules(f):
    require(len(f["entries"]) <= 64, "field", "more than 64 entries")
    names = [f["newest"], *(entry["kept"] for entry in f["entries"])]
    require(len(set(names)) == len(names), "field", "a kept epoch twice")
    epochs = [f["epoch"], *(entry["epoch"] for entry in f["entries"])]
    _ascending([0, *reversed(epochs)], "epochs descend, from 1")


def _join_refusal_rules(f):
    require(1 <= f["reason"] <= 6, "field", "reason")


RULES = {
    "heartbeat": _heartbeat_rules, "nonce": _nonce_rules, "nonce_answer": _nonce_answer_rules, "confirmation": _confirmation_rules, "join_refusal": _join_refusal_rules, "kept_keys": _kept_keys_rules,
    "delegation": _delegation_rules, "credential": _credential_rules, "key_package": _key_package_rules,
    "enrolment_request": _enrolment_request_rules, "welcome": _welcome_rules, "announcement": _announcement_rules,
    "refused_list": _refused_list_rules,
}


# --- verifying ---

def domain_of(root_key):
    return sha256(b"sealmq/1 domain", root_key)[:16]


def check(expected, data, root_key=None, pinned=None, held=None, authority=None, group=None, member=None, domain=None, prefix=None,
          named_hash=None, named=(), identity=None, nonce=None, request=None, proves=None, suite=1, now=None, skew=None, file=False):
    """Decodes and verifies one object; what is not given is not checked. Returns the Object.

    An announcement whose hash is `named`, by another that counts, counts under an older delegation, too (keys.md §3).
    """
    if expected == "delegation" and data[:1] == be(1, FORM_2):
        suite = 2  # its form is what chooses the suite (keys.md §10)
    obj = Object(expected, data, suite)
    f = obj.fields
    unknown_is_fine = expected == "enrolment_request" and not any(f["domain"])
    require(domain is None or f["domain"] == domain or unknown_is_fine, "domain")
    if expected == "delegation":
        root_key = root_key or f["root_key"]
        require(f["domain"] == domain_of(root_key), "domain", "not the domain of the root")
        require(f["root_key"] == root_key, "field", "root_key")
        obj.require_signed(root_key)
        require(all((entry["kem"], len(entry["key"])) == KEM[suite][:2] for entry in f["kem_keys"]), "field", "KEM key")
        require(suite == 1 or all(is_ml_kem_768(entry["key"][:1184]) for entry in f["kem_keys"]), "field", "not an ML-KEM key")
        require(pinned is None or f["serial"] >= pinned, "serial", "older than what came with the root key")
        if held:
            require(held[0] == data[0], "form", "of another suite than the one held")
            held = Object("delegation", held, suite)
            require(f["serial"] > held.fields["serial"] or obj.hash == held.hash, "serial", "older than, or not, the one held")
    elif expected == "key_package":
        require(identity is None or f["identity"] == identity, "field", "identity")
        obj.require_signed(f["identity"])
    elif expected == "enrolment_request":
        obj.require_signed(f["key"])
        _check_packages(f, suite)
        require(not file or not any(f["token"]), "token", "a file with the grants of a token")
    elif expected == "nonce":
        require(member is None or f["member"] == member, "field", "another member asks")
        require(group is None or f["group"] == group, "group", "of another group")
        if identity:
            obj.require_signed(identity)
    elif expected == "confirmation":
        require(member is None or f["member"] == member, "field", "of another member")
        if identity:
            obj.require_signed(identity)
        if proves:
            _check_proof(f["entries"], **proves)
    else:
        if authority and obj.hash in named and f["serial"] < authority["serial"]:
            require(f["domain"] == authority["domain"], "domain")
        elif authority:
            obj.require_signed_by(authority, ROLES.get(expected, GROUPS))
        require(group is None or f["group"] == group, "group")
        require(member is None or f["member"] == member, "recipient")
        require(nonce is None or f["nonce"] == nonce, "nonce", "another nonce")
        require(request is None or f["request"] == request, "recipient", "answers another request")
        require(identity is None or f["key"] == identity, "recipient", "of another key")
    if expected == "announcement":
        prefix = prefix or "_sealmq/" + f["domain"].hex()
        require(not any(topics.overlap(text, prefix + "/#") for text in f["filters"]), "field", "filter reaches the reserved topics")
    require(named_hash is None or obj.hash == named_hash, "serial", "not the list that the announcement names")
    if "issued_at" in f and expected != "enrolment_request":
        obj.require_times(now, skew, expiry=expected not in ("announcement", "heartbeat"))
    return obj


def _check_packages(request, suite):
    """Every package inside: of the same key and domain, signed by it, numbers rising (keys.md §4)."""
    numbers = []
    for data in request["packages"]:
        package = check("key_package", data, domain=request["domain"], identity=request["key"], suite=suite)
        numbers.append(package.fields["number"])
    _ascending(numbers, "package numbers rise")


def confirmation_proof(leaf_key, welcome):
    """`leaf_key` is N[leaf, epoch of the welcome], `welcome` its hash (keys.md §4)."""
    return expand(leaf_key, b"sealmq/1 confirmed" + welcome)


def _check_proof(entries, group, leaf_key, welcome):
    entry = next((entry for entry in entries if entry["group"] == group), None)
    require(entry and entry["proof"] == confirmation_proof(leaf_key, welcome), "proof")


def package_set(data, identity=None, domain=None, suite=1):
    """What a member publishes on its packages topic (keys.md §4): the packages' objects, ascending by number."""
    require(len(data) <= MAX_PACKAGE_SET, "size")
    cursor = Cursor(data)
    packages = cursor.list(Cursor.blob)
    cursor.end()
    require(1 <= len(packages) <= 64, "field", "1 to 64 packages")
    decoded = []
    for package in packages:
        made = Object("key_package", package, suite)
        require(domain is None or made.fields["domain"] in (domain, bytes(16)), "domain")
        require(identity is None or made.fields["identity"] == identity, "field", "of another member")
        made.require_signed(made.fields["identity"])
        decoded.append(made)
    _ascending([package.fields["number"] for package in decoded], "package numbers rise")
    return decoded


def chunk_for(chunks, leaf):
    """Index of the chunk that a leaf reads, or None: the last one whose first_leaf is not above it (keys.md §5)."""
    return max((n for n, chunk in enumerate(chunks) if chunk["first_leaf"] <= leaf), default=None)


def refused_chunk_for(chunks, member):
    """Index of the chunk that would name a member, or None: the last one whose first is not above it (keys.md §7)."""
    return max((n for n, named in enumerate(chunks) if named["first"] <= member), default=None)


def read_refused_chunk(chunks, index, data):
    """The records of a chunk of a refused list that was fetched from its topic."""
    require(sha256(data) == chunks[index]["hash"] and len(data) <= MAX_CHUNK, "serial", "not the chunk that the list names")
    entries = refusals(data)
    end = chunks[index + 1]["first"] if index + 1 < len(chunks) else MAX_NUMBER + 1
    refusal_rules(entries, chunks[index]["first"], end)
    return entries


def read_chunk(chunks, index, depth, data):
    """The entries of a chunk that was fetched from its topic."""
    # No chunk is longer, so one that is cannot be the one that is named.
    require(len(data) <= MAX_CHUNK and sha256(data) == chunks[index]["hash"], "serial", "not the chunk that the announcement names")
    entries = cover_entries(data)
    end = chunks[index + 1]["first_leaf"] if index + 1 < len(chunks) else None
    cover_rules(entries, depth, chunks[index]["first_leaf"], end)
    return entries
