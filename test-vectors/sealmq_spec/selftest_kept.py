"""verify.py --self-test: kept keys, and what the broker keeps (keys.md §7, envelope.md §7–§9)."""

import hashlib
import hmac
import random

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import envelope, hpke, kept, objects, places, topics, tree, wire
from .reader import Reader
from .selftest import reason_of, same
from .world import (AUTHORITY, CONTROLLER, DOMAIN, GROUP, ISSUER, LEAD_CONTROLLER, NO_EXTENSIONS, NOW, ROOT_KEY, Group, bytes_of, continuation,
                    credential, delegation, extended, identity, issuer_of, items, key_package, outcome, reader_input, seal_input, state_input, successor,
                    will_input)

RANDOM = random.Random(13)
LOW_ORDER = (bytes(32), (1).to_bytes(32, "little"), (wire.P - 1).to_bytes(32, "little"))


def hkdf(key, info):
    return hmac.new(key, info + b"\1", hashlib.sha256).digest()


def lead_of(serial):
    return DOMAIN + wire.varint(serial) + wire.be(1, 1)


# --- keys.md §6, §7: derivations ---

def test_kept_derivations():
    secret = bytes_of("reader secret")
    keys = tree.GroupKeys(secret)
    psk = hkdf(secret, b"sealmq/1 group psk")
    same((hkdf(secret, b"sealmq/1 kept"), hkdf(psk, b"sealmq/1 kept psk")), (keys.kept_secret, keys.kept_psk))
    same(hpke.derive_key_pair(hkdf(keys.kept_secret, b"sealmq/1 kept kem")), (keys.kept_secret_key, keys.kept_key))
    k, older = bytes_of("K"), bytes_of("older")
    same(hashlib.sha256(b"sealmq/1 kept name" + k).digest(), kept.name_of(k))
    same(hkdf(keys.kept_secret, b"sealmq/1 kept chain" + k + older), kept.chain_key(keys.kept_secret, k, older))
    sealed = kept.seal_entry(keys.kept_secret, k, older, bytes(32), bytes_of("psk"))
    same(80, len(sealed))
    same((bytes(32), bytes_of("psk")), kept.open_entry(keys.kept_secret, k, older, sealed))
    same(None, kept.open_entry(keys.kept_secret, older, k, sealed))


# --- keys.md §3: continuations ---

def continued(serial, value, *more):
    return reason_of(objects.check, "delegation", delegation(serial, (objects.CONTINUES, value), *more), root_key=ROOT_KEY)


