//! Difference classes of names, and which of them a procedure accepts.

/// How two names differ, from benign to serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NameClass {
    /// N0: the same letters; Unicode form and the count of spaces do not matter (names are parsed into one form).
    Same = 0,
    /// N1: the same but for case, punctuation, or a space left out.
    Folded = 1,
    /// N2: the tone mark sits on the other vowel of an open syllable (Hòa/Hoà).
    TonePlacement = 2,
    /// N3: i and y as the whole rhyme, after onsets where they are free (Lý/Lí).
    IAndY = 3,
    /// N4: the name asked has no diacritics at all; or others and no Đ, D where Đ is recorded, and no name by its D.
    Unsigned = 4,
    /// N5: one of the names lacks some of the other's diacritics.
    PartialDiacritics = 5,
    /// N6: variants (Hoàng/Huỳnh, Vi/Vy): different legal names.
    Regional = 6,
    /// N7: words in another order, or a word more or less.
    Tokens = 7,
    /// N8: the same letters with other diacritics (Hùng/Hưng): perhaps another person.
    OtherDiacritics = 8,
    /// N9: what handwriting or character recognition confuses (Tú/Tí).
    Handwriting = 9,
    /// N10: a prefix of a minority name missing or in another form (H'Hen/Hơ Hen).
    MinorityForm = 10,
    /// None of the above: another name.
    Different = 11,
}

impl NameClass {
    /// All classes, from benign to serious.
    pub const ALL: [Self; 12] = [
        Self::Same,
        Self::Folded,
        Self::TonePlacement,
        Self::IAndY,
        Self::Unsigned,
        Self::PartialDiacritics,
        Self::Regional,
        Self::Tokens,
        Self::OtherDiacritics,
        Self::Handwriting,
        Self::MinorityForm,
        Self::Different,
    ];
}

/// The classes of all differences between two names; none if they are the same.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Classes(u16);

impl Classes {
    /// No difference.
    pub const NONE: Self = Self(0);

    /// One difference.
    #[must_use]
    pub const fn of(class: NameClass) -> Self {
        if matches!(class, NameClass::Same) { Self::NONE } else { Self(1 << class as u8) }
    }

    /// The differences of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is a difference of this class.
    #[must_use]
    pub const fn contains(self, class: NameClass) -> bool {
        self.0 & Self::of(class).0 != 0
    }

    /// The most serious class; [`NameClass::Same`] if there is no difference.
    #[must_use]
    pub fn most_serious(self) -> NameClass {
        self.iter().last().unwrap_or(NameClass::Same)
    }

    /// The classes, from benign to serious.
    pub fn iter(self) -> impl Iterator<Item = NameClass> {
        NameClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl std::fmt::Debug for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How much difference a procedure accepts in names, from strict to lenient. None accepts what may be another person's
/// name: an unsigned name is as far as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameThreshold {
    /// As recorded, letter for letter (N0).
    Exact,
    /// Also in other case: cards print upper case, forms are typed in any (N1).
    Folded,
    /// Also in the other correct spelling of the same name (N2, N3).
    #[default]
    Spelling,
    /// Also without diacritics (N4): for procedures whose forms are filled in without them, by machines or abroad.
    Unsigned,
}

impl NameThreshold {
    /// All thresholds, from strict to lenient.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Folded, Self::Spelling, Self::Unsigned];

    /// Whether names that differ like this are accepted as the same.
    #[must_use]
    pub fn accepts(self, class: NameClass) -> bool {
        let most = match self {
            Self::Exact => NameClass::Same,
            Self::Folded => NameClass::Folded,
            Self::Spelling => NameClass::IAndY,
            Self::Unsigned => NameClass::Unsigned,
        };
        class <= most
    }
}
