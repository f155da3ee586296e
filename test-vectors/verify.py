#!/usr/bin/env python3
"""Checks envelope.json and keys.json against sealmq_spec/, which was written from spec/ alone.

    verify.py [FILE…]      default: both files beside this program. Exit code 1 on any disagreement.
    verify.py --self-test  checks the Python code itself: RFC 9180 vectors, round trips, bit flips.
"""

import json
import pathlib
import sys
from collections import Counter

from sealmq_spec import audit, backup, coverage, devices, envelope, hpke, joining, kept, objects, packages, places, topics, tree, validity, xwing
from sealmq_spec.files import FIELDS, differences, resolve, schema_faults, to_python, unarmour
from sealmq_spec.reader import Reader
from sealmq_spec.wire import Cursor, Refused, require

HERE = pathlib.Path(__file__).resolve().parent


FRAMING_ONLY = object()  # a result: all that this machine could check is right


class Disagreement(Exception):
    pass


def agree(want, got, path):
    found = list(differences(want, got, path))
    if found:
        raise Disagreement("; ".join(found[:3]))


# --- one function per kind: from `input` to everything that the vector may state. Raises Refused. ---

def open_(i):
    reader = Reader(**{**i["reader"], **i.get("with", {})})
    for n, delivery in enumerate(i["deliveries"]):
        refused = None
        try:
            if "record_of" in delivery:
                record = reader.record(delivery["record_of"], delivery["topic"], delivery["now_ms"], delivery["envelope"])
                agree(delivery["expect"], {"record": record}, f"deliveries.{n}.expect")
                continue
            message, plaintext = reader.open(delivery["topic"], delivery["retained"], delivery["now_ms"], delivery["envelope"])
            got = {"message": message}
            if "plaintext" in delivery:
                agree(delivery["plaintext"], plaintext, "plaintext")
        except Refused as fault:
            refused, got = fault, {"reason": fault.reason}
        agree(delivery["expect"], got, f"deliveries.{n}.expect")
    if refused:
        raise refused
    return {}


def gap(i):
    missed, restart = envelope.gap(i["last"], i["sequence"], i["later_session"])
    return {"missed": missed, "restart": restart}


def derive(i):
    return vars(tree.GroupKeys(i["reader_secret"]))


def tree_(i):
    """Computes every row that the vector asks for: see `run`."""
    def row(asked):
        node, epoch, first = asked["node"], asked["epoch"], i["first_epoch"]
        key = tree.first_key(i["tree_secret"], node)
        for before in i["epochs"][:epoch - first]:
            keys = tree.GroupKeys(before["reader_secret"])
            heal = (keys.heal_r if tree.half(node) == 2 else keys.heal_w) if before["epoch_kind"] == tree.HEALING else None
            key = tree.next_key(key, heal)
        out = {"epoch": epoch, "node": node, "key": key}
        if epoch - first < len(i["epochs"]):
            now = i["epochs"][epoch - first]
            keys = tree.GroupKeys(now["reader_secret"])
            out["wrap_key"] = tree.wrap_key(key, node, now["head_hash"])
            out["entry"] = node.to_bytes(4, "big") + tree.wrap(out["wrap_key"], keys.reader_secret if tree.half(node) == 2 else keys.psk)
        return {name: out[name] for name in asked if name in out}

    def rows(result):
        return {"rows": [row(asked) for asked in result["rows"]]}
    return rows


def hedge(i):
    prk, seed, following = envelope.hedge(i["device_secret"], i["rng"], i["purpose"], i["number"], i.get("change"))
    return {"prk": prk, "seed": seed, "next_device_secret": following}


def object_(i):
    context = {"named_hash" if name == "hash" else name: value for name, value in i["context"].items()}
    obj = objects.check(i["expected"], i["object"], **context)
    return {**vars(obj), "fields": obj.fields}


def welcome_open(i):
    if i.get("suite") == 2 and not xwing.available:
        tree.check_welcome(i["authority"], i["member"], i["welcome"], i["package"], i.get("installed"), 2)
        return FRAMING_ONLY
    secret_key, info, aad, plaintext, path, brought = tree.open_welcome(**i)
    path = [{"node": node, "key": key} for node, key in path.items()]
    return {"secret_key": secret_key, "info": info, "aad": aad, "plaintext": plaintext, "path": path, "kept": brought}


