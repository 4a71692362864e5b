//! Full names, compared by difference classes: benign ones may pass, serious ones never do.
//!
//! Diacritics carry identity in Vietnamese: Hùng and Hưng, Dũng and Dung are different people, and blind comparison
//! merges one person in ten with a namesake. So they are told apart as a reason for the clerk, and are no match.

use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::{FullName, Reason};

use super::Finding;

/// How two names differ, from benign to serious.
///
/// Today's matcher gives N0, N1, N4, N5, N8 and `Different`. The other classes have their room: until the full matcher
/// tells them, such names come out as `Different` (or N8, where only diacritics differ), which accepts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NameClass {
    /// N0: the same letters; Unicode form and the count of spaces do not matter (names are parsed into one form).
    Same = 0,
    /// N1: the same but for case, or the form of apostrophes.
    Case = 1,
    /// N2: the tone mark sits on another vowel of the same syllable (Hòa/Hoà).
    TonePlacement = 2,
    /// N3: i and y (Lý/Lí).
    IAndY = 3,
    /// N4: one of the names is written without any diacritics.
    Unsigned = 4,
    /// N5: one of the names lacks some of the other's diacritics.
    PartialDiacritics = 5,
    /// N6: regional variants (Hoàng/Huỳnh): different legal names.
    Regional = 6,
    /// N7: words in another order, or a middle name more or less.
    Tokens = 7,
    /// N8: the same letters with other diacritics (Hùng/Hưng): perhaps another person.
    OtherDiacritics = 8,
    /// N9: what handwriting or character recognition confuses (Thiết/Thiệt).
    Handwriting = 9,
    /// N10: forms of minority names.
    MinorityForm = 10,
    /// None of the above: another name.
    Different = 255,
}

/// How much difference a procedure accepts in names, from strict to lenient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameThreshold {
    /// As recorded, letter for letter (N0).
    Exact,
    /// Also in other case: cards print upper case, forms are typed in any (N1).
    Folded,
}

impl NameThreshold {
    /// Whether names that differ like this are accepted as the same.
    #[must_use]
    pub const fn accepts(self, class: NameClass) -> bool {
        match self {
            Self::Exact => matches!(class, NameClass::Same),
            Self::Folded => matches!(class, NameClass::Same | NameClass::Case),
        }
    }
}

/// Tells how two names differ.
#[must_use]
pub fn compare(asked: &FullName, recorded: &FullName) -> NameClass {
    let (asked, recorded) = (asked.reveal(), recorded.reveal());
    if asked == recorded {
        return NameClass::Same;
    }
    if folded(asked).eq(folded(recorded)) {
        return NameClass::Case;
    }
    diacritics_class(&letters(asked), &letters(recorded))
}

/// Whether the second key agrees. The way it disagrees is not for the caller to know (promise P8).
#[must_use]
pub fn key_matches(asked: &FullName, recorded: &FullName, threshold: NameThreshold) -> bool {
    threshold.accepts(compare(asked, recorded))
}

/// The claim that the full name is this.
#[must_use]
pub fn claim(claimed: &FullName, recorded: &FullName, threshold: NameThreshold) -> Finding {
    let class = compare(claimed, recorded);
    let reason = match class {
        NameClass::Same => Reason::Equal,
        NameClass::Case => Reason::EqualFolded,
        NameClass::TonePlacement | NameClass::Unsigned | NameClass::PartialDiacritics | NameClass::OtherDiacritics => {
            Reason::DiacriticsDiffer
        }
        NameClass::IAndY
        | NameClass::Regional
        | NameClass::Tokens
        | NameClass::Handwriting
        | NameClass::MinorityForm
        | NameClass::Different => Reason::Different,
    };
    if threshold.accepts(class) { Finding::yes(reason) } else { Finding::no(reason) }
}

/// The name in lower case, with one form of apostrophe, composed. Costs no allocation.
fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().flat_map(char::to_lowercase).map(one_apostrophe).nfc()
}

fn one_apostrophe(character: char) -> char {
    if matches!(character, '’' | 'ʼ') { '\'' } else { character }
}

/// A letter without its marks, and the marks.
#[derive(PartialEq, Eq)]
struct Letter {
    base: char,
    marks: Vec<char>,
}

/// The stroke of đ, which Unicode does not decompose.
const STROKE: char = '\u{335}';

