"""The envelope: plaintext, properties, padding, sessions and sealing (envelope.md §3–§8)."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke, kept, topics, tree
from .wire import Cursor, Refused, be, blob, expand, extract, require, sha256, sign, signed_bytes, utf8, varint

FORM, SUITE = 0x11, 1
MAX_COUNTER = 2**21 - 1
SMALLEST = 130
SHORT_FORM, SMALLEST_SHORT = 0x91, 91  # §12
SENT_AT, SEQUENCE, PROPERTIES, CREDENTIAL, PADDED, RETAIN, WILL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
LABEL = "sealmq/1 message"
LIMITS = {"sender": 2**28, "hint": 128, "session_number": 2**35, "sent_at": 2**42, "sequence": 2**21, "connection": 2**35}
BY_ID = {0x01: "payload_format", 0x02: "message_expiry", 0x03: "content_type", 0x08: "response_topic", 0x09: "correlation_data", 0x26: "user"}
IDS = {name: number for number, name in BY_ID.items()}


# --- protected properties (§5): a list of (name, value) ---

def encode_properties(properties):
    out = b""
    for name, value in properties:
        out += be(1, IDS[name])
        if name == "payload_format":
            out += be(1, value)
        elif name == "message_expiry":
            out += be(4, value)
        else:
            for part in value if name == "user" else [value]:
                part = part if isinstance(part, bytes) else part.encode()
                require(len(part) < 65536, "field", "string above 65535 bytes")
                out += be(2, len(part)) + part
    return out


def decode_properties(data, has_sent_at):
    require(1 <= len(data) <= 16384, "field", "1 to 16384 bytes of properties")
    cursor, out, last = Cursor(data), [], 0
    while cursor.left():
        number = cursor.u8()
        require(number in BY_ID, "field", "unknown property")
        require(number > last or number == last == IDS["user"], "field", "property order")
        last, name = number, BY_ID[number]
        if name == "payload_format":
            value = cursor.u8()
            require(value <= 1, "field", "payload format indicator")
        elif name == "message_expiry":
            value = cursor.be(4)
            require(has_sent_at, "field", "message expiry without sent_at")
        elif name == "correlation_data":
            value = cursor.take(cursor.be(2))
        elif name == "user":
            value = (_string(cursor), _string(cursor))
        else:
            value = _string(cursor)
            require(name != "response_topic" or topics.is_topic(value), "field", "response topic")
        out.append((name, value))
    return out


def _string(cursor):
    text = utf8(cursor.take(cursor.be(2)))
    require("\0" not in text, "field", "U+0000")
    return text


# --- padding (§4) ---

def padded_length(length, mode, bucket):
    if mode == 1 and length > 2:
        e = length.bit_length() - 1
        s = e.bit_length()
        mask = (1 << e - s) - 1 if e >= s else 0
        return (length + mask) & ~mask
    if mode == 2:
        return -(-length // bucket) * bucket
    return length


# --- body (§4): a dict with the names of the spec ---

def is_state(m):
    """What the broker keeps; all other messages are events (§7)."""
    return bool(m.get("retain") or m.get("will"))


def has_connection(m):
    return bool(m.get("retain") and not m.get("will"))


def session_age(m):
    """What the short form says of sent_at (§12)."""
    age = m["sent_at"] - 1000 * m["session_number"] + 2**31
    require(0 <= age < 2**32, "field", "sent_at is too far from the session's number")
    return age


def encode_body(m, padding_mode=0, bucket=0):
    flags = (
        (SENT_AT if m.get("sent_at") is not None else 0) | (SEQUENCE if m.get("sequence") is not None else 0)
        | (PROPERTIES if m.get("properties") else 0) | (CREDENTIAL if m.get("credential") else 0)
        | (PADDED if padding_mode else 0) | (RETAIN if m.get("retain") else 0) | (WILL if m.get("will") else 0))
    body = be(1, flags)
    if not m.get("short"):
        body += varint(m["sender"]) + be(1, m["credential_serial"] % 128) + varint(m["session_number"])
    if flags & SENT_AT:
        body += be(4, session_age(m)) if m.get("short") else varint(m["sent_at"])
    if flags & SEQUENCE:
        body += varint(m["sequence"])
    if has_connection(m):
        body += varint(m["connection"])
    if flags & CREDENTIAL:
        body += blob(m["credential"])
    if flags & PROPERTIES:
        body += blob(encode_properties(m["properties"]))
    body += blob(m["payload"]) if flags & PADDED else m["payload"]
    return body.ljust(padded_length(len(body), padding_mode, bucket), b"\0")


def decode_body(body, session=None):
    """`session`: in the short form (§12), what is known of its session: sender, hint, session_number."""
    c = Cursor(body)
    flags = c.u8()
    require(not flags & 0x80, "field", "unknown flag")
    m = {"retain": bool(flags & RETAIN), "will": bool(flags & WILL)}
    if session:
        require(not flags & (CREDENTIAL | RETAIN | WILL), "field", "state, or a credential, in the short form")
        m.update(session)
    names = ["sender", "hint", "session_number"] * (session is None) + ["sent_at"] * bool(flags & SENT_AT) + ["sequence"] * bool(flags & SEQUENCE) + ["connection"] * has_connection(m)
    for name in names:
        if session and name == "sent_at":
            m[name] = 1000 * m["session_number"] + c.be(4) - 2**31
        else:
            m[name] = c.u8() if name == "hint" else c.u64()
        require(0 <= m[name] < LIMITS[name], "field", name)
    require(m["sender"] >= 1, "field", "sender")
    require(flags & CREDENTIAL or not is_state(m), "field", "state without its credential")
    if flags & CREDENTIAL:
        m["credential"] = c.blob()
        require(len(m["credential"]) <= 4096, "field", "credential above 4096 bytes")
    if flags & PROPERTIES:
        m["properties"] = decode_properties(c.blob(), "sent_at" in m)
    m["payload"] = c.take(c.u64() if flags & PADDED else c.left())
    require(not any(c.take(c.left())), "field", "padding is not zero")
    return m


# --- header (§3, §12) ---

def encode_short_header(tag, counter):
    return be(1, SHORT_FORM) + tag + varint(counter)


def decode_short_header(envelope):
    """(session tag, counter, length of the header)"""
    require(len(envelope) >= SMALLEST_SHORT, "Malformed", "too short")
    c = Cursor(envelope)
    c.take(1)
    try:
        tag, counter = c.take(8), c.varint()
    except Refused as refused:
        raise Refused("Malformed", str(refused)) from None
    require(counter <= MAX_COUNTER, "Malformed", "counter")
    return tag, counter, c.at


def encode_header(key_id, enc, mac, counter):
    return be(1, FORM) + key_id + enc + mac + varint(counter)


def decode_header(envelope):
    """(key_id, enc, mac, counter, length of the header), or Refused with a reason of §10."""
    if envelope[:1] in (b"\x12", b"\x92"):
        raise Refused("Unsupported", "reserved form")
    require(envelope and envelope[0] == FORM, "NotSealed", "empty, or not a form of §3")
    require(len(envelope) >= SMALLEST, "Malformed", "too short")
    c = Cursor(envelope)
    c.take(1)
    try:
        key_id, enc, mac, counter = c.take(8), c.take(32), c.take(4), c.varint()
    except Refused as refused:
        raise Refused("Malformed", str(refused)) from None
    require(counter <= MAX_COUNTER, "Malformed", "counter")
    return key_id, enc, mac, counter, c.at


# --- sessions (§6) ---

def hedge(device_secret, rng, purpose, number, change=None):
    """(prk, seed, next device secret)"""
    require(any(rng), "rng", "32 zero bytes")
    if change is not None:  # what an authority draws: keys.md §6
        rng = rng + be(4, change["serial"]) + be(8, change["at"]) + change["log_head"]
    prk = extract(device_secret, rng)
    tail = be(1, purpose) + be(8, number)
    return prk, expand(prk, b"sealmq/1 hedge seed" + tail), expand(prk, b"sealmq/1 hedge next" + tail)


def session_number(previous, now):
    return max(previous + 1, now or 0)


def session_info(h):
    """`h` is H of an epoch, or K' for state."""
    return b"sealmq/1 session" + h


