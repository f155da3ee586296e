"""HPKE (RFC 9180) with HKDF-SHA256 and AES-256-GCM. KEM: DHKEM(X25519, HKDF-SHA256), or X-Wing in suite 2. Modes Base and PSK."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import xwing
from .wire import Refused, be, expand, extract

KEM_ID = be(2, 0x0020)
KEM_SUITE = b"KEM" + KEM_ID
HPKE_SUITE = b"HPKE" + KEM_ID + be(2, 0x0001) + be(2, 0x0002)
HPKE_SUITE_2 = b"HPKE" + be(2, xwing.ID) + be(2, 0x0001) + be(2, 0x0002)


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, be(2, length) + b"HPKE-v1" + suite + label + info, length)


# --- KEM (RFC 9180 §4.1, §7.1.3) ---

def public_key(secret_key):
    return X25519PrivateKey.from_private_bytes(secret_key).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def derive_key_pair(ikm):
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    secret_key = labeled_expand(KEM_SUITE, prk, b"sk", b"", 32)
    return secret_key, public_key(secret_key)


def shared_secret(own_secret, their_public, enc, recipient):
    try:
        dh = X25519PrivateKey.from_private_bytes(own_secret).exchange(X25519PublicKey.from_public_bytes(their_public))
    except ValueError:
        raise Refused("group_key", "X25519 gave all zeros, or the key has not 32 bytes") from None
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    return labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + recipient, 32)


# --- contexts (RFC 9180 §5.1) ---

class Context:
    def __init__(self, secret, info, psk=b"", psk_id=b"", suite=HPKE_SUITE):
        self.suite = suite
        mode = b"\x01" if psk else b"\x00"
        psk_id_hash = labeled_extract(suite, b"", b"psk_id_hash", psk_id)
        info_hash = labeled_extract(suite, b"", b"info_hash", info)
        context = mode + psk_id_hash + info_hash
        prk = labeled_extract(suite, secret, b"secret", psk)
        self.key = labeled_expand(suite, prk, b"key", context, 32)
        self.base_nonce = labeled_expand(suite, prk, b"base_nonce", context, 12)
        self.exporter_secret = labeled_expand(suite, prk, b"exp", context, 32)

    def export(self, label, length):
        return labeled_expand(self.suite, self.exporter_secret, b"sec", label, length)

    def seal_first(self, aad, plaintext):
        return AESGCM(self.key).encrypt(self.base_nonce, plaintext, aad)

    def open_first(self, aad, sealed):
        try:
            return AESGCM(self.key).decrypt(self.base_nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise Refused("wrong_secret", "HPKE open failed") from None


def setup_sender(seed, recipient, info, psk=b"", psk_id=b""):
    """SetupBaseS or SetupPSKS, with the ephemeral key pair DeriveKeyPair(seed): (enc, context)."""
    ephemeral, enc = derive_key_pair(seed)
    return enc, Context(shared_secret(ephemeral, recipient, enc, recipient), info, psk, psk_id)


def setup_receiver(secret_key, enc, info, psk=b"", psk_id=b""):
    return Context(shared_secret(secret_key, enc, enc, public_key(secret_key)), info, psk, psk_id)


# --- suite 2: only mode Base is used (keys.md §10) ---

def key_pair_of_suite(suite, seed):
    return xwing.derive_key_pair(seed) if suite == 2 else derive_key_pair(seed)


def base_receiver(suite, secret_key, enc, info):
    if suite == 2:
        return Context(xwing.decap(secret_key, enc), info, suite=HPKE_SUITE_2)
    return setup_receiver(secret_key, enc, info)


def base_sender(suite, seed, recipient, info):
    if suite == 2:
        enc, shared = xwing.encap(seed, recipient)
        return enc, Context(shared, info, suite=HPKE_SUITE_2)
    return setup_sender(seed, recipient, info)
