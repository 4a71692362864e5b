//! Serde helpers that bound texts and lists while they are read, and texts while they are written too.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
    ser,
};

use crate::vocab::text;

/// `#[serde(with = "bounds::plain_text")]`: a text within [`text::TEXT_BYTES_MAX`] without invisible characters.
pub(crate) mod plain_text {
    use super::{Deserialize, Deserializer, Serialize, Serializer, de, ser, text};

    pub(crate) fn serialize<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
        text::check(value).map_err(ser::Error::custom)?;
        value.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let value = String::deserialize(deserializer)?;
        text::check(&value).map_err(de::Error::custom)?;
        Ok(value)
    }
}

/// `#[serde(with = "bounds::plain_text_if_any")]`: the same for an optional text.
pub(crate) mod plain_text_if_any {
    use super::{Deserialize, Deserializer, Serialize, Serializer, de, ser, text};

    #[expect(clippy::ref_option, reason = "serde hands the field by reference")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_deref().map_or(Ok(()), text::check).map_err(ser::Error::custom)?;
        value.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        let value = Option::<String>::deserialize(deserializer)?;
        value.as_deref().map_or(Ok(()), text::check).map_err(de::Error::custom)?;
        Ok(value)
    }
}

/// `#[serde(deserialize_with = "bounds::list::<_, _, MAX>")]`: a list of at most `MAX` elements.
///
/// A few announced bytes otherwise become many elements in memory: some messages have elements of one byte.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Bounded<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let announced = elements.size_hint().unwrap_or(0);
            if announced > MAX {
                return Err(de::Error::invalid_length(announced, &self));
            }
            let mut list = Vec::with_capacity(announced);
            while let Some(element) = elements.next_element()? {
                if list.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Bounded::<T, MAX>(PhantomData))
}
