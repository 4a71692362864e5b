//! The packed receipt: the same receipt in the digits of a QR code.
//!
//! ```text
//! text    XACMINH1:<digits>, alone or behind the `#` of an address
//! digits  seventeen for every seven bytes, as one big-endian number; 3, 5, 8, 10, 13 or 15 for one to six bytes left
//! bytes   disclosure length u16 ‖ disclosure ‖ index u64 ‖ hashes u8 ‖ { hash 32 } …
//!         ‖ text length u16 ‖ text of the checkpoint
//!         ‖ signatures u8 ‖ { name length u16 ‖ name ‖ length u16 ‖ key id 4 ‖ signature } …
//! ```
//!
//! Why digits: a QR code stores three of them in ten bits, so that they cost 1.2 % more than bytes, and unlike bytes
//! they survive every reader of QR codes, every keyboard and every address bar. Nothing is left out or compressed:
//! unpacking gives back the receipt byte for byte, so that other people's programs verify it.

use super::{
    encoding::{put_hash_lines, to_base64},
    merkle::PROOF_HASHES_MAX,
    note::SIGNATURES_MAX,
    receipt::{RECEIPT_BYTES_MAX, RECEIPT_HEADER, Receipt, ReceiptError},
};

/// What a packed receipt begins with; the digit is the version.
pub const PACKED_PREFIX: &str = "XACMINH1:";

/// Longest packed receipt that is read: no receipt is packed into more bytes than it has in full.
pub const PACKED_BYTES_MAX: usize = PACKED_PREFIX.len() + RECEIPT_BYTES_MAX.div_ceil(GROUP_BYTES) * GROUP_DIGITS;

const GROUP_BYTES: usize = 7;
const GROUP_DIGITS: usize = 17;

/// Digits of a group of so many bytes: the fewest that hold every value.
const DIGITS_OF: [usize; GROUP_BYTES + 1] = [0, 3, 5, 8, 10, 13, 15, GROUP_DIGITS];

const HASH_BYTES: usize = 32;

impl Receipt {
    /// The receipt in the digits of a QR code.
    ///
    /// # Errors
    /// [`ReceiptError::TooLarge`] when a part is too long for its length field.
    pub fn pack(&self) -> Result<String, ReceiptError> {
        Ok(format!("{PACKED_PREFIX}{}", to_digits(&self.pack_bytes()?)))
    }

    /// Reads what [`Receipt::pack`] writes. What is accepted is packed again into the same text.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn unpack(packed: &str) -> Result<Self, ReceiptError> {
        if packed.len() > PACKED_BYTES_MAX {
            return Err(ReceiptError::Malformed);
        }
        let digits = packed.strip_prefix(PACKED_PREFIX).ok_or(ReceiptError::Malformed)?;
        let bytes = from_digits(digits).ok_or(ReceiptError::Malformed)?;
        let mut reader = Reader(&bytes);
        let text = reader.receipt().filter(|_| reader.0.is_empty()).ok_or(ReceiptError::Malformed)?;
        // The one reader of receipts judges the parts; whatever it divides otherwise than these bytes did is refused.
        let receipt = Self::parse(text.as_bytes())?;
        if receipt.pack_bytes()? == bytes { Ok(receipt) } else { Err(ReceiptError::Malformed) }
    }

    /// Reads a receipt in either form: the text of the file, or a packed one as a QR code holds it, with the address
    /// before it and white space around it.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.starts_with(RECEIPT_HEADER.as_bytes()) {
            return Self::parse(bytes);
        }
        let text = str::from_utf8(bytes).map_err(|_| ReceiptError::Malformed)?.trim_ascii();
        Self::unpack(text.rsplit_once('#').map_or(text, |(_, fragment)| fragment))
    }

    fn pack_bytes(&self) -> Result<Vec<u8>, ReceiptError> {
        let mut bytes = Vec::new();
        put_sized(&mut bytes, &self.disclosure().encode()?)?;
        bytes.extend_from_slice(&self.index().to_be_bytes());
        put_count(&mut bytes, self.proof().len())?;
        bytes.extend(self.proof().iter().flatten());
        put_sized(&mut bytes, self.checkpoint().text().as_bytes())?;
        put_count(&mut bytes, self.checkpoint().signatures().len())?;
        for signature in self.checkpoint().signatures() {
            put_sized(&mut bytes, signature.name().as_bytes())?;
            put_sized(&mut bytes, &signature.id_and_bytes())?;
        }
        Ok(bytes)
    }
}

