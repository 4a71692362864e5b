//! A question of the past, asked of another register: by the rules that answer questions now.
//!
//! A leaf tells who asked, for which procedure and what; not about whom. That is enough for every rule of the register;
//! what comes of the terms (whether the authority would have been asked, whether the names would have matched) needs the
//! record too, so that of those it is told that they differ.

use xacminh_proto::{
    transparency::{Leaf, LeafKind},
    vocab::{AttributeSet, ErrorNumber},
};

use crate::matching::names::NameThreshold;

use super::{
    Register, Visibility,
    permit::{Asker, Fields, max_age_ms, rule},
};

/// The terms under which a question of the past might be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How old the record might be, milliseconds.
    pub max_age_ms: u64,
    /// Names that would count as the same.
    pub name_threshold: NameThreshold,
    /// When the citizen would see it.
    pub visibility: Visibility,
}

impl Register {
    /// What this register says of a question that a leaf records: its terms, or the rule that forbids it.
    ///
    /// None for leaves that record no question, and for refused ones whose procedure the register of their time did not
    /// know: the leaf does not name it. The leaf holds a pseudonym of who asked, so that the asker is told beside it. The
    /// time that counts is the leaf's.
    #[must_use]
    pub fn replay(&self, leaf: &Leaf, asker: Asker<'_>) -> Option<Result<Terms, ErrorNumber>> {
        let records_question = matches!(leaf.kind, LeafKind::Disclosed | LeafKind::Refused);
        (records_question && leaf.procedure != 0).then(|| self.terms(leaf, asker))
    }

    fn terms(&self, leaf: &Leaf, asker: Asker<'_>) -> Result<Terms, ErrorNumber> {
        let portal = self.portal(leaf.portal).ok_or(ErrorNumber::PortalUnknown)?;
        let claims = u32::try_from(leaf.fields >> 32).unwrap_or(u32::MAX);
        let attributes = AttributeSet::try_from(leaf.fields & u64::from(u32::MAX));
        // Attributes this version does not know are allowed by no register it can read.
        let attributes = attributes.map_err(|_| ErrorNumber::AttributeNotAllowed)?;
        let fields = Fields { claims, attributes };
        let (procedure, _) = rule(portal, asker, || self.procedure_numbered(leaf.procedure), fields, leaf.time_ms)?;
        Ok(Terms {
            max_age_ms: max_age_ms(fields, procedure),
            name_threshold: procedure.name_threshold,
            visibility: procedure.visibility,
        })
    }
}
