"""Example files with a vector of every kind, shaped as the generator writes them; the self-test checks the verifier with them."""

import base64

from . import audit, envelope, files, hpke, joining, kept, objects, tree, wire
from .wire import Refused
from .world import (AUTHORITY, DOMAIN, GROUP, KEM_SEED, LIVE, NOW, ROOT_KEY, TOKEN, Group, asked, audit_log, log_pieces, bytes_of, confirmation, continuation, credential,
                    delegation, enrolment_request, heartbeat, identity, join_input, join_refusal, join_request, key_package, nonce_answer, package_set,
                    reader_input, refused_list, refused_run, seal_input, state_input, successor, will_input)


def examples():
    """One file of each sort with a vector of every kind, as the generator writes them."""
    group = Group()
    welcome = group.welcome(7, "sensor", 1, 17)
    welcomed = group.welcome_state(17)
    first, second = group.announce(), group.remove(18)
    _, keys, _, h = group.epochs[0]
    i = seal_input(keys, h, sent_at=NOW * 1000, sequence=4, padding={"mode": 1, "bucket": 0}, properties=[("content_type", "text/plain"), ("user", ("unit", "C"))])
    sealed = envelope.seal(i)
    message = {"epoch": 1, "sender": 7, "name": "sensor", "credential_serial": 1, "session_number": NOW, "counter": 0, "sent_at": NOW * 1000, "sequence": 4,
               "retain": False, "will": False, "properties": i["properties"], "payload": b"21.5C"}
    delivery = {"topic": "plant/a/temp", "retained": False, "now_ms": NOW * 1000, "envelope": sealed["envelope"], "expect": {"message": message}}
    replayed = {**delivery, "expect": {"reason": "Replay"}}
    reader = reader_input(keys, h)
    value, will = state_input(keys, h, session_number=NOW + 1), will_input(keys, h, session_number=NOW + 2)
    state = {"kept": h, "sender": 7, "name": "sensor", "credential_serial": 1, "counter": 0, "sent_at": NOW * 1000, "retain": True, "payload": b"21.5C"}
    shown = {**delivery, "retained": True, "envelope": envelope.seal(value)["envelope"],
             "expect": {"message": {**state, "will": False, "connection": 0, "session_number": NOW + 1}}}
    fired = {**delivery, "envelope": envelope.seal(will)["envelope"], "expect": {"message": {**state, "will": True, "session_number": NOW + 2}}}
    late = {**shown, "retained": False, "expect": {"reason": "Replay"}}
    of_all = {"serial": 1, "connection": NOW + 2, "will": 1, "session_number": NOW + 2, "counter": 0}
    before = {"marks": [of_all, {"sender": 7, "topic": "plant/a/temp", **of_all, "credential_serial": 1}],
              "wills": [{"sender": 7, "serial": 1, "credential_serial": 1, "session_number": NOW}]}
    now = {"now": NOW}
    connecting = [({"session": True, **now}, {"session_number": NOW}), ({"connect": {"will": False}, **now}, {"will": None, "connection": 0}),
                  ({"connect": {"will": True}, **now}, {"will": NOW + 1, "connection": NOW + 1}), ({"new_credential": True}, {"connection": 0})]
    member = tree.Member(AUTHORITY, GROUP, **welcomed)
    steps = []
    for data in (second, first, second):
        try:
            new = member.follow(data, NOW, 300)
            e = objects.Object("announcement", data).fields["epoch"]
            slots = [{"epoch": n, "hash": slot.hash, "secret": slot.secret} for n, slot in sorted(member.slots.items())]
            expect = {"known": True} if not new else {"accepted": {"epoch": e, "hash": member.slots[e].hash, "secret": member.slots[e].secret, "current": member.current, "base": member.base,
                                   "path_keys": list(member.path.values()), "slots": slots, "kept": member.kept.state()}}
        except Refused as refused:
            expect = {"reason": refused.reason, **refused.more}
        steps.append({"object": data, "now": NOW, "expect": expect})
    package_seed, package = key_package("sensor", 1)
    secret_key, info, aad, plaintext, path, brought = tree.open_welcome(AUTHORITY, 7, welcome, package, package_seed)
    derived = tree.GroupKeys(keys.reader_secret)
    prk, seed, following = envelope.hedge(bytes_of("device"), bytes_of("rng"), 2, 5)
    wrap = tree.wrap_key(group.node_key(17, 1), 17, bytes_of("head"))
    file_body = ROOT_KEY + wire.blob(b"_sealmq/x") + wire.blob(delegation()) + wire.blob(credential(7, "sensor"))
    armoured = "-----BEGIN SEALMQ CREDENTIAL-----\n" + base64.encodebytes(file_body).decode() + "-----END SEALMQ CREDENTIAL-----\n"

    def vector(kind, i, result=None, intermediate=None, reason=None, n=1):
        v = {"id": f"{kind.replace('_', '-')}-{n}", "kind": kind, "comment": "Made by the self-test.", "valid": reason is None, "spec": ["keys.md §1"], "input": i}
        v.update({name: value for name, value in (("result", result), ("intermediate", intermediate), ("reason", reason)) if value is not None})
        return v

    sealing = {name: value for name, value in sealed.items() if name != "envelope"}
    envelopes = [
        vector("seal", i, {"envelope": sealed["envelope"]}, sealing), vector("seal", {**i, "rng": bytes(32)}, reason="rng", n=2),
        vector("seal", {**i, "counter": 2**21}, reason="field", n=3), vector("seal", {**i, "group_key": bytes(32)}, reason="group_key", n=4),
        vector("seal", value, {"envelope": shown["envelope"]}, {name: inner for name, inner in envelope.seal(value).items() if name != "envelope"}, n=5),
        vector("seal", {**will, "connection": 5}, reason="field", n=6),
        vector("open", {"reader": "@reader", "deliveries": [shown, shown, fired, late]}, reason="Replay", n=3),
        vector("open", {"reader": "@reader", "with": before, "deliveries": [late, {**fired, "expect": {"reason": "Replay"}}]}, reason="Replay", n=4),
        vector("connections", {"previous": 5, "steps": [{**step, "expect": expect} for step, expect in connecting]}),
        vector("open", {"reader": "@reader", "deliveries": [delivery]}), vector("open", {"reader": "@reader", "deliveries": [delivery, replayed]}, reason="Replay", n=2),
        vector("two_devices", {"messages": [{"group": GROUP, "member": 7, "serial": 1, "credential_serial": 1, "session": 5, "enc": bytes_of(enc), "sent_at": None,
                                             "state": False, "will": False, "retained": False} for enc in ("one", "one", "two")]}, {"signs": [None, None, "shared_number"]}),
        vector("gap", {"last": 4, "sequence": 7, "later_session": False}, {"missed": 2, "restart": False}),
        vector("session_number", {"previous": 5, "now": None}, {"session_number": 6}),
    ]
    objs = [("delegation", delegation(), {"root_key": ROOT_KEY, "now": NOW, "skew": 300}), ("credential", credential(7, "sensor"), {"authority": "@authority"}),
            ("key_package", package, {"now": NOW}), ("enrolment_request", enrolment_request("sensor"), {"domain": DOMAIN}),
            ("welcome", welcome, {"authority": "@authority", "member": 7}), ("announcement", second, {"authority": "@authority", "group": GROUP}),
            ("refused_list", refused_list([3, 9]), {"authority": "@authority"}), *live_objects(h, welcome, welcomed),
            ("kept_keys", group.kept_keys(), {"authority": "@authority", "group": GROUP})]
    keys_ = []
    for n, (kind, data, context) in enumerate(objs):
        obj = objects.Object(kind, data)
        result = {"hash": obj.hash, "fields": obj.fields, **({"key_id": obj.key_id, "head_hash": obj.head_hash} if kind == "announcement" else {})}
        keys_.append(vector("object", {"expected": kind, "object": data, "context": context}, result, n=n))
    said = successor(2, 1)["continues"]
    renewed = objects.Object("delegation", delegation(2, (objects.CONTINUES, continuation(said))))
    keys_.append(vector("object", {"expected": "delegation", "object": renewed.data, "context": {"root_key": ROOT_KEY}},
                        {"hash": renewed.hash, "fields": renewed.fields, "continues": said}, n=21))
    keys_ += [
        vector("object", {"expected": "credential", "object": credential(7, "a b"), "context": {}}, reason="field", n=20),
        vector("derive", {"reader_secret": keys.reader_secret}, {name: value for name, value in vars(derived).items() if name != "reader_secret"}),
        vector("tree", {"tree_secret": group.tree_secret, "depth": 4, "first_epoch": 1,
                        "epochs": [{"epoch_kind": kind, "reader_secret": k.reader_secret, "head_hash": bytes_of("head")} for kind, k, _, _ in group.epochs]},
               {"rows": [{"epoch": 1, "node": 17, "key": group.node_key(17, 1), "wrap_key": wrap, "entry": wire.be(4, 17) + tree.wrap(wrap, keys.reader_secret)},
                         {"epoch": 3, "node": 3, "key": group.node_key(3, 3)}]}),
        vector("hedge", {"device_secret": bytes_of("device"), "rng": bytes_of("rng"), "purpose": 2, "number": 5}, {"seed": seed, "next_device_secret": following}, {"prk": prk}),
        vector("domain", {"root_key": ROOT_KEY}, {"domain": DOMAIN}),
        vector("fingerprint", {"key": ROOT_KEY}, {"fingerprint": joining.fingerprint(ROOT_KEY), "shown": joining.shown(ROOT_KEY)}),
        vector("welcome_open", {"authority": "@authority", "member": 7, "welcome": welcome, "package": package, "package_seed": package_seed},
               {"path": [{"node": node, "key": key} for node, key in path.items()], "kept": brought}, {"secret_key": secret_key, "info": info, "aad": aad, "plaintext": plaintext}),
        vector("announcement_follow", {"authority": "@authority", "group": GROUP, "skew": 300, "member": welcomed, "steps": steps}),
        *(vector(*each) for each in kept_vectors(group)), *(vector(*each) for each in chunk_vectors()), *(vector(*each) for each in refused_chunk_vectors()), *(vector(*each) for each in lease_vectors()), *(vector(*each) for each in join_vectors()),
        vector("cover", {"depth": 3, "removed": [9, 12]}, {"nodes": tree.healing_cover(3, [9, 12])}),
        vector("topic_match", {"filter": "a/#", "topic": "a"}, {"matches": True}), vector("filter_overlap", {"a": "a/+", "b": "+/b"}, {"overlap": True}),
        vector("name", {"name": "sensor-7"}), vector("varint", {"type": "u64", "bytes": bytes.fromhex("8001")}, {"value": 128}),
        vector("varint", {"type": "u64", "bytes": bytes.fromhex("8000")}, reason="encoding", n=2),
        vector("padding", {"length": 9, "mode": 1, "bucket": 0}, {"padded": 10}),
        vector("reserved_topic", {"what": "announcement", "domain": DOMAIN, "group": GROUP, "epoch": 12}, {"topic": f"_sealmq/{DOMAIN.hex()}/g/{GROUP.hex()}/a/12", "at_most": 65536}),
        vector("armour", {"text": armoured, "label": "SEALMQ CREDENTIAL"}, {"bytes": file_body, "fields": files.credential_file(file_body)}),
        *(vector("armour", *each, n=n) for n, each in enumerate(armour_vectors(), 2)), vector("announcement_follow", *follow_vector(), n=2),
        vector("reserved_topic", {"topic": f"_sealmq/{DOMAIN.hex()}/m/07/confirm", "domain": DOMAIN}, reason="field", n=2),
    ]
    head = {"format": 1, "spec": "sealmq/1"}
    return {"envelope": json_of({**head, "fixtures": {"reader": {**reader, "authority": "@authority"}, "authority": AUTHORITY}, "vectors": envelopes}),
            "keys": json_of({**head, "fixtures": {"authority": AUTHORITY, "live": LIVE}, "vectors": keys_})}