def session_keys(context):
    return context.export(b"sealmq/1 message key", 32), context.export(b"sealmq/1 base nonce", 12)


def session_mac(psk, enc):
    """Shows that a member made enc; `psk` is that of an epoch, or kept_psk."""
    return expand(psk, b"sealmq/1 session mac" + enc)[:4]


def session_tag(psk, enc, sender):
    """Names the session of a sender in the short form (§12)."""
    return expand(psk, b"sealmq/1 session tag" + enc + be(4, sender))[:8]


def nonce(base_nonce, counter):
    return bytes(a ^ b for a, b in zip(base_nonce, bytes(4) + be(8, counter)))


def transcript(h, enc, counter, topic_hash, credential_hash, body, short_number=None):
    """`short_number`: the session number, in the short form (§12)."""
    first, number = (SUITE, b"") if short_number is None else (SUITE + 0x80, be(8, short_number))
    return be(1, first) + h + enc + be(8, counter) + topic_hash + credential_hash + number + be(8, len(body)) + body


# --- sealing (§7) ---

def seal(i):
    """From the inputs of a `seal` vector to all its intermediate values and the envelope."""
    _require_sealable(i)
    prk, seed, next_secret = hedge(i["device_secret"], i["rng"], 1, i["session_number"])
    topic_hash = sha256(i["topic"].encode())
    if is_state(i):
        h, public, psk = kept.name_of(i["kept"]), i["kept_key"], i["kept_psk"]
        named = {"kept_name": h}
    else:
        h, public, psk = i["announcement_hash"], i["group_key"], i["psk"]
        named = {}
    session_psk = tree.session_psk(psk)
    enc, context = hpke.setup_sender(seed, public, session_info(h), session_psk, h)
    mac = session_mac(psk, enc)
    message_key, base_nonce = session_keys(context)
    header, short_number = encode_header(h[:8], enc, mac, i["counter"]), None
    if i.get("short"):
        named["session_tag"] = session_tag(psk, enc, i["sender"])
        header, short_number = encode_short_header(named["session_tag"], i["counter"]), i["session_number"]
    body = encode_body(i, i["padding"]["mode"], i["padding"]["bucket"])
    signed = transcript(h, enc, i["counter"], topic_hash, i["credential_hash"], body, short_number)
    signature = sign(i["identity_seed"], LABEL, sha256(signed))
    n, aad = nonce(base_nonce, i["counter"]), header + topic_hash
    out = {
        "prk": prk, "seed": seed, "next_device_secret": next_secret, **named, "session_psk": session_psk, "enc": enc, "mac": mac, "message_key": message_key, "base_nonce": base_nonce,
        "nonce": n, "header": header, "topic_hash": topic_hash, "aad": aad, "body": body, "transcript": signed, "transcript_hash": sha256(signed),
        "signature_input": signed_bytes(LABEL, sha256(signed)), "signature": signature,
        "envelope": header + AESGCM(message_key).encrypt(n, body + signature, aad),
    }
    if i.get("properties"):
        out["properties"] = encode_properties(i["properties"])
    return out