def announcement_follow(i):
    member = tree.Member(i["authority"], i["group"], **i["member"])

    def slots():
        return [{"epoch": e, "hash": slot.hash, "secret": slot.secret} for e, slot in sorted(member.slots.items())]

    def asked(state, stated, *optional):
        return {name: value for name, value in state.items() if name not in optional or name in stated}

    for n, step in enumerate(i["steps"]):
        refused = None
        try:
            if "welcome" in step:
                if "authority" in step:
                    member.take_delegation(step["authority"])
                *_, path, brought = tree.open_welcome(member.authority, None, step["welcome"], step["package"], step["package_seed"])
                replaced = member.install(objects.Object("welcome", step["welcome"]).fields, path.values(), brought)
                word = "replaced" if replaced else "moved"
                state = {"base": member.base, "path_keys": list(member.path.values()), "slots": slots(), "kept": member.kept.state()}
                got = {word: asked(state, step["expect"].get(word, {}), "kept")}
            elif "kept_keys" in step:
                got = {"kept": member.kept.state()} if member.take_kept_keys(step["kept_keys"]) else {"known": True}
            elif "authority" in step:
                got = {"kept": member.kept.state()} if member.take_delegation(step["authority"]) else {"known": True}
            elif member.follow(step["object"], step["now"], i["skew"], AnyChunk(step)):
                h = objects.Object("announcement", step["object"])
                got = {"accepted": {
                    "epoch": h.fields["epoch"], "hash": h.hash, "secret": member.slots[h.fields["epoch"]].secret,
                    "current": member.current, "base": member.base, "path_keys": list(member.path.values()), "slots": slots(), "kept": member.kept.state()}}
                got["accepted"] = asked(got["accepted"], step["expect"].get("accepted", {}), "path_keys", "slots", "kept")
            else:
                got = {"known": True}
        except Refused as fault:
            refused, got = fault, {"reason": fault.reason, **fault.more}
        agree(step["expect"], got, f"steps.{n}.expect")
    if refused:
        raise refused
    return {}


def kept_chain(i):
    """Whether it opens is the result, not a reason: what is behind an entry that does not open stays shut."""
    ring = kept.Ring(i["authority"], True)
    ring.policy = i["policy_kept"]
    for key in i["known"]:
        ring.take(kept.Kept(key["epoch"], key["kept"], key["kept_psk"], i["authority"]["serial"], key["kept_secret"]))
    obj = objects.check("kept_keys", i["object"], authority=i["authority"], group=i["group"])
    before = {key.k for key in ring.keys}
    ring.go_back(obj)
    keys = [{"epoch": key.epoch, "kept": key.k, "kept_name": kept.name_of(key.k), "kept_secret": key.secret, "kept_psk": key.psk, "kept_key": key.public}
            for key in ring.keys if key.k not in before]
    following = zip(ring.keys, ring.keys[1:])
    return {"opened": keys, "chain_keys": [kept.chain_key(newer.secret, newer.k, older.k) for newer, older in following if older.k not in before]}


def connections(i):
    """What a sender writes into `connection`, and the numbers of its wills and sessions."""
    sender = places.Sender(i["previous"])
    for n, step in enumerate(i["steps"]):
        if "connect" in step:
            will = sender.connect(step["connect"]["will"], step["now"])
            got = {"will": will, "connection": sender.connection}
        elif "session" in step:
            got = {"session_number": sender.session(step["now"])}
        else:
            sender.renew()
            got = {"connection": sender.connection}
        agree(step["expect"], got, f"steps.{n}.expect")
    return {}


class AnyChunk(dict):
    """The contents of whichever chunk topic is asked for: a step has the one that the member needs, or none."""

    def __init__(self, step):
        self.chunk = step.get("chunk")

    def __contains__(self, number):
        return self.chunk is not None

    def __getitem__(self, number):
        return self.chunk


def lease(i):
    steps, delegation_not_after = i.pop("steps"), i.pop("delegation_not_after", None)
    state = validity.Lease(**i)
    last = None
    for n, step in enumerate(steps):
        refused = None
        try:
            if "expect" in step and "seal" in step["expect"]:
                taken = {name: step[name] for name in ("successor", "successor_not_after") if name in step}
                agree(step["expect"], state.may(step["at"], step["uptime"], delegation_not_after, **taken), f"steps.{n}.expect")
                continue
            if "object" in step:
                new = state.announce(step["object"], step["now"], AnyChunk(step))
            elif "heartbeat" in step:
                new = state.heartbeat(step["heartbeat"], step["now"])
            else:
                new = state.answer(step["answer"], step["nonce"], step["made_at"])
            got = state.state() if new else {"known": True}
        except Refused as fault:
            refused, got = fault, {"reason": fault.reason, **fault.more}
        agree(step["expect"], got, f"steps.{n}.expect")
        last = refused
    if last:
        raise last
    return {}


def package_set(i):
    return {"packages": [{"number": package.fields["number"], "hash": package.hash} for package in objects.package_set(i.pop("bytes"), **i)]}


def token(i):
    fields = joining.token(i["uri"])
    return {name: value for name, value in fields.items() if name != "version"}