def live_objects(h, welcome, state):
    """(kind, object, context) of the objects of keys.md §4, §8, §12."""
    welcome_hash, nonce, identity_key = wire.sha256(welcome[:-64]), bytes_of("nonce", 16), wire.public_key(identity("sensor"))
    proof = objects.confirmation_proof(state["path_keys"][0], welcome_hash)
    proves = {"group": GROUP, "leaf_key": state["path_keys"][0], "welcome": welcome_hash}
    request = bytes_of("request")
    return [("heartbeat", heartbeat(h, 1, NOW, log=(3, bytes_of("log"))), {"authority": "@live", "group": GROUP, "now": NOW, "skew": 0}),
            ("nonce_answer", nonce_answer(h, 1, 7, nonce), {"authority": "@live", "group": GROUP, "member": 7, "nonce": nonce}),
            ("nonce", asked("sensor", 7, 9, nonce), {"domain": DOMAIN, "member": 7, "group": GROUP, "identity": identity_key}),
            ("confirmation", confirmation("sensor", 7, 1, 1, proof), {"domain": DOMAIN, "member": 7, "identity": identity_key, "proves": proves}),
            ("join_refusal", join_refusal(request, 2), {"authority": "@authority", "request": request})]


def kept_vectors(group):
    """The chain; and a member that goes back with it and then takes a delegation that continues none of it."""
    (newest, keys), (older, before) = group.kept_epochs()
    opened = {"epoch": 1, "kept": older, "kept_name": kept.name_of(older), "kept_secret": before.kept_secret, "kept_psk": before.kept_psk, "kept_key": before.kept_key}
    i = {"authority": "@authority", "group": GROUP, "object": group.kept_keys(), "known": [{"epoch": 2, **group.brought(17, 3)}], "policy_kept": 16}
    state = group.welcome_state(17)
    data = group.announce()
    first = {"epoch": 2, "serial": 1, **group.brought(17, 3)}
    back = {"epoch": 1, "serial": 1, "kept": older, "kept_psk": before.kept_psk, "kept_secret": before.kept_secret}
    reader_secret, h = group.epochs[2][1].reader_secret, group.epochs[2][3]
    accepted = {"epoch": 3, "hash": h, "secret": reader_secret, "current": 3, "base": 3, "kept": [first]}
    steps = [{"object": data, "now": NOW, "expect": {"accepted": accepted}}, {"kept_keys": group.kept_keys(), "expect": {"kept": [first, back]}},
             {"kept_keys": group.kept_keys(), "expect": {"known": True}}, {"authority": successor(2, 1), "expect": {"known": True}},
             {"authority": successor(3, 2), "expect": {"kept": []}}]
    return [("kept_chain", i, {"opened": [opened]}, {"chain_keys": [kept.chain_key(keys.kept_secret, newest, older)]}),
            ("kept_chain", {**i, "known": [{"epoch": 2, **group.brought(17, 3), "kept": bytes_of("another")}]}, None, None, "ahead", 2),
            ("announcement_follow", {"authority": "@authority", "group": GROUP, "skew": 300, "member": state, "steps": steps}, None, None, None, 3)]


