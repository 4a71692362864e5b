//! Places and addresses through time.
//!
//! Records carry today's two-level places. A claim speaks of today's too, unless it says as of which day: then it may
//! name one of the 63 provinces, a district and a commune of before July 2025, and is compared through
//! [`table::Geography`] with what that place became. Digits are never compared across time: eight province codes kept
//! theirs on 1 July 2025 and changed their meaning.
//!
//! ```text
//! claimed as of a day ── the record carries the commune's code of then ──→ the two are compared as they were then
//!        │                └─ it does not: is the recorded commune made from what was claimed?
//!        └─ today        ──→ compared as they are
//! ```

pub mod table;

use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::{Address, AsOf, Place, Reason, Verdict};

use super::Finding;
use table::{FormerCommune, Geography, Province};

/// Why a place that is claimed is none. A question that names one is sent back at the door: it would be compared with
/// addresses that can never carry it, and be wrongly denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    /// Not a province on that day, or not one of today.
    #[error("no province had this code on the day")]
    Province,
    /// A district of a day without districts.
    #[error("there are no districts since 1 July 2025")]
    District,
    /// The table knows the commune, in another province or district.
    #[error("the commune lies elsewhere")]
    Commune,
}

impl PlaceFault {
    /// The part of the claim that is wrong, as failures name it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Province => "claims.residence.province",
            Self::District => "claims.residence.district",
            Self::Commune => "claims.residence.commune",
        }
    }
}

/// Checks that a claimed place was one on its day.
///
/// A commune that the table does not know is let pass: communes were renumbered before 2025, and what cannot be compared
/// is *cannot tell*.
///
/// # Errors
/// [`PlaceFault`].
pub fn check(claimed: Place, as_of: Option<AsOf>) -> Result<(), PlaceFault> {
    let table = Geography::shipped();
    let province = table.province(claimed.province, as_of.map(|as_of| as_of.on)).ok_or(PlaceFault::Province)?;
    let district = as_of.and_then(|as_of| as_of.district);
    if !is_former(province) {
        let lies_elsewhere = |commune| table.province_of(commune).is_some_and(|found| found != claimed.province);
        return match (district, claimed.commune) {
            (Some(_), _) => Err(PlaceFault::District),
            (None, Some(commune)) if lies_elsewhere(commune) => Err(PlaceFault::Commune),
            (None, _) => Ok(()),
        };
    }
    match claimed.commune.and_then(|code| table.former(code)) {
        Some(commune) if !lies_in(commune, claimed.province, district) => Err(PlaceFault::Commune),
        _ => Ok(()),
    }
}

/// The claim of living in a place, or at an address of it.
#[must_use]
pub fn claim(claimed: Place, as_of: Option<AsOf>, detail: Option<&str>, recorded: Option<&Address>) -> Finding {
    let Some(recorded) = recorded else { return Finding::NOT_RECORDED };
    let table = Geography::shipped();
    let then = as_of.and_then(|as_of| {
        let province = table.province(claimed.province, Some(as_of.on))?;
        is_former(province).then_some((province, as_of.district))
    });
    let place = match then {
        None => claim_today(claimed, recorded.place),
        Some((province, district)) => claim_former(table, province, district, claimed.commune, recorded),
    };
    match (place.verdict, detail) {
        (Verdict::Match, Some(detail)) => {
            let street = claim_detail(detail, &recorded.detail);
            // That the place changed its name says more than that the street is written in other case.
            if street.verdict == place.verdict && place.reason != Reason::Equal { place } else { street }
        }
        _ => place,
    }
}

/// Whether a province is of before 1 July 2025: then there were districts, and other provinces.
fn is_former(province: Province) -> bool {
    (province.from.year(), province.from.month()) < (2025, 7)
}

fn claim_today(claimed: Place, recorded: Place) -> Finding {
    if claimed.province != recorded.province {
        return Finding::no(Reason::ElsewherePlace);
    }
    match (claimed.commune, recorded.commune) {
        (Some(_), None) => Finding::NOT_RECORDED,
        (Some(claimed), Some(recorded)) if claimed != recorded => Finding::no(Reason::OtherCommune),
        _ => Finding::yes(Reason::Equal),
    }
}

fn claim_former(
    table: &Geography,
    province: Province,
    district: Option<u16>,
    commune: Option<u32>,
    recorded: &Address,
) -> Finding {
    let Some(successor) = table.successor(province) else { return Finding::NOT_RECORDED };
    if successor.code != recorded.place.province {
        return Finding::no(Reason::ElsewherePlace);
    }
    // What the authority still carries of then is compared with the claim as it was then.
    if let Some(code) = recorded.commune_before_2025 {
        if commune == Some(code) {
            return Finding::yes(Reason::SuccessorPlace);
        }
        if let Some(then) = table.former(code) {
            return among(&[then], province.code, district, commune);
        }
    }
    match recorded.place.commune {
        Some(today) => {
            let made_from: Vec<_> = table.made_from(today).collect();
            let is_known = commune.is_none_or(|code| table.former(code).is_some());
            if made_from.is_empty() || !is_known {
                Finding::NOT_RECORDED
            } else {
                among(&made_from, province.code, district, commune)
            }
        }
        None if district.is_some() || commune.is_some() => Finding::NOT_RECORDED,
        // A record of the province alone: the same digits of another time are no ground, whatever they lead to.
        None if province.code == successor.code && table.is_merged(successor.code) => Finding::NOT_RECORDED,
        None => Finding::yes(Reason::SuccessorPlace),
    }
}

/// Whether what was claimed is among the communes that the recorded one was made from.
fn among(communes: &[&FormerCommune], province: u8, district: Option<u16>, commune: Option<u32>) -> Finding {
    if !communes.iter().any(|found| found.province == province) {
        return Finding::no(Reason::ElsewherePlace);
    }
    let agrees =
        |found: &&FormerCommune| lies_in(found, province, district) && commune.is_none_or(|code| code == found.code);
    if communes.iter().any(agrees) { Finding::yes(Reason::SuccessorPlace) } else { Finding::no(Reason::OtherCommune) }
}

fn lies_in(commune: &FormerCommune, province: u8, district: Option<u16>) -> bool {
    commune.province == province && district.is_none_or(|code| code == commune.district)
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
mod tests;
