"""The key objects: decoding, rules, verification (keys.md §1–§7, constants.md §3).

An object is decoded to a dict with the names and the order of the spec. Every function raises Refused.
"""

from . import topics
from .wire import Cursor, Refused, blob, is_strong, require, sha256, verify

FORM = 0x11
ISSUE, GROUPS = 1, 2
KINDS = {"delegation": 1, "credential": 2, "key_package": 3, "welcome": 4, "announcement": 5, "refused_list": 6, "enrolment_request": 9}
LABELS = {kind: "sealmq/1 " + kind.replace("_", " ") for kind in KINDS}
MAX_SIZE = {"delegation": 4096, "credential": 8192, "welcome": 4096, "announcement": 65536, "refused_list": 65536}
MAX_NUMBER = 2**28 - 1
REMOVED = 0xFFFFFFFF
NOBODY = bytes(32)


class Object:
    """A decoded object: `fields`, and the hash by which others name it."""

    def __init__(self, kind, data):
        self.kind, self.data = kind, data
        require(len(data) >= 66, "form", "too short for an object")
        require(data[0] == FORM, "form")
        require(data[1] == KINDS[kind], "kind")
        require(len(data) <= MAX_SIZE.get(kind, len(data)), "size")
        self.signature = data[-64:]
        self.hash = sha256(data[:-64])
        cursor = Cursor(data[:-64])
        cursor.take(2)
        self.fields = DECODERS[kind](cursor, self)
        cursor.end()
        RULES[kind](self.fields)

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

    def require_times(self, now, skew, expiry=True):
        if now is not None:
            require(self.fields["issued_at"] <= now + (skew or 0), "expired", "not valid yet")
            require(not expiry or now <= self.fields["not_after"], "expired")


# --- decoding ---

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
    return {"domain": c.take(16), "name": c.text(), "key": c.take(32), "issued_at": c.u64(), "packages": c.list(Cursor.blob)}


def _welcome(c, _):
    return {
        **_lead(c), "member": c.u32(), "group": c.take(16), "generation": c.u32(), "depth": c.u8(), "leaf": c.u32(),
        "epoch": c.u64(), "previous": c.take(32), "healing_epoch": c.u64(), "healing": c.take(32),
        "package_number": c.u32(), "package": c.take(32), "enc": c.blob(), "sealed": c.blob(),
    }


def _policy(c):
    return {
        "window": c.u8(), "lease": c.u32(), "grace": c.u32(), "freshness": c.u32(), "skew": c.u32(), "padding": c.u8(), "bucket": c.u32(),
        "session_messages": c.u32(), "session_bytes": c.u64(), "session_seconds": c.u32(), "will_age": c.u32(),
    }


def _cover(c):
    variant = c.u32()
    require(variant <= 1, "encoding", "unknown kind of cover")
    if variant == 1:
        c.list(lambda e: (e.u32(), e.take(32)))
        raise Refused("unsupported", "chunked covers are reserved")
    entries = Cursor(c.blob())
    require(entries.left() <= 49152 and entries.left() % 52 == 0, "field", "length of the cover")
    out = []
    while entries.left():
        out.append({"node": entries.be(4), "wrapped": entries.take(32), "tag": entries.take(16)})
    return {"inline": out}


def _announcement(c, obj):
    fields = {
        **_lead(c), "epoch_kind": c.u8(), "group": c.take(16), "name": c.text(), "epoch": c.u64(),
        "salt": c.take(32), "previous": c.take(32), "healing_epoch": c.u64(), "healing": c.take(32), **_times(c),
        "policy": _policy(c), "filters": c.list(Cursor.text), "group_key": c.take(32), "psk_check": c.take(32), "refused": c.take(32),
        "generations": c.list(lambda e: {"number": e.u32(), "depth": e.u8(), "first_epoch": e.u64(), "deadline": e.u64()}),
    }
    obj.head_hash = sha256(c.data[:c.at])  # everything before the covers, form and kind included
    obj.key_id = obj.hash[:8]
    fields["covers"] = c.list(_cover)
    return fields


def _refused_list(c, _):
    fields = {**_lead(c), "group": c.take(16)}
    entries, out = Cursor(c.blob()), []
    require(entries.left() % 8 == 0, "field", "length of the entries")
    while entries.left():
        out.append({"member": entries.be(4), "lowest_serial": entries.be(4)})
    return {**fields, "entries": out}