def refused_chunk_vectors():
    chunks = [(1, refused_run([3, 9])), (100, refused_run([120]))]
    i = {"authority": "@authority", "list": refused_list(chunks=chunks), "member": 9, "chunk": chunks[0][1]}
    return [("refused_chunk", i, {"first": 1, "lowest_serial": 0xFFFFFFFF}), ("refused_chunk", {**i, "chunk": chunks[1][1]}, None, None, "serial", 2)]


def chunk_vectors():
    group = Group()
    group.removed = [18]
    data = group.announce(tree.HEALING, chunk_at=2)
    announcement = objects.Object("announcement", data)
    leaf = next(leaf for leaf in range(16, 32) if objects.chunk_for(announcement.fields["covers"][0]["chunked"], leaf) == 1)
    nodes = [entry["node"] for entry in objects.cover_entries(group.chunks[1])]
    node = next(node for node in nodes if node in tree.path_of(leaf))
    first_leaf = announcement.fields["covers"][0]["chunked"][1]["first_leaf"]
    i = {"authority": "@authority", "announcement": data, "generation": 1, "leaf": leaf, "chunk": group.chunks[1],
         "node_key": {"node": node, "key": group.node_key(node, 1)}}
    secret = bytes_of("tree reader secret 1")
    return [("chunk", i, {"number": 1, "first_leaf": first_leaf, "nodes": nodes, "secret": secret if tree.half(node) == 2 else tree.GroupKeys(secret).psk}),
            ("chunk", {**i, "chunk": group.chunks[0]}, None, None, "serial", 2)]