fn put_sized(bytes: &mut Vec<u8>, part: &[u8]) -> Result<(), ReceiptError> {
    let length = u16::try_from(part.len()).map_err(|_| ReceiptError::TooLarge)?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
    Ok(())
}

fn put_count(bytes: &mut Vec<u8>, count: usize) -> Result<(), ReceiptError> {
    bytes.push(u8::try_from(count).map_err(|_| ReceiptError::TooLarge)?);
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The text of the receipt that these bytes are.
    fn receipt(&mut self) -> Option<String> {
        let extra = to_base64(self.sized()?);
        let index = u64::from_be_bytes(self.take(8)?.try_into().ok()?);
        let mut text = format!("{RECEIPT_HEADER}\nextra {extra}\nindex {index}\n");
        let hashes = self.count(PROOF_HASHES_MAX)?;
        let (proof, _) = self.take(hashes * HASH_BYTES)?.as_chunks();
        put_hash_lines(&mut text, proof);
        text.push_str(str::from_utf8(self.sized()?).ok()?);
        text.push('\n');
        for _ in 0..self.count(SIGNATURES_MAX)? {
            let name = str::from_utf8(self.sized()?).ok()?;
            text.push_str(&format!("\u{2014} {name} {}\n", to_base64(self.sized()?)));
        }
        Some(text)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn count(&mut self, max: usize) -> Option<usize> {
        Some(usize::from(*self.take(1)?.first()?)).filter(|count| *count <= max)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(usize::from(length))
    }
}

fn to_digits(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number:0width$}", width = DIGITS_OF[group.len()])
    };
    bytes.chunks(GROUP_BYTES).map(group).collect()
}

fn from_digits(digits: &str) -> Option<Vec<u8>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / GROUP_DIGITS * GROUP_BYTES + GROUP_BYTES);
    for group in digits.as_bytes().chunks(GROUP_DIGITS) {
        let count = DIGITS_OF.iter().position(|length| *length == group.len())?;
        let number = group.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        let number = number.to_be_bytes();
        let (high, low) = number.split_at(number.len() - count);
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(low);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_group_has_the_fewest_digits_that_hold_it() {
        for (bytes, digits) in DIGITS_OF.into_iter().enumerate().skip(1) {
            let largest = (1_u128 << (8 * bytes)) - 1;
            assert_eq!(digits, largest.to_string().len(), "{bytes} bytes");
        }
        assert_eq!(to_digits(&[0xff; 8]), "72057594037927935255");
        assert_eq!(to_digits(&[0, 1]), "00001");
        assert_eq!(to_digits(&[]), "");
    }

    #[test]
    fn what_is_no_group_is_refused() {
        for digits in
            ["1", "25", "256", "0001", "65536", "72057594037927936", "72057594037927935256", "+01", " 01", "٠٠١"]
        {
            assert_eq!(from_digits(digits), None, "{digits}");
        }
        assert_eq!(from_digits("72057594037927935255"), Some(vec![0xff; 8]));
    }

    proptest! {
        #[test]
        fn bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(from_digits(&to_digits(&bytes)), Some(bytes));
        }

        #[test]
        fn digits_that_are_read_are_written_again(digits in "[0-9]{0,60}") {
            if let Some(bytes) = from_digits(&digits) {
                prop_assert_eq!(to_digits(&bytes), digits);
            }
        }
    }
}