def _require_sealable(i):
    require(i["counter"] <= MAX_COUNTER, "field", "counter")
    for name, limit in LIMITS.items():
        require((i.get(name) or 0) < limit, "field", name)
    require(i["sender"] >= 1, "field", "sender")
    require(topics.is_topic(i["topic"]), "field", "topic")
    require(len(i.get("credential") or b"") <= 4096, "field", "credential above 4096 bytes")
    require(is_state(i) == ("kept" in i), "field", "state under the keys of an epoch, or an event under kept keys")
    require(i.get("credential") or not is_state(i), "field", "state without its credential")
    require(has_connection(i) == ("connection" in i), "field", "connection")
    require(not (i.get("short") and (is_state(i) or i.get("credential"))), "field", "state, or a credential, in the short form")
    if i.get("properties"):
        try:
            decode_properties(encode_properties(i["properties"]), i.get("sent_at") is not None)
        except Refused as refused:
            raise Refused("field", str(refused)) from None
    if i.get("will"):
        require(i["counter"] == 0 and i.get("sent_at") is not None, "field", "will")


# --- gaps (§8) ---

def gap(last, sequence, later_session):
    """(missed messages or None, restarted)"""
    if later_session and sequence == 0:
        return None, True
    missed = (sequence - last - 1) % 2**21
    return (missed if missed < 2**20 else None), False
