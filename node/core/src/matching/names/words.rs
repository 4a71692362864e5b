//! How two words of names differ.

use xacminh_proto::vocab::syllable::SYLLABLE_LETTERS_MAX;

use super::{
    Classes, NameClass,
    form::{HOI, Letter, NANG, NGA, SAC, Typed},
    tables::Tables,
};

/// Onsets after which i and y are written one for the other as the whole rhyme (kỳ/kì, lý/lí); `qu` is another.
/// After others they make two names (Vi/Vy, Thi/Thy).
const FREE_ONSETS: [char; 6] = ['h', 'k', 'l', 'm', 's', 't'];

/// How a word asked differs from one recorded: by which classes, none if they are the same; no answer if they are two
/// words that have nothing to do with each other.
pub(super) fn difference(asked: &[Letter], recorded: &[Letter], typed: Typed) -> Option<Classes> {
    if asked == recorded {
        return Some(Classes::NONE);
    }
    let bases = bases(asked, recorded);
    let Some(of_bases) = bases else { return of_other_letters(asked, recorded, typed == Typed::Unsigned) };
    let of_marks = marks(asked, recorded, typed);
    Some(of_bases.and(of_marks))
}

/// Letters without marks: the same, or i for y at the end. None if they are others.
fn bases(asked: &[Letter], recorded: &[Letter]) -> Option<Classes> {
    if asked.len() != recorded.len() {
        return None;
    }
    let (last_asked, start_asked) = asked.split_last()?;
    let (last_recorded, start_recorded) = recorded.split_last()?;
    if !start_asked.iter().zip(start_recorded).all(|(one, other)| one.base() == other.base()) {
        return None;
    }
    if last_asked.base() == last_recorded.base() {
        return Some(Classes::NONE);
    }
    let is_i_and_y = last_asked.is('i') && last_recorded.is('y') || last_asked.is('y') && last_recorded.is('i');
    if !is_i_and_y {
        return None;
    }
    match start_asked {
        // Ý/Í is a syllable; Y alone is the prefix of a man's name, and I is none.
        [] => (last_asked.tone() != 0 && last_recorded.tone() != 0).then_some(Classes::of(NameClass::IAndY)),
        [onset] if FREE_ONSETS.iter().any(|free| onset.is(*free)) => Some(Classes::of(NameClass::IAndY)),
        [q, u] if q.is('q') && u.is('u') => Some(Classes::of(NameClass::IAndY)),
        onset if onset.iter().all(|letter| !letter.is_vowel()) => Some(Classes::of(NameClass::Regional)),
        // hai/hay, thúi/thúy: other rhymes.
        _ => None,
    }
}

/// Marks on the same letters.
fn marks(asked: &[Letter], recorded: &[Letter], typed: Typed) -> Classes {
    let all = |holds: &dyn Fn(Letter, Letter) -> bool| {
        asked.iter().zip(recorded).all(|(one, other)| one.marks() == other.marks() || holds(*one, *other))
    };
    if all(&|_, _| false) {
        return Classes::NONE;
    }
    let are_names = || [asked, recorded].iter().all(|word| Tables::shipped().is_known(word));
    // D is the keyboard's where the name shows no Đ anywhere and the word is no name with its D: Diệp is not Điệp.
    let of_keyboard = || typed == Typed::WithoutStroke && all(&|one, other| one.lacks_stroke_of(other)) && !are_names();
    if typed == Typed::Unsigned || of_keyboard() {
        return Classes::of(NameClass::Unsigned);
    }
    if is_tone_elsewhere(asked, recorded) {
        return Classes::of(NameClass::TonePlacement);
    }
    let is_poor = all(&|one, other| one.lacks_marks_of(other)) || all(&|one, other| other.lacks_marks_of(one));
    // Of two words that are names, the poorer is one too: Dung is no misspelt Dũng.
    Classes::of(if are_names() {
        NameClass::OtherDiacritics
    } else if is_poor {
        NameClass::PartialDiacritics
    } else if all(&|one, other| is_tone_confused(one, other)) {
        NameClass::Handwriting
    } else {
        NameClass::OtherDiacritics
    })
}