def armour_vectors():
    request = DOMAIN + bytes([1]) + wire.blob(ROOT_KEY + bytes([7])) + wire.blob(b"")
    log = wire.blob(b"".join(map(wire.blob, audit_log())))
    for label, content in (("DELEGATION REQUEST", request), ("DELEGATION", delegation()), ("AUDIT LOG", log), ("AUDIT LOG PIECE", log_pieces(2)[1]), ("REQUEST", enrolment_request("sensor"))):
        label = "SEALMQ " + label
        text = f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"
        yield {"text": text, "label": label}, {"bytes": content, **({"fields": files.FIELDS[label](content)} if label in files.FIELDS else {})}


def follow_vector():
    """A cover in chunks, then another welcome."""
    group = Group()
    group.removed = [18]
    state = group.welcome_state(17)
    data = group.announce(tree.HEALING, chunk_at=2)
    index = objects.chunk_for(objects.Object("announcement", data).fields["covers"][0]["chunked"], 17)
    group.epochs.append((tree.HEALING, tree.GroupKeys(bytes_of("tree reader secret 1")), data, wire.sha256(data[:-64])))
    group.healing = (1, group.epochs[0][3])
    secret, h = bytes_of("tree reader secret 1"), group.epochs[0][3]
    slots = [{"epoch": 1, "hash": h, "secret": secret}]
    seed, package = key_package("sensor", 1)
    k, derived = group.kept_epochs()[0]
    there = {"epoch": 1, "kept": k, "serial": 1, "kept_psk": derived.kept_psk, "kept_secret": derived.kept_secret}
    moved = {"kept": [there], "base": 2, "path_keys": group.welcome_state(19)["path_keys"], "slots": slots}
    accepted = {"epoch": 1, "hash": h, "secret": secret, "current": 1, "base": 1, "path_keys": state["path_keys"], "slots": slots}
    steps = [{"object": data, "now": NOW, "expect": {"reason": "needs_chunk", "ask_chunk": index}},
             {"object": data, "now": NOW, "chunk": group.chunks[1 - index], "expect": {"reason": "serial"}},
             {"object": data, "now": NOW, "chunk": group.chunks[index], "expect": {"accepted": accepted}},
             {"welcome": group.welcome(7, "sensor", 1, 19), "package": package, "package_seed": seed, "expect": {"moved": moved}}]
    return ({"authority": "@authority", "group": GROUP, "skew": 300, "member": state, "steps": steps},)


