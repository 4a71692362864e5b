//! Addenda: sealed under a data key of their own, which is wrapped under the key of the person they are about.
//!
//! ```text
//! keyring ── audit key N ── seals ──▶ person's own key (in the state) ── wraps ──▶ data key ── seals ──▶ addendum
//!                        └─ wraps ──▶ data key of an administrative leaf, which is about nobody
//! ```
//!
//! So an auditor needs the keyring and the person's row: with the row gone, nobody reads what was said about the person.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN};
use xacminh_proto::{
    codec::CodecError,
    transparency::{Addendum, AddendumError, Envelope, Wrap, WrapKind},
    vocab::DossierId,
};
use zeroize::{Zeroize, Zeroizing};

use super::{Keyring, KeyringError, Purpose, SECRET_BYTES, Subkey, cipher, first_half, nonce_of, open_in, random};

const ADDENDUM_AAD: &[u8] = b"xacminh addendum v1";

/// A person's own key, opened. It wipes itself.
pub struct PersonKey(Subkey);

impl Keyring {
    /// A fresh key for a person, and the sealed bytes to keep; they open under the same row key only.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn new_person_key(&self, row_key: &[u8; 32]) -> Result<(PersonKey, Vec<u8>), KeyringError> {
        let mut fresh = Zeroizing::new([0; SECRET_BYTES]);
        random(fresh.as_mut_slice())?;
        let sealed = self.seal(Purpose::Person, row_key, fresh.as_slice())?;
        Ok((PersonKey(Subkey(*fresh)), sealed))
    }

    /// Opens what [`Self::new_person_key`] sealed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_person_key(&self, row_key: &[u8; 32], sealed: &[u8]) -> Result<PersonKey, KeyringError> {
        let opened = self.open(Purpose::Person, row_key, sealed)?;
        let secret = opened.as_slice().try_into().map_err(|_| KeyringError::Malformed)?;
        Ok(PersonKey(Subkey(secret)))
    }

    /// The mark by which the leaves of a dossier are found.
    #[must_use]
    pub fn dossier_mark(&self, dossier: &DossierId) -> [u8; 16] {
        first_half(&self.dossiers.hash(&[dossier.as_str().as_bytes()]))
    }

    /// Seals an addendum under a data key of its own, wrapped under the person's key, or under the audit key if it is
    /// about nobody: the bytes of an [`Envelope`].
    ///
    /// The wrapping key is derived anew from the envelope's nonce, so that 24 random bytes rather than 12 keep any two
    /// wraps apart, and one key serves any number of leaves.
    ///
    /// # Errors
    /// [`KeyringError::Addendum`] if it is too large, [`KeyringError::Random`].
    pub fn seal_addendum(&self, addendum: &Addendum, person: Option<&PersonKey>) -> Result<Vec<u8>, KeyringError> {
        let mut ciphertext = addendum.encode().map_err(|error: CodecError| AddendumError::Codec(error))?;
        let mut fresh = Zeroizing::new([0; SECRET_BYTES + 2 * NONCE_LEN]);
        random(fresh.as_mut_slice())?;
        let (data_key, nonces) = fresh.split_at(SECRET_BYTES);
        let [nonce, wrap_nonce] = [0, NONCE_LEN].map(|from| {
            <[u8; NONCE_LEN]>::try_from(&nonces[from..from + NONCE_LEN]).expect("twenty-four bytes hold two nonces")
        });
        cipher(data_key)
            .seal_in_place_append_tag(nonce_of(nonce), Aad::from(ADDENDUM_AAD), &mut ciphertext)
            .map_err(|_| KeyringError::Malformed)?;
        let (kind, key_id, secret) = match person {
            Some(person) => (WrapKind::Subject, 0, &person.0),
            None => (WrapKind::Audit, self.current_id(), &self.keys[self.current].audit),
        };
        let mut wrapped = data_key.to_vec();
        wrapping(secret, &nonce)
            .seal_in_place_append_tag(nonce_of(wrap_nonce), Aad::from(ADDENDUM_AAD), &mut wrapped)
            .map_err(|_| KeyringError::Malformed)?;
        let wrapped = wrapped.try_into().map_err(|_| KeyringError::Malformed)?;
        let wrap = Wrap { kind, key_id, nonce: wrap_nonce, wrapped };
        Ok(Envelope { wraps: vec![wrap], nonce, ciphertext }.encode())
    }

    /// Opens an envelope with the key it was sealed under.
    ///
    /// # Errors
    /// [`KeyringError::Erased`] if it needs the key of a person who has none any more; [`KeyringError`].
    pub fn open_addendum(&self, envelope: &[u8], person: Option<&PersonKey>) -> Result<Addendum, KeyringError> {
        let envelope = Envelope::decode(envelope)?;
        let [wrap] = envelope.wraps.as_slice() else { return Err(KeyringError::Malformed) };
        let secret = match (wrap.kind, person) {
            (WrapKind::Audit, _) => &self.key(wrap.key_id)?.audit,
            (WrapKind::Subject, Some(person)) => &person.0,
            (WrapKind::Subject, None) => return Err(KeyringError::Erased),
        };
        let rejected = || KeyringError::Rejected { id: wrap.key_id };
        let key = wrapping(secret, &envelope.nonce);
        let data_key = open_in(&key, wrap.nonce, ADDENDUM_AAD, &wrap.wrapped).ok_or_else(rejected)?;
        let plaintext =
            open_in(&cipher(&data_key), envelope.nonce, ADDENDUM_AAD, &envelope.ciphertext).ok_or_else(rejected)?;
        Ok(Addendum::decode(&plaintext)?)
    }
}

fn wrapping(secret: &Subkey, envelope_nonce: &[u8; NONCE_LEN]) -> LessSafeKey {
    let mut derived: [u8; SECRET_BYTES] = secret.hash(&[envelope_nonce]).into();
    let cipher = cipher(&derived);
    derived.zeroize();
    cipher
}
