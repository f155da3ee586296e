//! Random inputs. `SEALMQ_MUTATIONS=10000000 cargo test -p sealmq-core --features aws-lc mutations`
//! plays ten million, on all cores.

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;

use super::edge_cases::{Encoded, by_dalek, signed};
use super::{Backend, for_every_back_end};

for_every_back_end!(signatures, others);

const LEAST: usize = 800;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let bit = self.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// How many, on how many threads.
fn rounds(least: usize) -> (usize, usize) {
    let count = std::env::var("SEALMQ_MUTATIONS").map_or(least, |n| n.parse().unwrap());
    (count, std::thread::available_parallelism().unwrap().get())
}

fn on_all_cores(least: usize, one: impl Fn(&mut Random) + Sync) {
    let (count, threads) = rounds(least);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let one = &one;
            scope.spawn(move || {
                let mut random = Random(thread as u64);
                (0..count / threads).for_each(|_| one(&mut random));
            });
        }
    });
}

fn signatures<B: Backend>() {
    let accepted = std::sync::atomic::AtomicUsize::new(0);
    on_all_cores(LEAST, |random| {
        let message = random.bytes::<64>();
        let (mut key, mut signature) = if random.below(4) == 0 {
            let torsion = |random: &mut Random| EIGHT_TORSION[random.below(8)];
            let a = Encoded::new(
                Scalar::from_bytes_mod_order(random.bytes()),
                torsion(random),
            );
            let r = Encoded::new(
                Scalar::from_bytes_mod_order(random.bytes()),
                torsion(random),
            );
            (a.bytes, signed(&a, &r, &message, false).0)
        } else {
            let seed = random.bytes();
            (B::public(&seed), B::sign(&seed, &message))
        };
        match random.below(8) {
            0 => random.flip(&mut key),
            1 => random.flip(&mut signature),
            2 => random.flip(&mut signature[..32]),
            3 => signature[..32].copy_from_slice(&EIGHT_TORSION[random.below(8)].compress().0),
            4 => add_order(&mut signature[32..]),
            5 => key = random.bytes(),
            _ => {}
        }
        let verified = B::verify(&key, &message, &signature);
        assert_eq!(verified, by_dalek(&key, &message, &signature));
        if verified {
            accepted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let (count, _) = rounds(LEAST);
    assert!(accepted.into_inner() > count / 8);
}

/// S + L: the same signature again, if S may be above L.
fn add_order(s: &mut [u8]) {
    let order = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (byte, order) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

/// Against RustCrypto: of a back end of its own results nothing is learnt, but that it is there.
fn others<B: Backend>() {
    use super::RustCrypto as Reference;
    on_all_cores(LEAST / 5, |random| {
        let seed = random.bytes();
        assert_eq!(B::public(&seed), Reference::public(&seed));
        let long: [u8; 700] = random.bytes();
        let message = &long[..random.below(700)];
        assert_eq!(B::sign(&seed, message), Reference::sign(&seed, message));

        let (first, second) = message.split_at(random.below(message.len() + 1));
        let parts = [first, second];
        assert_eq!(B::sha256(&parts), Reference::sha256(&parts));
        assert_eq!(B::expand(&seed, &parts), Reference::expand(&seed, &parts));
        assert_eq!(B::extract(&seed, &parts), Reference::extract(&seed, &parts));

        let nonce = random.bytes();
        let (sealed, mut tag) = B::seal(&seed, &nonce, first, second);
        assert_eq!(
            (sealed.clone(), tag),
            Reference::seal(&seed, &nonce, first, second)
        );
        let opened = B::open(&seed, &nonce, first, &sealed, &tag);
        assert_eq!(opened.as_deref(), Some(second));
        random.flip(&mut tag);
        assert_eq!(B::open(&seed, &nonce, first, &sealed, &tag), None);

        let (private, public) = (random.bytes(), random.bytes());
        assert_eq!(
            B::x25519(&private, &public),
            Reference::x25519(&private, &public)
        );
        let derived = B::derive(&seed);
        assert_eq!(derived, Reference::derive(&seed));
        // Sealed by one, opened by the other.
        let (psk, id) = (&random.bytes(), first.get(..32).unwrap_or(b"id"));
        let sent = B::psk_sender(&derived, (psk, id), second, &private, &[b"a", b"b"]);
        let (enc, secrets) = sent.unwrap();
        let received = Reference::psk_receiver(&seed, (psk, id), second, &enc, &[b"a", b"b"]);
        assert_eq!(received, Some(secrets));
        let to = (super::KemId::X25519, &derived[..]);
        let (enc, text, tag) = B::base_sender(to, first, b"aad", &private, second).unwrap();
        let opened = Reference::base_receiver(&seed, first, b"aad", &enc, &text, &tag);
        assert_eq!(opened.as_deref(), Some(second));
    });
}