def lease_vectors():
    group = Group()
    state = group.welcome_state(17)
    data = group.announce(policy={"lease": 600}, issued_at=NOW)
    h, nonce = wire.sha256(data[:-64]), bytes_of("nonce", 16)
    steps = [{"object": data, "now": NOW, "expect": {"good_until": NOW + 600, "good_until_uptime": None}},
             {"heartbeat": heartbeat(h, 1, NOW + 200), "now": NOW + 200, "expect": {"good_until": NOW + 800, "good_until_uptime": None}},
             {"heartbeat": heartbeat(h, 1, NOW + 200), "now": NOW + 200, "expect": {"known": True}},
             {"heartbeat": heartbeat(h, 2, NOW + 200), "now": NOW + 200, "expect": {"reason": "ahead", "ask_epoch": 2}},
             {"answer": nonce_answer(h, 1, 7, nonce, 500), "nonce": nonce, "made_at": 1000, "expect": {"good_until": NOW + 800, "good_until_uptime": 501000}},
             {"at": NOW + 800, "uptime": None, "expect": {"seal": True, "read": True}}, {"at": NOW + 801, "uptime": None, "expect": {"seal": False, "read": True}},
             {"at": None, "uptime": 501001, "expect": {"seal": False, "read": True}}]
    i = {"authority": "@live", "group": GROUP, "skew": 300, "member": state, "member_number": 7, "steps": steps}
    late = {"answer": nonce_answer(h, 1, 7, nonce), "nonce": bytes(16), "made_at": 0, "expect": {"reason": "nonce"}}
    return [("lease", i), ("lease", {**i, "steps": [steps[0], late]}, None, None, "nonce", 2)]


