//! Identity cards: the newest one on record, and what an older one in somebody's hand still says.
//!
//! The record knows the newest card alone. A card of before it was taken back when the newest was handed over, so that it
//! proves nothing any more, and is still no forgery: it has a reason of its own.

use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::{Address, CardAddress, Cause, CitizenNumber, Date, Living, Reason};

use crate::record::Record;

use super::{Finding, places::table::Geography};

/// What is claimed is of an earlier card.
const REPLACED: Finding = Finding::no(Reason::CardReplaced);

/// The address on a card proves nothing against anybody.
const UNLIKE: Finding = Finding::cannot_tell(Cause::NotRecorded, Reason::CardAddressUnlike);

/// The card bears this number. One that was this very person's and is cancelled is an earlier card's.
#[must_use]
pub fn numbered(claimed: CitizenNumber, record: &Record, earlier: &[&Record]) -> Finding {
    if earlier.iter().any(|record| record.number == claimed) {
        REPLACED
    } else {
        Finding::equal(&claimed, Some(&record.number))
    }
}

/// The card was issued on `claimed`. A day before the newest card's, but not before the holder was born, is that of an
/// earlier card.
#[must_use]
pub fn issued(claimed: Date, record: &Record) -> Finding {
    match &record.card {
        None => Finding::NOT_RECORDED,
        Some(card) if card.issued == claimed => Finding::yes(Reason::Equal),
        Some(card) if claimed < card.issued && claimed.year() >= record.birth.year() => REPLACED,
        Some(_) => Finding::no(Reason::Different),
    }
}

/// The card is valid until `claimed`. A card without a last day does not expire on the day claimed: recorded, and
/// different.
#[must_use]
pub fn expires(claimed: Date, record: &Record) -> Finding {
    match &record.card {
        None => Finding::NOT_RECORDED,
        Some(card) if card.expires == Some(claimed) => Finding::yes(Reason::Equal),
        Some(_) => Finding::no(Reason::Different),
    }
}

/// A card is valid on the day `on`, seen from `today`.
///
/// Of days before the newest card was issued the record says nothing: an earlier card may have been valid. A card of the
/// dead is not in force; since when, the record does not say, so that earlier days cannot be told.
#[must_use]
pub fn valid(on: Date, record: &Record, today: Date) -> Finding {
    let Some(card) = &record.card else { return Finding::NOT_RECORDED };
    if on < card.issued {
        Finding::NOT_RECORDED
    } else if card.expires.is_some_and(|last| last < on) {
        Finding::no(Reason::CardExpired)
    } else if record.living != Living::Dead {
        Finding::yes(Reason::CardInForce)
    } else if on < today {
        Finding::NOT_RECORDED
    } else {
        Finding::no(Reason::CardNotInForce)
    }
}

/// The card bears this address, compared with the permanent residence as far as both go: province by name, and the street
/// part. Communes and districts are names on the card and codes on record, and are not compared.
///
/// Never *no*: people move, provinces merged, and cards stay as they were made.
#[must_use]
pub fn address(claimed: &CardAddress, permanent: Option<&Address>) -> Finding {
    let Some(recorded) = permanent else { return Finding::NOT_RECORDED };
    let parts: Vec<Vec<String>> = claimed.reveal().split(',').map(words).filter(|part| !part.is_empty()).collect();
    let Some((province, street)) = parts.split_last() else { return Finding::NOT_RECORDED };
    if province_named(province) != Some(recorded.place.province) {
        return UNLIKE;
    }
    let detail = words(&recorded.detail);
    let agrees = (1..=street.len()).any(|count| street[..count].concat() == detail);
    if agrees && !detail.is_empty() { Finding::yes(Reason::CardAddressAgrees) } else { UNLIKE }
}

/// The words of a part of an address, without those that stand before a house number or street on some papers only.
fn words(text: &str) -> Vec<String> {
    let folded: String = text.chars().flat_map(char::to_lowercase).nfc().collect();
    let kept = |word: &&str| !word.is_empty() && !matches!(*word, "số" | "nhà" | "đường");
    folded.split(|letter: char| letter.is_whitespace() || letter == ',').filter(kept).map(str::to_owned).collect()
}

/// Today's code of a province by any name it had since 2008: `TP. Hồ Chí Minh`, `tỉnh Bình Dương`.
fn province_named(words: &[String]) -> Option<u8> {
    let name = words.join(" ");
    let bare = ["thành phố ", "tỉnh ", "tp. ", "tp.", "tp "].iter().find_map(|prefix| name.strip_prefix(prefix));
    Geography::shipped().province_named(bare.unwrap_or(&name))
}

#[cfg(test)]
mod tests {
    use xacminh_proto::vocab::Place;

    use super::*;

    /// on the card | province on record | street part on record | ruling
    const ADDRESSES: &str = "
        12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng           | 48 | 12 Lê Lợi        | Match CardAddressAgrees
        Số 12 đường Lê Lợi, Hải Châu, TP. Đà Nẵng          | 48 | 12 lê lợi        | Match CardAddressAgrees
        Tổ 5, thôn Đông, Điện Bàn, tỉnh Quảng Nam          | 48 | Tổ 5, Thôn Đông  | Match CardAddressAgrees
        Ấp 2, Thủ Dầu Một, Bình Dương                      | 79 | Ấp 2             | Match CardAddressAgrees
        7 Lê Lợi, Nha Trang, Khánh Hoà                     | 56 | 7 Lê Lợi         | Match CardAddressAgrees
        1 Lê Lợi, Phú Hội, Thành phố Huế                   | 46 | 1 Lê Lợi         | Match CardAddressAgrees
        # what cannot be compared, or differs, is never a no
        12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng           | 48 | 12 Lê            | Undetermined(NotRecorded) CardAddressUnlike
        12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng           | 48 | 123 Lê Lợi       | Undetermined(NotRecorded) CardAddressUnlike
        12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng           | 48 |                  | Undetermined(NotRecorded) CardAddressUnlike
        12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng           | 79 | 12 Lê Lợi        | Undetermined(NotRecorded) CardAddressUnlike
        # the code 52 was Bình Định's and is Gia Lai's: names tell them apart, and both are 52 today
        Thôn 1, An Nhơn, Bình Định                         | 52 | Thôn 1           | Match CardAddressAgrees
        12 Lê Lợi                                          | 48 | 12 Lê Lợi        | Undetermined(NotRecorded) CardAddressUnlike
        Đà Nẵng                                            | 48 | 12 Lê Lợi        | Undetermined(NotRecorded) CardAddressUnlike
        , ,                                                | 48 | 12 Lê Lợi        | Undetermined(NotRecorded) NothingRecorded
    ";

    #[test]
    fn addresses_of_the_table() {
        let rows = ADDRESSES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for row in rows {
            let [claimed, province, detail, ruling] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has four columns: {row}")
            };
            let place = Place::of_province(province.parse().expect("a code")).expect("a province");
            let recorded = Address { place, detail: detail.to_owned(), commune_before_2025: None };
            let claimed = CardAddress::parse(claimed).expect("an address");
            let found = address(&claimed, Some(&recorded));
            assert_eq!(format!("{:?} {:?}", found.verdict, found.reason), ruling, "{row}");
            assert_eq!(address(&claimed, None), Finding::NOT_RECORDED);
        }
    }
}
