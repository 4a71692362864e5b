//! Places and addresses, in today's two-level administration.
//!
//! The commune code an address carried before 1 July 2025 is never compared: eight province codes and many commune codes
//! kept their digits and changed their meaning, so an equal number there proves nothing.

use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::{Address, Place, Reason};

use super::Finding;

/// Provinces since 1 July 2025 (Resolution 202/2025/QH15, codes of Decision 19/2025/QĐ-TTg), ascending.
///
/// The other 29 two-digit codes live on as the beginning of citizen numbers only.
pub const PROVINCES: [u8; 34] = [
    1, 4, 8, 11, 12, 14, 15, 19, 20, 22, 24, 25, 31, 33, 37, 38, 40, 42, 44, 46, 48, 51, 52, 56, 66, 68, 75, 79, 80,
    82, 86, 91, 92, 96,
];

/// Whether the code names a province of today. A question that names another is to be sent back at the door: it would
/// be compared with addresses that can only carry today's codes, and be wrongly denied.
#[must_use]
pub fn is_province_of_today(code: u8) -> bool {
    PROVINCES.binary_search(&code).is_ok()
}

/// The claim of living in a place, or at an address of it.
#[must_use]
pub fn claim(claimed: Place, detail: Option<&str>, recorded: Option<&Address>) -> Finding {
    let Some(recorded) = recorded else { return Finding::NOT_RECORDED };
    if claimed.province != recorded.place.province {
        return Finding::no(Reason::ElsewherePlace);
    }
    match (claimed.commune, recorded.place.commune) {
        (Some(_), None) => return Finding::NOT_RECORDED,
        (Some(claimed), Some(recorded)) if claimed != recorded => return Finding::no(Reason::OtherCommune),
        _ => {}
    }
    detail.map_or(Finding::yes(Reason::Equal), |detail| claim_detail(detail, &recorded.detail))
}

fn claim_detail(claimed: &str, recorded: &str) -> Finding {
    if words(recorded).is_empty() {
        Finding::NOT_RECORDED
    } else if claimed == recorded {
        Finding::yes(Reason::Equal)
    } else if words(claimed) == words(recorded) {
        Finding::yes(Reason::EqualFolded)
    } else {
        Finding::no(Reason::OtherDetail)
    }
}

/// The words of a street part, composed and in lower case; commas and white space only separate them.
fn words(detail: &str) -> Vec<String> {
    let folded: String = detail.chars().flat_map(char::to_lowercase).nfc().collect();
    let separates = |character: char| character.is_whitespace() || character == ',';
    folded.split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "48" or "48/20194"
    fn place(text: &str) -> Place {
        let (province, commune) = text
            .split_once('/')
            .map_or((text, None), |(province, commune)| (province, Some(commune.parse().expect("a commune code"))));
        Place::new(province.parse().expect("a province code"), commune).expect("a place")
    }

    /// claimed place | claimed street | recorded place | recorded street | ruling
    const PLACES: &str = "
        48       | -                  | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | -                  | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | 12  LÊ LỢI         | 48/20194 | 12 Lê Lợi           | Match EqualFolded
        48/20194 | Số 12 Lê Lợi       | 48/20194 | 12 Lê Lợi           | NoMatch OtherDetail
        48/20194 | 12/3 Lê Lợi        | 48/20194 | 123 Lê Lợi          | NoMatch OtherDetail
        48/20194 | Tổ 5, Hòa Khánh    | 48/20194 | tổ 5 hòa khánh      | Match EqualFolded
        48/20194 | Tổ 5 Hoa Khanh     | 48/20194 | tổ 5 hòa khánh      | NoMatch OtherDetail
        48       | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20195 | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | NoMatch OtherCommune
        46/20194 | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | NoMatch ElsewherePlace
        48/20194 | -                  | 48       | 12 Lê Lợi           | Undetermined(NotRecorded) NothingRecorded
        48/20194 | 12 Lê Lợi          | 48/20194 |                     | Undetermined(NotRecorded) NothingRecorded
        48/20194 | 12 Lê Lợi          | 48/20194 | ,                   | Undetermined(NotRecorded) NothingRecorded
        48       | -                  | -        |                     | Undetermined(NotRecorded) NothingRecorded
    ";

    #[test]
    fn rulings_of_the_table() {
        for row in PLACES.lines().filter(|line| !line.trim().is_empty()) {
            let [claimed, street, recorded, recorded_street, ruling] =
                row.split('|').map(str::trim).collect::<Vec<_>>()[..]
            else {
                panic!("a row has five columns: {row}")
            };
            let address = (recorded != "-").then(|| Address {
                place: place(recorded),
                detail: recorded_street.to_owned(),
                commune_before_2025: None,
            });
            let found = claim(place(claimed), (street != "-").then_some(street), address.as_ref());
            assert_eq!(format!("{:?} {:?}", found.verdict, found.reason), ruling, "{row}");
        }
    }

    #[test]
    fn the_code_of_before_2025_proves_nothing() {
        let address = Address { place: place("48/20194"), detail: String::new(), commune_before_2025: Some(20_300) };
        assert_eq!(claim(place("48/20300"), None, Some(&address)), Finding::no(Reason::OtherCommune));
    }

    #[test]
    fn provinces_are_ascending_and_merged_ones_are_gone() {
        assert!(PROVINCES.is_sorted_by(|before, after| before < after));
        let merged = [
            2, 6, 10, 17, 26, 27, 30, 34, 35, 36, 45, 49, 54, 58, 60, 62, 64, 67, 70, 72, 74, 77, 83, 84, 87, 89, 93,
            94, 95,
        ];
        assert!(merged.into_iter().all(|code| !is_province_of_today(code)));
        assert_eq!(PROVINCES.len() + merged.len(), 63);
    }
}
