"""What the two files have to contain: every word of the schema, good and bad. What is missing fails."""

SUITES = ("delegation", "key_package", "enrolment_request", "welcome")


def _words(schema, *path):
    for step in path:
        schema = schema[step]
    return schema["enum"]


def _of_kind(schema, kind):
    """The schema of one kind's `input`."""
    branches = (branch for branch in schema["$defs"]["vector"]["allOf"] if branch["if"]["properties"].get("kind") == {"const": kind})
    return next(branches)["then"]["properties"]["input"]["properties"]


def wanted(schema):
    """Everything that has to occur, as text."""
    both = ("valid", "invalid")
    for expected in _of_kind(schema, "object")["expected"]["enum"]:
        yield from (f"object {expected}, suite 1, {v}" for v in both)
        if expected in SUITES:
            yield from (f"object {expected}, suite 2, {v}" for v in both)
    for kind in ("welcome_open", "join_request", "package_set"):
        yield from (f"{kind}, suite {suite}, {v}" for suite in (1, 2) for v in both)
    for what in _of_kind(schema, "reserved_topic")["what"]["enum"]:
        yield from (f"topic {what}, {v}" for v in both)
    for label in schema["$defs"]["label"]["enum"]:
        yield from (f"armour {label}, {v}" for v in both)
    yield from (f"reason {reason}" for name in ("reason", "openReason") for reason in schema["$defs"][name]["enum"])
    yield from (f"{kind}, {v}" for kind in ("token", "chunk", "refused_chunk", "lease", "audit_log", "backup", "announcement_follow") for v in both)
    yield from (f"purpose {purpose}" for purpose in (1, 2, 3, 4))
    yield from (f"join refusal {reason}" for reason in range(1, 7))
    yield from (f"entry {what}, {v}" for what in ("signed", "enrolled", "removed", "delegation", "generation", "resumed", "two_devices") for v in ("valid",))
    yield from (f"cover {how}, {v}" for how in ("inline", "chunked") for v in ("valid",))
    yield from (f"step {word}" for word in ("accepted", "known", "moved", "replaced", "reason", "good_until", "seal", "message", "record"))


def found(vectors):
    """What occurs, in the same words."""
    for vector in vectors:
        kind, i = vector["kind"], vector["input"]
        validity = "valid" if vector["valid"] else "invalid"
        if not vector["valid"]:
            yield f"reason {vector['reason']}"
        for step in i.get("steps", []) + i.get("deliveries", []):
            yield from (f"step {word}" for word in step["expect"])
            if "reason" in step["expect"]:
                yield f"reason {step['expect']['reason']}"
        yield f"{kind}, {validity}"
        if kind == "object":
            suite = 2 if i["object"][:2] == "12" or i["context"].get("suite") == 2 else 1
            yield f"object {i['expected']}, suite {suite}, {validity}"
            fields = vector.get("result", {}).get("fields", {})
            yield from (f"join refusal {fields['reason']}" for _ in (1,) if i["expected"] == "join_refusal" and fields)
            yield from (f"cover {how}, valid" for cover in fields.get("covers", []) for how in cover)
        elif kind in ("welcome_open", "join_request", "package_set"):
            yield f"{kind}, suite {i.get('suite', 1)}, {validity}"
        elif kind == "reserved_topic":
            # A wrong name is none of them: its id says which one it is meant to look like.
            for what in [i["what"]] if "what" in i else ["_".join(vector["id"].split("-")[1:n]) for n in (2, 3)]:
                yield f"topic {what}, {validity}"
        elif kind == "armour":
            yield f"armour {i['label']}, {validity}"
        elif kind == "hedge" and vector["valid"]:
            yield f"purpose {i['purpose']}"
        elif kind == "audit_log" and vector["valid"]:
            yield from (f"entry {what}, valid" for entry in vector["result"]["entries"] for what in entry["what"])


def missing(schema, vectors):
    there = set(found(vectors))
    return [what for what in dict.fromkeys(wanted(schema)) if what not in there]
