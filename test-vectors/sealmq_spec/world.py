"""A small domain made in Python, for the self-test: a root, an authority, a group with a tree, its members."""

from . import audit, envelope, hpke, joining, kept, objects, tree
from .wire import be, blob, expand, public_key, sha256, sign, varint

NOW = 1762949760
POLICY = {"window": 2, "lease": 0, "grace": 3600, "freshness": 0, "skew": 300, "padding": 0, "bucket": 0, "session_messages": 2**20,
          "session_bytes": 2**36, "session_seconds": 86400, "will_age": 604800, "kept": 16}


def bytes_of(name, size=32):
    """Reproducible bytes: the self-test needs no randomness."""
    return expand(sha256(b"sealmq self-test"), name.encode(), size)


NO_EXTENSIONS = blob(b"")


def encode(kind, body, seed):
    return signed(kind, body + NO_EXTENSIONS, seed)


def signed(kind, body, seed):
    unsigned = bytes([objects.FORM, objects.KINDS[kind]]) + body
    return unsigned + sign(seed, objects.LABELS[kind], sha256(unsigned))


def items(encoded):
    return blob(b"".join(encoded))


def text(string):
    return blob(string.encode())


ROOT = bytes_of("root")
ROOT_KEY = public_key(ROOT)
DOMAIN = objects.domain_of(ROOT_KEY)
ISSUER, CONTROLLER = bytes_of("issuer"), bytes_of("controller")
AUTHORITY = {"domain": DOMAIN, "serial": 1, "keys": [{"key": public_key(ISSUER), "roles": 1}, {"key": public_key(CONTROLLER), "roles": 2}]}
GROUP = bytes_of("group", 16)
LEAD_ISSUER, LEAD_CONTROLLER = DOMAIN + varint(1) + be(1, 0), DOMAIN + varint(1) + be(1, 1)


def successor(serial=2, since=None, issuers=None, keys=None):
    """A later delegation, as a verifier holds it; it continues those from `since` on, if that is given."""
    said = {} if since is None else {"continues": {"since": since, "issuers": issuer_keys(since, serial) if issuers is None else issuers}}
    return {**AUTHORITY, "serial": serial, "keys": AUTHORITY["keys"] if keys is None else keys, **said}


def issuer_keys(since, serial):
    return [{"serial": n, "signer": 0, "key": public_key(ISSUER)} for n in range(since, serial)]


def continuation(said):
    return varint(said["since"]) + items(varint(entry["serial"]) + be(1, entry["signer"]) + entry["key"] for entry in said["issuers"])


def extended(kind, body, seed, *extensions):
    return signed(kind, body + items(varint(number) + blob(value) for number, value in extensions), seed)


def delegation(serial=1, *extensions):
    keys = items(entry["key"] + be(1, entry["roles"]) for entry in AUTHORITY["keys"])
    body = DOMAIN + ROOT_KEY + varint(serial) + varint(NOW - 10) + varint(NOW + 10**7) + keys + items([varint(0x20) + blob(bytes_of("kem"))])
    return extended("delegation", body, ROOT, *extensions)


def identity(name):
    return bytes_of("identity " + name)


def issuer_of(serial):
    return DOMAIN + varint(serial) + be(1, 0)


def credential(number, name, serial=1, access=3, publish_filter="", seed=ISSUER, lead=LEAD_ISSUER, not_after=NOW + 10**7, key=None):
    grants = items([GROUP + be(1, access) + text(publish_filter)])
    body = (lead + varint(number) + varint(serial) + text(name) + public_key(key or identity(name)) + bytes_of("request " + name)
            + varint(NOW - 100) + varint(not_after) + grants)
    return encode("credential", body, seed)


def key_package(name, number):
    seed = bytes_of(f"package {name} {number}")
    init_key = hpke.derive_key_pair(seed)[1]
    body = DOMAIN + public_key(identity(name)) + varint(number) + varint(0x20) + blob(init_key) + varint(NOW - 10) + varint(NOW + 10**6)
    return seed, encode("key_package", body, identity(name))


def enrolment_request(name, token=bytes(8)):
    body = DOMAIN + token + text(name) + public_key(identity(name)) + varint(NOW) + items(blob(key_package(name, n)[1]) for n in (1, 2))
    return encode("enrolment_request", body, identity(name))


def refused_run(members):
    return b"".join(be(4, m) + be(4, objects.REMOVED) for m in members)


def refused_list(members=(), chunks=()):
    """Records, or chunks as (first, bytes)."""
    named = items(varint(first) + sha256(data) for first, data in chunks)
    return encode("refused_list", LEAD_CONTROLLER + GROUP + blob(refused_run(members)) + named, CONTROLLER)