/// Whether the same tone stands on the other vowel of an open syllable: hòa/hoà, khỏe/khoẻ, thúy/thuý, quý/qúy.
/// Elsewhere its place is not free: `Hòang` is a slip.
fn is_tone_elsewhere(asked: &[Letter], recorded: &[Letter]) -> bool {
    let place_of_tone = |word: &[Letter]| {
        let mut toned = word.iter().enumerate().filter(|(_, letter)| letter.tone() != 0);
        let (at, letter) = toned.next()?;
        (toned.next().is_none() && at + 2 >= word.len()).then_some(letter.tone())
    };
    let tone = place_of_tone(asked);
    tone.is_some()
        && tone == place_of_tone(recorded)
        && asked.iter().zip(recorded).all(|(one, other)| one.toneless().marks() == other.toneless().marks())
        && [asked, recorded].iter().all(|word| is_open(word))
}

/// Whether a word ends in oa, oe or uy, or in qui, which i makes of quy.
fn is_open(word: &[Letter]) -> bool {
    let [before @ .., first, last] = word else { return false };
    let is_plain = first.toneless().is_bare() && last.toneless().is_bare();
    let after_q = before.last().is_some_and(|letter| letter.is('q'));
    let is_pair = |one, other| first.is(one) && last.is(other);
    is_plain && (is_pair('o', 'a') || is_pair('o', 'e') || is_pair('u', 'y') || after_q && is_pair('u', 'i'))
}

/// Strokes above and below a letter that a tired eye takes for each other, and hỏi for ngã.
const fn is_tone_confused(one: Letter, other: Letter) -> bool {
    let same = one.toneless().marks() == other.toneless().marks();
    same && matches!((one.tone(), other.tone()), (SAC, NANG) | (NANG, SAC) | (HOI, NGA) | (NGA, HOI))
}

/// Words of other letters: variants of one name, prefixes of minority names, or letters easily misread.
fn of_other_letters(asked: &[Letter], recorded: &[Letter], asked_unsigned: bool) -> Option<Classes> {
    let tables = Tables::shipped();
    // Variants are syllables.
    let are_short = asked.len().max(recorded.len()) <= SYLLABLE_LETTERS_MAX;
    let class = if are_short && tables.are_variants(asked, recorded, asked_unsigned) {
        NameClass::Regional
    } else if same_prefix(asked, recorded) {
        NameClass::MinorityForm
    } else if is_misread(asked, recorded) {
        NameClass::Handwriting
    } else {
        return None;
    };
    // What else may differ in an unsigned name is that it is unsigned.
    Some(if asked_unsigned { Classes::of(class).and(Classes::of(NameClass::Unsigned)) } else { Classes::of(class) })
}

/// Prefixes of names in the languages of the highlands, with and without the vowel that speech puts in.
const PREFIXES: [(&str, &str); 5] = [("h", "hơ"), ("k", "kơ"), ("r", "rơ"), ("y", "i"), ("m", "mơ")];

/// Words that stand before a name and say whose it is: sex in Y, H', A, K' and Ka.
const MARKERS: [&str; 12] = ["y", "i", "h", "hơ", "k", "kơ", "ka", "a", "r", "rơ", "m", "mí"];

fn same_prefix(asked: &[Letter], recorded: &[Letter]) -> bool {
    PREFIXES.iter().any(|(short, long)| {
        (spells(asked, short) && spells(recorded, long)) || (spells(asked, long) && spells(recorded, short))
    })
}

/// Whether a word is one that a minority name puts before itself.
pub(super) fn is_marker(word: &[Letter]) -> bool {
    word.len() <= 2 && MARKERS.iter().any(|marker| spells(word, marker))
}

/// Whether a word is this text without its marks. The prefixes are short enough to leave marks aside.
fn spells(word: &[Letter], text: &str) -> bool {
    let bare = |character: char| {
        if character == 'ơ' {
            'o'
        } else if character == 'í' {
            'i'
        } else {
            character
        }
    };
    word.len() == text.chars().count() && word.iter().zip(text.chars()).all(|(letter, other)| letter.is(bare(other)))
}

/// Whether one stroke of the pen makes one word the other: a letter in one place, or two letters for one.
fn is_misread(asked: &[Letter], recorded: &[Letter]) -> bool {
    let before = asked.iter().zip(recorded).take_while(|(one, other)| one == other).count();
    let (asked, recorded) = (&asked[before..], &recorded[before..]);
    let after = asked.iter().rev().zip(recorded.iter().rev()).take_while(|(one, other)| one == other).count();
    let (asked, recorded) = (&asked[..asked.len() - after], &recorded[..recorded.len() - after]);
    Tables::shipped().are_confused(asked, recorded)
}
