//! Packed receipts: the same receipt in the digits of a QR code, and nothing else is taken for one.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use common::log::{self, Log, SIZE};
use xacminh_proto::transparency::{PACKED_PREFIX, Policy, Receipt, ReceiptError};

/// Digits of the largest QR code, version 40 with the least error correction.
const QR_DIGITS_MAX: usize = 7_089;

#[test]
fn what_is_packed_comes_back_byte_for_byte() {
    let whole = Log::new(SIZE).receipt(2);
    for receipt in [whole.clone(), whole.redact(|name| name == "outcome"), whole.redact(|_| false)] {
        let text = receipt.encode().expect("within bounds");
        let packed = receipt.pack().expect("within bounds");
        let unpacked = Receipt::unpack(&packed).expect("what was packed");
        assert_eq!(unpacked.encode(), Ok(text.clone()));
        for written in [
            text,
            packed.clone(),
            format!("{packed}\n"),
            format!("https://xacminh.example/verify.html#{packed}"),
            format!("  https://xacminh.example/#/a/path#{packed}\r\n"),
        ] {
            assert_eq!(Receipt::read(written.as_bytes()), Ok(receipt.clone()), "{written:.80}");
        }
    }
}

#[test]
fn every_changed_digit_is_refused() {
    let policy = Policy::parse(log::policy_file().as_bytes()).expect("a policy");
    let receipt = Log::new(SIZE).receipt(2).redact(|name| name == "outcome" || name == "claim/4/age_at_least");
    let packed = receipt.pack().expect("within bounds");
    let verify = |text: &str| Receipt::unpack(text).and_then(|receipt| receipt.verify(&policy).map(drop));
    assert_eq!(verify(&packed), Ok(()));
    for at in 0..packed.len() {
        let mut changed = packed.clone().into_bytes();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        let changed = String::from_utf8(changed).expect("digits");
        assert!(verify(&changed).is_err(), "digit {at}");
        assert!(verify(&packed[..at]).is_err(), "cut to {at}");
    }
    for longer in ["0", "000", "001", "00000000000000000"] {
        assert!(verify(&format!("{packed}{longer}")).is_err(), "{longer} behind it");
    }
}

#[test]
fn other_texts_are_no_packed_receipts() {
    let packed = Log::new(SIZE).receipt(0).pack().expect("within bounds");
    let digits = packed.strip_prefix(PACKED_PREFIX).expect("the prefix");
    for text in [
        String::new(),
        PACKED_PREFIX.to_owned(),
        digits.to_owned(),
        format!("XACMINH2:{digits}"),
        format!("xacminh1:{digits}"),
        format!("{PACKED_PREFIX} {digits}"),
        format!("{PACKED_PREFIX}{}", "1".repeat(400_000)),
    ] {
        assert_eq!(Receipt::unpack(&text), Err(ReceiptError::Malformed), "{text:.40}");
        assert_eq!(Receipt::read(text.as_bytes()), Err(ReceiptError::Malformed), "{text:.40}");
    }
    assert_eq!(Receipt::read(&[0xff; 40]), Err(ReceiptError::Malformed));
}

/// The largest answer there is, sixteen claims and eleven values, is one QR code in a log of this size already.
#[test]
fn sizes() {
    let whole = Log::new(SIZE).receipt(0);
    let digits = |receipt: &Receipt| receipt.pack().expect("within bounds").len() - PACKED_PREFIX.len();
    assert!(digits(&whole) <= QR_DIGITS_MAX, "{}", digits(&whole));
    let text = whole.encode().expect("within bounds").len();
    assert!(text > 2_953, "which its text of {text} bytes is not");
    let bytes = digits(&whole) * 7 / 17;
    assert!(bytes * 4 / 3 < text + 60, "{bytes} bytes of digits, {text} of text");
}
