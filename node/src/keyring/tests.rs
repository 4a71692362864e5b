use std::{fs, os::unix::fs::PermissionsExt};

use proptest::prelude::*;
use xacminh_proto::{
    transparency::{Addendum, Salt},
    vocab::{CitizenNumber, Outcome},
};

use super::*;

fn keyring() -> Keyring {
    Keyring::from_file(&KeyringFile::fresh().unwrap()).unwrap()
}

#[test]
fn what_is_sealed_opens_and_shows_nothing() {
    let keyring = keyring();
    let plaintext = "048190001234 Nguyễn Thị Hạnh".as_bytes();
    let sealed = keyring.seal(Purpose::Record, b"row", plaintext).unwrap();
    assert_eq!(keyring.open(Purpose::Record, b"row", &sealed).unwrap().as_slice(), plaintext);
    assert!(!sealed.windows(6).any(|window| plaintext.windows(6).any(|piece| piece == window)));
    assert_ne!(sealed, keyring.seal(Purpose::Record, b"row", plaintext).unwrap(), "nonces are fresh");
    assert_eq!(Keyring::key_id_of(&sealed), Some(1));
}

#[test]
fn moved_changed_or_repurposed_bytes_do_not_open() {
    let keyring = keyring();
    let sealed = keyring.seal(Purpose::Record, b"row", b"value").unwrap();
    let rejected = |opened: Result<_, _>| matches!(opened, Err(KeyringError::Rejected { id: 1 }));
    assert!(rejected(keyring.open(Purpose::Record, b"other row", &sealed)));
    assert!(rejected(keyring.open(Purpose::Local, b"row", &sealed)));
    for at in HEADER_BYTES - NONCE_LEN..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(rejected(keyring.open(Purpose::Record, b"row", &changed)), "byte {at}");
    }
    for end in 0..HEADER_BYTES {
        assert!(matches!(keyring.open(Purpose::Record, b"row", &sealed[..end]), Err(KeyringError::Malformed)));
    }
}

#[test]
fn a_missing_key_is_named() {
    let mut file = KeyringFile::fresh().unwrap();
    let old = Keyring::from_file(&file).unwrap();
    let sealed = old.seal(Purpose::Record, b"", b"value").unwrap();
    assert_eq!(file.rotate().unwrap(), 2);
    let both = Keyring::from_file(&file).unwrap();
    assert_eq!(both.current_id(), 2);
    assert_eq!(both.open(Purpose::Record, b"", &sealed).unwrap().as_slice(), b"value");
    file.keys.retain(|(id, _)| *id != 1);
    let without = Keyring::from_file(&file).unwrap();
    let error = without.open(Purpose::Record, b"", &sealed).unwrap_err();
    assert!(matches!(error, KeyringError::KeyMissing { id: 1 }));
    assert!(error.to_string().starts_with("key 1 is missing from the keyring"));
    file.current = 7;
    assert!(matches!(Keyring::from_file(&file), Err(KeyringError::CurrentMissing { id: 7 })));
}

#[test]
fn a_spent_key_seals_no_more() {
    let keyring = keyring();
    keyring.keys[0].seals.store(SEALS_MAX - 1, Ordering::Relaxed);
    keyring.seal(Purpose::Record, b"", b"last").unwrap();
    assert!(matches!(keyring.seal(Purpose::Record, b"", b"over"), Err(KeyringError::Exhausted { id: 1 })));
}

#[test]
fn the_file_comes_back_in_clear_and_wrapped() {
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    fs::write(&kek, "ab".repeat(32) + "\n").unwrap();
    let wrong_kek = folder.path().join("wrong-kek");
    fs::write(&wrong_kek, "cd".repeat(32)).unwrap();
    let number = PersonNumber::Citizen(CitizenNumber::parse("048190001234").unwrap());
    for (name, source) in [("clear", KekSource::None), ("wrapped", KekSource::File(kek))] {
        let path = folder.path().join(name);
        let made = Keyring::generate(&path, &source).unwrap();
        let loaded = Keyring::load(&path, &source).unwrap();
        assert_eq!(made.row_key(number), loaded.row_key(number));
        let sealed = made.seal(Purpose::Record, b"", b"value").unwrap();
        assert_eq!(loaded.open(Purpose::Record, b"", &sealed).unwrap().as_slice(), b"value");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Keyring::generate(&path, &source), Err(KeyringError::File { .. })), "never replaced");
    }
    let wrapped = folder.path().join("wrapped");
    assert!(!fs::read_to_string(&wrapped).unwrap().contains("secret"));
    assert!(matches!(Keyring::load(&wrapped, &KekSource::None), Err(KeyringError::Kek(_))));
    assert!(matches!(Keyring::load(&wrapped, &KekSource::File(wrong_kek)), Err(KeyringError::Kek(_))));
    let unset = KekSource::Env("XACMINH_TEST_KEK_THAT_NOBODY_SETS".into());
    assert!(matches!(Keyring::load(&wrapped, &unset), Err(KeyringError::Kek(_))));
}

