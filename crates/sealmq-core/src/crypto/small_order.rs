//! The part of strict verification that looks at R's bytes. Whoever computes the point that R has to
//! be compares encodings, which are canonical, so that R need not be decompressed to refuse others.

/// The canonical encodings of the eight points of small order.
const ENCODINGS: [[u8; 32]; 8] = [
    with_ends(0x01, 0x00, 0x00),
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0x00, 0x00, 0x00),
    with_ends(0x00, 0x00, 0x80),
    ORDER_8[0],
    negated(ORDER_8[0]),
    ORDER_8[1],
    negated(ORDER_8[1]),
];

const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn with_ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    let [start, .., end] = &mut bytes;
    (*start, *end) = (first, last);
    bytes
}

const fn negated(mut bytes: [u8; 32]) -> [u8; 32] {
    let [.., end] = &mut bytes;
    *end |= 0x80;
    bytes
}

/// Whether R, the first half of a signature, is of small order.
pub(super) fn is_r_of(signature: &[u8; 64]) -> bool {
    signature
        .first_chunk()
        .is_some_and(|r| ENCODINGS.contains(r))
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::ENCODINGS;

    #[test]
    fn these_are_all_points_of_small_order() {
        let mut points = EIGHT_TORSION.map(|point| point.compress().to_bytes());
        let mut listed = ENCODINGS;
        points.sort_unstable();
        listed.sort_unstable();
        assert_eq!(points, listed);
    }
}
