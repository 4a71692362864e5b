//! The last net under the logs.
//!
//! The types are the first one: whatever names a person prints as `…`.
//! But a library's error text is nobody's type, so every line passes here on its way out,
//! and a run of exactly twelve digits that stands alone (a citizen number, never a hash, an id or a timestamp)
//! is struck out.

use std::io::{self, Write};

/// Digits of a citizen number.
const RUN: usize = 12;
const MASK: &[u8; RUN] = b"############";

/// A writer that strikes citizen numbers out of each line; one `write` call is one line.
pub(super) struct Redacting<W>(pub(super) W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match redacted(line) {
            None => self.0.write_all(line)?,
            Some(clean) => self.0.write_all(&clean)?,
        }
        // The mask is as long as what it hides, so the whole line was taken either way.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line without citizen numbers, or `None` when there is none to strike out.
fn redacted(line: &[u8]) -> Option<Vec<u8>> {
    let mut clean: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < line.len() {
        if !line[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let length = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = at + length;
        if length == RUN && stands_alone(line, at, end) {
            clean.get_or_insert_with(|| line.to_vec())[at..end].copy_from_slice(MASK);
        }
        at = end;
    }
    clean
}

/// Neither part of a hexadecimal id nor the last group of a request id (`…-b5f3-012345678901`).
fn stands_alone(line: &[u8], start: usize, end: usize) -> bool {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let joined_before = start
        .checked_sub(1)
        .and_then(|before| line.get(before))
        .is_some_and(|byte| part_of_word(byte) || (*byte == b'-' && is_uuid_group(line, start)));
    !joined_before && !line.get(end).is_some_and(part_of_word)
}

/// Whether `xxxx-` stands before: four hexadecimal digits between hyphens, as in a UUID.
fn is_uuid_group(line: &[u8], start: usize) -> bool {
    let Some(group) = start.checked_sub(6).and_then(|from| line.get(from..start)) else { return false };
    group[0] == b'-' && group[5] == b'-' && group[1..5].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(line: &str) -> String {
        let mut out = Redacting(Vec::new());
        out.write_all(line.as_bytes()).expect("memory takes it");
        String::from_utf8(out.0).expect("UTF-8 stays UTF-8")
    }

    #[test]
    fn citizen_numbers_are_struck_out_and_nothing_else() {
        let table = [
            ("row for 048190001234 not found", "row for ############ not found"),
            ("key (pin)=(001099012345) exists", "key (pin)=(############) exists"),
            ("số-048190001234", "số-############"),
            ("048190001234", "############"),
            ("two 048190001234,001099012345", "two ############,############"),
            ("elapsed_us=1234567890123", "elapsed_us=1234567890123"),
            ("index 48190001234", "index 48190001234"),
            ("018f3a2b-7c4d-7e5f-8a6b-012345678901 ok", "018f3a2b-7c4d-7e5f-8a6b-012345678901 ok"),
            ("hash ab012345678901cd", "hash ab012345678901cd"),
            ("1.004222 số hồ sơ", "1.004222 số hồ sơ"),
            ("", ""),
        ];
        for (line, expected) in table {
            assert_eq!(through(line), expected);
        }
    }
}
