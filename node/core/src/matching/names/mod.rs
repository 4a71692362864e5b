//! Full names, compared by difference classes: benign ones may pass, serious ones never do.
//!
//! Diacritics carry identity in Vietnamese: Hùng and Hưng, Dũng and Dung are different people, and blind comparison
//! merges one person in ten with a namesake. So every difference is named, and the procedure's threshold decides.
//!
//! ```text
//! form    a name as words of letters; a letter is base, quality, tone     no allocation, whatever was typed
//! words   how two words differ
//! tables  how common a word is, variants of names, letters easily misread
//! class   the classes N0 … N10, and which a procedure accepts
//! ```
//!
//! No word is taken for a surname: names may be one word, have their clan at the end, or begin with Y, H' or K'.

mod class;
mod form;
mod tables;
mod words;

use xacminh_proto::vocab::{FullName, Reason, syllable};

use super::Finding;
pub use class::{Classes, NameClass, NameThreshold};
use form::{Form, Letter};
pub use tables::Position;
use tables::Tables;
use words::{difference, is_marker};

/// Words that are aligned one with another: longer names have been pasted, and are compared as a whole only.
const ALIGNED_WORDS_MAX: usize = 8;

/// What a word that is another one says against two names being one, in hundredths of a bit (a judgement).
const OTHER_WORD: i32 = -800;
/// The same of a word that differs by class N5 or above.
const UNLIKE_WORD: i32 = -300;
/// The same of a word that is missing, too many or elsewhere.
const STRAY_WORD: i32 = -200;

/// How two names compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Every way in which they differ.
    pub classes: Classes,
    /// How much their agreement says, in hundredths of a bit: rare words in common say much, *Nguyễn* says little.
    ///
    /// It decides nothing and leaves the node with no answer: it is for whoever chooses a threshold for a procedure.
    pub score: i32,
}

impl Comparison {
    /// The most serious way in which they differ.
    #[must_use]
    pub fn class(&self) -> NameClass {
        self.classes.most_serious()
    }
}

/// How two names compare, and what the procedure makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The differences and the score.
    pub comparison: Comparison,
    /// Whether the procedure's threshold takes the names for one.
    pub accepted: bool,
}

/// Tells how two names differ.
#[must_use]
pub fn compare(asked: &FullName, recorded: &FullName) -> Comparison {
    let recorded_form = Form::of(recorded.reveal());
    if asked == recorded {
        let score = (0..recorded_form.words()).map(|word| weight(&recorded_form, word)).sum();
        return Comparison { classes: Classes::NONE, score };
    }
    compare_forms(&Form::of(asked.reveal()), &recorded_form)
}

/// Tells how two names differ, and whether a procedure with this threshold takes them for one.
#[must_use]
pub fn rule(asked: &FullName, recorded: &FullName, threshold: NameThreshold) -> Ruling {
    let comparison = compare(asked, recorded);
    let accepted =
        threshold.accepts(NameClass::Same) && comparison.classes.iter().all(|class| threshold.accepts(class));
    Ruling { comparison, accepted }
}

/// Whether the second key agrees. The way it disagrees is not for the caller to know (promise P8).
#[must_use]
pub fn key_matches(asked: &FullName, recorded: &FullName, threshold: NameThreshold) -> bool {
    rule(asked, recorded, threshold).accepted
}

/// The claim that the full name is this.
#[must_use]
pub fn claim(claimed: &FullName, recorded: &FullName, threshold: NameThreshold) -> Finding {
    let ruling = rule(claimed, recorded, threshold);
    let reason = reason(ruling.comparison.class());
    if ruling.accepted { Finding::yes(reason) } else { Finding::no(reason) }
}

/// What a clerk is told of a class.
#[must_use]
pub const fn reason(class: NameClass) -> Reason {
    match class {
        NameClass::Same => Reason::Equal,
        NameClass::Folded => Reason::EqualFolded,
        NameClass::TonePlacement => Reason::TonePlacement,
        NameClass::IAndY => Reason::IAndY,
        NameClass::Unsigned => Reason::Unsigned,
        NameClass::PartialDiacritics => Reason::PartialDiacritics,
        NameClass::Regional => Reason::RegionalVariant,
        NameClass::Tokens => Reason::WordsDiffer,
        NameClass::OtherDiacritics => Reason::DiacriticsDiffer,
        NameClass::Handwriting => Reason::Handwriting,
        NameClass::MinorityForm => Reason::MinorityForm,
        NameClass::Different => Reason::Different,
    }
}

fn compare_forms(asked: &Form, recorded: &Form) -> Comparison {
    if asked.same_words(recorded) {
        let score = (0..recorded.words()).map(|word| weight(recorded, word)).sum();
        return Comparison { classes: Classes::of(NameClass::Folded), score };
    }
    // Written with fewer spaces on one side: both are read in the words of the other.
    let split = asked.split_like(recorded).map(|split| (word_by_word(&split, recorded), of_joining(asked, recorded)));
    let split = split.or_else(|| {
        let split = recorded.split_like(asked)?;
        Some((word_by_word(asked, &split), of_joining(recorded, asked)))
    });
    if let Some((Some(aligned), joining)) = split {
        return aligned.with(joining);
    }
    let aligned = word_by_word(asked, recorded).or_else(|| out_of_order(asked, recorded));
    aligned.or_else(|| with_strays(asked, recorded)).unwrap_or_else(|| unlike(asked, recorded))
}