fn letters(name: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    for character in folded(name).nfd() {
        match letters.last_mut() {
            Some(letter) if unicode_normalization::char::is_combining_mark(character) => letter.marks.push(character),
            _ if character == 'đ' => letters.push(Letter { base: 'd', marks: vec![STROKE] }),
            _ => letters.push(Letter { base: character, marks: Vec::new() }),
        }
    }
    letters
}

fn diacritics_class(asked: &[Letter], recorded: &[Letter]) -> NameClass {
    if !asked.iter().map(|letter| letter.base).eq(recorded.iter().map(|letter| letter.base)) {
        return NameClass::Different;
    }
    let unsigned = |name: &[Letter]| name.iter().all(|letter| letter.marks.is_empty());
    let lacks_some = |poor: &[Letter], rich: &[Letter]| {
        poor.iter().zip(rich).all(|(poor, rich)| poor.marks.iter().all(|mark| rich.marks.contains(mark)))
    };
    if unsigned(asked) || unsigned(recorded) {
        NameClass::Unsigned
    } else if lacks_some(asked, recorded) || lacks_some(recorded, asked) {
        NameClass::PartialDiacritics
    } else {
        NameClass::OtherDiacritics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FullName {
        FullName::parse(text).expect("a name")
    }

    /// asked | recorded | class
    const CLASSES: &str = "
        Nguyễn Văn An        | Nguyễn Văn An        | Same
        Nguye\u{302}\u{303}n Văn An | Nguyễn Văn An  | Same
        Nguyễn   Văn  An     | Nguyễn Văn An        | Same
        NGUYỄN VĂN AN        | Nguyễn Văn An        | Case
        đặng thị đào         | ĐẶNG THỊ ĐÀO         | Case
        H’Hen Niê            | H'Hen Niê            | Case
        y bhăm êban          | Y Bhăm Êban          | Case
        NGUYEN VAN DUNG      | Nguyễn Văn Dũng      | Unsigned
        Dang Van Dao         | Đặng Văn Đào         | Unsigned
        Nguyễn Van Dũng      | Nguyễn Văn Dũng      | PartialDiacritics
        Dặng Văn Đào         | Đặng Văn Đào         | PartialDiacritics
        Trần Văn Hùng        | Trần Văn Hưng        | OtherDiacritics
        Lê Thị Phương        | Lê Thị Phượng        | PartialDiacritics
        Trần Thị Hòa         | Trần Thị Hoà         | OtherDiacritics
        Nguyễn An            | Nguyễn Văn An        | Different
        Nguyễn An Văn        | Nguyễn Văn An        | Different
        Hoàng Văn Lý         | Huỳnh Văn Lý         | Different
        NguyễnVăn An         | Nguyễn Văn An        | Different
    ";

    #[test]
    fn the_classes_of_the_table() {
        for row in CLASSES.lines().filter(|line| !line.trim().is_empty()) {
            let [asked, recorded, class] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has three columns: {row}")
            };
            let found = compare(&name(asked), &name(recorded));
            assert_eq!(format!("{found:?}"), class, "{row}");
            assert_eq!(found, compare(&name(recorded), &name(asked)), "the order does not matter: {row}");
        }
    }

    #[test]
    fn diacritics_never_match_under_any_threshold() {
        for (asked, recorded) in [("Tran Van Hung", "Trần Văn Hùng"), ("Trần Văn Hùng", "Trần Văn Hưng")] {
            for threshold in [NameThreshold::Exact, NameThreshold::Folded] {
                assert!(!key_matches(&name(asked), &name(recorded), threshold));
                let finding = claim(&name(asked), &name(recorded), threshold);
                assert_eq!(finding, Finding::no(Reason::DiacriticsDiffer));
            }
        }
    }

    #[test]
    fn an_exact_threshold_does_not_fold_case() {
        let (asked, recorded) = (name("TRẦN VĂN HÙNG"), name("Trần Văn Hùng"));
        assert!(!key_matches(&asked, &recorded, NameThreshold::Exact));
        assert!(key_matches(&asked, &recorded, NameThreshold::Folded));
        assert_eq!(claim(&asked, &recorded, NameThreshold::Folded), Finding::yes(Reason::EqualFolded));
        assert_eq!(claim(&asked, &recorded, NameThreshold::Exact), Finding::no(Reason::EqualFolded));
        assert_eq!(claim(&recorded, &recorded, NameThreshold::Exact), Finding::yes(Reason::Equal));
    }
}
