"""X-Wing, the KEM of suite 2 (keys.md §10). Needs a `cryptography` that has ML-KEM (see `available`)."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .wire import Refused, be

try:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
    MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    available = True
except Exception:  # no module, or a backend without it: sizes and signatures are all that can be checked
    available = False

ID = 0x647A
PUBLIC, ENC = 1216, 1120
ML_KEM_PUBLIC, ML_KEM_CIPHERTEXT = 1184, 1088
LABEL = b"\\.//^\\"
SUITE = b"KEM" + be(2, ID)


def _require_available():
    if not available:
        raise Refused("unavailable", "this `cryptography` has no ML-KEM")


def _raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _parts(secret_key):
    expanded = hashlib.shake_256(secret_key).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def public_key(secret_key):
    _require_available()
    ml_kem, x25519 = _parts(secret_key)
    return ml_kem.public_key().public_bytes_raw() + _raw(x25519.public_key())


def derive_key_pair(ikm):
    """SHAKE256.LabeledDerive(ikm, "DeriveKeyPair", "", 32) is the secret key."""
    label = b"DeriveKeyPair"
    secret_key = hashlib.shake_256(ikm + b"HPKE-v1" + SUITE + be(2, len(label)) + label + be(2, 32)).digest(32)
    return secret_key, public_key(secret_key)


def _combine(from_ml_kem, from_x25519, enc_x25519, public_x25519):
    return hashlib.sha3_256(from_ml_kem + from_x25519 + enc_x25519 + public_x25519 + LABEL).digest()


def decap(secret_key, enc):
    _require_available()
    if len(enc) != ENC:
        raise Refused("wrong_secret", "enc has not 1120 bytes")
    ml_kem, x25519 = _parts(secret_key)
    enc_x25519 = enc[ML_KEM_CIPHERTEXT:]
    try:
        from_x25519 = x25519.exchange(X25519PublicKey.from_public_bytes(enc_x25519))
    except ValueError:
        from_x25519 = bytes(32)  # X-Wing itself does not refuse it
    return _combine(ml_kem.decapsulate(enc[:ML_KEM_CIPHERTEXT]), from_x25519, enc_x25519, _raw(x25519.public_key()))


def encap(ephemeral, recipient):
    """Only for the self-test: `cryptography` draws the randomness of ML-KEM itself. `ephemeral` is X25519's."""
    _require_available()
    shared, enc = MLKEM768PublicKey.from_public_bytes(recipient[:ML_KEM_PUBLIC]).encapsulate()
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    enc_x25519, public = _raw(own.public_key()), recipient[ML_KEM_PUBLIC:]
    return enc + enc_x25519, _combine(shared, own.exchange(X25519PublicKey.from_public_bytes(public)), enc_x25519, public)
