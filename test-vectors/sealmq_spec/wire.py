"""Bytes: varints, bodies, HKDF and strict signatures (envelope.md §1, keys.md §1)."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """Something was refused for `reason`, one of the words in README.md."""

    def __init__(self, reason, detail="", **more):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.more = more


def require(condition, reason, detail=""):
    if not condition:
        raise Refused(reason, detail)


def be(size, number):
    return number.to_bytes(size, "big")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- HKDF (RFC 5869) ---

def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def expand(prk, info, length=32):
    out, block, i = b"", b"", 0
    while len(out) < length:
        i += 1
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out += block
    return out[:length]


# --- varints and bodies ---

def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def blob(data):
    return varint(len(data)) + data


class Cursor:
    """Reads a body from front to back. Whatever has a second spelling is refused as `encoding`."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        require(size <= self.left(), "encoding", "reaches past the end")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def be(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self, bits=64):
        number = 0
        for i in range(10):
            byte = self.u8()
            number |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                require(byte != 0 or i == 0, "encoding", "overlong varint")
                require(number < 1 << bits, "encoding", f"varint above {bits} bits")
                return number
        raise Refused("encoding", "varint longer than 10 bytes")

    def u16(self):
        return self.varint(16)

    def u32(self):
        return self.varint(32)

    def u64(self):
        return self.varint(64)

    def blob(self):
        return self.take(self.varint(32))

    def text(self):
        return utf8(self.blob())

    def list(self, element):
        """A list is a byte string that holds its elements, one after the other, to the end."""
        inner, out = Cursor(self.blob()), []
        while inner.left():
            out.append(element(inner))
        return out

    def end(self):
        require(not self.left(), "encoding", "trailing bytes")


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("encoding", "not UTF-8") from None


# --- Ed25519 (RFC 8032), strict ---

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def decode_point(data):
    """The (x, y) that 32 bytes stand for, or None: not on the curve, or not the canonical encoding."""
    if len(data) != 32:
        return None
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * SQRT_MINUS_1 % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


def double(point):
    x, y = point
    return 2 * x * y * pow(y * y - x * x, -1, P) % P, (y * y + x * x) * pow(2 - y * y + x * x, -1, P) % P


def is_strong(data):
    """Whether these bytes are the canonical encoding of a point that is not of small order."""
    point = decode_point(data)
    return point is not None and double(double(double(point))) != (0, 1)


def is_usable_x25519(public):
    """Whether X25519 with this key is not all zeros: `cryptography` refuses that result."""
    try:
        X25519PrivateKey.from_private_bytes(bytes([1]) * 32).exchange(X25519PublicKey.from_public_bytes(public))
        return True
    except ValueError:
        return False


def is_ml_kem_768(public):
    """FIPS 203 §7.2: every coefficient (12 bits each, before the 32 bytes of the seed) is below 3329."""
    if len(public) != 1184:
        return False
    for i in range(0, 1152, 3):
        pair = int.from_bytes(public[i:i + 3], "little")
        if pair & 0xFFF >= 3329 or pair >> 12 >= 3329:
            return False
    return True


def signed_bytes(label, digest):
    return label.encode().ljust(32, b"\0") + digest


def sign(seed, label, digest):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(signed_bytes(label, digest))


def public_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def verify(key, label, digest, signature):
    """Strict verification: canonical and not small-order A and R, S below the group order."""
    if not (is_strong(key) and is_strong(signature[:32]) and int.from_bytes(signature[32:], "little") < L):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed_bytes(label, digest))
        return True
    except InvalidSignature:
        return False
