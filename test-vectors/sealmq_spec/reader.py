"""Opening: the pipeline and the replay rules of a reader (envelope.md §9)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke, kept, objects, topics, tree
from .envelope import (LABEL, SHORT_FORM, decode_body, decode_header, decode_short_header, is_state, nonce, session_info, session_keys, session_mac, session_tag,
                       transcript)
from .places import Marks
from .wire import Refused, require, sha256, verify

WINDOW = 1024  # hosts; devices have 128, and no vector tells the two apart
PUBLISH = 1


class Session:
    def __init__(self, number):
        self.number, self.top, self.seen = number, -1, set()


def order(credential):
    """Credentials of a member are ordered by this."""
    return credential.fields["serial"], credential.fields["credential_serial"]


class SenderState:
    """Replay state of one sender in one group. It belongs to one credential: `order` is (delegation's serial, credential_serial). `older` is that of one
    credential below it, for what was under way when the credential was renewed."""

    def __init__(self, order, floor=0):
        self.order, self.floor = order, floor
        self.sessions = {}       # enc → Session
        self.older = None


class Keys:
    """What envelopes with one key id are opened with; `told` is what the message says of it."""

    def __init__(self, h, secret_key, psk, of_state, **told):
        self.h, self.secret_key, self.psk, self.of_state, self.told = h, secret_key, psk, of_state, told


def keys_of_epoch(epoch, hash, reader_secret):
    keys = tree.GroupKeys(reader_secret)
    return Keys(hash, keys.secret_key, keys.psk, False, epoch=epoch)


def kept_keys(k, kept_secret, kept_psk):
    return Keys(kept.name_of(k), kept.key_pair(kept_secret)[0], kept_psk, True, kept=k)


class Reader:
    def __init__(self, authority, group, filters, policy, issued_at, not_after, epochs, credentials, number, refused=(), own_messages=False,
                 delegation_not_after=2**64, floors=(), sessions=4, kept=(), marks=(), wills=()):
        self.authority, self.group, self.filters, self.policy = authority, group, filters, policy
        self.issued_at, self.not_after, self.delegation_not_after = issued_at, min(not_after, delegation_not_after), delegation_not_after
        there = [keys_of_epoch(**epoch) for epoch in epochs] + [kept_keys(each["kept"], each["kept_secret"], each["kept_psk"]) for each in kept]
        self.keys = {keys.h[:8]: keys for keys in there}
        known = [objects.check("credential", data, authority=authority) for data in credentials]
        self.credentials = {credential.fields["member"]: credential for credential in known}
        self.before = {}         # the credential that was known before that one
        self.number, self.own_messages, self.capacity = number, own_messages, sessions
        self.lowest_serial = None if refused is None else {entry["member"]: entry["lowest_serial"] for entry in refused}
        self.states = {}
        self.marks = Marks(marks, wills)
        self.sessions = {}       # of the short form (§12): session tag → (H, enc, and its sender, hint and session number)
        for entry in floors:
            belongs_to = entry.get("serial", authority["serial"]), entry["credential_serial"]
            self.states[entry["sender"]] = SenderState(belongs_to, entry["floor"])

    def open(self, topic, retained, now_ms, envelope):
        """Returns (message, plaintext). Raises Refused with a reason of §10, and changes nothing then."""
        # 1 header, 2 key, 3 session keys, 4 AEAD, 5 plaintext
        short = envelope[:1] == bytes([SHORT_FORM])
        keys, enc, counter, topic_hash, plaintext, m = (self._decrypt_short if short else self._decrypt_full)(topic, now_ms, envelope)
        require(m["sender"] != self.number or self.own_messages, "Own")
        # 6 sender
        known, credential = self._of_state(m) if is_state(m) else [self._of_event(m)] * 2
        require(self.lowest_serial is not None, "UnknownList")
        state = None
        if not is_state(m):
            credential = self._made_under(credential, m)
            state = self._state(known, credential)
        self._require_not_refused(credential, known)
        self._require_valid(known, now_ms)
        if state:
            self._require_valid(credential, now_ms)
        self._require_granted(topic, credential, known)
        # 7 freshness
        self._require_fresh(m, retained, now_ms)
        # 8 replay pre-check
        self._require_new(state, known, credential, m, topic, retained, enc, counter)
        # 9 signature
        signed = transcript(keys.h, enc, counter, topic_hash, credential.hash, plaintext[:-64], m["session_number"] if short else None)
        require(verify(credential.fields["key"], LABEL, sha256(signed), plaintext[-64:]), "Rejected", "signature")
        # 10 commit
        if self.credentials.get(m["sender"], known) is not known:
            self.before[m["sender"]] = self.credentials[m["sender"]]
        self.credentials[m["sender"]] = known
        if state:
            self._know_session(keys, enc, m)
            self._keep(m["sender"], state)
            self._mark(self.states[m["sender"]], state, m["session_number"], enc, counter)
        else:
            self.marks.commit(credential, m, counter, topic, retained)
        message = {**keys.told, "name": credential.fields["name"], "credential_serial": credential.fields["credential_serial"], "counter": counter, **m}
        del message["hint"]
        message.pop("credential", None)
        return message, plaintext

    def record(self, sender, topic, now_ms, envelope):
        """What stands on the record topic of a member (§12): what is known of its session from now on. Nothing else changes."""
        require(envelope[:1] != bytes([SHORT_FORM]), "Rejected", "a record has the full form")
        keys, enc, counter, topic_hash, plaintext, m = self._decrypt_full(topic, now_ms, envelope)
        require(not is_state(m), "Rejected", "state is no record")
        require(m["sender"] == sender, "Rejected", "another member's")
        known = self._of_event(m)
        credential = self._made_under(known, m)
        signed = transcript(keys.h, enc, counter, topic_hash, credential.hash, plaintext[:-64])
        require(verify(credential.fields["key"], LABEL, sha256(signed), plaintext[-64:]), "Rejected", "signature of a record")
        if self.credentials.get(sender, known) is not known:
            self.before[sender] = self.credentials[sender]
        self.credentials[sender] = known
        self._know_session(keys, enc, m)
        return {"sender": sender, "session_number": m["session_number"], "session_tag": session_tag(keys.psk, enc, sender)}

    def _know_session(self, keys, enc, m):
        """What is known of a session stays as it is."""
        told = {name: m[name] for name in ("sender", "hint", "session_number")}
        self.sessions.setdefault(session_tag(keys.psk, enc, m["sender"]), (keys.h, enc, told))

    def _keys_of(self, key_id, now_ms):
        require(key_id in self.keys, "UnknownKey")
        self._require_keys_fresh(now_ms)
        return self.keys[key_id]

    def _decrypt_full(self, topic, now_ms, envelope):
        key_id, enc, mac, counter, header_length = decode_header(envelope)
        keys = self._keys_of(key_id, now_ms)
        require(mac == session_mac(keys.psk, enc), "Rejected", "no member made this enc")
        header, sealed, topic_hash = envelope[:header_length], envelope[header_length:], sha256(topic.encode())
        plaintext = self._decrypt(keys, enc, counter, sealed, header + topic_hash)
        m = self._or(lambda: decode_body(plaintext[:-64]), "Rejected")
        require(is_state(m) == keys.of_state, "Rejected", "state under the keys of an epoch, or an event under kept keys")
        require(not m["will"] or counter == 0, "Rejected", "the counter of a will is 0")
        return keys, enc, counter, topic_hash, plaintext, m

    def _decrypt_short(self, topic, now_ms, envelope):
        tag, counter, header_length = decode_short_header(envelope)
        header, sealed, topic_hash = envelope[:header_length], envelope[header_length:], sha256(topic.encode())
        require(tag in self.sessions, "UnknownSession")
        h, enc, told = self.sessions[tag]
        keys = self._keys_of(h[:8], now_ms)
        plaintext = self._decrypt(keys, enc, counter, sealed, header + topic_hash)
        return keys, enc, counter, topic_hash, plaintext, self._or(lambda: decode_body(plaintext[:-64], told), "Rejected")

    def _decrypt(self, keys, enc, counter, sealed, aad):
        try:
            context = hpke.setup_receiver(keys.secret_key, enc, session_info(keys.h), tree.session_psk(keys.psk), keys.h)
            message_key, base_nonce = session_keys(context)
            plaintext = AESGCM(message_key).decrypt(nonce(base_nonce, counter), sealed, aad)
        except (Refused, InvalidTag) as fault:
            raise Refused("Rejected", str(fault)) from None
        require(len(plaintext) >= 64, "Rejected", "no room for a signature")
        return plaintext

    # --- sender ---

    def _of_event(self, m):
        """The known credential, or the one inside the message if that verifies and is newer."""
        known = self.credentials.get(m["sender"])
        if "credential" in m:
            try:
                inside = objects.check("credential", m["credential"], authority=self.authority, member=m["sender"])
                if known is None or (order(inside) > order(known) and inside.fields["key"] == known.fields["key"]):
                    return inside
            except Refused:
                pass
        require(known is not None, "UnknownSender")
        return known

    def _of_state(self, m):
        """The known credential (from now on), and the one inside, under which the state was sealed ("The sender of state")."""
        known = self.credentials.get(m["sender"])
        inside = self._or(lambda: objects.Object("credential", m.get("credential", b"")), "Rejected")
        require(inside.fields["member"] == m["sender"], "Rejected", "the credential of another member")
        if known is None or order(inside) > order(known):
            self._or(lambda: inside.require_signed_by(self.authority, objects.ISSUE), "UnknownSender")
            require(known is None or inside.fields["key"] == known.fields["key"], "UnknownSender", "another key")
            return inside, inside
        if order(inside) == order(known):
            require(inside.hash == known.hash, "Rejected", "another credential with its numbers")
            return known, known
        self._or(lambda: inside.require_issued(self.authority), "Revoked")
        require(inside.fields["key"] == known.fields["key"], "Revoked", "another key")
        return known, inside

    @staticmethod
    def _or(check, reason):
        try:
            return check()
        except Refused as refused:
            raise Refused(reason, str(refused)) from None

    def _state(self, known, credential):
        """The replay state that belongs to the credential, a fresh one for a higher one, and for one below it that is above the older one."""
        state = self.states.get(credential.fields["member"])
        if state is None or order(credential) > state.order:
            return SenderState(order(credential))
        require(order(known) >= state.order, "Revoked", "the known one is below the credential of the replay state")
        if order(credential) == state.order:
            return state
        if state.older is None or order(credential) > state.older.order:
            return SenderState(order(credential))
        require(order(credential) == state.older.order, "Revoked", "below both credentials of the replay state")
        return state.older

    def _keep(self, sender, state):
        """`state` is that of an event which was accepted: it takes its place among the sender's two."""
        newest = self.states.get(sender)
        if newest is None or state.order > newest.order:
            if newest:
                newest.older = None
            state.older = newest
            self.states[sender] = state
        elif state is not newest:
            newest.older = state

    def _made_under(self, credential, m):
        """The credential under which an event was made, by its hint: the known one, or an older one that counts."""
        ahead = (m["hint"] - credential.fields["credential_serial"]) % 128
        require(not 1 <= ahead < 64, "UnknownSender", "made under a newer credential")
        return credential if ahead < 64 else self._older(credential, m)

    def _older(self, known, m):
        inside = None
        if "credential" in m:
            try:
                inside = objects.Object("credential", m["credential"])
                inside.require_issued(self.authority)
                require(inside.fields["member"] == m["sender"], "field", "the credential of another member")
            except Refused:
                inside = None
        for older in (inside, self.before.get(m["sender"])):
            if older and order(older) < order(known) and older.fields["key"] == known.fields["key"] and older.fields["credential_serial"] % 128 == m["hint"]:
                return older
        raise Refused("Revoked", "made under an older credential that does not count")

    def _require_not_refused(self, *credentials):
        for f in (credential.fields for credential in credentials):
            require(f["credential_serial"] >= self.lowest_serial.get(f["member"], 0), "Revoked", "below the refused list's")

    def _require_valid(self, credential, now_ms):
        f = credential.fields
        if now_ms is None:  # without a clock it is at least the time of the newest announcement
            require(f["not_after"] >= self.issued_at, "Revoked", "a credential that has expired by then")
        else:
            now = now_ms // 1000
            ends = min(f["not_after"], self.delegation_not_after)
            require(f["issued_at"] <= now + self.policy["skew"] and now <= ends, "Stale", "credential")

    def _require_granted(self, topic, *credentials):
        require(any(topics.matches(text, topic) for text in self.filters), "NotAllowed", "not a topic of the group")
        for f in (credential.fields for credential in credentials):
            grant = next((grant for grant in f["grants"] if grant["group"] == self.group), None)
            require(grant and grant["access"] & PUBLISH, "NotAllowed", "no grant")
            narrowed = grant["publish_filter"]
            require(not narrowed or topics.matches(topics.own_filter(narrowed, f["name"]), topic), "NotAllowed", "publish filter")

    # --- replay ---

    def _require_new(self, state, known, credential, m, topic, retained, enc, counter):
        if state is None:
            self.marks.require_new(credential, known, m, counter, topic, retained)
        else:
            require(not retained, "Replay", "an event in retained delivery")
            self._require_new_live(state, m["session_number"], enc, counter)

    def _require_new_live(self, state, number, enc, counter):
        if enc in state.sessions:
            session = state.sessions[enc]
            require(session.number == number, "Replay", "another session number")
            require(counter not in session.seen, "Replay")
            require(counter > session.top - WINDOW, "Replay", "below the window")
            if 128 <= session.top - counter < 1024:
                raise ValueError("this vector depends on the size of the replay window")
        else:
            require(number > state.floor, "Replay", "at or below the floor")

    def _mark(self, newest, state, number, enc, counter):
        if enc not in state.sessions:
            older = newest.older
            if older and older.sessions and len(newest.sessions) + len(older.sessions) == self.capacity:
                lowest = min(older.sessions, key=lambda known: older.sessions[known].number)
                older.floor = max(older.floor, older.sessions.pop(lowest).number)
            elif state is older and len(newest.sessions) == self.capacity:
                older.floor = max(older.floor, number)
                return
            elif len(state.sessions) == self.capacity:
                lowest = min(state.sessions, key=lambda known: state.sessions[known].number)
                state.floor = max(state.floor, state.sessions.pop(lowest).number)
            state.sessions[enc] = Session(number)
        session = state.sessions[enc]
        session.seen.add(counter)
        session.top = max(session.top, counter)

    # --- time ---

    def _require_keys_fresh(self, now_ms):
        last = self.not_after + self.policy["grace"] + self.policy["skew"]
        require(now_ms is None or now_ms // 1000 <= last, "Stale", "the keys ran out")

    def _require_fresh(self, m, retained, now_ms):
        sent_at, policy = m.get("sent_at"), self.policy
        if m["will"]:
            require(sent_at is not None and policy["will_age"] > 0, "Stale", "a will without sent_at, or no wills here")
        if now_ms is None:
            return  # a reader without a clock
        if sent_at is not None:
            require(sent_at <= now_ms + policy["skew"] * 1000, "Stale", "from the future")
            for name, value in m.get("properties", []):
                require(name != "message_expiry" or now_ms <= sent_at + value * 1000, "Stale", "expired")
        if m["will"]:
            age = (policy["will_age"] + policy["skew"]) * 1000
            require(retained or now_ms - sent_at <= age, "Stale", "an old will")
        elif policy["freshness"] and not retained:
            age = (policy["freshness"] + policy["skew"]) * 1000
            require(sent_at is not None and now_ms - sent_at <= age, "Stale", "not fresh")