def join_vectors():
    data, packages, entries = join_request(), package_set("sensor", (1, 2)), audit_log()
    i = join_input(data)
    inside, request = joining.open_join_request(data, DOMAIN, {(1, 0): hpke.derive_key_pair(KEM_SEED)[0]})
    decoded = objects.package_set(packages)
    parsed, heads = audit.heads_of(entries)
    uri = joining.token_uri(joining.token_body(TOKEN))
    return [
        ("join_request", i, {"hash": request.hash, "token": inside["token"], "mac": inside["mac"], "name": "sensor", "request": inside["request"]},
         {"info": inside["info"], "aad": inside["aad"], "plaintext": inside["plaintext"]}),
        ("join_request", {**i, "now": NOW + 3601}, None, None, "token", 2),
        ("package_set", {"bytes": packages, "suite": 1, "domain": DOMAIN, "identity": decoded[0].fields["identity"]},
         {"packages": [{"number": package.fields["number"], "hash": package.hash} for package in decoded]}),
        ("package_life", {"now": NOW, "groups": [{"window": 2, "newest": 10, "generation": 2, "first_epoch": 9, "installed": 1, "installed_package": 1, "removed": False}],
                          "packages": [{"number": number, "set": number, "issued_at": NOW - 61, "not_after": NOW + 86400, "epochs": [made_at]} for number, made_at in ((2, 7), (3, 8))],
                          "refused": None}, {"kept": [3], "due": True, "kept_beside_next": [3]}),
        ("token", {"uri": uri}, TOKEN), ("token", {"uri": uri[:-1]}, None, None, "encoding", 2),
        ("audit_log", {"entries": entries, "known": {"log_size": 2, "log_head": heads[2]}}, {"log_size": len(entries), "log_head": heads[-1], "entries": parsed}),
        ("audit_log", {"entries": entries[1:]}, None, None, "chain", 2),
        ("audit_log", {"pieces": log_pieces(4)}, {"log_size": len(entries), "log_head": heads[-1], "entries": parsed}, None, None, 3),
        ("audit_log", {"pieces": log_pieces(4)[:1]}, None, None, "missing", 4),
        *backup_vectors(),
    ]


def backup_vectors():
    group = Group()
    for _ in range(3):
        group.announce()
    (_, _, first, h1), (_, _, second, h2), (_, _, third, _) = group.epochs
    topic = f"_sealmq/{DOMAIN.hex()}/g/{GROUP.hex()}/a/2"
    own = {"delegation": delegation(), "next_member": 8, "announcements": [first], "log": [], "members": [5]}
    i = {"authority": "@authority", "root_key": ROOT_KEY, "own": own, "seen": [{"topic": topic, "object": second}, {"topic": topic, "object": third}],
         "resume": {"delegation": delegation(2), "log": None}}
    resumed = {"next_member": 7 + 1024, "groups": [{"group": GROUP, "epoch": 2 + 1025, "generation": 1026, "previous": h2}], "removed": [], "unknown": []}
    return [("backup", i, {"evidence": [True, False], "resumed": resumed}),
            ("backup", {**i, "resume": {"delegation": delegation(1), "log": None}}, None, None, "serial", 2)]


def json_of(value, name=None):
    if name == "properties" and isinstance(value, list):
        return [{key: json_of(inner)} for key, inner in value]
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {key: json_of(inner, key) for key, inner in value.items()}
    return [json_of(inner) for inner in value] if isinstance(value, (list, tuple)) else value