impl Comparison {
    fn with(self, classes: Classes) -> Self {
        Self { classes: self.classes.and(classes), ..self }
    }
}

/// A space left out is nothing where the joined word can be no other (`NguyễnVăn`, `Alăng`); where it is a syllable, it
/// may be another name (Thu Yên, Thuyên), or a prefix swallowed (H'An, Han).
fn of_joining(joined: &Form, finer: &Form) -> Classes {
    joined.joined(finer).fold(Classes::NONE, |classes, (first, last)| {
        let is_other = may_be_syllable(finer.span(first, last));
        classes.and(Classes::of(match (is_other, finer.ends_with_apostrophe(first)) {
            (false, _) => NameClass::Folded,
            (true, true) => NameClass::MinorityForm,
            (true, false) => NameClass::Tokens,
        }))
    })
}

fn may_be_syllable(word: &[Letter]) -> bool {
    let mut text = [0_u8; syllable::SYLLABLE_LETTERS_MAX];
    let Some(text) = text.get_mut(..word.len()) else { return false };
    for (byte, letter) in text.iter_mut().zip(word) {
        let Ok(base) = u8::try_from(letter.base()) else { return false };
        *byte = base;
    }
    std::str::from_utf8(text).is_ok_and(syllable::may_be_syllable)
}

/// The same number of words, each like the one in its place.
fn word_by_word(asked: &Form, recorded: &Form) -> Option<Comparison> {
    if asked.words() != recorded.words() {
        return None;
    }
    let typed = asked.typed();
    let mut comparison = Comparison { classes: Classes::NONE, score: 0 };
    for at in 0..asked.words() {
        let classes = difference(asked.word(at), recorded.word(at), typed)?;
        comparison = comparison.with(classes);
        comparison.score += agreement(classes, recorded, at);
    }
    Some(comparison)
}

/// The same number of words, each like one in another place.
fn out_of_order(asked: &Form, recorded: &Form) -> Option<Comparison> {
    let count = asked.words();
    if count != recorded.words() || count > ALIGNED_WORDS_MAX {
        return None;
    }
    let typed = asked.typed();
    let mut comparison = Comparison { classes: Classes::of(NameClass::Tokens), score: 0 };
    let mut taken = [false; ALIGNED_WORDS_MAX];
    for at in 0..count {
        let like = |other: &usize| difference(asked.word(at), recorded.word(*other), typed);
        let free = || (0..count).filter(|other| !taken[*other]);
        // The very word first, then one like it.
        let found = free().find(|other| asked.word(at) == recorded.word(*other));
        let other = found.or_else(|| free().find(|other| like(other).is_some()))?;
        let classes = like(&other)?;
        taken[other] = true;
        comparison = comparison.with(classes);
        let moved = if other == at { 0 } else { STRAY_WORD };
        comparison.score += agreement(classes, recorded, other) + moved;
    }
    Some(comparison)
}

/// All words of the shorter name in the longer one, in order, and some more there.
fn with_strays(asked: &Form, recorded: &Form) -> Option<Comparison> {
    let is_shorter = asked.words() < recorded.words();
    let (short, long) = if is_shorter { (asked, recorded) } else { (recorded, asked) };
    if short.words() == long.words() || long.words() > ALIGNED_WORDS_MAX {
        return None;
    }
    let typed = asked.typed();
    let mut comparison = Comparison { classes: Classes::NONE, score: 0 };
    let mut next = 0;
    for at in 0..long.words() {
        let like = (next < short.words())
            .then(|| if is_shorter { (short.word(next), long.word(at)) } else { (long.word(at), short.word(next)) })
            .and_then(|(asked, recorded)| difference(asked, recorded, typed));
        if let Some(classes) = like {
            let place = if is_shorter { at } else { next };
            comparison = comparison.with(classes);
            comparison.score += agreement(classes, recorded, place);
            next += 1;
        } else {
            let class = if is_marker(long.word(at)) { NameClass::MinorityForm } else { NameClass::Tokens };
            comparison = comparison.with(Classes::of(class));
            comparison.score += STRAY_WORD;
        }
    }
    (next == short.words()).then_some(comparison)
}

/// Another name; what they share by chance still counts for the score.
fn unlike(asked: &Form, recorded: &Form) -> Comparison {
    let same = |at: usize| at < asked.words() && asked.word(at) == recorded.word(at);
    let score = (0..recorded.words()).map(|at| if same(at) { weight(recorded, at) } else { OTHER_WORD }).sum();
    Comparison { classes: Classes::of(NameClass::Different), score }
}

fn agreement(classes: Classes, recorded: &Form, at: usize) -> i32 {
    match classes.most_serious() {
        NameClass::Same | NameClass::Folded | NameClass::TonePlacement | NameClass::IAndY => weight(recorded, at),
        NameClass::Unsigned => Tables::shipped().weight_unsigned(recorded.word(at), position(recorded, at)),
        _ => UNLIKE_WORD,
    }
}

fn weight(name: &Form, at: usize) -> i32 {
    Tables::shipped().weight(name.word(at), position(name, at))
}

fn position(name: &Form, at: usize) -> Position {
    match at {
        _ if at + 1 == name.words() => Position::Last,
        0 => Position::First,
        _ => Position::Middle,
    }
}

#[cfg(test)]
mod tests;
