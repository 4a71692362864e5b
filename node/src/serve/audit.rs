//! Auditors' requests and what anybody may see of the tree: wire types become words of the node and back.

use xacminh_proto::{
    transparency::LeafBytes,
    vocab::{DossierId, ErrorNumber, OfficialId, PersonNumber, ProcedureCode},
    wire::{
        AuditEntry, AuditFound, AuditOpened, AuditOrder, AuditQuery, CheckpointText, ConsistencyProof, ConsistencyWish,
        REGISTER_PART_BYTES_MAX, RegisterPage, RegisterPart, Reply,
    },
};

use super::{Hall, handle::fail, parse::Wrong};
use crate::{
    audit::{Found, Inquiry},
    verify::{Inquired, Opened},
};

impl Hall {
    pub(super) async fn audit_query(&self, auditor: &str, query: AuditQuery) -> Reply {
        let inquiry = match inquiry(&query) {
            Ok(inquiry) => inquiry,
            Err(wrong) => return fail(wrong.number, wrong.field),
        };
        match self.office.inquire(auditor, inquiry).await {
            Ok(inquired) => Reply::AuditFound(inquired.into()),
            Err(number) => fail(number, ""),
        }
    }

    pub(super) async fn audit_open(&self, auditor: &str, position: u64) -> Reply {
        match self.office.open(auditor, position).await {
            Ok(opened) => Reply::AuditOpened(Box::new(opened.into())),
            Err(number) => fail(number, ""),
        }
    }

    pub(super) async fn checkpoint(&self, year: Option<u16>) -> Reply {
        match self.office.checkpoint(year).await.map(CheckpointText::new) {
            Ok(Some(text)) => Reply::Checkpoint(text),
            Ok(None) => fail(ErrorNumber::Internal, ""),
            Err(number) => fail(number, ""),
        }
    }

    pub(super) fn consistency(&self, wish: ConsistencyWish) -> Reply {
        match self.office.consistency(wish.year, wish.old, wish.new) {
            Ok(hashes) => Reply::Consistency(ConsistencyProof { hashes }),
            Err(number) => fail(number, ""),
        }
    }
}

impl Hall {
    /// A part of the register in force. Parts of two revisions would make a third that never was.
    pub(super) fn register(&self, page: RegisterPage) -> Reply {
        let (revision, document) = self.office.register();
        if page.revision != 0 && page.revision != revision {
            return fail(ErrorNumber::RegisterRevision, "another revision came into force: read it from the beginning");
        }
        let from = usize::try_from(page.from).unwrap_or(usize::MAX).min(document.len());
        let Some(rest) = document.get(from..) else { return fail(ErrorNumber::MalformedMessage, "from") };
        let text = rest[..rest.floor_char_boundary(REGISTER_PART_BYTES_MAX)].to_owned();
        let bytes = u32::try_from(document.len()).unwrap_or(u32::MAX);
        Reply::Register(RegisterPart { revision, bytes, from: page.from, text })
    }
}

/// Parses what an auditor typed.
fn inquiry(query: &AuditQuery) -> Result<Inquiry, Wrong> {
    let wrong = |number, field| Wrong { number, field };
    let bad_id = |field| move |_| wrong(ErrorNumber::BadIdentifier, field);
    let official = query.official.as_deref().map(OfficialId::parse).transpose().map_err(bad_id("official"))?;
    let procedure = query.procedure.as_deref().map(ProcedureCode::parse).transpose().map_err(bad_id("procedure"))?;
    let dossier = query.dossier.as_deref().map(DossierId::parse).transpose().map_err(bad_id("dossier"))?;
    let person = query.person.as_deref().map(PersonNumber::parse).transpose();
    Ok(Inquiry {
        portal: query.portal,
        official,
        procedure,
        dossier,
        person: person.map_err(|_| wrong(ErrorNumber::BadNumber, "person"))?,
        from_ms: query.from_ms,
        until_ms: query.until_ms,
        outcome: query.happened.map(|happened| happened.leaf()),
        newest_first: query.order == AuditOrder::NewestFirst,
        cursor: query.cursor,
        limit: usize::from(query.limit),
    })
}

impl From<Inquired> for AuditFound {
    fn from(Inquired { found, recorded }: Inquired) -> Self {
        let entry = |(position, leaf): (u64, LeafBytes)| AuditEntry { position, leaf: leaf.to_vec() };
        let entries = found.entries.iter().copied().map(entry).collect();
        let Found { leaves, indexed, pruned, next, .. } = found;
        Self { leaves, indexed, pruned, recorded, next, entries }
    }
}

impl From<Opened> for AuditOpened {
    fn from(opened: Opened) -> Self {
        let Opened { position, leaf, addendum, recorded } = opened;
        Self { position, leaf: leaf.to_vec(), recorded, addendum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_wrong_is_named_and_not_repeated() {
        let query = AuditQuery { limit: 10, ..AuditQuery::default() };
        assert!(inquiry(&query).expect("nothing is asked for").newest_first);
        let typed = Some("a b".to_owned());
        for (query, number, field) in [
            (AuditQuery { official: typed.clone(), ..query.clone() }, ErrorNumber::BadIdentifier, "official"),
            (AuditQuery { dossier: typed.clone(), ..query.clone() }, ErrorNumber::BadIdentifier, "dossier"),
            (AuditQuery { procedure: typed.clone(), ..query.clone() }, ErrorNumber::BadIdentifier, "procedure"),
            (AuditQuery { person: typed, ..query }, ErrorNumber::BadNumber, "person"),
        ] {
            assert_eq!(inquiry(&query).expect_err("typed wrong"), Wrong { number, field });
        }
    }
}
