"""An authority whose store was put back: what tells it so, and where its numbers go on (keys.md §13, "Backups")."""

from . import audit, objects, topics
from .wire import Refused, require, sha256

GAP = 1024
REACH = 2**20
LOG_REACH = 2**32
LAST_SERIAL = 2**32 - 1 - REACH
NO_MEMBER = 2**28
REMOVED = 0xFFFFFFFF
GROUPS = 2  # the role's bit


def _far(epoch=0, announcement=None, generation=0):
    return {"epoch": epoch, "announcement": announcement, "generation": generation}


class Restored:
    """What the store has, and how far everything is known to have gone."""

    def __init__(self, authority, root_key, own):
        self.authority, self.root_key = authority, root_key
        self.domain = authority["domain"]
        self.delegation = objects.check("delegation", own["delegation"], root_key=root_key)
        self.serial = self.delegation.fields["serial"]  # the highest one seen
        self.next_member, self.members = own["next_member"], set(own["members"])
        self.log, self.heads = own["log"], audit.heads_of(own["log"])[1]
        self.known = {}   # hash of each announcement that the store has, by group and epoch
        self.own = {}     # how far each group of the store goes
        for data in own["announcements"]:
            announcement = objects.check("announcement", data, authority=authority)
            f = announcement.fields
            self.known[f["group"], f["epoch"]] = announcement.hash
            far = self.own.setdefault(f["group"], _far())
            if f["epoch"] > far["epoch"]:
                far.update(epoch=f["epoch"], announcement=announcement.hash)
            far["generation"] = max(far["generation"], f["generations"][-1]["number"])
        # What was seen: numbers by group, the latest announcement with its signer, logs, removals.
        self.seen = {group: _far() for group in self.own}
        self.signers = {}
        self.beats, self.proven, self.refused, self.member = False, set(), set(), 0
        self.chunks = []  # of refused lists that counted

    def _note(self, group, epoch, generation=0, announcement=None, signer=None):
        seen = self.seen.get(group)  # groups that were made since have to be made again
        if seen is not None:
            seen["epoch"] = max(seen["epoch"], epoch)
            seen["generation"] = max(seen["generation"], generation)
            if announcement and epoch > self.signers.get(group, (0,))[0]:
                self.signers[group] = (epoch, announcement, signer)

    def _contradicts(self, group, epoch, announcement):
        return epoch > self.own.get(group, _far())["epoch"] or self.known.get((group, epoch), announcement) != announcement

    def is_evidence(self, topic, data):
        """Whether an object at the broker tells that this store is old; what nobody of this domain signed tells nothing."""
        try:
            place = topics.read_reserved(topic, self.domain)
            if place["what"] == "delegation":
                return self._delegation(objects.check("delegation", data, root_key=self.root_key))
            kind = place["what"]
            if kind == "refused_chunk":
                return self._refused_chunk(place, data)
            if kind in ("announcement", "heartbeat", "refused_list"):
                return getattr(self, "_" + kind)(place, objects.check(kind, data, authority=self.authority, group=place["group"]))
        except Refused:
            pass
        return False

    def _delegation(self, seen):
        serial, own = seen.fields["serial"], self.delegation
        if serial > LAST_SERIAL:
            return False
        self.serial = max(self.serial, serial)
        return serial > own.fields["serial"] or (serial == own.fields["serial"] and seen.hash != own.hash)

    def _is_extreme(self, group, epoch, generation=0):
        own = self.own.get(group, _far())
        return epoch > own["epoch"] + REACH or generation > own["generation"] + REACH

    def _announcement(self, place, seen):
        f = seen.fields
        require(f["epoch"] == place["epoch"], "field", "on another topic")
        generation = max(g["number"] for g in f["generations"])
        if self._is_extreme(f["group"], f["epoch"], generation):
            return False
        self._note(f["group"], f["epoch"], generation, seen.hash, self.authority["keys"][f["signer"]]["key"])
        return self._contradicts(f["group"], f["epoch"], seen.hash)

    def _heartbeat(self, _, seen):
        f = seen.fields
        size, own = f["log_size"], len(self.log)
        if self._is_extreme(f["group"], f["epoch"]) or size > own + LOG_REACH:
            return False
        self._note(f["group"], f["epoch"])
        self.beats = True
        foreign = size > own or self.heads[size] != f["log_head"]
        if foreign:
            self.proven.add((size, f["log_head"]))
        return self._contradicts(f["group"], f["epoch"], f["announcement"]) or foreign

    def _refused_list(self, place, seen):
        f = seen.fields
        self.chunks += [(place["group"], chunk["first"], f["chunks"], n) for n, chunk in enumerate(f["chunks"])]
        return self._removed(f["entries"])

    def _refused_chunk(self, place, data):
        for group, first, chunks, n in self.chunks:
            if (group, first) == (place["group"], place["member"]) and chunks[n]["hash"] == sha256(data):
                return self._removed(objects.read_refused_chunk(chunks, n, data))
        return False

    def _removed(self, entries):
        removed = {e["member"] for e in entries if e["lowest_serial"] == REMOVED}
        if not removed or max(removed) > self.next_member + REACH:
            return False
        self.member = max(self.member, *removed)
        self.refused |= removed & self.members
        return bool(removed & self.members) or max(removed) >= self.next_member

    def _counted(self, log, named):
        """The entries of the copy that count, and whether it has all that heartbeats prove."""
        heads, own = self.heads, len(self.log)
        if log is not None:
            heads = audit.heads_of(log)[1]
            audit.require_continues(heads, own, self.heads[-1])
        end = (len(heads) - 1, heads[-1])
        there = {p for p in self.proven if own < p[0] < len(heads) and heads[p[0]] == p[1]}
        require(self.proven - there <= named, "incomplete", "the copy lacks what a heartbeat proves")
        proven = max(there, default=(own, self.heads[-1]))
        if not self.beats or end == proven or end in named:
            proven = end
        else:
            require(proven in named, "unproven", "entries behind everything that a heartbeat proves")
        return (log or [])[own:proven[0]], log is not None and there == self.proven

    def resume(self, delegation, log, heads=(), keep=()):
        """The numbers with which it goes on; `log` is the copy, or None if there is none."""
        entries, whole = self._counted(log, {(h["size"], h["head"]) for h in heads})
        highest, removed, unknown = self.next_member - 1, self.refused - set(keep), set()
        for data in entries:
            (what, f), = audit.entry(data)["what"].items()
            number = 0
            if what == "enrolled":
                number = f["member"]
                if number <= highest + REACH and number not in self.members:
                    unknown.add(number)
            elif what == "removed":
                removed.add(f["member"])
            elif what in ("delegation", "resumed"):
                self.serial = max(self.serial, f["serial"] if f["serial"] <= LAST_SERIAL else 0)
            elif what == "generation":
                own = self.own.get(f["group"])
                if own and f["number"] <= own["generation"] + REACH:
                    own["generation"] = max(own["generation"], f["number"])
            else:
                number = self._signed(f["topic"], f["hash"])
            if number <= highest + REACH:
                highest = max(highest, number)
        seen = objects.check("delegation", delegation, root_key=self.root_key)
        require(seen.fields["serial"] > self.serial, "serial", "not above all that were seen")
        require(seen.continues is None, "field", "it continues what may have been stolen since")
        signers = {k["key"] for k in seen.fields["keys"] if k["roles"] & GROUPS}
        gap = 0 if whole else GAP
        groups = []
        for group, own in sorted(self.own.items()):
            epoch, previous, signer = self.signers.get(group, (0, None, None))
            if not (epoch > own["epoch"] and signer in signers):
                previous = own["announcement"]
            groups.append({"group": group, "epoch": max(own["epoch"], self.seen[group]["epoch"]) + gap + 1,
                           "generation": max(own["generation"], self.seen[group]["generation"]) + gap + 1, "previous": previous})
        return {"next_member": min(max(highest, self.member) + GAP, NO_MEMBER), "groups": groups, "removed": sorted(removed), "unknown": sorted(unknown)}

    def _signed(self, topic, object_hash):
        """Notes how far a group went; returns the member for which something was published, or 0."""
        try:
            place = topics.read_reserved(topic, self.domain)
        except Refused:
            return 0
        if place["what"] == "announcement" and place["group"] in self.own:
            own = self.own[place["group"]]
            if own["epoch"] < place["epoch"] <= own["epoch"] + REACH:
                own.update(epoch=place["epoch"], announcement=object_hash)
        return place["member"] if place["what"] in ("credential", "welcome") else 0
