"""Kept keys: what state is sealed under, how a member comes to have them, and when it loses them (keys.md §6, §7)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke, objects
from .wire import Cursor, Refused, expand, is_usable_x25519, require, sha256


# --- derivations (§6, §7): K is the hash of the kept epoch's announcement ---

def name_of(k):
    """K', the name of these keys in envelopes."""
    return sha256(b"sealmq/1 kept name", k)


def secret_of(reader_secret):
    return expand(reader_secret, b"sealmq/1 kept")


def psk_of(psk):
    """The psk of HPKE in sessions for state."""
    return expand(psk, b"sealmq/1 kept psk")


def kem_ikm(kept_secret):
    return expand(kept_secret, b"sealmq/1 kept kem")


def key_pair(kept_secret):
    """(secret key, kept_key)"""
    return hpke.derive_key_pair(kem_ikm(kept_secret))


# --- the chain of a kept keys object: each entry is sealed under the next newer kept_secret ---

def chain_key(newer_secret, newer, older):
    return expand(newer_secret, b"sealmq/1 kept chain" + newer + older)


def seal_entry(newer_secret, newer, older, kept_secret, kept_psk):
    return AESGCM(chain_key(newer_secret, newer, older)).encrypt(bytes(12), kept_secret + kept_psk, None)


def open_entry(newer_secret, newer, older, sealed):
    """(kept_secret, kept_psk), or None."""
    try:
        inside = AESGCM(chain_key(newer_secret, newer, older)).decrypt(bytes(12), sealed, None)
    except InvalidTag:
        return None
    return inside[:32], inside[32:]


# --- in a welcome ---

def of_welcome(data, f, is_reader):
    """{kept, kept_psk, and kept_secret or kept_key} in a welcome with these fields, or None without kept keys."""
    if not data:
        return None
    require(len(data) == 96, "field", "kept has 96 bytes or none")
    c = Cursor(data)
    brought = {"kept": c.take(32), "kept_psk": c.take(32), "kept_secret" if is_reader else "kept_key": c.take(32)}
    require(f["healing_epoch"] and brought["kept"] == f["healing"], "field", "kept keys of another epoch")
    require(is_reader or is_usable_x25519(brought["kept_key"]), "field", "kept_key")
    return brought


# --- what a member keeps ---

class Kept:
    """The keys of one kept epoch."""

    def __init__(self, epoch, k, psk, serial, secret=None, public=None):
        self.epoch, self.k, self.psk, self.serial, self.secret = epoch, k, psk, serial, secret
        self.public = public if secret is None else key_pair(secret)[1]

    def state(self):
        last = {"kept_key": self.public} if self.secret is None else {"kept_secret": self.secret}
        return {"epoch": self.epoch, "kept": self.k, "serial": self.serial, "kept_psk": self.psk, **last}


class Ring:
    """The kept keys of a member in one group, the newest first."""

    def __init__(self, authority, is_reader):
        self.authority, self.is_reader = authority, is_reader
        self.policy = 0  # until an announcement was followed
        self.keys = []

    def state(self):
        return [key.state() for key in self.keys]

    def clear(self, is_reader):
        self.keys, self.is_reader = [], is_reader

    def trim(self):
        del self.keys[1 + (self.policy if self.is_reader else 0):]

    def take_delegation(self, authority):
        before = len(self.keys)
        self.authority = authority
        self.keys = [key for key in self.keys if objects.continues(authority, key.serial)]
        return len(self.keys) < before

    def bring(self, epoch, serial, brought):
        """With a welcome: of the kept epoch with this number. What is known, or older than what is, raises a serial at most."""
        if brought is None:
            return
        known = any(key.k == brought["kept"] for key in self.keys)
        if known or not any(key.epoch > epoch for key in self.keys):
            self.take(Kept(epoch, brought["kept"], brought["kept_psk"], serial, brought.get("kept_secret"), brought.get("kept_key")))
            self.trim()

    def take(self, new):
        if not objects.continues(self.authority, new.serial):
            return
        if not self._raise(new.k, new.serial):
            self.keys = sorted([*self.keys, new], key=lambda key: -key.epoch)

    def _raise(self, k, serial):
        """A kept key has the highest serial of all that brought it; returns whether it is known."""
        known = [key for key in self.keys if key.k == k]
        for key in known:
            key.serial = max(key.serial, serial)
        return bool(known)

    def go_back(self, obj):
        """Opens the entries of a kept keys object behind what is known; returns whether that brought anything."""
        if not self.is_reader:
            return False
        f, before = obj.fields, [(key.k, key.serial) for key in self.keys]
        named = [f["newest"], *(entry["kept"] for entry in f["entries"])]
        if not [k for k in named if self._raise(k, f["serial"])]:
            raise Refused("ahead", "neither its newest one nor an entry is known", ask_epoch=f["epoch"])
        known = {key.k: key for key in self.keys}
        newer = known.get(f["newest"])
        for entry in f["entries"]:
            if entry["kept"] in known:
                newer = known[entry["kept"]]
            elif newer:
                if self.keys.index(newer) >= self.policy:
                    break
                opened = open_entry(newer.secret, newer.k, entry["kept"], entry["sealed"])
                if opened is None:
                    break
                newer = Kept(entry["epoch"], entry["kept"], opened[1], f["serial"], secret=opened[0])
                self.take(newer)
        self.trim()
        return [(key.k, key.serial) for key in self.keys] != before
