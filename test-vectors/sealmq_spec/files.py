"""The vector files: JSON values to Python values, the schema, and armoured texts (README.md, keys.md §11)."""

import base64
import binascii
import re

from . import audit, topics
from .wire import Cursor, require

TEXTS = {"topic", "filter", "filters", "name", "a", "b", "prefix", "content_type", "response_topic", "user", "publish_filter", "uri", "broker"}
WORDS = {"signs", "type", "expected", "what", "label", "reason", "text", "shown"}


def resolve(value, fixtures, used):
    """Replaces each `@name` by the fixture of that name."""
    if isinstance(value, str) and value.startswith("@"):
        used.add(value[1:])
        return resolve(fixtures[value[1:]], fixtures, used)
    if isinstance(value, list):
        return [resolve(item, fixtures, used) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, fixtures, used) for key, item in value.items()}
    return value


def to_python(value, name=None):
    """Hex to bytes, texts to str, property objects to (name, value)."""
    if name == "properties" and isinstance(value, list):
        return [(key, tuple(inner) if key == "user" else inner) for item in value for key, inner in to_python(item).items()]
    if isinstance(value, str):
        return value if name in TEXTS | WORDS else bytes.fromhex(value)
    if isinstance(value, list):
        return [to_python(item, name) for item in value]
    if isinstance(value, dict) and name in TEXTS:
        return bytes.fromhex(value["hex"]).decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {key: to_python(item, key) for key, item in value.items()}
    return value


def differences(want, got, path):
    """Where two values differ. Of two objects, only the members of `want` count at the top."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in want:
            if key not in got:
                yield f"{path}.{key}: not computed"
            else:
                yield from differences(want[key], got[key], f"{path}.{key}")
        if "." in path:
            yield from (f"{path}.{key}: missing in the vector" for key in got if key not in want)
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for i, (one, other) in enumerate(zip(want, got)):
            yield from differences(one, other, f"{path}.{i}")
    elif want != got or type(want) is not type(got):
        yield f"{path}: the vector has {_show(want)}, computed {_show(got)}"


def _show(value):
    return value.hex() if isinstance(value, bytes) else repr(value)


# --- JSON Schema, as far as schema.json uses it ---

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def schema_faults(schema, value, root, path="$"):
    """The places where `value` does not fit `schema`."""
    if schema is True or schema == {}:
        return
    if schema is False:
        yield f"{path}: not allowed here"
        return
    if "$ref" in schema:
        yield from schema_faults(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root, path)
    kind = schema.get("type")
    if kind == "integer":
        if type(value) is not int or not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{path}: not an integer in range"
            return
    elif kind and type(value) is not TYPES[kind]:
        yield f"{path}: not of type {kind}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{path}: not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), value):
            yield f"{path}: {value[:40]!r} does not match"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path}: wrong number of items"
        for i, item in enumerate(value):
            yield from schema_faults(schema.get("items", True), item, root, f"{path}.{i}")
    if isinstance(value, dict):
        yield from (f"{path}: lacks {key}" for key in schema.get("required", []) if key not in value)
        named = schema.get("properties", {})
        for key, item in value.items():
            yield from schema_faults(named.get(key, schema.get("additionalProperties", True)), item, root, f"{path}.{key}")
            yield from schema_faults(schema.get("propertyNames", True), key, root, f"{path}.{key}")
    for inner in schema.get("allOf", []):
        yield from schema_faults(inner, value, root, path)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            fits = sum(not list(schema_faults(inner, value, root, path)) for inner in schema[word])
            if fits == 0 or (word == "oneOf" and fits > 1):
                yield f"{path}: fits {fits} of the forms allowed"
    if "if" in schema:
        holds = not list(schema_faults(schema["if"], value, root, path))
        yield from schema_faults(schema.get("then" if holds else "else", True), value, root, path)


# --- armour (RFC 7468) ---

def unarmour(text, label):
    found = re.fullmatch(rf"\s*-----BEGIN {label}-----\r?\n([A-Za-z0-9+/=\r\n]*)-----END {label}-----\s*", text)
    require(found, "encoding", "no armour of this label")
    try:
        return base64.b64decode(re.sub(r"\s", "", found[1]), validate=True)
    except binascii.Error:
        require(False, "encoding", "base64")


def credential_file(data):
    c = Cursor(data)
    fields = {"root_key": c.take(32), "prefix": c.text(), "delegation": c.blob(), "credential": c.blob()}
    c.end()
    require(topics.is_prefix(fields["prefix"]), "encoding", "prefix")
    return fields


def delegation_request(data):
    c = Cursor(data)
    fields = {"domain": c.take(16), "suite": c.u8(), "keys": c.list(lambda e: {"key": e.take(32), "roles": e.u8()}),
              "kem_keys": c.list(lambda e: {"kem": e.u16(), "key": e.blob()})}
    c.end()
    require(fields["suite"] in (1, 2), "encoding", "suite")
    require(1 <= len(fields["keys"]) <= 8 and all(entry["roles"] < 8 for entry in fields["keys"]), "encoding", "keys")
    require(len(fields["kem_keys"]) <= 4, "encoding", "kem_keys")
    return fields


def audit_log(data):
    entries = audit.log_file(data)
    require(all(1 <= len(entry) <= audit.MAX_ENTRY for entry in entries), "encoding", "length of an entry")
    return {"entries": entries}


FIELDS = {"SEALMQ CREDENTIAL": credential_file, "SEALMQ DELEGATION REQUEST": delegation_request, "SEALMQ AUDIT LOG": audit_log, "SEALMQ AUDIT LOG PIECE": audit.piece}