def join_request(i):
    if i["suite"] == 2 and not xwing.available:
        outside = joining.join_request(i["bytes"], 2)
        require((outside["serial"], outside["key"]) in [(key["serial"], key["key"]) for key in i["keys"]], "role")
        return FRAMING_ONLY
    keys = {(key["serial"], key["key"]): hpke.key_pair_of_suite(i["suite"], key["seed"])[0] for key in i["keys"]}
    inside, request = joining.open_join_request(i["bytes"], i["domain"], keys, i["suite"])
    require(joining.fingerprint(request.fields["key"]) == i["fingerprint"], "recipient", "on the topic of another key")
    joining.check_token(inside, request, i["tokens"], i["now"])
    return {**inside, "token": inside["token"] if any(inside["token"]) else None, "hash": request.hash, "name": request.fields["name"]}


def refused_chunk(i):
    f = objects.check("refused_list", i["list"], authority=i["authority"]).fields
    lowest = lambda entries: next((e["lowest_serial"] for e in entries if e["member"] == i["member"]), 0)
    index = objects.refused_chunk_for(f["chunks"], i["member"])
    if index is None:
        return {"lowest_serial": lowest(f["entries"])}
    return {"first": f["chunks"][index]["first"], "lowest_serial": lowest(objects.read_refused_chunk(f["chunks"], index, i["chunk"]))}


def chunk(i):
    announcement = objects.check("announcement", i["announcement"], authority=i["authority"])
    f, before = announcement.fields, 0
    for generation, cover in zip(f["generations"], f["covers"]):
        chunks = cover.get("chunked", [])
        if generation["number"] == i["generation"]:
            break
        before += len(chunks)
    index = objects.chunk_for(chunks, i["leaf"])
    require(index is not None, "not_covered")
    entries = objects.read_chunk(chunks, index, generation["depth"], i["chunk"])
    mine = next((entry for entry in entries if entry["node"] in tree.path_of(i["leaf"])), None)
    require(mine and mine["node"] == i["node_key"]["node"], "not_covered")
    key = tree.wrap_key(i["node_key"]["key"], mine["node"], announcement.head_hash)
    secret = tree.unwrap(key, mine["wrapped"] + mine["tag"])
    require(secret, "wrong_secret")
    return {"number": before + index, "first_leaf": chunks[index]["first_leaf"], "nodes": [entry["node"] for entry in entries], "secret": secret}


def audit_log(i):
    entries, heads = audit.heads_of(audit.together([audit.piece(one) for one in i["pieces"]]) if "pieces" in i else i["entries"])
    if "known" in i:
        audit.require_continues(heads, **i["known"])
    return {"log_size": len(entries), "log_head": heads[-1], "entries": entries}


def backup_(i):
    restored = backup.Restored(i["authority"], i["root_key"], i["own"])
    result = {"evidence": [restored.is_evidence(seen["topic"], seen["object"]) for seen in i["seen"]]}
    return {**result, "resumed": restored.resume(**i["resume"])} if "resume" in i else result


def topic_match(i):
    require(topics.is_filter(i["filter"]) and topics.is_topic(i["topic"]), "field")
    return {"matches": topics.matches(i["filter"], i["topic"])}


def filter_overlap(i):
    require(topics.is_filter(i["a"]) and topics.is_filter(i["b"]), "field")
    return {"overlap": topics.overlap(i["a"], i["b"])}


def name(i):
    require(topics.is_name(i["name"]), "field")
    return {}


def varint(i):
    cursor = Cursor(i["bytes"])
    value = cursor.varint({"u16": 16, "u32": 32, "u64": 64}[i["type"]])
    cursor.end()
    return {"value": value}


def reserved_topic(i):
    if "topic" in i:
        return topics.read_reserved(**i)
    topic = topics.reserved(**i)
    again = topics.read_reserved(topic, i["domain"], i.get("prefix"))
    agree({name: value for name, value in i.items() if name not in ("domain", "prefix")}, again, "read back")
    return {"topic": topic, "at_most": topics.AT_MOST[i["what"]]}


def armour(i):
    data = unarmour(i["text"], i["label"])
    return {"bytes": data, **({"fields": FIELDS[i["label"]](data)} if i["label"] in FIELDS else {})}


