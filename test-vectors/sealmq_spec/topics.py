"""Topic names, filters and names (constants.md §4, keys.md §1, §9)."""

import re
import string

from .wire import require

NAME_CHARACTERS = set(string.ascii_letters + string.digits + "._-")


def is_name(text):
    return 1 <= len(text) <= 64 and set(text) <= NAME_CHARACTERS


def is_short_utf8(text):
    try:
        return 1 <= len(text.encode()) <= 65535 and "\0" not in text
    except UnicodeEncodeError:  # made with surrogateescape from bytes that are not UTF-8
        return False


def is_topic(text):
    return is_short_utf8(text) and not set(text) & set("+#")


def is_filter(text):
    if not is_short_utf8(text):
        return False
    *parents, last = text.split("/")
    return all(level == "+" or not set(level) & set("+#") for level in parents) and (
        last in ("+", "#") or not set(last) & set("+#"))


def matches(topic_filter, topic):
    levels, names = topic_filter.split("/"), topic.split("/")
    if levels[0] in ("+", "#") and topic.startswith("$"):
        return False
    if levels[-1] == "#":
        levels.pop()
        if len(names) < len(levels):
            return False
        names = names[:len(levels)]
    return len(levels) == len(names) and all(a in ("+", b) for a, b in zip(levels, names))


def overlap(one, other):
    """Whether some topic matches both filters."""
    a, b = one.split("/"), other.split("/")
    for x, y in ((a, b), (b, a)):
        if x[0] in ("+", "#") and y[0].startswith("$"):
            return False
        if x == ["", "#"] and y == ["+"]:
            return False  # only the empty string matches both, and it is no topic
    while a and b and a[0] != "#" and b[0] != "#":
        if a[0] != b[0] and "+" not in (a[0], b[0]):
            return False
        a, b = a[1:], b[1:]
    return a[:1] == ["#"] or b[:1] == ["#"] or not (a or b)


def own_filter(publish_filter, name):
    """The publish filter of a grant, `%c` levels replaced by the member's name (keys.md §4)."""
    return "/".join(name if level == "%c" else level for level in publish_filter.split("/"))


def is_prefix(text):
    """Of the reserved topics (keys.md §9)."""
    return is_topic(text) and len(text.encode()) <= 1024 and not text.startswith("$") and not text.endswith("/")


def reserved(what, domain, prefix=None, member=None, group=None, epoch=None, chunk=None, fingerprint=None):
    prefix = "_sealmq/" + domain.hex() if prefix is None else prefix
    require(is_prefix(prefix), "field", "prefix")
    return prefix + {
        "delegation": lambda: "/delegation",
        "credential": lambda: f"/m/{member}/credential",
        "welcome": lambda: f"/m/{member}/w/{group.hex()}",
        "announcement": lambda: f"/g/{group.hex()}/a/{epoch}",
        "refused_list": lambda: f"/g/{group.hex()}/r",
        "refused_chunk": lambda: f"/g/{group.hex()}/r/{member}",
        "confirmation": lambda: f"/m/{member}/confirm",
        "packages": lambda: f"/m/{member}/packages",
        "nonce_answer": lambda: f"/m/{member}/n/{group.hex()}",
        "chunk": lambda: f"/g/{group.hex()}/c/{epoch}/{chunk}",
        "kept_keys": lambda: f"/g/{group.hex()}/k",
        "heartbeat": lambda: f"/g/{group.hex()}/hb",
        "nonce": lambda: f"/g/{group.hex()}/n/{member}",
        "session_record": lambda: f"/g/{group.hex()}/s/{member}",
        "join": lambda: f"/join/{fingerprint.hex()}",
        "answer": lambda: f"/answer/{fingerprint.hex()}",
    }[what]()


_LEVELS = {"M": r"(?P<member>[1-9][0-9]*)", "G": r"(?P<group>[0-9a-f]{32})", "E": r"(?P<epoch>0|[1-9][0-9]*)", "N": r"(?P<chunk>0|[1-9][0-9]*)",
           "F": r"(?P<fingerprint>[0-9a-f]{32})"}
_FORMS = {"delegation": "delegation", "credential": "m/M/credential", "welcome": "m/M/w/G", "announcement": "g/G/a/E", "refused_list": "g/G/r", "refused_chunk": "g/G/r/M",
          "confirmation": "m/M/confirm", "packages": "m/M/packages", "nonce_answer": "m/M/n/G", "chunk": "g/G/c/E/N", "kept_keys": "g/G/k", "heartbeat": "g/G/hb",
          "nonce": "g/G/n/M", "session_record": "g/G/s/M", "join": "join/F", "answer": "answer/F"}
# bytes of the content (keys.md §9)
AT_MOST = {"delegation": 8192, "credential": 8192, "welcome": 4096, "confirmation": 8192, "packages": 16384, "nonce_answer": 1024, "announcement": 65536,
           "chunk": 8216, "refused_list": 65536, "refused_chunk": 8216, "kept_keys": 8192, "heartbeat": 1024, "nonce": 256, "session_record": 8192, "join": 65536, "answer": 8192}
_LIMITS = {"member": 2**28, "epoch": 2**64, "chunk": 2**32}


def read_reserved(topic, domain, prefix=None):
    """What a reserved topic is about, as `reserved` takes it; only the spelling that `reserved` writes is one."""
    prefix = "_sealmq/" + domain.hex() if prefix is None else prefix
    require(is_prefix(prefix), "field", "prefix")
    require(topic.startswith(prefix + "/"), "field", "not under the prefix")
    for what, form in _FORMS.items():
        found = re.fullmatch("/".join(_LEVELS.get(level, level) for level in form.split("/")), topic[len(prefix) + 1:], re.ASCII)
        if found:
            values = {name: int(text) if name in _LIMITS else bytes.fromhex(text) for name, text in found.groupdict().items()}
            require(all(values[name] < limit for name, limit in _LIMITS.items() if name in values), "field", "number too large")
            return {"what": what, **values}
    require(False, "field", "no reserved topic of this version")


def require_filter(text, detail):
    require(is_filter(text), "field", detail)