class Group:
    """An authority's side of one group: draws epochs, makes announcements and welcomes."""

    def __init__(self, depth=4, window=2, label="tree", kept=16):
        self.depth, self.window, self.label, self.kept = depth, window, label, kept
        self.tree_secret = bytes_of(label)
        self.epochs = []     # (kind, GroupKeys, announcement bytes, hash), of epoch 1, 2, …
        self.healing = (0, bytes(32))
        self.removed = []
        self.lead = LEAD_CONTROLLER

    def next_epoch(self):
        return len(self.epochs) + 1

    def node_key(self, node, epoch):
        key = tree.first_key(self.tree_secret, node)
        for kind, keys, _, _ in self.epochs[:epoch - 1]:
            key = tree.next_key(key, (keys.heal_r if tree.half(node) == 2 else keys.heal_w) if kind else None)
        return key

    def announce(self, kind=None, **change):
        """The announcement of the next epoch; the first one heals. `change` replaces values, for announcements that are wrong."""
        epoch = change.get("epoch", self.next_epoch())
        kind = (tree.HEALING if epoch == 1 else tree.ORDINARY) if kind is None else kind
        secret = change.get("reader_secret", bytes_of(f"{self.label} reader secret {epoch}"))
        keys = tree.GroupKeys(secret)
        previous = change.get("previous", self.epochs[epoch - 2][3] if epoch > 1 else bytes(32))
        policy = {**POLICY, "window": self.window, "kept": self.kept, **change.get("policy", {})}
        encoded = b"".join(be(1, value) if name in ("window", "padding", "kept") else varint(value) for name, value in policy.items())
        healing_epoch, healing = change.get("healing", self.healing)
        issued_at = change.get("issued_at", NOW + epoch)
        head = (change.get("lead", self.lead) + be(1, kind) + GROUP + text("plant") + varint(epoch) + bytes_of(f"salt {epoch}") + previous
                + varint(healing_epoch) + healing + varint(issued_at) + varint(issued_at + 604800) + encoded
                + items(text(f) for f in change.get("filters", ["plant/#", "shared/+/x"])) + change.get("group_key", keys.group_key)
                + change.get("psk_check", keys.psk_check)
                + blob(change.get("kept_key", keys.kept_key if kind else b"")) + bytes(32)
                + items([varint(change.get("generation", 1)) + be(1, self.depth) + varint(1) + varint(0)]) + NO_EXTENSIONS)
        head_hash = sha256(bytes([objects.FORM, objects.KINDS["announcement"]]), head)
        nodes = change.get("nodes", tree.healing_cover(self.depth, self.removed) if kind else [2, 3])
        entries = b""
        for node in nodes:
            secret = keys.reader_secret if tree.half(node) == 2 else keys.psk
            entries += be(4, node) + tree.wrap(tree.wrap_key(self.node_key(node, epoch), node, head_hash), secret)
        cover = varint(0) + blob(entries)
        if "chunk_at" in change:  # two chunks, cut before the entry with this number
            cut = change["chunk_at"]
            self.chunks = [entries[:52 * cut], entries[52 * cut:]]
            leftmost = [node << self.depth + 1 - node.bit_length() for node in (nodes[0], nodes[cut])]
            cover = varint(1) + items(varint(leaf) + sha256(chunk) for leaf, chunk in zip(leftmost, self.chunks))
        data = signed("announcement", head + items([cover]), CONTROLLER)
        if not change:
            self.epochs.append((kind, keys, data, sha256(data[:-64])))
            if kind:
                self.healing = (epoch, self.epochs[-1][3])
        return data

    def remove(self, leaf):
        self.removed.append(leaf)
        return self.announce(tree.HEALING)

    def welcome_state(self, leaf, epoch=None):
        """What a welcome for `epoch` (the next one) gives to the member at this leaf."""
        epoch = epoch or self.next_epoch()
        path = [self.node_key(node, epoch) for node in tree.path_of(leaf)]
        healed = [e for e, entry in enumerate(self.epochs[:epoch - 1], 1) if entry[0]]
        return {"generation": 1, "depth": self.depth, "leaf": leaf, "base": epoch, "previous": self.epochs[epoch - 2][3] if epoch > 1 else bytes(32),
                "healing_epoch": healed[-1] if healed else 0, "healing": self.epochs[healed[-1] - 1][3] if healed else bytes(32), "path_keys": path,
                **({"kept_keys": self.brought(leaf, epoch)} if healed else {})}

    def kept_epochs(self, before=None):
        """(hash, keys) of the kept epochs before this epoch, the newest first."""
        return [(h, keys) for kind, keys, _, h in reversed(self.epochs[:before - 1 if before else None]) if kind]

    def brought(self, leaf, epoch):
        """The kept keys in a welcome for this epoch."""
        h, keys = self.kept_epochs(epoch)[0]
        last = {"kept_secret": keys.kept_secret} if tree.half(leaf) == 2 else {"kept_key": keys.kept_key}
        return {"kept": h, "kept_psk": keys.kept_psk, **last}

    def kept_keys(self, lead=LEAD_CONTROLLER, epochs=None, changed=(), extensions=()):
        """The kept keys object; `changed` are numbers of entries that do not open."""
        epochs = self.kept_epochs() if epochs is None else epochs
        entries = []
        for n, ((newer, keys), (older, before)) in enumerate(zip(epochs, epochs[1:])):
            sealed = kept.seal_entry(keys.kept_secret, newer, older, before.kept_secret, before.kept_psk)
            entries.append(self._numbered(older) + (bytes(80) if n in changed else sealed))
        return extended("kept_keys", lead + GROUP + self._numbered(epochs[0][0]) + items(entries), CONTROLLER, *extensions)

    def _numbered(self, k):
        return varint(1 + [h for *_, h in self.epochs].index(k)) + k

    def welcome(self, number, name, package_number, leaf, **change):
        state = self.welcome_state(leaf)
        package = key_package(name, package_number)[1]
        f = {"domain": DOMAIN, "group": GROUP, "member": number, "generation": 1, "depth": self.depth, "leaf": leaf, "epoch": state["base"],
             "package": sha256(package[:-64])}
        init_key = objects.Object("key_package", package).fields["init_key"]
        enc, context = hpke.setup_sender(bytes_of(f"welcome {name} {package_number}"), init_key, tree.welcome_info(f))
        fields = (self.lead + varint(number) + GROUP + varint(1) + be(1, self.depth) + varint(leaf) + varint(state["base"]) + state["previous"]
                + varint(state["healing_epoch"]) + state["healing"] + varint(package_number) + f["package"])
        fields += NO_EXTENSIONS
        inside = change.get("kept", b"".join(state.get("kept_keys", {}).values()))
        sealed = context.seal_first(bytes([0x11, 4]) + fields, b"".join(state["path_keys"]) + blob(inside) + change.get("extensions", NO_EXTENSIONS))
        return signed("welcome", fields + blob(enc) + blob(sealed), CONTROLLER)