KINDS = {
    "envelope": {
        "seal": envelope.seal, "open": open_, "gap": gap, "two_devices": lambda i: {"signs": devices.signs(i["messages"])},
        "session_number": lambda i: {"session_number": envelope.session_number(i["previous"], i["now"])}, "connections": connections,
    },
    "keys": {
        "derive": derive, "tree": tree_, "hedge": hedge, "domain": lambda i: {"domain": objects.domain_of(i["root_key"])},
        "fingerprint": lambda i: {"fingerprint": joining.fingerprint(i["key"]), "shown": joining.shown(i["key"])},
        "object": object_, "welcome_open": welcome_open, "announcement_follow": announcement_follow, "kept_chain": kept_chain,
        "cover": lambda i: {"nodes": tree.healing_cover(i["depth"], i["removed"])},
        "topic_match": topic_match, "filter_overlap": filter_overlap, "name": name, "varint": varint,
        "padding": lambda i: {"padded": envelope.padded_length(i["length"], i["mode"], i["bucket"])},
        "package_set": package_set, "package_life": lambda i: packages.life(**i), "token": token, "join_request": join_request, "chunk": chunk, "refused_chunk": refused_chunk, "lease": lease, "audit_log": audit_log, "backup": backup_,
        "reserved_topic": reserved_topic, "armour": armour,
    },
}


# --- running ---

def values_of(vector):
    return to_python({name: vector.get(name, {}) for name in ("input", "intermediate", "result")})


def run(check, vector):
    compare(check, vector, values_of(vector))


def compare(check, vector, want):
    """Raises Disagreement unless the vector and the Python code say the same."""
    try:
        got = check(want["input"])
        if callable(got):
            got = got(want["result"])
    except Refused as refused:
        if vector["valid"]:
            raise Disagreement(f"refused here: {refused}") from None
        if refused.reason != vector["reason"]:
            raise Disagreement(f"the vector says {vector['reason']}, here it is {refused}") from None
        return
    if got is FRAMING_ONLY:
        return
    if not vector["valid"]:
        raise Disagreement(f"should be refused as {vector['reason']}")
    agree(want["intermediate"], got, "intermediate")
    agree(want["result"], got, "result")


def verify(data, kinds, schema):
    """Checks one file. Returns (vectors per kind and validity, faults)."""
    counts, used, ids, inputs = Counter(), set(), set(), {}
    faults = list(schema_faults({**schema, "properties": {**schema["properties"], "vectors": {"type": "array"}}}, data, schema))
    if faults:
        return counts, faults
    vectors = data["vectors"]
    for vector in vectors:
        identity = vector.get("id", "?")
        kind = vector.get("kind")
        if kind not in kinds:
            faults.append(f"{identity}: unknown kind {kind!r} in this file")
            continue
        shape = list(schema_faults(schema["$defs"]["vector"], vector, schema))
        if shape:
            faults.append(f"{identity}: schema: {'; '.join(shape[:3])}")
            continue
        if identity in ids:
            faults.append(f"{identity}: the id is used twice")
        ids.add(identity)
        try:
            vector = resolve(vector, data.get("fixtures", {}), used)
            twin = inputs.setdefault(json.dumps([kind, vector["input"]], sort_keys=True), identity)
            if twin != identity:
                faults.append(f"{identity}: the same input as {twin}")
            run(kinds[kind], vector)
        except Exception as fault:  # whatever happens to one vector, the others are checked too
            what = "" if isinstance(fault, Disagreement) else type(fault).__name__ + ": "
            faults.append(f"{identity}: {what}{fault}")
        counts[kind, vector["valid"]] += 1
    if not vectors:
        faults.append("no vectors")
    faults += [f"no vector of kind {kind}" for kind in kinds if not counts[kind, True] + counts[kind, False]]
    faults += [f"fixture {name} is not used" for name in data.get("fixtures", {}) if name not in used]
    return counts, faults


def verify_file(path, schema):
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        print(f"{path.name}: FAULT cannot be read: {fault}")
        return False
    stem = "keys" if "keys" in path.name else "envelope"
    counts, faults = verify(data, KINDS[stem], schema)
    print(f"{path.name}: {sum(counts.values())} vectors")
    for kind in KINDS[stem]:
        print(f"  {kind:<20} {counts[kind, True]:>4} valid  {counts[kind, False]:>4} invalid")
    for fault in faults:
        print(f"  FAULT {fault}")
    return not faults


def main(arguments):
    if arguments == ["--self-test"]:
        from sealmq_spec import selftest
        return selftest.main()
    schema = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
    paths = [pathlib.Path(argument) for argument in arguments] or [HERE / "envelope.json", HERE / "keys.json"]
    if not xwing.available:
        print("This `cryptography` has no ML-KEM: of suite 2 only sizes, framing and signatures are checked.")
    agreed = [verify_file(path, schema) for path in paths]
    return 0 if all(agreed) and (arguments or all_there(paths, schema)) else 1


def all_there(paths, schema):
    """Whether the two files together have everything that there is, good and bad."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    vectors = [resolve(vector, data.get("fixtures", {}), set()) for data in files for vector in data["vectors"]]
    missing = coverage.missing(schema, vectors)
    for what in missing:
        print(f"FAULT no vector: {what}")
    return not missing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
