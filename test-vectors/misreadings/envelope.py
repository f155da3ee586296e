"""envelope.md §3–§8: the envelope's bytes, properties, padding, sessions, sealing, gaps."""

from .entry import Misreading as M


def bound(name, value, low, high):
    """A limit that is one too high, and one too low."""
    text = {"sender": "2^28", "hint": "128", "session_number": "2^35", "sent_at": "2^42", "sequence": "2^21"}[name]
    return [M(f"{name.replace('_', '-')}-above", "envelope.md §4", f"{name} ≥ {text} is rejected", f"{text} is accepted", "envelope", f'"{name}": {value}', f'"{name}": {high}'),
            M(f"{name.replace('_', '-')}-below", "envelope.md §4", f"{name} < {text}", f"{text} − 1 is rejected", "envelope", f'"{name}": {value}', f'"{name}": {low}')]


MISREADINGS = [
    *bound("sender", "2**28", "2**28 - 1", "2**28 + 1"), *bound("session_number", "2**35", "2**35 - 1", "2**35 + 1"),
    *bound("sent_at", "2**42", "2**42 - 1", "2**42 + 1"), *bound("sequence", "2**21", "2**21 - 1", "2**21 + 1"),
    M("counter-above", "envelope.md §3", "counter at most 2^21 − 1", "2^21", "envelope", "MAX_COUNTER = 2**21 - 1", "MAX_COUNTER = 2**21"),
    M("counter-below", "envelope.md §3", "counter at most 2^21 − 1", "below it", "envelope", "MAX_COUNTER = 2**21 - 1", "MAX_COUNTER = 2**21 - 2"),
    M("smallest-125", "envelope.md §3", "fewer than 126 bytes are rejected", "125 are enough", "envelope", "SMALLEST = 126", "SMALLEST = 125"),
    M("smallest-127", "envelope.md §3", "the smallest envelope has 126 bytes", "127", "envelope", "SMALLEST = 126", "SMALLEST = 127"),
    M("short-form-unknown", "envelope.md §9", "a reserved form: Unsupported", "NotSealed", "envelope", 'raise Refused("Unsupported", "reserved form")', 'raise Refused("NotSealed", "reserved form")'),
    M("suite-2-form", "envelope.md §3", "0x12 is reserved", "the form of suite 2", "envelope", 'in (b"\\x12", b"\\x91", b"\\x92")', 'in (b"\\x91", b"\\x92")'),
    M("suite-2-opened", "envelope.md §3", "0x12 is reserved", "the form in domains of suite 2", "envelope", 'if envelope[:1] in (b"\\x12", b"\\x91", b"\\x92"):', 'envelope = b"\\x11" + envelope[1:] if envelope[:1] == b"\\x12" else envelope\n    if envelope[:1] in (b"\\x91", b"\\x92"):'),
    M("short-form-only-1", "envelope.md §9", "0x91 and 0x92: Unsupported", "0x91 only", "envelope", 'in (b"\\x12", b"\\x91", b"\\x92")', 'in (b"\\x12", b"\\x91")'),
    M("bit-7-unsupported", "envelope.md §9", "a byte that is not in the table: NotSealed", "with bit 7 all are short forms", "envelope", 'if envelope[:1] in (b"\\x12", b"\\x91", b"\\x92"):', 'if envelope[:1] == b"\\x12" or envelope[:1] >= b"\\x80":'),
    M("version-unsupported", "envelope.md §9", "a byte that is not in the table: NotSealed", "another version is Unsupported", "envelope", 'in (b"\\x12", b"\\x91", b"\\x92")', 'in (b"\\x12", b"\\x91", b"\\x92", b"\\x21")'),
    M("suite-3-unsupported", "envelope.md §9", "a byte that is not in the table: NotSealed", "another suite is Unsupported", "envelope", 'in (b"\\x12", b"\\x91", b"\\x92")', 'in (b"\\x12", b"\\x91", b"\\x92", b"\\x13", b"\\x10")'),
    M("empty-malformed", "envelope.md §9", "empty: NotSealed", "Malformed", "envelope", "require(envelope and envelope[0] == FORM,", 'require(envelope, "Malformed")\n    require(envelope[0] == FORM,'),
    M("size-before-form", "envelope.md §9", "the first byte, then the length", "the length first", "envelope", '    if envelope[:1] in (b"\\x12", b"\\x91", b"\\x92"):', '    require(not envelope or len(envelope) >= SMALLEST, "Malformed", "too short")\n    if envelope[:1] in (b"\\x12", b"\\x91", b"\\x92"):'),
    M("counter-4-bytes", "envelope.md §3", "varint(counter)", "BE4(counter)", "envelope", "return be(1, FORM) + key_id + enc + varint(counter)", "return be(1, FORM) + key_id + enc + be(4, counter)"),
    M("counter-overlong", "envelope.md §1", "an overlong counter is malformed", "is accepted", "envelope", "key_id, enc, counter = c.take(8), c.take(32), c.varint()", 'key_id, enc, counter = c.take(8), c.take(32), 0\n        shift = 0\n        while True:\n            byte = c.u8()\n            counter |= (byte & 127) << shift\n            shift += 7\n            if byte < 128:\n                break'),
    # plaintext
    M("unknown-flag", "envelope.md §4", "flag bit 0x80 is rejected", "ignored", "envelope", 'require(not flags & 0x80, "field", "unknown flag")', "pass"),
    M("flag-order", "envelope.md §4", "SENT_AT 0x01, SEQUENCE 0x02", "the other way round", "envelope", "PADDED, RETAIN, WILL = 0x01, 0x02,", "PADDED, RETAIN, WILL = 0x02, 0x01,"),
    M("flag-retain-will", "envelope.md §4", "RETAIN 0x20, WILL 0x40", "the other way round", "envelope", "0x10, 0x20, 0x40", "0x10, 0x40, 0x20"),
    M("sender-0", "envelope.md §4", "a sender of 0 is rejected", "it is accepted", "envelope", 'require(m["sender"] >= 1, "field", "sender")\n    require(flags', "require(flags"),
    M("hint-mod-256", "envelope.md §4", "the serial modulo 128", "modulo 256", "envelope", 'm["credential_serial"] % 128', 'm["credential_serial"] % 256'),
    M("hint-mod-127", "envelope.md §4", "the serial modulo 128", "modulo 127", "envelope", 'm["credential_serial"] % 128', 'm["credential_serial"] % 127'),
    M("hint-varint", "envelope.md §4", "hint (1)", "a varint", "envelope", 'm[name] = c.u8() if name == "hint" else c.u64()', "m[name] = c.u64()",
      unobservable="a hint of 128 or more is refused in either reading, and so is a varint that begins like one; all with one reason"),
    M("properties-first", "envelope.md §4", "credential, then properties", "properties, then credential", "envelope", """    if flags & CREDENTIAL:
        body += blob(m["credential"])
    if flags & PROPERTIES:
        body += blob(encode_properties(m["properties"]))
""", """    if flags & PROPERTIES:
        body += blob(encode_properties(m["properties"]))
    if flags & CREDENTIAL:
        body += blob(m["credential"])
"""),
    M("credential-4097", "envelope.md §4", "a credential of at most 4096 bytes", "4097", "envelope", 'require(len(m["credential"]) <= 4096, "field"', 'require(len(m["credential"]) <= 4097, "field"'),
    M("seal-credential-4097", "envelope.md §4", "a credential of at most 4096 bytes", "4097", "envelope", 'require(len(i.get("credential") or b"") <= 4096,', 'require(len(i.get("credential") or b"") <= 4097,'),
    M("padding-not-zero", "envelope.md §4", "padding is zero bytes", "anything", "envelope", 'require(not any(c.take(c.left())), "field", "padding is not zero")', "pass"),
    M("padding-first-byte", "envelope.md §4", "everything between payload and signature is zero", "ISO 7816 padding: 80, then zeros", "envelope", 'require(not any(c.take(c.left())), "field"', 'require(not any(c.take(c.left())[1:]), "field"'),
    M("payload-len-always", "envelope.md §4", "payload_len with PADDED", "always", "envelope", 'body += blob(m["payload"]) if flags & PADDED else m["payload"]', 'body += blob(m["payload"])'),
    M("padded-means-padding", "envelope.md §4", "a reader accepts any amount of padding", "PADDED without padding is refused", "envelope", '    require(not any(c.take(c.left())), "field"', '    require(c.left() or not flags & PADDED, "field")\n    require(not any(c.take(c.left())), "field"'),
    M("padme-2", "envelope.md §4", "L ≤ 2: L′ = L", "L ≤ 1", "envelope", "if mode == 1 and length > 2:", "if mode == 1 and length > 1:", unobservable="2 padded by the formula is 2"),
    M("padme-s", "envelope.md §4", "s = floor(log2 e) + 1", "without the + 1", "envelope", "s = e.bit_length()\n", "s = e.bit_length() - 1\n"),
    M("padme-e", "envelope.md §4", "e = floor(log2 L)", "rounded up", "envelope", "e = length.bit_length() - 1\n", "e = (length - 1).bit_length()\n"),
    M("padme-e-below-s", "envelope.md §4", "m = 0 if e < s", "2^0 − 1 and less", "envelope", "if e >= s else 0", "if e > s else 0", unobservable="with e = s the mask is 2^0 − 1 = 0"),
    M("padme-down", "envelope.md §4", "(L + m) AND NOT m", "L AND NOT m", "envelope", "return (length + mask) & ~mask", "return length & ~mask"),
    M("bucket-one-more", "envelope.md §4", "rounded up to a multiple", "a full bucket gets another", "envelope", "return -(-length // bucket) * bucket", "return (length // bucket + 1) * bucket"),
    M("bucket-power", "envelope.md §4", "a multiple of b", "b times a power of two", "envelope", "return -(-length // bucket) * bucket", "n = -(-length // bucket)\n        return bucket << (n - 1).bit_length() if n else 0"),
    M("padding-of-payload", "envelope.md §4", "L = length(body)", "of the payload", "envelope", 'return body.ljust(padded_length(len(body), padding_mode, bucket), b"\\0")', 'return body + bytes(padded_length(len(m["payload"]), padding_mode, bucket) - len(m["payload"]))'),
    M("padding-without-length", "envelope.md §4", "with the payload_len field", "before it", "envelope", 'padded_length(len(body), padding_mode, bucket), b"\\0")', 'padded_length(len(body) - 1, padding_mode, bucket) + 1, b"\\0")'),
    # properties
    M("property-id-order", "envelope.md §5", "in ascending order of id", "in any order", "envelope", 'require(number > last or number == last == IDS["user"], "field", "property order")', "pass"),
    M("property-twice", "envelope.md §5", "each at most once", "any number of times", "envelope", 'number > last or number == last == IDS["user"]', "number >= last"),
    M("property-user-once", "envelope.md §5", "0x26 may repeat", "at most once", "envelope", 'number > last or number == last == IDS["user"]', "number > last"),
    M("property-unknown", "envelope.md §5", "anything else is rejected", "unknown properties end the list", "envelope", 'require(number in BY_ID, "field", "unknown property")', "if number not in BY_ID:\n            break"),
    M("property-format-2", "envelope.md §5", "0 or 1", "any value", "envelope", 'require(value <= 1, "field", "payload format indicator")', "pass"),
    M("property-format-1-only", "envelope.md §5", "0 or 1", "1 only, as 0 is the default", "envelope", 'require(value <= 1, "field"', 'require(value == 1, "field"'),
    M("property-expiry-le", "envelope.md §5", "BE4 seconds", "a varint", "envelope", "value = cursor.be(4)\n", "value = cursor.varint(32)\n"),
    M("property-expiry-alone", "envelope.md §5", "sent_at MUST be present", "an expiry alone is ignored", "envelope", 'require(has_sent_at, "field", "message expiry without sent_at")', "pass"),
    M("property-length-varint", "envelope.md §5", "BE2(length)", "varint", "envelope", "value = cursor.take(cursor.be(2))\n", "value = cursor.blob()\n"),
    M("property-string-varint", "envelope.md §5", "BE2(length)", "varint", "envelope", "text = utf8(cursor.take(cursor.be(2)))", "text = utf8(cursor.blob())"),
    M("property-nul", "envelope.md §5", "without U+0000", "with it", "envelope", 'require("\\0" not in text, "field", "U+0000")', "pass"),
    M("property-utf8", "envelope.md §5", "strings are UTF-8", "any bytes", "envelope", "text = utf8(cursor.take(cursor.be(2)))", 'text = cursor.take(cursor.be(2)).decode("latin-1")'),
    M("property-response-filter", "envelope.md §5", "a valid topic name", "any string", "envelope", 'require(name != "response_topic" or topics.is_topic(value), "field", "response topic")', "pass"),
    M("property-response-wildcards", "envelope.md §5", "a valid topic name", "or filter", "envelope", 'topics.is_topic(value), "field", "response topic"', 'topics.is_filter(value), "field", "response topic"'),
    M("property-user-name-empty", "envelope.md §5", "string name", "not empty", "envelope", "value = (_string(cursor), _string(cursor))", 'value = (_string(cursor), _string(cursor))\n            require(value[0], "field")'),
    M("properties-none", "envelope.md §5", "one or more", "or none", "envelope", "require(1 <= len(data) <= 16384,", "require(0 <= len(data) <= 16384,"),
    M("properties-16385", "envelope.md §5", "at most 16384 bytes", "16385", "envelope", "require(1 <= len(data) <= 16384,", "require(1 <= len(data) <= 16385,"),
    M("properties-16383", "envelope.md §5", "at most 16384 bytes", "below it", "envelope", "require(1 <= len(data) <= 16384,", "require(1 <= len(data) < 16384,"),
    # sessions
    M("hedge-salt", "envelope.md §6", "Extract(salt = device_secret, ikm = RNG)", "the other way round", "envelope", "prk = extract(device_secret, rng)", "prk = extract(rng, device_secret)"),
    M("hedge-purpose", "envelope.md §6", "purpose (1)", "left out", "envelope", "tail = be(1, purpose) + be(8, number)", "tail = be(8, number)"),
    M("hedge-number-4", "envelope.md §6", "BE8(number)", "BE4", "envelope", "tail = be(1, purpose) + be(8, number)", "tail = be(1, purpose) + be(8, number)[4:]"),
    M("hedge-next-tail", "envelope.md §6", "the next secret has purpose and number, too", "the label only", "envelope", 'b"sealmq/1 hedge next" + tail', 'b"sealmq/1 hedge next"'),
    M("hedge-next-from-seed", "envelope.md §6", "Expand(prk, …)", "from the seed", "envelope", 'expand(prk, b"sealmq/1 hedge next"', 'expand(expand(prk, b"sealmq/1 hedge seed" + tail), b"sealmq/1 hedge next"'),
    M("hedge-zeros", "envelope.md §6", "32 zero bytes MUST be refused", "they are used", "envelope", 'require(any(rng), "rng", "32 zero bytes")', "pass"),
    M("session-purpose", "envelope.md §6", "purpose 1 for a session", "0", "envelope", 'i["rng"], 1, i["session_number"])', 'i["rng"], 0, i["session_number"])'),
    M("session-number-max", "envelope.md §6", "max(previous + 1, seconds)", "max(previous, seconds)", "envelope", "return max(previous + 1, now or 0)", "return max(previous, now or 0)"),
    M("session-number-after-now", "envelope.md §6", "max(previous + 1, seconds)", "max(previous, seconds) + 1", "envelope", "return max(previous + 1, now or 0)", "return max(previous, now or 0) + 1"),
    M("session-number-previous", "envelope.md §6", "max(previous + 1, seconds)", "previous + 1, if there is one", "envelope", "return max(previous + 1, now or 0)", "return previous + 1 if previous else now or 1"),
    M("session-number-clock", "envelope.md §6", "max(previous + 1, seconds)", "the clock, if there is one", "envelope", "return max(previous + 1, now or 0)", "return now or previous + 1"),
    M("session-info", "envelope.md §6", "info = label ‖ H", "label ‖ key id", "envelope", 'return b"sealmq/1 session" + h', 'return b"sealmq/1 session" + h[:8]'),
    M("session-psk-id", "envelope.md §6", "psk_id = H", "the key id", "envelope", "session_info(h), psk, h)", "session_info(h), psk, h[:8])"),
    M("session-psk-raw", "envelope.md §6", "the psk of HPKE is derived", "the group's psk itself", "envelope", 'tree.session_psk(i["psk"])', 'i["psk"]'),
    M("export-swapped", "envelope.md §6", "message key of 32 bytes, base nonce of 12", "one export of 44 bytes", "envelope", 'return context.export(b"sealmq/1 message key", 32), context.export(b"sealmq/1 base nonce", 12)', 'both = context.export(b"sealmq/1 message key", 44)\n    return both[:32], both[32:]'),
    M("nonce-first", "envelope.md §6", "4 zero bytes ‖ BE8(c)", "BE8(c) first", "envelope", "bytes(4) + be(8, counter)", "be(8, counter) + bytes(4)"),
    M("nonce-le", "envelope.md §6", "BE8(c)", "little-endian", "envelope", "bytes(4) + be(8, counter)", 'bytes(4) + counter.to_bytes(8, "little")'),
    M("nonce-plus", "envelope.md §6", "base_nonce XOR counter", "plus", "envelope", "return bytes(a ^ b for a, b in zip(base_nonce, bytes(4) + be(8, counter)))", "return be(12, (int.from_bytes(base_nonce, 'big') + counter) % 2**96)"),
    # sealing
    M("transcript-length", "envelope.md §7", "BE8(length(body))", "BE4", "envelope", "+ be(8, len(body)) + body", "+ be(4, len(body)) + body"),
    M("transcript-counter", "envelope.md §7", "BE8(counter)", "varint", "envelope", "+ be(8, counter) + topic_hash", "+ varint(counter) + topic_hash"),
    M("transcript-suite", "envelope.md §7", "suite (1)", "form (1)", "envelope", "return be(1, SUITE) + h", "return be(1, FORM) + h"),
    M("transcript-credential", "envelope.md §7", "topic_hash ‖ credential_hash", "the other way round", "envelope", "+ topic_hash + credential_hash +", "+ credential_hash + topic_hash +"),
    M("transcript-padding", "envelope.md §7", "the body, padding included", "without padding", "envelope", 'signed = transcript(h, enc, i["counter"], topic_hash, i["credential_hash"], body)', 'signed = transcript(h, enc, i["counter"], topic_hash, i["credential_hash"], body.rstrip(b"\\0"))'),
    M("aad-header", "envelope.md §7", "header ‖ topic_hash", "topic_hash only", "envelope", 'nonce(base_nonce, i["counter"]), header + topic_hash', 'nonce(base_nonce, i["counter"]), topic_hash'),
    M("aad-topic", "envelope.md §7", "header ‖ topic_hash", "the topic itself", "envelope", 'nonce(base_nonce, i["counter"]), header + topic_hash', 'nonce(base_nonce, i["counter"]), header + i["topic"].encode()'),
    M("seal-topic", "constants.md §4", "a valid topic name", "any topic is sealed for", "envelope", 'require(topics.is_topic(i["topic"]), "field", "topic")', "pass"),
    M("seal-sender-0", "envelope.md §4", "a sender of 0", "is sealed", "envelope", '    require(i["sender"] >= 1, "field", "sender")\n', ""),
    M("seal-limits", "envelope.md §4", "limits of the fields", "are the decoder's matter", "envelope", '        require((i.get(name) or 0) < limit, "field", name)\n', "        pass\n"),
    M("seal-counter", "envelope.md §6", "a new session before the counter reaches 2^21", "at it", "envelope", 'require(i["counter"] <= MAX_COUNTER, "field"', 'require(i["counter"] <= MAX_COUNTER + 1, "field"'),
    M("seal-properties", "envelope.md §5", "rules of the properties", "are the decoder's matter", "envelope", 'decode_properties(encode_properties(i["properties"]), i.get("sent_at") is not None)', "pass"),
    M("seal-string-65535", "envelope.md §5", "BE2(length)", "longer strings are cut", "envelope", 'require(len(part) < 65536, "field", "string above 65535 bytes")', "part = part[:65535]",
      unobservable="16384 bytes of properties have no room for it, and the reason is the same"),
    M("will-counter-sealed", "envelope.md §9", "the counter of a will is 0", "any counter is sealed", "envelope", 'require(i["counter"] == 0 and i.get("sent_at") is not None, "field", "will")', 'require(i.get("sent_at") is not None, "field", "will")'),
    M("will-sent-at-sealed", "envelope.md §9", "sent_at MUST be present in a will", "may be", "envelope", 'require(i["counter"] == 0 and i.get("sent_at") is not None, "field", "will")', 'require(i["counter"] == 0, "field", "will")'),
    # gaps
    M("gap-one-more", "envelope.md §8", "m − n − 1", "m − n", "envelope", "missed = (sequence - last - 1) % 2**21", "missed = (sequence - last) % 2**21"),
    M("gap-no-wrap", "envelope.md §8", "modulo 2^21", "not", "envelope", "missed = (sequence - last - 1) % 2**21", "missed = sequence - last - 1 if sequence > last else 2**20"),
    M("gap-wrap-max", "envelope.md §8", "modulo 2^21", "modulo 2^21 − 1", "envelope", "missed = (sequence - last - 1) % 2**21", "missed = (sequence - last - 1) % (2**21 - 1)"),
    M("gap-bound", "envelope.md §8", "below 2^20", "at most", "envelope", "missed if missed < 2**20", "missed if missed <= 2**20"),
    M("gap-bound-below", "envelope.md §8", "below 2^20", "below 2^20 − 1", "envelope", "missed if missed < 2**20", "missed if missed < 2**20 - 1"),
    M("gap-restart-same", "envelope.md §8", "m = 0 in a later session", "in any", "envelope", "if later_session and sequence == 0:", "if sequence == 0:"),
    M("gap-restart-any", "envelope.md §8", "m = 0 in a later session", "a later session", "envelope", "if later_session and sequence == 0:", "if later_session:"),
    M("gap-no-restart", "envelope.md §8", "m = 0 in a later session is a restart", "a gap like others", "envelope", "if later_session and sequence == 0:", "if False:"),
    M("credential-4095", "envelope.md §4", "a credential of at most 4096 bytes", "below 4096", "envelope", 'require(len(m["credential"]) <= 4096, "field"', 'require(len(m["credential"]) < 4096, "field"'),
    M("property-binary-twice", "envelope.md §5", "each at most once, except 0x26", "and 0x09", "envelope", 'number == last == IDS["user"]', 'number == last >= 9'),
    M("property-content-type-empty", "envelope.md §5", "a string", "not empty", "envelope", "            value = _string(cursor)\n            require(name", '            value = _string(cursor)\n            require(value, "field")\n            require(name'),
    M("gap-restart-lower", "envelope.md §8", "m = 0 in a later session is a restart", "any lower number in one", "envelope", "if later_session and sequence == 0:", "if later_session and sequence < last:"),
]
