use alloc::collections::{BTreeMap, VecDeque};

/// The office's tokens by the packet identifiers of a connection, for MQTT libraries that choose
/// the identifiers themselves, and name them later, in the order in which publications were handed
/// over.
#[derive(Debug, Default)]
pub struct Packets {
    handed: VecDeque<u64>,
    written: BTreeMap<u16, u64>,
}

impl Packets {
    /// None: a new connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handed: VecDeque::new(),
            written: BTreeMap::new(),
        }
    }

    /// A publication was handed to the library.
    pub fn handed(&mut self, token: u64) {
        self.handed.push_back(token);
    }

    /// The library has written the next one of them, with this identifier.
    pub fn written(&mut self, packet: u16) {
        let token = self.handed.pop_front();
        self.written.extend(token.map(|token| (packet, token)));
    }

    /// The broker has answered for this identifier: the token for
    /// [`Office::handle_ack`](super::Office::handle_ack), if there is one.
    pub fn answered(&mut self, packet: u16) -> Option<u64> {
        self.written.remove(&packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_in_the_order_of_handing_over() {
        let mut packets = Packets::new();
        packets.handed(70);
        packets.handed(71);
        assert_eq!(packets.answered(1), None);
        packets.written(1);
        packets.written(2);
        // Not one of ours.
        packets.written(3);
        assert_eq!(packets.answered(2), Some(71));
        assert_eq!(packets.answered(2), None, "once");
        assert_eq!(packets.answered(3), None);
        // The library may use it again.
        packets.handed(72);
        packets.written(2);
        assert_eq!(packets.answered(1), Some(70));
        assert_eq!(packets.answered(2), Some(72));
    }
}
