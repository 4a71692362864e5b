//! The values of every metric label.
//!
//! They are enums and not strings for two reasons: a handle is an array index (no hashing, no allocation on the hot
//! path), and nobody can put a name or a number of a person where a label stands.

use xacminh_proto::vocab::Outcome;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// Every value, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$value,)*];

            /// The label's text.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }

            /// The place of this value in an array of handles.
            pub(super) const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// The stations of a question, in their order.
    Stage {
        /// Bytes became a question.
        Door = "door",
        /// May this portal, official and procedure ask this?
        Register = "register",
        /// What do we remember?
        Store = "store",
        /// The authority was asked.
        Upstream = "upstream",
        /// Verdicts, leaf and sealed addendum were made.
        Decide = "decide",
        /// The leaf waited for its batch and travelled to the leader.
        Propose = "propose",
        /// The batch became durable on a quorum.
        Commit = "commit",
        /// Signing the head, making and checking the receipt.
        Receipt = "receipt",
        /// This node applied it.
        Apply = "apply",
        /// The reply was encoded and handed to the connection.
        Reply = "reply",
    }
}

labels! {
    /// What the store had for a question.
    CacheResult {
        /// A record fresh enough.
        Hit = "hit",
        /// Nothing.
        Miss = "miss",
        /// A record older than the question allows.
        Stale = "stale",
    }
}

labels! {
    /// What became of one fetch from the authority.
    UpstreamOutcome {
        /// It answered; whether it knows the person is nobody's business here either (promise P8).
        Answered = "answered",
        /// No answer in time.
        Timeout = "timeout",
        /// The authority refused, failed or sent something impossible.
        Failed = "failed",
        /// The breaker was open: nobody was asked.
        BreakerOpen = "breaker_open",
    }
}

labels! {
    /// What was decided about a question, as counted; the same words as in the leaf.
    QuestionOutcome {
        /// All three keys agreed.
        Confirmed = "confirmed",
        /// They did not; why not is nobody's business (promise P8).
        NotConfirmed = "not_confirmed",
        /// It could not be told.
        Undetermined = "undetermined",
        /// The rules did not allow it.
        Refused = "refused",
        /// No decision: malformed, overloaded, timed out or cancelled.
        Failed = "failed",
    }
}

labels! {
    /// What an alarm is about.
    AlarmKind {
        /// A number that nobody has a reason to ask about.
        Honey = "honey",
        /// An official asked about themselves.
        OwnNumber = "own_number",
        /// An official asked about somebody of their own household.
        OwnHousehold = "own_household",
        /// Many members of one household, for more than one dossier.
        Household = "household",
        /// Many different people of one official in an hour.
        PersonsPerHour = "persons_per_hour",
        /// Many different people of one official in a day.
        PersonsPerDay = "persons_per_day",
        /// Many different people for one dossier.
        PersonsPerDossier = "persons_per_dossier",
        /// A dossier that is none.
        NoDossier = "no_dossier",
        /// A question while offices are closed.
        OffHours = "off_hours",
        /// A budget of misses is spent.
        BudgetSpent = "budget_spent",
    }
}

labels! {
    /// Who is at the other end of a connection.
    Role {
        /// A relying system.
        Portal = "portal",
        /// An official's own client.
        Official = "official_client",
        /// An operator.
        Operator = "operator",
        /// An auditor.
        Auditor = "auditor",
        /// A service for citizens.
        CitizenService = "citizen_service",
        /// Another member.
        Peer = "peer",
    }
}

labels! {
    /// Why a handshake failed.
    HandshakeFailure {
        /// No handshake in time.
        Timeout = "timeout",
        /// No certificate, or one from another authority.
        UntrustedCertificate = "untrusted_certificate",
        /// A certificate outside its dates.
        ExpiredCertificate = "expired_certificate",
        /// A certificate on the revocation list.
        RevokedCertificate = "revoked_certificate",
        /// A good certificate of a role that has no business here.
        WrongRole = "wrong_role",
        /// A good certificate of another cluster.
        WrongCluster = "wrong_cluster",
        /// No common protocol version.
        WrongProtocol = "wrong_protocol",
        /// Too many connections or handshakes.
        Overloaded = "overloaded",
        /// Anything else.
        Other = "other",
    }
}

impl From<&Outcome> for QuestionOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Confirmed { .. } => Self::Confirmed,
            Outcome::NotConfirmed => Self::NotConfirmed,
            Outcome::Undetermined(_) => Self::Undetermined,
            Outcome::Refused(_) => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_the_order_and_texts_differ() {
        for (at, stage) in Stage::ALL.iter().enumerate() {
            assert_eq!(stage.index(), at);
        }
        let mut texts: Vec<_> = HandshakeFailure::ALL.iter().map(|failure| failure.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), HandshakeFailure::ALL.len());
    }
}
