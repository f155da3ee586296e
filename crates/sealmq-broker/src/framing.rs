//! Follows the packets of MQTT in a stream of bytes, without keeping any of it.

/// What is seen of a packet when its fixed header is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first byte: type and flags.
    pub(crate) first: u8,
    /// Bytes after the fixed header.
    pub(crate) length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Begins(Head),
    Ends,
}

impl Head {
    pub(crate) fn kind(self) -> Kind {
        match self.first.wrapping_shr(4) {
            3 if self.first & 0x06 == 0 => Kind::Publish {
                acknowledged: false,
            },
            3 => Kind::Publish { acknowledged: true },
            4 | 7 => Kind::Acknowledged,
            // With a reason code, hence an error as a rule: nothing follows it.
            5 if self.length > 2 => Kind::Acknowledged,
            _ => Kind::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Publish {
        acknowledged: bool,
    },
    /// Ends a message of QoS 1 or 2.
    Acknowledged,
    Other,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    First,
    Length {
        first: u8,
        length: usize,
        shift: u32,
    },
    Body {
        left: usize,
    },
    /// No MQTT: whoever reads the packets ends the connection.
    Broken,
}

/// Where in a stream of packets it is.
#[derive(Debug, Default)]
pub(crate) struct Framing(State);

impl Framing {
    /// Whether a packet begins next.
    pub(crate) fn between(&self) -> bool {
        matches!(self.0, State::First)
    }

    pub(crate) fn observe(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Seen)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.0 {
                State::First => {
                    self.0 = State::Length {
                        first: byte,
                        length: 0,
                        shift: 0,
                    };
                    bytes = rest;
                }
                State::Length {
                    first,
                    length,
                    shift,
                } => {
                    bytes = rest;
                    *length |= usize::from(byte & 0x7f).wrapping_shl(*shift);
                    *shift = shift.saturating_add(7);
                    if byte & 0x80 == 0 {
                        let (first, length) = (*first, *length);
                        seen(Seen::Begins(Head { first, length }));
                        self.body(length, &mut seen);
                    } else if *shift > 21 {
                        self.0 = State::Broken;
                    }
                }
                State::Body { left } => {
                    let taken = bytes.len().min(*left);
                    let left = left.saturating_sub(taken);
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.body(left, &mut seen);
                }
                State::Broken => return,
            }
        }
    }

    fn body(&mut self, left: usize, seen: &mut impl FnMut(Seen)) {
        self.0 = if left == 0 {
            seen(Seen::Ends);
            State::First
        } else {
            State::Body { left }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<Seen> {
        let mut framing = Framing::default();
        let mut found = Vec::new();
        for chunk in chunks {
            framing.observe(chunk, |seen| found.push(seen));
        }
        found
    }

    #[test]
    fn packets_are_followed_however_they_are_cut() {
        let mut stream = vec![0xc0, 0, 0x32, 0x82, 0x01];
        stream.extend([7; 130]);
        stream.extend([0x40, 2, 0, 1]);
        let expected = [(0xc0, 0), (0x32, 130), (0x40, 2)]
            .map(|(first, length)| [Seen::Begins(Head { first, length }), Seen::Ends])
            .concat();
        assert_eq!(all(&[&stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(all(&bytes), expected);
        // Five bytes of length: nothing more is understood.
        assert_eq!(all(&[&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01, 0xc0, 0]]), []);
    }

    #[test]
    fn what_ends_a_message_is_known() {
        let kind = |first, length| Head { first, length }.kind();
        assert_eq!(
            kind(0x31, 9),
            Kind::Publish {
                acknowledged: false
            }
        );
        assert_eq!(kind(0x3d, 9), Kind::Publish { acknowledged: true });
        assert_eq!(kind(0x40, 2), Kind::Acknowledged);
        assert_eq!(kind(0x50, 2), Kind::Other);
        assert_eq!(kind(0x50, 3), Kind::Acknowledged);
        assert_eq!(kind(0x70, 2), Kind::Acknowledged);
        assert_eq!(kind(0x62, 2), Kind::Other);
    }
}
