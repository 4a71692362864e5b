//! A receipt asked for again: by the portal, or by the official who asked the question.

use xacminh_core::{apply::Seen, command::RequestKey};
use xacminh_proto::{
    transparency::Leaf,
    vocab::{ErrorNumber, OfficialId, PortalId, RequestId},
};

use super::{Desk, internal, unsigned};
use crate::audit::{Located, Searcher};

/// Who wants a receipt again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptHolder {
    /// A portal, which keeps the receipts of all its officials.
    Portal(PortalId),
    /// An official of a portal, who has their own receipts and nobody else's.
    Official(PortalId, OfficialId),
}

impl Desk {
    /// The receipt of a request, whenever it was answered: the same bytes as then, for as long as its entry is kept.
    ///
    /// # Errors
    /// [`ErrorNumber::RequestUnknown`] for requests of other portals and of other officials too,
    /// [`ErrorNumber::NoLongerKept`] if entries of when it was asked are not kept any more, [`ErrorNumber::Erased`],
    /// [`ErrorNumber::NotReady`] while the index is made anew, those of a portal or official who may not ask (any more),
    /// and those of the node.
    pub async fn receipt_of(
        &self,
        searcher: &Searcher,
        holder: &ReceiptHolder,
        id: RequestId,
    ) -> Result<String, ErrorNumber> {
        let portal = self.holder_is_enrolled(holder)?;
        let (position, asked_by) = self.entry_of(searcher, &RequestKey { id, portal }).await?;
        if let ReceiptHolder::Official(portal, official) = holder {
            // What another official asked is as unknown as what nobody asked.
            if asked_by != self.keyring.official_pseudonym(*portal, official) {
                return Err(ErrorNumber::RequestUnknown);
            }
        }
        let addendum = self.opened(position)?;
        self.notary.receipt_again(position, &addendum).await.map_err(unsigned)
    }

    /// Where the entry of a request is, and the pseudonym of the official who asked: by the state's memory for as long as it
    /// may be sent again, then by the index.
    async fn entry_of(&self, searcher: &Searcher, request: &RequestKey) -> Result<(u64, [u8; 16]), ErrorNumber> {
        if let Some(Seen { position, .. }) = self.state.seen(request).map_err(internal)? {
            let missing = || internal("a leaf that was seen is not in the state");
            let leaf = self.state.leaf(position).map_err(internal)?.ok_or_else(missing)?;
            return Ok((position, Leaf::decode(&leaf).map_err(internal)?.official));
        }
        match searcher.locate(*request).await.map_err(internal)? {
            Located::At { position, official } => Ok((position, official)),
            Located::Pruned => Err(ErrorNumber::NoLongerKept),
            Located::Nowhere => Err(ErrorNumber::RequestUnknown),
            Located::Behind => Err(ErrorNumber::NotReady),
        }
    }

    /// A receipt holds what its question disclosed: who may not ask may not have it again either.
    fn holder_is_enrolled(&self, holder: &ReceiptHolder) -> Result<PortalId, ErrorNumber> {
        let (ReceiptHolder::Portal(id) | ReceiptHolder::Official(id, _)) = holder;
        let register = self.register()?;
        let portal = register.portal(*id).ok_or(ErrorNumber::PortalUnknown)?;
        match holder {
            _ if portal.suspended => Err(ErrorNumber::PortalSuspended),
            ReceiptHolder::Official(_, official) if !portal.enrolled(official) => Err(ErrorNumber::OfficialUnknown),
            ReceiptHolder::Portal(_) | ReceiptHolder::Official(..) => Ok(*id),
        }
    }
}
