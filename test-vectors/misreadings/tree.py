"""keys.md §6: what follows from a reader_secret, the tree, covers, welcomes."""

from .entry import Misreading as M

COVER = "        return below(2 * node) + below(2 * node + 1) if node >> depth == 0 else []\n"

MISREADINGS = [
    M("psk-label", "keys.md §6", "`sealmq/1 group psk`", "`sealmq/1 psk`", "tree", 'b"sealmq/1 group psk"', 'b"sealmq/1 psk"'),
    M("psk-check-from-secret", "keys.md §6", "psk_check = Expand(psk, …)", "Expand(reader_secret, …)", "tree", "self.psk_check = psk_check(self.psk)", "self.psk_check = psk_check(reader_secret)"),
    M("session-psk-from-secret", "envelope.md §6", "the session's psk comes from psk", "from reader_secret", "tree", "self.session_psk = session_psk(self.psk)", "self.session_psk = session_psk(reader_secret)"),
    M("session-psk-is-psk", "envelope.md §6", "the session's psk has a label", "is the psk", "tree", 'return expand(psk, b"sealmq/1 session psk")', "return psk"),
    M("group-key-raw", "keys.md §6", "DeriveKeyPair(Expand(…))", "the expanded value is the private key", "tree", "self.secret_key, self.group_key = hpke.derive_key_pair(self.kem_ikm)", "self.secret_key, self.group_key = self.kem_ikm, hpke.public_key(self.kem_ikm)"),
    M("group-key-ikm", "keys.md §6", "DeriveKeyPair(Expand(reader_secret, label))", "DeriveKeyPair(reader_secret)", "tree", 'self.kem_ikm = expand(reader_secret, b"sealmq/1 group kem")', "self.kem_ikm = reader_secret"),
    M("heal-w-from-secret", "keys.md §6", "heal_w = Expand(psk, …)", "Expand(reader_secret, …)", "tree", "self.heal_w = heal_w(self.psk)", "self.heal_w = heal_w(reader_secret)"),
    M("heal-r-from-psk", "keys.md §6", "heal_r = Expand(reader_secret, …)", "Expand(psk, …)", "tree", 'self.heal_r = expand(reader_secret, b"sealmq/1 heal r")', 'self.heal_r = expand(self.psk, b"sealmq/1 heal r")'),
    M("heal-one-label", "keys.md §6", "heal r and heal w", "one label", "tree", 'return expand(psk, b"sealmq/1 heal w")', 'return expand(psk, b"sealmq/1 heal r")'),
    M("node-number-8", "keys.md §6", "BE4(v)", "BE8", "tree", 'return expand(tree_secret, b"sealmq/1 node" + be(4, node))', 'return expand(tree_secret, b"sealmq/1 node" + be(8, node))'),
    M("node-ratchet-label", "keys.md §6", "`sealmq/1 ratchet`", "with the node's number", "tree", '    return expand(key, b"sealmq/1 ratchet") if heal is None', '    return expand(key, b"sealmq/1 ratchet" + be(1, 0)) if heal is None'),
    M("healed-without-label", "keys.md §6", "Extract(N, label ‖ heal)", "without label", "tree", 'extract(key, b"sealmq/1 healed" + heal)', "extract(key, heal)"),
    M("healed-salt", "keys.md §6", "salt = N", "salt = heal", "tree", 'extract(key, b"sealmq/1 healed" + heal)', 'extract(heal, b"sealmq/1 healed" + key)'),
    M("healed-expand", "keys.md §6", "Extract when healing", "Expand", "tree", 'extract(key, b"sealmq/1 healed" + heal)', 'expand(key, b"sealmq/1 healed" + heal)'),
    M("healed-twice", "keys.md §6", "ratcheted or healed", "ratcheted, then healed", "tree", 'extract(key, b"sealmq/1 healed" + heal)', 'extract(expand(key, b"sealmq/1 ratchet"), b"sealmq/1 healed" + heal)'),
    M("wrap-node", "keys.md §6", "label ‖ BE4(v) ‖ head_hash", "without v", "tree", 'b"sealmq/1 wrap" + be(4, node) + head_hash', 'b"sealmq/1 wrap" + head_hash'),
    M("wrap-head", "keys.md §6", "label ‖ BE4(v) ‖ head_hash", "head_hash first", "tree", 'b"sealmq/1 wrap" + be(4, node) + head_hash', 'b"sealmq/1 wrap" + head_hash + be(4, node)'),
    M("wrap-nonce", "keys.md §6", "nonce = 12 zero bytes", "ending with 1", "tree", "return AESGCM(key).decrypt(bytes(12), sealed, None)", "return AESGCM(key).decrypt(bytes(11) + b'\\1', sealed, None)"),
    M("half-by-leaf-bit", "keys.md §6", "node 2 is the root of the readers' half", "node 3", "tree", "return node >> (node.bit_length() - 2)", "return 5 - (node >> (node.bit_length() - 2))"),
    M("path-from-root", "keys.md §6", "leaf, …, node 2 or 3", "node 2 or 3, …, leaf", "tree", "return [leaf >> i for i in range(leaf.bit_length() - 1)]", "return [leaf >> i for i in reversed(range(leaf.bit_length() - 1))]"),
    # covers
    M("cover-siblings", "keys.md §6", "the smallest set of nodes", "leaf by leaf", "tree", "        if node not in tainted:\n            return [node]\n", "        if node not in tainted and node >> depth:\n            return [node]\n"),
    M("cover-ends-above-leaves", "keys.md §6", "covers all leaves except the removed ones", "siblings of removed leaves are left out", "tree", COVER, COVER.replace("node >> depth == 0", "2 * node >> depth == 0")),
    M("cover-right-first", "keys.md §5", "ascending order of the leaves", "descending", "tree", "return below(2 * node) + below(2 * node + 1) if", "return below(2 * node + 1) + below(2 * node) if"),
    M("cover-half-first", "keys.md §6", "node 2, then 3", "3, then 2", "tree", "return below(2) + below(3)", "return below(3) + below(2)"),
    M("cover-root-alone", "keys.md §6", "node 1 has no key", "1 if nobody was removed", "tree", "return below(2) + below(3)", "return below(1)"),
    M("cover-readers-only", "keys.md §6", "in each half", "in the half of the removed", "tree", "return below(2) + below(3)", "return (below(2) if 2 in tainted or not removed else [2]) + (below(3) if 3 in tainted or not removed else [])"),
    M("cover-by-level", "keys.md §5", "in the order of the leaves", "of the node numbers", "tree", "return below(2) + below(3)", "return sorted(below(2) + below(3))"),
    # welcomes
    M("welcome-info-domain", "keys.md §6", "info begins with the domain", "the group's id is enough", "tree", 'b"sealmq/1 welcome" + f["domain"] + f["group"]', 'b"sealmq/1 welcome" + f["group"]'),
    M("welcome-info-leaf", "keys.md §6", "depth, then BE4(leaf)", "the leaf, then the depth", "tree", '+ be(1, f["depth"]) + be(4, f["leaf"]) +', '+ be(4, f["leaf"]) + be(1, f["depth"]) +'),
    M("welcome-info-member", "keys.md §6", "BE4(member)", "varint", "tree", 'f["group"] + be(4, f["member"])', 'f["group"] + bytes([f["member"] & 127])'),
    M("welcome-info-epoch", "keys.md §6", "BE8(epoch)", "BE4", "tree", 'be(8, f["epoch"])', 'be(4, f["epoch"])'),
    M("welcome-info-package", "keys.md §6", "the package's hash", "its number", "tree", '+ f["package"])\n', '+ be(4, f["package_number"]))\n'),
    M("welcome-aad-empty", "keys.md §6", "aad: all fields before enc", "empty", "tree", 'return welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]', 'return b""'),
    M("welcome-aad-hash", "keys.md §6", "the fields as they stand", "their hash", "tree", 'return welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]', 'import hashlib\n    return hashlib.sha256(welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]).digest()'),
    M("welcome-aad-body", "keys.md §6", "form ‖ kind ‖ …", "the body", "tree", 'return welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]', 'return welcome[2:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]'),
    M("welcome-aad-enc", "keys.md §6", "the fields before enc", "enc included", "tree", 'return welcome[:-64 - len(blob(f["sealed"])) - len(blob(f["enc"]))]', 'return welcome[:-64 - len(blob(f["sealed"]))]'),
    M("welcome-package-hash", "keys.md §6", "a package with that number and hash", "that number", "tree", 'require((f["package_number"], f["package"]) == (package.fields["number"], package.hash), "package")', 'require(f["package_number"] == package.fields["number"], "package")'),
    M("welcome-installed-again", "keys.md §6", "not above the installed one: ignored", "the same again is installed", "tree", 'require((f["generation"], f["epoch"]) > (installed["generation"], installed["epoch"]), "too_old"', 'require((f["generation"], f["epoch"]) >= (installed["generation"], installed["epoch"]), "too_old"'),
    M("welcome-installed-epoch", "keys.md §6", "(serial, generation, epoch)", "the epoch", "tree", 'require((f["generation"], f["epoch"]) > (installed["generation"], installed["epoch"]), "too_old"', 'require(f["epoch"] > installed["epoch"], "too_old"'),
    M("welcome-installed-generation", "keys.md §6", "(serial, generation, epoch)", "the generation", "tree", 'require((f["generation"], f["epoch"]) > (installed["generation"], installed["epoch"]), "too_old"', 'require(f["generation"] > installed["generation"], "too_old"'),
    M("welcome-installed-both", "keys.md §6", "(serial, generation, epoch) ordered", "both above", "tree", 'require((f["generation"], f["epoch"]) > (installed["generation"], installed["epoch"]), "too_old"', 'require(f["generation"] > installed["generation"] and f["epoch"] > installed["epoch"], "too_old"'),
    M("welcome-path-reversed", "keys.md §6", "N[leaf] ‖ … ‖ N[2 or 3]", "from the root", "tree", 'dict(zip(path_of(f["leaf"]), keys))\n\n\n# --- following', 'dict(zip(path_of(f["leaf"]), reversed(keys)))\n\n\n# --- following'),
]