def seal_input(keys, announcement_hash, name="sensor", number=7, **change):
    serial = change.pop("serial", 1)
    known = credential(number, name, serial)
    return {"announcement_hash": announcement_hash, "group_key": keys.group_key, "psk": keys.psk, "device_secret": bytes_of("device " + name),
            "rng": bytes_of("rng"), "session_number": NOW, "identity_seed": identity(name), "credential_hash": sha256(known[:-64]), "credential_serial": serial,
            "sender": number, "counter": 0, "topic": "plant/a/temp", "padding": {"mode": 0, "bucket": 0}, "payload": b"21.5C", **change}


def state_input(keys, k, name="sensor", number=7, known=None, **change):
    """A retained value under the kept keys of the epoch with this announcement, or a will; `known` is the credential inside."""
    known = known or credential(number, name, change.get("serial", 1))
    i = seal_input(keys, k, name, number, **{"retain": True, "sent_at": NOW * 1000, "credential": known, **change})
    i = {**i, "kept": k, "kept_key": keys.kept_key, "kept_psk": keys.kept_psk, "credential_hash": sha256(known[:-64])}
    i["credential_serial"] = change.get("hint", objects.Object("credential", known).fields["credential_serial"])
    if envelope.has_connection(i):
        i.setdefault("connection", 0)
    return {name: value for name, value in i.items() if name not in ("announcement_hash", "group_key", "psk", "hint")}


def will_input(keys, k, **change):
    return state_input(keys, k, **{"will": True, **change})


def reader_input(keys, announcement_hash, **change):
    return {"authority": AUTHORITY, "group": GROUP, "filters": ["plant/#"], "policy": {name: POLICY[name] for name in ("grace", "freshness", "skew", "will_age")},
            "issued_at": NOW, "not_after": NOW + 604800, "epochs": [{"epoch": 1, "hash": announcement_hash, "reader_secret": keys.reader_secret}],
            "kept": [{"kept": announcement_hash, "kept_secret": keys.kept_secret, "kept_psk": keys.kept_psk}],
            "credentials": [credential(7, "sensor")], "number": 1, **change}


