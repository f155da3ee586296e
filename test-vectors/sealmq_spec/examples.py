"""Example files with a vector of every kind, shaped as the generator writes them; the self-test checks the verifier with them."""

import base64

from . import envelope, files, objects, tree, wire
from .wire import Refused
from .world import (AUTHORITY, DOMAIN, GROUP, NOW, ROOT_KEY, Group, bytes_of, credential, delegation, enrolment_request, key_package, reader_input,
                    refused_list, seal_input)


def examples():
    """One file of each sort with a vector of every kind, as the generator writes them."""
    group = Group()
    welcome = group.welcome(7, "sensor", 1, 17)
    state = group.welcome_state(17)
    first, second = group.announce(), group.remove(18)
    _, keys, _, h = group.epochs[0]
    i = seal_input(keys, h, sent_at=NOW * 1000, sequence=4, retain=True, padding={"mode": 1, "bucket": 0}, properties=[("content_type", "text/plain"), ("user", ("unit", "C"))])
    sealed = envelope.seal(i)
    message = {"epoch": 1, "sender": 7, "name": "sensor", "credential_serial": 1, "session_number": NOW, "counter": 0, "sent_at": NOW * 1000, "sequence": 4,
               "retain": True, "will": False, "properties": i["properties"], "payload": b"21.5C"}
    delivery = {"topic": "plant/a/temp", "retained": False, "now_ms": NOW * 1000, "envelope": sealed["envelope"], "expect": {"message": message}}
    replayed = {**delivery, "expect": {"reason": "Replay"}}
    reader = reader_input(keys, h)
    member = tree.Member(AUTHORITY, GROUP, **state)
    steps = []
    for data in (second, first, second):
        try:
            new = member.follow(data, NOW, 300)
            e = objects.Object("announcement", data).fields["epoch"]
            slots = [{"epoch": n, "hash": slot.hash, "secret": slot.secret} for n, slot in sorted(member.slots.items())]
            expect = {"known": True} if not new else {"accepted": {"epoch": e, "hash": member.slots[e].hash, "secret": member.slots[e].secret, "current": member.current, "base": member.base,
                                   "path_keys": list(member.path.values()), "slots": slots}}
        except Refused as refused:
            expect = {"reason": refused.reason, **refused.more}
        steps.append({"object": data, "now": NOW, "expect": expect})
    package_seed, package = key_package("sensor", 1)
    secret_key, info, plaintext, path = tree.open_welcome(AUTHORITY, 7, welcome, package, package_seed)
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
        vector("open", {"reader": "@reader", "deliveries": [delivery]}), vector("open", {"reader": "@reader", "deliveries": [delivery, replayed]}, reason="Replay", n=2),
        vector("gap", {"last": 4, "sequence": 7, "later_session": False}, {"missed": 2, "restart": False}),
        vector("session_number", {"previous": 5, "now": None}, {"session_number": 6}),
    ]
    objs = [("delegation", delegation(), {"root_key": ROOT_KEY, "now": NOW, "skew": 300}), ("credential", credential(7, "sensor"), {"authority": "@authority"}),
            ("key_package", package, {"now": NOW}), ("enrolment_request", enrolment_request("sensor"), {"domain": DOMAIN}),
            ("welcome", welcome, {"authority": "@authority", "member": 7}), ("announcement", second, {"authority": "@authority", "group": GROUP}),
            ("refused_list", refused_list([3, 9]), {"authority": "@authority"})]
    keys_ = []
    for n, (kind, data, context) in enumerate(objs):
        obj = objects.Object(kind, data)
        result = {"hash": obj.hash, "fields": obj.fields, **({"key_id": obj.key_id, "head_hash": obj.head_hash} if kind == "announcement" else {})}
        keys_.append(vector("object", {"expected": kind, "object": data, "context": context}, result, n=n))
    keys_ += [
        vector("object", {"expected": "credential", "object": credential(7, "a b"), "context": {}}, reason="field", n=20),
        vector("derive", {"reader_secret": keys.reader_secret}, {name: value for name, value in vars(derived).items() if name != "reader_secret"}),
        vector("tree", {"tree_secret": group.tree_secret, "depth": 4, "first_epoch": 1,
                        "epochs": [{"epoch_kind": kind, "reader_secret": k.reader_secret, "head_hash": bytes_of("head")} for kind, k, _, _ in group.epochs]},
               {"rows": [{"epoch": 1, "node": 17, "key": group.node_key(17, 1), "wrap_key": wrap, "entry": wire.be(4, 17) + tree.wrap(wrap, keys.reader_secret)},
                         {"epoch": 3, "node": 3, "key": group.node_key(3, 3)}]}),
        vector("hedge", {"device_secret": bytes_of("device"), "rng": bytes_of("rng"), "purpose": 2, "number": 5}, {"seed": seed, "next_device_secret": following}, {"prk": prk}),
        vector("domain", {"root_key": ROOT_KEY}, {"domain": DOMAIN}),
        vector("welcome_open", {"authority": "@authority", "member": 7, "welcome": welcome, "package": package, "package_seed": package_seed},
               {"path": [{"node": node, "key": key} for node, key in path.items()]}, {"secret_key": secret_key, "info": info, "plaintext": plaintext}),
        vector("announcement_follow", {"authority": "@authority", "group": GROUP, "skew": 300, "member": state, "steps": steps}),
        vector("cover", {"depth": 3, "removed": [9, 12]}, {"nodes": tree.healing_cover(3, [9, 12])}),
        vector("topic_match", {"filter": "a/#", "topic": "a"}, {"matches": True}), vector("filter_overlap", {"a": "a/+", "b": "+/b"}, {"overlap": True}),
        vector("name", {"name": "sensor-7"}), vector("varint", {"type": "u64", "bytes": bytes.fromhex("8001")}, {"value": 128}),
        vector("varint", {"type": "u64", "bytes": bytes.fromhex("8000")}, reason="encoding", n=2),
        vector("padding", {"length": 9, "mode": 1, "bucket": 0}, {"padded": 10}),
        vector("reserved_topic", {"what": "announcement", "domain": DOMAIN, "group": GROUP, "epoch": 12}, {"topic": f"_sealmq/{DOMAIN.hex()}/g/{GROUP.hex()}/a/12"}),
        vector("armour", {"text": armoured, "label": "SEALMQ CREDENTIAL"}, {"bytes": file_body, "fields": files.credential_file(file_body)}),
    ]
    head = {"format": 1, "spec": "sealmq/1"}
    return {"envelope": json_of({**head, "fixtures": {"reader": {**reader, "authority": "@authority"}, "authority": AUTHORITY}, "vectors": envelopes}),
            "keys": json_of({**head, "fixtures": {"authority": AUTHORITY}, "vectors": keys_})}


def json_of(value, name=None):
    if name == "properties" and isinstance(value, list):
        return [{key: json_of(inner)} for key, inner in value]
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {key: json_of(inner, key) for key, inner in value.items()}
    return [json_of(inner) for inner in value] if isinstance(value, (list, tuple)) else value
