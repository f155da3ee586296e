"""Tokens, join requests and their answers (keys.md §12)."""

import base64
import binascii
import hmac
import ipaddress
import re

from . import hpke, objects, topics
from .wire import Cursor, Refused, be, blob, expand, is_strong, require, sha256, varint

PREFIX = "sealmq:join/"
KIND = 10
MAX_TOKEN, MAX_JOIN_REQUEST = 2048, 65536


# --- tokens ---

def checksum(body):
    return sha256(b"sealmq/1 token", body)[:4]


def token_uri(body):
    return PREFIX + base64.urlsafe_b64encode(body + checksum(body)).rstrip(b"=").decode()


def token_body(f):
    return (be(1, 1) + be(1, f["suite"]) + f["root_key"] + f["token"] + f["secret"] + varint(f["serial"]) + varint(f["expires"])
            + b"".join(blob(f[name].encode()) for name in ("name", "prefix", "broker")))


def token(text):
    """The fields of a token's body."""
    text = text.strip()
    require(len(text) <= MAX_TOKEN, "size")
    require(text.startswith(PREFIX), "form", "does not begin with " + PREFIX)
    data = _base64url(text[len(PREFIX):])
    require(len(data) >= 4, "encoding", "too short")
    body = data[:-4]
    require(data[-4:] == checksum(body), "encoding", "checksum: a character is wrong or missing")
    c = Cursor(body)
    f = {"version": c.u8()}
    require(f["version"] == 1, "unsupported", "version")
    f |= {"suite": c.u8(), "root_key": c.take(32), "token": c.take(8), "secret": c.take(32), "serial": c.u32(), "expires": c.u64(),
          "name": c.text(), "prefix": c.text(), "broker": c.text()}
    c.end()
    require(f["suite"] in (1, 2), "field", "suite")
    require(is_strong(f["root_key"]), "field", "weak root key")
    require(any(f["token"]), "field", "a token id of zeros")
    require(f["name"] == "" or topics.is_name(f["name"]) or (f["name"].endswith("*") and topics.is_name(f["name"][:-1])), "field", "name")
    require(topics.is_prefix(f["prefix"]), "field", "prefix")
    require(f["broker"] == "" or is_broker(f["broker"]), "field", "broker")
    return f


def _base64url(text):
    require(re.fullmatch("[A-Za-z0-9_-]*", text), "encoding", "not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise Refused("encoding", "base64url") from None
    require(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "encoding", "base64url is not canonical")
    return data


def is_broker(text):
    found = re.fullmatch(r"mqtts?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})", text)
    if not found or int(found[2]) > 65535:
        return False
    try:
        return not found[1].startswith("[") or bool(ipaddress.IPv6Address(found[1][1:-1]))
    except ValueError:
        return False


def admits(pattern, name):
    return pattern == "" or (name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern)


# --- join requests ---

def fingerprint(key):
    return sha256(key)[:16]


def shown(key):
    """As people compare it: groups of four digits."""
    text = fingerprint(key).hex()
    return " ".join(text[n:n + 4] for n in range(0, 32, 4))


def join_info(domain, serial, key):
    return b"sealmq/1 join" + domain + be(4, serial) + be(1, key)


def join_mac(secret, request_hash):
    return expand(secret, b"sealmq/1 join mac" + request_hash)


def join_request(data, suite=1):
    """Decodes the outside: {serial, key, extensions, enc, sealed}, and the aad: what stands before enc."""
    require(len(data) <= MAX_JOIN_REQUEST, "size")
    require(len(data) >= 2 and data[0] == (objects.FORM_2 if suite == 2 else objects.FORM), "form")
    require(data[1] == KIND, "kind")
    c = Cursor(data)
    c.take(2)
    f = {"serial": c.u32(), "key": c.u8(), "extensions": objects.extensions(c)}
    f.update(aad=c.data[:c.at], enc=c.blob(), sealed=c.blob())
    c.end()
    require(len(f["enc"]) == objects.KEM[suite][2], "field", "length of enc")
    require(len(f["sealed"]) > 32 + 16, "field", "nothing inside")
    return f


def open_join_request(data, domain, secret_keys, suite=1):
    """Opens it; `secret_keys` by (serial, index in kem_keys). Returns {info, aad, plaintext, token, mac, request} and the checked request."""
    outside = join_request(data, suite)
    named = (outside["serial"], outside["key"])
    require(named in secret_keys, "role", "no such KEM key")
    info = join_info(domain, *named)
    try:
        plaintext = hpke.base_receiver(suite, secret_keys[named], outside["enc"], info).open_first(outside["aad"], outside["sealed"])
    except Refused as refused:
        raise Refused("unavailable" if refused.reason == "unavailable" else "wrong_secret", str(refused)) from None
    objects.require_known(outside["extensions"])
    inside = {"mac": plaintext[:32], "request": plaintext[32:]}
    request = objects.check("enrolment_request", inside["request"], suite=suite)
    inside["token"] = request.fields["token"]
    require(any(inside["token"]) or not any(inside["mac"]), "field", "a mac without a token")
    require(request.fields["domain"] == domain, "domain", "a join request names the domain")
    return {"info": info, "aad": outside["aad"], "plaintext": plaintext, **inside}, request


def check_token(inside, request, tokens, now):
    """`tokens`: {token, secret, expires, uses_left, name} of those that were given out and not revoked."""
    if not any(inside["token"]):
        return
    known = next((known for known in tokens if known["token"] == inside["token"]), None)
    require(known, "token", "unknown")
    require(now is None or now <= known["expires"], "token", "expired")
    require(known["uses_left"] > 0, "token", "used up")
    require(hmac.compare_digest(inside["mac"], join_mac(known["secret"], request.hash)), "proof", "mac: perhaps somebody else's, so the device gets no answer")
    require(admits(known["name"], request.fields["name"]), "name", "the token does not admit this name")