#[test]
fn a_bad_file_is_refused_without_quoting_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.toml");
    let good = KeyringFile::fresh().unwrap().to_text().to_string();
    let twice = format!("{good}{}", &good[good.find("[[key]]").unwrap()..]);
    for bad in [
        good.replace("version = 1", "version = 2"),
        good.replace("current", "curent"),
        good.replace("index = \"", "index = \"zz"),
        good.replace("id = 1", "id = 1\nextra = 2"),
        twice,
        String::new(),
    ] {
        fs::write(&path, &bad).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = Keyring::load(&path, &KekSource::None).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, KeyringError::Content { .. }), "{text}");
        let secret = good.split('"').nth(1).unwrap();
        assert!(!text.contains(&secret[2..20]), "{text}");
    }
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Keyring::load(&path, &KekSource::None), Err(KeyringError::Exposed { .. })));
}

#[test]
fn names_differ_by_kind_portal_and_keyring() {
    let keyring = keyring();
    let other = Keyring::from_file(&KeyringFile::fresh().unwrap()).unwrap();
    let citizen = PersonNumber::parse("048190001234").unwrap();
    let old = PersonNumber::parse("201234567").unwrap();
    assert_eq!(keyring.row_key(citizen), keyring.row_key(citizen));
    assert_ne!(keyring.row_key(citizen), keyring.row_key(old));
    assert_ne!(keyring.row_key(citizen), other.row_key(citizen));
    let official = OfficialId::parse("can-bo-017").unwrap();
    assert_ne!(keyring.official_pseudonym(PortalId(1), &official), keyring.official_pseudonym(PortalId(2), &official));
    assert_ne!(keyring.question_digest(b"a"), keyring.question_digest(b"b"));
    let text = format!("{keyring:?}");
    assert_eq!(text, "Keyring(keys [1], current 1)");
}

#[test]
fn an_addendum_comes_back_and_its_envelope_shows_nothing() {
    let keyring = keyring();
    let addendum = Addendum {
        number: "048190001234".into(),
        official: "can-bo-017".into(),
        dossier: "000.00.04.H17-251101-0007".into(),
        procedure: "1.004222".into(),
        decided_at_ms: 1_793_000_000_000,
        as_of_ms: 0,
        subject_salt: Salt([3; 32]),
        salts: vec![Salt([4; 32])],
        claims: Vec::new(),
        outcome: Some(Outcome::NotConfirmed),
    };
    let envelope = keyring.seal_addendum(&addendum, None).unwrap();
    assert!(keyring.open_addendum(&envelope, None).unwrap() == addendum);
    for secret in ["048190001234", "can-bo-017", "1.004222"] {
        assert!(!envelope.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let other = Keyring::from_file(&KeyringFile::fresh().unwrap()).unwrap();
    assert!(matches!(other.open_addendum(&envelope, None), Err(KeyringError::Rejected { id: 1 })));
    let mut changed = envelope;
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(keyring.open_addendum(&changed, None), Err(KeyringError::Rejected { id: 1 })));
}

#[test]
fn an_addendum_about_somebody_needs_their_own_key() {
    let keyring = keyring();
    let addendum = Addendum {
        number: "048190001234".into(),
        official: "can-bo-017".into(),
        dossier: "000.00.04.H17-251101-0007".into(),
        procedure: "1.004222".into(),
        decided_at_ms: 1_793_000_000_000,
        as_of_ms: 0,
        subject_salt: Salt([3; 32]),
        salts: Vec::new(),
        claims: Vec::new(),
        outcome: None,
    };
    let (own, sealed) = keyring.new_person_key(&[1; 32]).unwrap();
    let envelope = keyring.seal_addendum(&addendum, Some(&own)).unwrap();
    let again = keyring.open_person_key(&[1; 32], &sealed).unwrap();
    assert!(keyring.open_addendum(&envelope, Some(&again)).unwrap() == addendum);
    // With the person's row gone the keyring alone opens nothing, and another person's key neither.
    assert!(matches!(keyring.open_addendum(&envelope, None), Err(KeyringError::Erased)));
    let (other, _) = keyring.new_person_key(&[1; 32]).unwrap();
    assert!(matches!(keyring.open_addendum(&envelope, Some(&other)), Err(KeyringError::Rejected { .. })));
    assert!(keyring.open_person_key(&[2; 32], &sealed).is_err(), "moved to another row");
}

#[test]
fn keys_of_the_log_sign_within_their_time_and_overlap() {
    let mut file = KeyringFile::fresh().unwrap();
    file.rotate_signing(1_000, 2_000).unwrap();
    let keyring = Keyring::from_file(&file).unwrap();
    let signing = |at_ms| keyring.log_keys().iter().map(|key| key.signs_at(at_ms)).collect::<Vec<_>>();
    assert_eq!(
        [0, 999, 1_000, 1_999, 2_000].map(signing),
        [vec![true, false], vec![true, false], vec![true, true], vec![true, true], vec![false, true]]
    );
    let keys = keyring.log_keys();
    assert_ne!(keys[0].public(), keys[1].public());
    assert_eq!(keys[0].sign(b"a head"), keys[0].sign(b"a head"), "the same bytes on every node");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let keyring = keyring();
        prop_assert!(keyring.open(Purpose::Record, b"", &bytes).is_err());
        prop_assert!(keyring.open_addendum(&bytes, None).is_err());
    }

    #[test]
    fn any_value_comes_back(aad in proptest::collection::vec(any::<u8>(), 0..40), value in proptest::collection::vec(any::<u8>(), 0..900)) {
        let keyring = keyring();
        let sealed = keyring.seal(Purpose::Record, &aad, &value).unwrap();
        let opened = keyring.open(Purpose::Record, &aad, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), value.as_slice());
    }
}