def test_continuations_are_decoded():
    key, weak = wire.public_key(ISSUER), (1).to_bytes(32, "little")

    def said(since, *issuers):
        return continuation({"since": since, "issuers": [{"serial": serial, "signer": signer, "key": k} for serial, signer, k in issuers]})

    many = [(n // 8, n % 8, key) for n in range(65)]
    for serial, value, want in (
            (5, said(3, (3, 0, key), (3, 1, key), (4, 0, key)), "ok"), (5, said(3), "ok"), (1, said(0, (0, 7, key)), "ok"), (9, said(0, *many[:64]), "ok"),
            (5, said(5), "field"), (5, said(6), "field"), (0, said(0), "field"), (9, said(0, *many), "field"),
            (5, said(3, (2, 0, key)), "field"), (5, said(3, (5, 0, key)), "field"), (5, said(3, (4, 0, key), (3, 0, key)), "field"),
            (5, said(3, (3, 1, key), (3, 0, key)), "field"), (5, said(3, (3, 0, key), (3, 0, key)), "field"), (5, said(3, (3, 0, weak)), "field"),
            (5, said(3) + b"\0", "encoding"), (5, said(3)[:-1], "encoding"), (5, b"", "encoding"), (5, b"\x83\0" + said(3)[1:], "encoding"),
            (5, wire.varint(3) + wire.blob(bytes(37)), "encoding")):
        same(want, continued(serial, value), (serial, value.hex()))
    same("ok", continued(5, said(3), (2, b"x")), "another unknown extension")
    same("unsupported", continued(5, said(3), (0x8002, b"")))
    same("field", reason_of(objects.check, "delegation", delegation(5, (objects.CONTINUES, said(3)), (objects.CONTINUES, said(3))), root_key=ROOT_KEY))
    same("ok", reason_of(objects.check, "delegation", delegation(5, (2, b""))), "no continuation")
    elsewhere = extended("kept_keys", LEAD_CONTROLLER + GROUP + wire.varint(1) + bytes_of("K") + items([]), CONTROLLER, (objects.CONTINUES, b"anything"))
    same("ok", reason_of(objects.check, "kept_keys", elsewhere, authority=AUTHORITY), "id 1 is defined in delegations only")
    same([False, False, True, True, True, False], [objects.continues(successor(5, 3), serial) for serial in (0, 2, 3, 4, 5, 6)])
    same([False, True, False], [objects.continues(successor(5), serial) for serial in (4, 5, 6)])


# --- keys.md §5, §6: announcements and welcomes ---

def test_kept_key_of_announcements():
    group = Group()
    group.announce()
    for change, kind, want in (
            ({}, tree.HEALING, "ok"), ({}, tree.ORDINARY, "ok"), ({"kept_key": b""}, tree.HEALING, "field"), ({"kept_key": bytes_of("x")}, tree.ORDINARY, "field"),
            ({"kept_key": bytes_of("x")[:31]}, tree.HEALING, "field"), ({"kept_key": bytes_of("x") + b"\0"}, tree.HEALING, "field"),
            *(({"kept_key": low}, tree.HEALING, "field") for low in LOW_ORDER), ({"policy": {"kept": 64}}, 0, "ok"), ({"policy": {"kept": 65}}, 0, "field")):
        data = group.announce(kind, epoch=2, previous=group.epochs[0][3], **change)
        same(want, reason_of(objects.check, "announcement", data, authority=AUTHORITY), change)
    for kind, change, want in ((tree.HEALING, {"kept_key": b""}, "field"), (tree.ORDINARY, {"kept_key": bytes_of("x")}, "field"), (tree.ORDINARY, {"nodes": [2, 3]}, "ok")):
        same(want, reason_of(objects.check, "announcement", Group().announce(kind, **change), authority=AUTHORITY), "epoch 1 is as all others")
    other = hpke.derive_key_pair(bytes_of("other"))[1]
    for leaf, want in ((17, "wrong_secret"), (25, "ok")):  # only a reader can tell
        member = tree.Member(AUTHORITY, GROUP, **group.welcome_state(leaf))
        before = member.kept.state()
        same(want, reason_of(member.follow, group.announce(tree.HEALING, epoch=2, kept_key=other), NOW, 300), leaf)
        same(before if leaf == 17 else [other], member.kept.state() if leaf == 17 else [key.public for key in member.kept.keys])


def test_kept_in_welcomes():
    group = Group()
    seed, package = key_package("sensor", 1)

    def opened(leaf, **change):
        *_, brought = tree.open_welcome(AUTHORITY, 7, group.welcome(7, "sensor", 1, leaf, **change), package, seed)
        return brought

    same(None, opened(17), "nothing is there before epoch 1")
    group.announce()
    group.remove(18)
    group.announce()
    (h, keys), _ = group.kept_epochs()
    same({"kept": h, "kept_psk": keys.kept_psk, "kept_secret": keys.kept_secret}, opened(17))
    same({"kept": h, "kept_psk": keys.kept_psk, "kept_key": keys.kept_key}, opened(25))
    same(None, opened(17, kept=b""))
    for leaf, inside, want in ((17, bytes(95), "field"), (17, bytes(97), "field"), (17, bytes(1), "field"), (17, bytes(96), "field"), (17, h + bytes(64), "ok"), (25, h + bytes(64), "field"),
                               *((25, h + bytes(32) + low, "field") for low in LOW_ORDER)):
        same(want, reason_of(opened, leaf, kept=inside), (leaf, inside.hex()))
    for inside in (b"", h + bytes(64)):
        for extensions, want in ((items([wire.varint(2) + wire.blob(bytes(1024 - 6))]), "ok"), (items([wire.varint(0x8000) + wire.blob(b"")]), "unsupported"),
                                 (NO_EXTENSIONS + b"\0", "encoding"), (b"", "encoding" if inside else "field")):
            same(want, reason_of(opened, 17, kept=inside, extensions=extensions), (inside, extensions[:9]))
    same("field", reason_of(opened, 17, extensions=items([wire.varint(2) + wire.blob(bytes(1100))])), "longer than anything inside may be")


# --- keys.md §7: kept keys objects ---

def kept_object(names, lead=LEAD_CONTROLLER, epochs=None):
    numbered = [wire.varint(epoch) + name for epoch, name in zip(epochs or range(len(names), 0, -1), names)]
    return extended("kept_keys", lead + GROUP + numbered[0] + items(name + bytes(80) for name in numbered[1:]), CONTROLLER)


def test_kept_keys_are_decoded():
    names = [bytes_of(f"K{n}") for n in range(66)]
    context = {"authority": AUTHORITY, "group": GROUP}
    for chosen, want in ((names[:1], "ok"), (names[:65], "ok"), (names, "field"), (names[:2] + names[1:2], "field"), (names[:2] + names[:1], "field")):
        same(want, reason_of(objects.check, "kept_keys", kept_object(chosen), **context))
    for epochs, want in (((9, 5, 1), "ok"), ((2**64 - 1, 2, 1), "ok"), ((3, 2, 0), "field"), ((0,), "field"), ((1,), "ok"), ((3, 3, 1), "field"), ((3, 2, 2), "field"),
                         ((3, 1, 2), "field"), ((2, 3, 1), "field")):
        same(want, reason_of(objects.check, "kept_keys", kept_object(names[:len(epochs)], epochs=epochs), **context), epochs)
    for lead, want in ((lead_of(2), "role"), (lead_of(0), "role"), (DOMAIN + wire.varint(1) + wire.be(1, 0), "role"), (bytes(16) + LEAD_CONTROLLER[16:], "domain")):
        same(want, reason_of(objects.check, "kept_keys", kept_object(names[:3], lead), **context))
    same("role", reason_of(objects.check, "kept_keys", kept_object(names[:3]), authority=successor(2, 1)), "continued, and yet of another delegation")
    same("group", reason_of(objects.check, "kept_keys", kept_object(names[:3]), authority=AUTHORITY, group=bytes(16)))
    large = extended("kept_keys", LEAD_CONTROLLER + GROUP + wire.varint(1) + names[0] + items([]), CONTROLLER, (2, bytes(8192)))
    same("size", reason_of(objects.check, "kept_keys", large, **context))
    most = kept_object(names[:65], DOMAIN + wire.varint(2**32 - 1) + wire.be(1, 1), range(2**64 - 1, 2**64 - 66, -1))
    same("ok", reason_of(objects.Object, "kept_keys", most), "64 entries always fit")
    same({"what": "kept_keys", "group": GROUP}, topics.read_reserved(topics.reserved("kept_keys", DOMAIN, group=GROUP), DOMAIN))


def test_the_chain_leads_back_as_far_as_the_policy_goes():
    group = Group(depth=3)
    group.announce()
    for leaf in (8, 9, 12, 13):
        group.remove(leaf)
    epochs = group.kept_epochs()  # five
    for anchor in range(5):
        for policy in range(6):
            for broken in (None, *range(4)):
                ring = kept.Ring(AUTHORITY, True)
                ring.policy = policy
                h, keys = epochs[anchor]
                ring.keys = [kept.Kept(5 - anchor, h, keys.kept_psk, 1, keys.kept_secret)]
                obj = objects.check("kept_keys", group.kept_keys(changed=() if broken is None else (broken,)), authority=AUTHORITY, group=GROUP)
                ring.go_back(obj)
                end = min(anchor + policy + 1, 5)
                if broken is not None and broken >= anchor:
                    end = min(end, broken + 1)  # entry n is of epochs[n + 1]
                same([(5 - n, h, keys.kept_secret, keys.kept_psk) for n, (h, keys) in enumerate(epochs[:end])][anchor:], [(key.epoch, key.k, key.secret, key.psk) for key in ring.keys], (anchor, policy, broken))
                same(False, ring.go_back(obj), "the same again")
    try:
        kept.Ring(AUTHORITY, True).go_back(obj)
    except wire.Refused as refused:
        same(("ahead", {"ask_epoch": 5}), (refused.reason, refused.more))
    # With gaps, and with newer ones than the object has: each is put where it belongs, and counts.
    (h5, k5), _, (h3, k3), *_ = epochs
    for policy, want in ((1, [7, 5]), (2, [7, 5, 4]), (3, [7, 5, 4, 3]), (4, [7, 5, 4, 3, 2]), (5, [7, 5, 4, 3, 2, 1])):
        ring = kept.Ring(AUTHORITY, True)
        ring.policy = policy
        for epoch, h, keys in ((7, bytes_of("K"), group.epochs[0][1]), (5, h5, k5), (3, h3, k3)):
            ring.take(kept.Kept(epoch, h, keys.kept_psk, 1, keys.kept_secret))
        ring.trim()
        ring.go_back(objects.check("kept_keys", group.kept_keys(), authority=AUTHORITY, group=GROUP))
        same(want, [key.epoch for key in ring.keys], policy)
    same(False, kept.Ring(AUTHORITY, False).go_back(obj), "a publish-only member has no use for it")


def test_members_have_the_kept_keys_of_their_newest_epoch():
    """Random groups, as in `members follow in any order`: readers go back, publish-only members have the newest, the removed get nothing new."""
    went_back = 0
    for game in range(25):
        policy = RANDOM.randint(0, 3)
        group = Group(depth=3, window=RANDOM.randint(0, 3), label=f"kept {game}", kept=policy)
        leaves, members, gone = RANDOM.sample(range(8, 16), 6), {}, {}
        for n in range(14):
            if n and leaves and RANDOM.random() < 0.5:
                leaf = leaves.pop()
                members[leaf] = tree.Member(AUTHORITY, GROUP, **group.welcome_state(leaf))
            if members and RANDOM.random() < 0.3:
                leaf = RANDOM.choice(list(members))
                gone[leaf] = members.pop(leaf)
                gone[leaf].before = len(group.epochs)
                group.remove(leaf)
            else:
                group.announce()
        for leaf, member in [*members.items(), *gone.items()]:
            for epoch in [*RANDOM.choices(range(1, group.next_epoch()), k=14), *range(1, group.next_epoch())]:
                try:
                    member.follow(group.epochs[epoch - 1][2], NOW + 100, 300)
                except wire.Refused:
                    pass
            end = member.before + 1 if leaf in gone else group.next_epoch()
            there = group.kept_epochs(end)
            same(there[0][0], member.kept.keys[0].k, (game, leaf))
            if member.is_reader and leaf in members:
                short = len(member.kept.keys)
                member.take_kept_keys(group.kept_keys())
                same([h for h, _ in there[:policy + 1]], [key.k for key in member.kept.keys])
                went_back += len(member.kept.keys) > short
            elif not member.is_reader:
                same(1, len(member.kept.keys))
                same(there[0][1].kept_key, member.kept.keys[0].public)
            else:
                assert not any(h in {key.k for key in member.kept.keys} for h, _ in group.kept_epochs()[:-len(there)]), "a removed reader has newer kept keys"
    assert went_back > 5, went_back


def test_delegations_end_kept_keys():
    group = Group()
    group.announce()
    state = group.welcome_state(17)
    first = group.epochs[0][3]

    def member():
        made = tree.Member(AUTHORITY, GROUP, **state)
        same([first], [key.k for key in made.kept.keys])
        return made

    for authority, want in ((successor(2, 1), 1), (successor(2, 0), 1), (successor(2), 0), (successor(3, 2), 0), (successor(3, 1), 1)):
        one = member()
        same(want == 0, one.take_delegation(authority))
        same(want, len(one.kept.keys), authority)
    # A kept keys object of a later serial brings them again, and then they last as long as that.
    second = group.remove(18)
    one = member()
    one.follow(second, NOW, 300)
    same([1, 1], [key.serial for key in one.kept.keys])
    one.take_delegation(successor(2, 1))
    newest = group.kept_epochs()[0]
    one.take_kept_keys(group.kept_keys(lead_of(2), [newest]))
    same([2, 1], [key.serial for key in one.kept.keys], "an object of no entries raises the serial of the newest")
    other = tree.Member(AUTHORITY, GROUP, **state)
    other.follow(second, NOW, 300)
    other.take_delegation(successor(2, 1))
    other.take_kept_keys(group.kept_keys(lead_of(2)))
    same([2, 2], [key.serial for key in other.kept.keys], "and one with entries of these, too")
    same(False, other.take_kept_keys(group.kept_keys(lead_of(2))))
    one.take_delegation(successor(3, 2))
    same([newest[0]], [key.k for key in one.kept.keys], "the first one was of serial 1 and has gone")
    # What is followed by name under a delegation that does not continue its serial leaves no kept keys.
    behind = tree.Member(AUTHORITY, GROUP, **state)
    behind.take_delegation(successor(2))
    group.lead = lead_of(2)
    third = group.remove(19)
    same("needs_healing", reason_of(behind.follow, third, NOW, 300))
    for data, want in ((second, []), (third, [group.epochs[2][3]])):
        behind.follow(data, NOW, 300)
        same(want, [key.k for key in behind.kept.keys])


def test_later_welcomes_and_kept_keys():
    group = Group()
    start = group.welcome_state(17)
    for data in (group.announce(), group.remove(18), group.announce(), group.announce()):
        pass
    brought = group.brought(17, 5)

    def followed():
        member = tree.Member(AUTHORITY, GROUP, **start)
        for _, _, data, _ in group.epochs:
            member.follow(data, NOW + 100, 300)
        return member

    fields = {"serial": 1, "package_number": 2, "generation": 2, "depth": 4, "epoch": 5, "previous": group.epochs[3][3], "healing_epoch": 2, "healing": group.epochs[1][3]}
    there = [h for h, _ in group.kept_epochs()]
    foreign = {"kept": bytes_of("K"), "kept_psk": bytes_of("psk"), "kept_secret": bytes_of("secret")}
    public = {"kept": bytes_of("K"), "kept_psk": bytes_of("psk"), "kept_key": bytes_of("key")}
    for change, leaf, inside, replaced, want in (
            ({}, 23, brought, False, there), ({}, 23, None, False, there), ({"serial": 2, "previous": bytes_of("x")}, 23, foreign, True, [foreign["kept"]]),
            ({"serial": 2, "previous": bytes_of("x")}, 23, None, True, []), ({}, 27, public, False, [public["kept"]]), ({}, 27, None, False, [])):
        member = followed()
        same(there, [key.k for key in member.kept.keys])
        if "serial" in change:
            member.take_delegation(successor(2, 1))
        f = {**fields, "leaf": leaf, **change}
        same(replaced, member.install(f, group.welcome_state(leaf, 5)["path_keys"], inside))
        same(want, [key.k for key in member.kept.keys], (change, leaf))
    member = tree.Member(AUTHORITY, GROUP, **start)
    member.follow(group.epochs[0][2], NOW + 100, 300)
    member.install({**fields, "leaf": 23}, group.welcome_state(23, 5)["path_keys"], brought)
    same(there[:2], [key.k for key in member.kept.keys], "newer ones than what it knew")
    # Of what it has, or has newer ones of, a welcome raises the serial only.
    first = {"kept": there[1], "kept_psk": bytes_of("x"), "kept_secret": bytes_of("y")}
    for healing_epoch, inside, want in ((2, brought, [(there[0], 2), (there[1], 1)]), (1, first, [(there[0], 1), (there[1], 2)]), (1, foreign, [(there[0], 1), (there[1], 1)])):
        member = followed()
        before = [(key.k, key.secret) for key in member.kept.keys]
        member.take_delegation(successor(2, 1))
        member.kept.bring(healing_epoch, 2, inside)
        same(want, [(key.k, key.serial) for key in member.kept.keys])
        same(before, [(key.k, key.secret) for key in member.kept.keys])


def test_a_group_that_began_without_healing():
    """No authority does so; such a group has no kept keys until it heals."""
    group = Group()
    start = group.welcome_state(17)
    group.announce(tree.ORDINARY)
    assert "kept_keys" not in group.welcome_state(17)
    member = tree.Member(AUTHORITY, GROUP, **start)
    member.follow(group.epochs[0][2], NOW, 300)
    same([], member.kept.keys)
    member.follow(group.announce(), NOW, 300)
    same([], member.kept.keys)
    member.follow(group.remove(18), NOW, 300)
    same([(3, group.epochs[2][3])], [(key.epoch, key.k) for key in member.kept.keys])


# --- envelope.md §4, §7: bodies and classes ---

def raw(i, body, of_state):
    """Seals any body, under the kept keys or those of the epoch: what `envelope.seal` refuses to make."""
    topic_hash = wire.sha256(i["topic"].encode())
    keys, h = i["keys"], i["h"]
    h, public, psk = (kept.name_of(h), keys.kept_key, keys.kept_psk) if of_state else (h, keys.group_key, keys.psk)
    enc, context = hpke.setup_sender(bytes_of("ephemeral"), public, envelope.session_info(h), tree.session_psk(psk), h)
    message_key, base_nonce = envelope.session_keys(context)
    header = envelope.encode_header(h[:8], enc, envelope.session_mac(psk, enc), i["counter"])
    signed = envelope.transcript(h, enc, i["counter"], topic_hash, i["credential_hash"], body)
    inside = body + wire.sign(i["identity_seed"], envelope.LABEL, wire.sha256(signed))
    return header + AESGCM(message_key).encrypt(envelope.nonce(base_nonce, i["counter"]), inside, header + topic_hash)


def one_epoch():
    group = Group()
    group.announce()
    _, keys, _, h = group.epochs[0]
    return keys, h


def test_classes():
    keys, h = one_epoch()
    known = credential(7, "sensor")
    m = {"keys": keys, "h": h, "sender": 7, "credential_serial": 1, "session_number": NOW, "sent_at": NOW * 1000, "payload": b"x", "counter": 0, "connection": 0,
         "topic": "plant/a/temp", "identity_seed": identity("sensor"), "credential_hash": wire.sha256(known[:-64])}
    for retain in (False, True):
        for will in (False, True):
            for inside in (False, True):
                for of_state in (False, True):
                    body = envelope.encode_body({**m, "retain": retain, "will": will, **({"credential": known} if inside else {})})
                    good = of_state == (retain or will) and (inside or not of_state)
                    reader = Reader(**reader_input(keys, h))
                    same("ok" if good else "Rejected", outcome(reader, raw(m, body, of_state)), (retain, will, inside, of_state))
                    own = Reader(**reader_input(keys, h, number=7))
                    same("Own" if good else "Rejected", outcome(own, raw(m, body, of_state)), "the class is looked at first")
    body = envelope.encode_body({**m, "retain": True, "credential": known, "connection": 2**35})
    same("Rejected", outcome(Reader(**reader_input(keys, h)), raw(m, body, True)))
    for change, want in (({}, "ok"), ({"credential": None}, "field"), ({"connection": 2**35}, "field"), ({"retain": False}, "field"), ({"will": True}, "field")):
        same(want, reason_of(envelope.seal, {**state_input(keys, h), **change}), change)
    i = state_input(keys, h)
    del i["connection"]
    same("field", reason_of(envelope.seal, i))
    same("field", reason_of(envelope.seal, {**seal_input(keys, h), "connection": 0}))
    same("field", reason_of(envelope.seal, {**seal_input(keys, h), "retain": True, "connection": 0, "credential": known}), "state under the keys of an epoch")
    same("group_key", reason_of(envelope.seal, {**state_input(keys, h), "kept_key": bytes(32)}))


def test_every_bit_of_state():
    keys, h = one_epoch()
    sealed = envelope.seal(state_input(keys, h, connection=5, sequence=3))["envelope"]
    reader = Reader(**reader_input(keys, h))
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert outcome(reader, bytes(flipped)) in {"Malformed", "NotSealed", "Unsupported", "UnknownKey", "Rejected"}, bit
    same("UnknownKey", outcome(Reader(**reader_input(keys, h, kept=[])), sealed))
    same(["Rejected", "ok", "Replay", "ok"], [outcome(reader, sealed, topic, r) for topic, r in
         (("plant/b/temp", False), ("plant/a/temp", False), ("plant/a/temp", False), ("plant/a/temp", True))])
    late = (NOW + 604800 + 3600 + 300) * 1000
    same(["ok", "Stale"], [outcome(Reader(**reader_input(keys, h)), sealed, now_ms=now) for now in (late, late + 1000)], "the keys run out for state, too")


def test_who_joins_reads_what_was_kept():
    """Sealed in epoch 2, opened by a member that comes in epoch 6 and goes back; not by one that was removed before."""
    group = Group()
    group.announce()
    removed = tree.Member(AUTHORITY, GROUP, **group.welcome_state(18))
    group.remove(18)
    (h, keys), _ = group.kept_epochs()
    sealed = envelope.seal(state_input(keys, h))["envelope"]
    for data in (group.announce(), group.remove(19), group.announce()):
        pass
    joined = tree.Member(AUTHORITY, GROUP, **group.welcome_state(20))
    data = group.announce()
    for member in (joined, removed):
        for one in (group.epochs[1][2], data):
            reason_of(member.follow, one, NOW + 100, 300)
        reason_of(member.take_kept_keys, group.kept_keys())

    def reading(member):
        return Reader(**reader_input(keys, h, epochs=[], kept=[{"kept": key.k, "kept_secret": key.secret, "kept_psk": key.psk} for key in member.kept.keys]))

    same(["ok", "UnknownKey"], [outcome(reading(member), sealed, retained=True) for member in (joined, removed)])


# --- envelope.md §8, §9: places and marks ---

def test_places_and_marks():
    """Random deliveries against the rule in one line."""
    keys, h = one_epoch()
    renewed = credential(7, "sensor", 2)
    messages = []
    for serial, known in ((1, None), (2, renewed)):
        for connection in (0, NOW + 3, NOW + 6):
            for session in (NOW + 1, NOW + 4, NOW + 7):
                for counter in (0, 1):
                    messages.append(((serial, connection, 0, session, counter), state_input(keys, h, known=known, session_number=session, counter=counter, connection=connection)))
        for number in (NOW + 3, NOW + 6):
            messages.append(((serial, number, 1, number, 0), will_input(keys, h, known=known, session_number=number)))
    messages = [(place, bool(place[2]), envelope.seal(m)["envelope"]) for place, m in messages]
    for _ in range(30):
        reader, mark, highest = Reader(**reader_input(keys, h)), (), ()
        for _ in range(25):
            (place, will, sealed), retained = RANDOM.choice(messages), RANDOM.random() < 0.5
            number = (place[0], place[3])
            good = (place > mark or (retained and place == mark)) and (retained or not will or number > highest)
            same("ok" if good else "Replay", outcome(reader, sealed, retained=retained), (place, mark, retained))
            if good:
                mark, highest = max(mark, place), number if will and not retained else highest


def test_state_and_events_do_not_meet():
    keys, h = one_epoch()
    reader = Reader(**reader_input(keys, h, floors=[{"sender": 7, "credential_serial": 1, "floor": NOW + 5}]))
    same("ok", outcome(reader, state_input(keys, h)), "a floor is for events")
    same("ok", outcome(reader, seal_input(keys, h, session_number=NOW + 6)))
    same("Replay", outcome(reader, seal_input(keys, h, session_number=NOW + 6, counter=9), retained=True), "an event in retained delivery")
    for n in range(7, 12):  # five sessions for state push nothing out
        same("ok", outcome(reader, state_input(keys, h, session_number=NOW + n)))
    same("ok", outcome(reader, seal_input(keys, h, session_number=NOW + 6, counter=1)))
    same("ok", outcome(reader, state_input(keys, h, topic="plant/b", session_number=1), "plant/b"), "marks are per topic")
    # A newer credential that came with state is the known one from then on.
    same("ok", outcome(reader, state_input(keys, h, known=credential(7, "sensor", 2), session_number=1)))
    same("ok", outcome(reader, seal_input(keys, h, session_number=NOW + 20)), "under way when it was renewed")
    same("Replay", outcome(reader, seal_input(keys, h, session_number=NOW + 20)))


def test_wills():
    keys, h = one_epoch()

    def new(**change):
        return Reader(**reader_input(keys, h, **change))

    will, silent = will_input(keys, h), will_input(keys, h, retain=False)
    late = (NOW + 604800 + 300) * 1000
    policy = {"grace": 2**31, "freshness": 0, "skew": 300, "will_age": 604800}
    for m, retained, now, want in ((will, False, late, "ok"), (will, False, late + 1, "Stale"), (will, True, late + 1, "ok"), (silent, True, late, "Replay"),
                                   (silent, False, late, "ok"), (silent, False, late + 1, "Stale"), (will, False, None, "ok")):
        same(want, outcome(new(policy=policy), m, retained=retained, now_ms=now), (retained, now))
    none = {**policy, "will_age": 0}
    same(["Stale"] * 3, [outcome(new(policy=none), will, retained=r, now_ms=now) for r, now in ((False, NOW * 1000), (True, NOW * 1000), (False, None))])
    same(["Stale"] * 2, [outcome(new(), raw_will(keys, h, None), retained=r) for r in (False, True)], "no sent_at")
    same("Rejected", outcome(new(), raw_will(keys, h, NOW * 1000, counter=1)))
    same(["Rejected"] * 3, [outcome(new(**change), raw_will(keys, h, None, counter=1)) for change in ({}, {"credentials": []}, {"number": 7})], "the counter is looked at first")
    reader = new()
    same(["ok", "Replay", "ok"], [outcome(reader, m, topic) for m, topic in
         ((silent, "plant/a/temp"), (will_input(keys, h, topic="plant/b"), "plant/b"), (will_input(keys, h, topic="plant/b", session_number=NOW + 1), "plant/b"))],
         "wills of a sender are ordered over all topics")
    same("ok", outcome(reader, state_input(keys, h, session_number=1)), "a will without retain raises no mark")
    reader = new()
    same(["ok", "ok", "Replay"], [outcome(reader, will, retained=r) for r in (True, True, False)])
    same("ok", outcome(reader, will_input(keys, h, topic="plant/b", session_number=NOW - 9), "plant/b"), "a retained delivery raises no number of wills")
    # The connection of a will, and what was sealed on it.
    reader = new()
    steps = [(state_input(keys, h, connection=NOW, session_number=NOW + 5), "ok"), (will, "ok"), (state_input(keys, h, connection=NOW, session_number=NOW + 5, counter=1), "Replay"),
             (state_input(keys, h, connection=NOW + 7, session_number=NOW + 5, counter=2), "ok"), (will, "Replay")]
    same([want for _, want in steps], [outcome(reader, m) for m, _ in steps])
    for before, want in ((NOW - 1, "ok"), (NOW, "Replay")):
        same(want, outcome(new(wills=[{"sender": 7, "serial": 1, "credential_serial": 1, "session_number": before}]), silent))
    same("Replay", outcome(new(wills=[{"sender": 7, "serial": 2, "credential_serial": 0, "session_number": 0}]), silent))


def test_times_of_state():
    """Expiry, freshness and the future, of values and wills, however they come."""
    keys, h = one_epoch()
    policy = {"grace": 3600, "freshness": 10, "skew": 0, "will_age": 3600}

    def got(make, at_ms, retained, policy=policy, **change):
        return outcome(Reader(**reader_input(keys, h, policy=policy)), make(keys, h, **change), retained=retained, now_ms=None if at_ms is None else NOW * 1000 + at_ms)

    for make in (state_input, will_input):
        for retained in (False, True):
            fresh = make is will_input or retained
            for seconds, at_ms, want in ((5, 5000, "ok"), (5, 5001, "Stale"), (0, 0, "ok"), (0, 1, "Stale")):
                same(want, got(make, at_ms, retained, {**policy, "skew": 300}, properties=[("message_expiry", seconds)]), (seconds, at_ms, retained))
            for at_ms, want in ((10000, "ok"), (10001, "ok" if fresh else "Stale"), (-1, "Stale"), (0, "ok"), (None, "ok")):
                same(want, got(make, at_ms, retained), (make, retained, at_ms))
    same(["Stale", "ok"], [got(state_input, 0, retained, sent_at=None) for retained in (False, True)])
    for now_ms, retained in ((None, False), (None, True), (NOW * 1000, False), (NOW * 1000, True)):
        same("Stale", outcome(Reader(**reader_input(keys, h)), raw_will(keys, h, None), retained=retained, now_ms=now_ms), "a will without sent_at")


def raw_will(keys, h, sent_at, counter=0):
    known = credential(7, "sensor")
    m = {"keys": keys, "h": h, "sender": 7, "credential_serial": 1, "session_number": NOW, "sent_at": sent_at, "payload": b"x", "counter": counter, "will": True, "retain": True,
         "topic": "plant/a/temp", "identity_seed": identity("sensor"), "credential_hash": wire.sha256(known[:-64]), "credential": known}
    return raw(m, envelope.encode_body(m), True)


def test_marks_that_stand_for_others():
    keys, h = one_epoch()
    place = {"serial": 1, "connection": 5, "will": 0, "session_number": NOW, "counter": 3}
    of_sender, of_all, own = {"sender": 7, **place, "credential_serial": 1}, place, {"sender": 7, "topic": "plant/a/temp", **place, "credential_serial": 1}

    def got(marks, m, retained=False, **change):
        return outcome(Reader(**reader_input(keys, h, marks=marks, **change)), m, retained=retained)

    for marks in ([of_sender], [of_all], [own], [of_sender, of_all]):
        for counter, connection, retained, want in ((2, 5, True, "Replay"), (3, 5, False, "Replay"), (4, 5, True, "ok"), (4, 5, False, "ok"), (9, 4, True, "Replay"), (0, 6, False, "ok")):
            same(want, got(marks, state_input(keys, h, counter=counter, connection=connection), retained), (marks, counter, connection, retained))
        same("ok" if marks == [own] else "Replay", got(marks, state_input(keys, h, counter=3, connection=5), True), "the same value again needs a mark of its own")
    low = {**own, "connection": 0, "session_number": 1}
    same("ok", got([low, of_sender, of_all], state_input(keys, h, counter=3, connection=5)), "its own mark counts")
    renewed = state_input(keys, h, known=credential(7, "sensor", 2), session_number=1)
    same(["ok", "Replay"], [got([mark], renewed) for mark in (of_sender, of_all)], "only places of one sender have credential_serial")
    same("ok", got([{**of_all, "serial": 0}], renewed))
    # Of different senders: the session number stands for a connection that is 0.
    for mark, want in (({}, ["ok", "ok", "ok"]), ({"connection": 0}, ["Replay", "ok", "ok"]), ({"connection": NOW + 1}, ["Replay", "ok", "ok"]),
                       ({"connection": 0, "session_number": NOW + 1}, ["Replay", "Replay", "ok"]), ({"connection": NOW + 1, "will": 1}, ["Replay", "Replay", "ok"])):
        marks = [{**place, **mark}]
        same(want, [got(marks, state_input(keys, h, session_number=number, counter=counter)) for number, counter in ((NOW, 3), (NOW + 1, 0), (NOW + 2, 0))], mark)
    # It tells no credentials apart: state under an older one is refused, until the delegation is a later one.
    now, current = successor(3, 1), credential(7, "sensor", 5, lead=issuer_of(3))
    for inside, serial, want in ((current, 3, "ok"), (credential(7, "sensor", 4, lead=issuer_of(3)), 3, "Replay"), (credential(7, "sensor", 4, lead=issuer_of(2)), 3, "Replay"),
                                 (credential(7, "sensor", 4, lead=issuer_of(3)), 2, "ok"), (credential(7, "sensor", 4, lead=issuer_of(2)), 2, "Replay"),
                                 (credential(7, "sensor", 4, lead=issuer_of(2)), 1, "ok")):
        mark = {"serial": serial, "connection": 0, "will": 0, "session_number": 1, "counter": 0}
        change = {"authority": now, "credentials": [current]}
        for retained in (False, True):
            for m in (state_input, will_input):
                same(want, got([mark], m(keys, h, known=inside), retained, **change), (serial, retained))
            same("ok", got([mark, {**own, "credential_serial": 0}], state_input(keys, h, known=inside), retained, **change), "a mark of its own tells them apart")
        silent = will_input(keys, h, known=inside, retain=False)
        same(want, got([mark], silent, **change), "and the numbers of wills")
        highest = {"sender": 7, "serial": 1, "credential_serial": 0, "session_number": 0}
        same("ok", got([mark], silent, wills=[highest], **change), "a number of its own tells them apart")
    # It stands for the numbers of forgotten wills.
    for number, want in ((NOW - 1, "Replay"), (NOW, "Replay"), (NOW + 1, "ok")):
        silent = will_input(keys, h, retain=False, session_number=number)
        mark = {"serial": 1, "connection": NOW, "will": 1, "session_number": NOW, "counter": 0}
        same(want, got([mark], silent), number)
        same("ok", got([{**mark, "sender": 7, "credential_serial": 1}], silent), "the mark of a sender's topics does not")
        same(want, got([mark, own], will_input(keys, h, session_number=number)), "nor does a mark of its own")


def test_connections():
    sender = places.Sender(5)
    same((None, 0), (sender.connect(False, NOW), sender.connection), "no will so far")
    same(NOW, sender.session(NOW))
    same((NOW + 1, NOW + 1), (sender.connect(True, NOW), sender.connection))
    same(NOW + 2, sender.session(NOW), "no session has the connection's number")
    same((None, NOW + 3), (sender.connect(False, NOW), sender.connection))
    sender.renew()
    same((None, 0), (sender.connect(False, NOW), sender.connection))
    same(NOW + 4, sender.session(None))


# --- envelope.md §9: state under an older credential ---

def test_state_under_an_older_credential():
    keys, h = one_epoch()
    now, lead = successor(3, 2), issuer_of(3)
    current = credential(7, "sensor", 5, lead=lead)
    other = bytes_of("another issuer")

    def of(credential_serial=4, serial=3, name="sensor", number=7, **change):
        return credential(number, name, credential_serial, lead=issuer_of(serial), **change)

    def got(inside, known=current, authority=now, topic="plant/a/temp", now_ms=NOW * 1000, **change):
        reader = Reader(**reader_input(keys, h, authority=authority, credentials=[known] if known else [], **change))
        return outcome(reader, envelope.seal(state_input(keys, h, known=inside, topic=topic))["envelope"], topic, True, now_ms)

    expired, revoked = of(not_after=NOW - 50), [{"member": 7, "lowest_serial": 5}]
    for what, want, *arguments in (
            ("the known one", "ok", current), ("older", "ok", of()), ("of a delegation that is continued", "ok", of(serial=2)), ("of one that is not", "Revoked", of(serial=1)),
            ("expired", "ok", expired), ("expired, the known one", "Stale", of(5, not_after=NOW - 50), of(5, not_after=NOW - 50)),
            ("by nobody", "Revoked", of(seed=other)), ("by nobody, continued", "Revoked", of(serial=2, seed=other)), ("another key", "Revoked", of(key=identity("pump"))),
            ("another member", "Rejected", of(number=8)), ("the known one has expired", "Stale", of(), of(5, not_after=NOW - 50)),
            ("above the known one", "ok", of(6)), ("above, by nobody", "UnknownSender", of(6, seed=other)), ("above, another key", "UnknownSender", of(6, key=identity("pump"))),
            ("above, expired", "Stale", of(6, not_after=NOW - 50)), ("above, of a later delegation", "UnknownSender", of(1, serial=4)),
            ("equal, another key", "Rejected", of(5, key=identity("pump"))), ("equal: a hash covers no signature", "ok", of(5, seed=other)),
            ("above by its number only", "ok", of(9, serial=2)), ("nobody known", "ok", of(), None), ("nobody known, continued", "UnknownSender", of(serial=2), None),
            ("equal, another object", "Rejected", of(5, not_after=NOW + 9)), ("no publish right then", "NotAllowed", of(access=2)),
            ("no publish right now", "NotAllowed", of(), of(5, access=2)), ("a narrower filter then", "NotAllowed", of(publish_filter="plant/b/#")),
            ("a narrower filter now", "NotAllowed", of(), of(5, publish_filter="plant/b/#"))):
        same(want, got(*arguments), what)
    same("ok", got(of(), refused=[{"member": 7, "lowest_serial": 4}]))
    same("Revoked", got(of(), refused=revoked))
    same("Revoked", got(of(9, serial=2), refused=[{"member": 7, "lowest_serial": 6}]), "the known one is below the list")
    same("UnknownList", got(of(), refused=None))
    same("Revoked", got(of(serial=2), authority=successor(3)), "nothing is continued")
    keyless = successor(3, 2, issuers=[])
    same("Revoked", got(of(serial=2), authority=keyless), "continued, without this issuer")
    swapped = successor(3, 2, issuers=[{"serial": 2, "signer": 1, "key": wire.public_key(ISSUER)}])
    same("Revoked", got(of(serial=2), authority=swapped))
    rotated = successor(3, 2, keys=[{"key": wire.public_key(other), "roles": 1}, AUTHORITY["keys"][1]])
    fresh = credential(7, "sensor", 5, lead=lead, seed=other)
    same(["ok", "Revoked"], [got(inside, known=fresh, authority=rotated) for inside in (of(serial=2), of())], "another issuer now")
    same("NotAllowed", got(of(), topic="elsewhere"))
    same(["ok", "Revoked"], [got(of(), now_ms=None, issued_at=at) for at in (NOW, NOW + 10**8)], "without a clock")
    # An older one does not become the known one, and places tell them apart.
    reader = Reader(**reader_input(keys, h, authority=now, credentials=[current]))
    def sent(inside, **change):
        return envelope.seal(state_input(keys, h, known=inside, **change))["envelope"]
    same(["ok", "ok", "Replay", "ok"], [outcome(reader, sent(*m), retained=r) for m, r in (((of(),), True), ((current,), False), ((of(),), True), ((current,), True))])
    event = {**seal_input(keys, h), "credential_hash": wire.sha256(of()[:-64]), "credential_serial": 4, "credential": of()}
    reader = Reader(**reader_input(keys, h, authority=now, credentials=[current]))
    same(["ok", "ok", "Replay"], [outcome(reader, m) for m in (event, sent(of()), event)], "an event has the same rule, and state does not change that")
    # Another credential inside than the one that was signed under, or none that can be read.
    for inside in (b"", bytes(200), of(number=8, name="pump", credential_serial=6)):
        i = {**state_input(keys, h, known=current), "credential": inside or b"\0"}
        for known, lists in (([current], []), ([], []), ([current], None)):
            same("Rejected", outcome(Reader(**reader_input(keys, h, authority=now, credentials=known, refused=lists)), i), inside)
    for hint in (4, 5, 6, 70):
        same(["ok"] * 2, [got_hint(keys, h, now, current, inside, hint) for inside in (current, of())], "the hint is for events")
    # What events left behind says nothing of state.
    for floor in ({"serial": 9, "credential_serial": 0}, {"serial": 3, "credential_serial": 6}):
        same("ok", got(current, floors=[{"sender": 7, "floor": 2**35 - 1, **floor}]))


def got_hint(keys, h, authority, known, inside, hint):
    i = {**state_input(keys, h, known=inside), "credential_serial": hint}
    return outcome(Reader(**reader_input(keys, h, authority=authority, credentials=[known])), i)


def test_order_of_checks():
    """Two faults at once: which one is told."""
    keys, h = one_epoch()
    older, current = credential(7, "sensor", 4), credential(7, "sensor", 5)
    sealed = envelope.seal(state_input(keys, h, known=older, sent_at=(NOW + 301) * 1000))["envelope"]
    refused = {"refused": [{"member": 7, "lowest_serial": 5}]}
    mark = {"marks": [{"sender": 7, "topic": "plant/a/temp", "serial": 1, "credential_serial": 5, "connection": 0, "will": 0, "session_number": 1, "counter": 0}]}

    def got(**change):
        return outcome(Reader(**reader_input(keys, h, **{"credentials": [current], **change})), sealed)

    same("Revoked", got(**refused, **mark), "the sender before freshness")
    same("Stale", got(**mark), "freshness before replay")
    same("NotAllowed", got(filters=["other"]), "the topic before freshness")
    same("Revoked", got(filters=["other"], **refused))
    i = state_input(keys, h, known=older, identity_seed=identity("pump"))
    same("Replay", outcome(Reader(**reader_input(keys, h, credentials=[current], **mark)), i), "replay before the signature")
    same("Rejected", outcome(Reader(**reader_input(keys, h, credentials=[current])), i))