def outcome(reader, sealed, topic="plant/a/temp", retained=False, now_ms=NOW * 1000):
    """`ok`, or the reason of a rejection."""
    from .wire import Refused
    try:
        reader.open(topic, retained, now_ms, sealed if isinstance(sealed, bytes) else envelope.seal(sealed)["envelope"])
        return "ok"
    except Refused as refused:
        return refused.reason


# --- keys.md §8, §12, §13 ---

LIVE = {**AUTHORITY, "keys": [*AUTHORITY["keys"], {"key": public_key(bytes_of("live")), "roles": objects.HEARTBEAT}]}
LEAD_LIVE = DOMAIN + varint(1) + be(1, 2)


def heartbeat(announcement, epoch, issued_at, lease=600, log=(0, bytes(32))):
    body = LEAD_LIVE + GROUP + varint(epoch) + announcement + varint(issued_at) + varint(lease) + varint(log[0]) + log[1]
    return encode("heartbeat", body, bytes_of("live"))


def nonce_answer(announcement, epoch, member, nonce, lease=600):
    return encode("nonce_answer", LEAD_LIVE + GROUP + varint(member) + nonce + varint(epoch) + announcement + varint(lease), bytes_of("live"))


def asked(name, member, number, nonce):
    return encode("nonce", DOMAIN + varint(member) + varint(number) + GROUP + nonce, identity(name))


def confirmation(name, member, epoch, package_number, proof):
    entry = GROUP + varint(1) + varint(epoch) + varint(package_number) + proof
    return encode("confirmation", DOMAIN + varint(member) + items([entry]), identity(name))


def join_refusal(request, reason):
    return encode("join_refusal", LEAD_ISSUER + request + be(1, reason), ISSUER)


def package_set(name, numbers):
    return items(blob(key_package(name, number)[1]) for number in numbers)


TOKEN = {"suite": 1, "root_key": ROOT_KEY, "token": bytes_of("token", 8), "secret": bytes_of("token secret"), "serial": 1, "expires": NOW + 3600,
         "name": "sens*", "prefix": "_sealmq/x", "broker": "mqtts://[::1]:8883"}
KEM_SEED = bytes_of("join key")


def join_request(name="sensor", suite=1, token=TOKEN, **change):
    """A join request to kem_keys[0] of serial 1."""
    named = token["token"] if token else bytes(8)
    request = enrolment_request(name, named)
    if suite == 2:
        body = DOMAIN + named + text(name) + public_key(identity(name)) + varint(NOW) + items([]) + NO_EXTENSIONS
        unsigned = bytes([objects.FORM_2, objects.KINDS["enrolment_request"]]) + body
        request = unsigned + sign(identity(name), objects.LABELS["enrolment_request"], sha256(unsigned))
    mac = change.get("mac", joining.join_mac(token["secret"], sha256(request[:-64])) if token else bytes(32))
    plaintext = mac + request
    recipient = hpke.key_pair_of_suite(suite, KEM_SEED)[1]
    enc, context = hpke.base_sender(suite, bytes_of("ephemeral"), recipient, joining.join_info(DOMAIN, 1, 0))
    fields = bytes([0x10 + suite, joining.KIND]) + varint(1) + be(1, 0) + NO_EXTENSIONS
    return fields + blob(enc) + blob(context.seal_first(fields, plaintext))


def join_input(data, suite=1, name="sensor"):
    return {"suite": suite, "domain": DOMAIN, "bytes": data, "fingerprint": joining.fingerprint(public_key(identity(name))), "now": NOW,
            "keys": [{"serial": 1, "key": 0, "seed": KEM_SEED}], "tokens": [{"uses_left": 1, **{word: TOKEN[word] for word in ("token", "secret", "expires", "name")}}]}


def audit_log():
    """The encoded entries of a log with an entry of each kind."""
    whats = [varint(0) + text("_sealmq/x/delegation") + bytes_of("signed"), varint(1) + varint(7) + public_key(identity("sensor")) + text("sensor"),
             varint(2) + varint(7), varint(3) + varint(1) + bytes_of("delegation"), varint(4) + GROUP + varint(2) + varint(9),
             varint(5) + varint(2) + varint(4) + bytes_of("log head"), varint(6) + varint(7) + varint(9)]
    head, entries = bytes(32), []
    for n, what in enumerate(whats):
        entries.append(head + varint(NOW + n) + what)
        head = audit.head_after(entries[-1])
    return entries


def log_piece(entries, first, end, size=None):
    """Some entries of a log, as a piece of the copy that was made when it had so many."""
    size = len(entries) if size is None else size
    return varint(size) + audit.head_after(entries[size - 1]) + varint(first) + blob(b"".join(map(blob, entries[first:end])))


def log_pieces(most):
    entries = audit_log()
    return [log_piece(entries, first, first + most) for first in range(0, len(entries), most)]