DECODERS = {
    "delegation": _delegation, "credential": _credential, "key_package": _key_package, "enrolment_request": _enrolment_request,
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


def _delegation_rules(f):
    _time_rules(f)
    keys = [entry["key"] for entry in f["keys"]]
    require(1 <= len(keys) <= 8, "field", "1 to 8 keys")
    require(all(map(is_strong, keys)), "field", "weak key")
    require(len(set(keys)) == len(keys), "field", "a key twice")
    require(all(entry["roles"] < 8 for entry in f["keys"]), "field", "unknown role")
    require(len(f["kem_keys"]) <= 4, "field", "more than 4 KEM keys")
    require(all(entry["kem"] == 0x0020 and len(entry["key"]) == 32 for entry in f["kem_keys"]), "field", "KEM key")


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


def _key_package_rules(f):
    require(f["number"] >= 1, "field", "numbers begin with 1")
    _time_rules(f)
    require(f["kem"] == 0x0020 and len(f["init_key"]) == 32, "field", "KEM")


def _enrolment_request_rules(f):
    require(topics.is_name(f["name"]), "field", "name")
    require(is_strong(f["key"]), "field", "weak key")


def _welcome_rules(f):
    require(_is_member(f["member"]), "field", "member number")
    require(2 <= f["depth"] <= 24, "field", "depth")
    require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")
    _chain_rules(f)
    require(f["package_number"] >= 1, "field", "package numbers begin with 1")
    require(len(f["enc"]) == 32 and len(f["sealed"]) == 32 * f["depth"] + 16, "field", "length of enc or sealed")


POLICY = {  # constants.md §3; `bucket` depends on `padding`
    "window": (0, 16), "grace": (0, 2**31), "freshness": (0, 2**31), "skew": (0, 86400), "padding": (0, 2),
    "session_messages": (1, 2**21 - 1), "session_bytes": (1024, 2**36), "session_seconds": (60, 604800), "will_age": (0, 2**31),
}


def _announcement_rules(f):
    require(f["epoch_kind"] <= 1, "field", "epoch_kind")
    require(topics.is_name(f["name"]), "field", "name")
    _chain_rules(f)
    _time_rules(f)
    require(f["policy"]["lease"] == 0, "unsupported", "heartbeats are reserved")
    for name, (low, high) in POLICY.items():
        require(low <= f["policy"][name] <= high, "field", "policy " + name)
    low, high = (16, 65536) if f["policy"]["padding"] == 2 else (0, 0)
    require(low <= f["policy"]["bucket"] <= high, "field", "policy bucket")
    require(1 <= len(f["filters"]) <= 32, "field", "1 to 32 filters")
    for text in f["filters"]:
        topics.require_filter(text, "filter")
        require(not text.startswith("$"), "field", "filter begins with $")
    require(sum(len(blob(text.encode())) for text in f["filters"]) <= 1024, "field", "filters above 1024 bytes as encoded")
    generations = f["generations"]
    require(1 <= len(generations) <= 2 and len(generations) == len(f["covers"]), "field", "generations and covers")
    _ascending([generation["number"] for generation in generations], "generations ascending")
    for generation, cover in zip(generations, f["covers"]):
        require(2 <= generation["depth"] <= 24, "field", "depth")
        require(1 <= generation["first_epoch"] <= f["epoch"], "field", "first_epoch")
        _cover_rules(cover["inline"], generation["depth"])


def _cover_rules(entries, depth):
    """The entries' nodes stand in the order of the leaves that they cover, and share none."""
    require(entries, "field", "empty cover")
    covered = 0
    for entry in entries:
        node = entry["node"]
        require(2 <= node < 2 << depth, "field", "node outside the tree")
        height = depth + 1 - node.bit_length()
        require(node << height >= covered, "field", "entries overlap or are out of order")
        covered = (node + 1) << height


def _refused_list_rules(f):
    require(f["entries"], "field", "empty list")
    _ascending([entry["member"] for entry in f["entries"]], "members ascending, each once")
    require(all(_is_member(entry["member"]) for entry in f["entries"]), "field", "member number")


RULES = {
    "delegation": _delegation_rules, "credential": _credential_rules, "key_package": _key_package_rules,
    "enrolment_request": _enrolment_request_rules, "welcome": _welcome_rules, "announcement": _announcement_rules,
    "refused_list": _refused_list_rules,
}


# --- verifying ---

def domain_of(root_key):
    return sha256(b"sealmq/1 domain", root_key)[:16]


def check(expected, data, root_key=None, held=None, authority=None, group=None, member=None, domain=None, prefix=None,
          named_hash=None, named=(), identity=None, now=None, skew=None):
    """Decodes and verifies one object; what is not given is not checked. Returns the Object.

    An announcement whose hash is `named`, by another that counts, counts under an older delegation, too (keys.md §3).
    """
    obj = Object(expected, data)
    f = obj.fields
    unknown_is_fine = expected == "enrolment_request" and not any(f["domain"])
    require(domain is None or f["domain"] == domain or unknown_is_fine, "domain")
    if expected == "delegation":
        root_key = root_key or f["root_key"]
        require(f["domain"] == domain_of(root_key), "domain", "not the domain of the root")
        require(f["root_key"] == root_key, "field", "root_key")
        obj.require_signed(root_key)
        if held:
            held = Object("delegation", held)
            require(f["serial"] > held.fields["serial"] or obj.hash == held.hash, "serial", "older than, or not, the one held")
    elif expected == "key_package":
        obj.require_signed(identity or f["identity"])
        require(identity is None or f["identity"] == identity, "field", "identity")
    elif expected == "enrolment_request":
        obj.require_signed(f["key"])
        _check_packages(f)
    else:
        if authority and obj.hash in named and f["serial"] < authority["serial"]:
            require(f["domain"] == authority["domain"], "domain")
        elif authority:
            obj.require_signed_by(authority, ISSUE if expected == "credential" else GROUPS)
        require(group is None or f["group"] == group, "group")
        require(member is None or f["member"] == member, "recipient")
    if expected == "announcement":
        prefix = prefix or "_sealmq/" + f["domain"].hex()
        require(not any(topics.overlap(text, prefix + "/+/#") for text in f["filters"]), "field", "filter reaches the reserved topics")
    require(named_hash is None or obj.hash == named_hash, "serial", "not the list that the announcement names")
    if "not_after" in f:
        obj.require_times(now, skew, expiry=expected != "announcement")
    return obj


def _check_packages(request):
    """Every package inside: of the same key and domain, signed by it, numbers rising (keys.md §4)."""
    numbers = []
    for data in request["packages"]:
        package = check("key_package", data, domain=request["domain"], identity=request["key"])
        numbers.append(package.fields["number"])
    _ascending(numbers, "package numbers rise")
