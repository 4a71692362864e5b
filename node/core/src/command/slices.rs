//! Byte strings as one slice, written and read at one stroke: serde would go through them element by element, a call for
//! each byte, which on three nodes cost more than applying them.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

/// Bytes of any length.
pub(super) mod bytes {
    use super::{Deserializer, Serializer, Slice};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Slice(|bytes: &[u8]| Some(bytes.to_vec())))
    }
}

/// Exactly `N` bytes: leaves, hashes, keys, digests.
pub(super) mod array {
    use super::{Deserializer, Serializer, Slice};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        deserializer.deserialize_bytes(Slice(|bytes: &[u8]| bytes.try_into().ok()))
    }
}

/// A request's id, which not every sixteen bytes are.
pub(super) mod request_id {
    use xacminh_proto::vocab::RequestId;

    use super::{Deserializer, Error, Serializer, array};

    pub(in super::super) fn serialize<S: Serializer>(id: &RequestId, serializer: S) -> Result<S::Ok, S::Error> {
        array::serialize(id.bytes(), serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RequestId, D::Error> {
        RequestId::try_from(array::deserialize::<D, 16>(deserializer)?).map_err(D::Error::custom)
    }
}

/// Makes a value of a slice, without a copy in between where the decoder lends its own.
struct Slice<F>(F);

impl<T, F: FnOnce(&[u8]) -> Option<T>> Visitor<'_> for Slice<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, as many as there must be")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        (self.0)(bytes).ok_or_else(|| E::custom("another number of bytes than there must be"))
    }
}
