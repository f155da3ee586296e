"""An authority whose store was put back: what tells it so, and where its numbers go on (keys.md §13, "Backups")."""

from . import audit, objects, topics
from .wire import Refused, require

GAP = 1024


class Restored:
    """What the store has, and how far everything is known to have gone."""

    def __init__(self, authority, root_key, own):
        self.authority, self.root_key = authority, root_key
        self.domain = authority["domain"]
        self.delegation = objects.check("delegation", own["delegation"], root_key=root_key)
        self.serial = self.delegation.fields["serial"]  # the highest one seen
        self.next_member = own["next_member"]
        self.log, self.heads = own["log"], audit.heads_of(own["log"])[1]
        self.known = {}   # hash of each announcement that the store has, by group and epoch
        self.far = {}     # per group that the store has: (epoch, hash of its announcement, generation)
        for data in own["announcements"]:
            announcement = objects.check("announcement", data, authority=authority)
            f = announcement.fields
            self.known[f["group"], f["epoch"]] = announcement.hash
            self.far.setdefault(f["group"], (0, None, 0))
            self._raise(f["group"], f["epoch"], announcement.hash, f["generations"][-1]["number"])

    def _raise(self, group, epoch, announcement, generation=0):
        if group in self.far:  # groups that were made since have to be made again
            known = self.far[group]
            self.far[group] = max(known[:2], (epoch, announcement), key=lambda place: place[0]) + (max(known[2], generation),)

    def _contradicts(self, group, epoch, announcement):
        own = max((e for g, e in self.known if g == group), default=0)
        return epoch > own or self.known.get((group, epoch), announcement) != announcement

    def is_evidence(self, topic, data):
        """Whether an object at the broker tells that this store is old; what nobody of this domain signed tells nothing."""
        try:
            place = topics.read_reserved(topic, self.domain)
            if place["what"] == "delegation":
                seen = objects.check("delegation", data, root_key=self.root_key)
                serial, own = seen.fields["serial"], self.delegation
                self.serial = max(self.serial, serial)
                return serial > own.fields["serial"] or (serial == own.fields["serial"] and seen.hash != own.hash)
            if place["what"] == "announcement":
                seen = objects.check("announcement", data, authority=self.authority, group=place["group"])
                f = seen.fields
                require(f["epoch"] == place["epoch"], "field", "on another topic")
                found = self._contradicts(f["group"], f["epoch"], seen.hash)
                self._raise(f["group"], f["epoch"], seen.hash, f["generations"][-1]["number"])
                return found
            if place["what"] == "heartbeat":
                f = objects.check("heartbeat", data, authority=self.authority, group=place["group"]).fields
                found = self._contradicts(f["group"], f["epoch"], f["announcement"])
                self._raise(f["group"], f["epoch"], f["announcement"])
                return found or f["log_size"] >= len(self.heads) or self.heads[f["log_size"]] != f["log_head"]
        except Refused:
            pass
        return False

    def resume(self, delegation, log):
        """The numbers with which it goes on; `log` is the copy, or None if there is none."""
        highest, removed, unknown = self.next_member - 1, set(), set()
        if log is not None:
            entries, heads = audit.heads_of(log)
            audit.require_continues(heads, len(self.log), self.heads[-1])
            for entry in entries[len(self.log):]:
                (what, f), = entry["what"].items()
                if what == "enrolled":
                    unknown.add(f["member"])
                    highest = max(highest, f["member"])
                elif what == "removed":
                    removed.add(f["member"])
                elif what in ("delegation", "resumed"):
                    self.serial = max(self.serial, f["serial"])
                elif what == "generation":
                    self._raise(f["group"], 0, None, f["number"])
                else:
                    highest = max(highest, self._signed(f["topic"], f["hash"]))
        seen = objects.check("delegation", delegation, root_key=self.root_key)
        require(seen.fields["serial"] > self.serial, "serial", "not above all that were seen")
        gap = GAP if log is None else 0
        groups = [{"group": group, "epoch": epoch + gap + 1, "generation": generation + gap + 1, "previous": announcement}
                  for group, (epoch, announcement, generation) in sorted(self.far.items())]
        return {"next_member": highest + GAP, "groups": groups, "removed": sorted(removed), "unknown": sorted(unknown)}

    def _signed(self, topic, object_hash):
        """Notes how far a group went; returns the member for which something was published, or 0."""
        try:
            place = topics.read_reserved(topic, self.domain)
        except Refused:
            return 0
        if place["what"] == "announcement":
            self._raise(place["group"], place["epoch"], object_hash)
        return place["member"] if place["what"] in ("credential", "welcome") else 0
