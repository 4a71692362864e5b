//! Who a certificate speaks for: the URI SAN of every certificate of a cluster.
//!
//! ```text
//! xacminh://<cluster>/<role>/<name>      xacminh://yen-bai/portal/17
//! ```
//!
//! There is one spelling of an identity and no other is accepted: no upper case, no percent encoding, no leading zeros,
//! no port, query or trailing slash.
//! Two strings that differ are two identities, so that comparing them never needs a second thought.

use std::fmt;

/// The scheme of every identity.
pub const SCHEME: &str = "xacminh";

/// Longest name of a cluster and of a caller: a DNS label, so that either may become one.
pub const LABEL_BYTES_MAX: usize = 63;

/// What a certificate entitles its holder to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A relying system that asks questions; its name is its number.
    Portal,
    /// A workstation of an official, asking through the library or the command line.
    OfficialClient,
    /// Somebody who runs the cluster.
    Operator,
    /// Somebody who reads who asked what and why.
    Auditor,
    /// A service through which citizens see who asked about them, and which has made sure who they are.
    CitizenService,
    /// A node as its fellow nodes know it; its name is the node id.
    Peer,
    /// A node as its callers know it; its name is the node id.
    Node,
}

/// Who a certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    cluster: String,
    role: Role,
    name: String,
}

/// Why a text is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The text does not have the shape `xacminh://cluster/role/name`.
    #[error("an identity reads xacminh://<cluster>/<role>/<name>")]
    Shape,
    /// The cluster is not a label of lower-case letters, digits and inner hyphens.
    #[error("the cluster must be 1 to 63 lower-case letters, digits or inner hyphens")]
    Cluster,
    /// The role is none of ours.
    #[error("the role must be portal, official-client, operator, auditor, citizen-service, peer or node")]
    Role,
    /// The name is not a label, or not a number where the role wants one.
    #[error("the name of a portal, peer or node is its decimal number; other names are lower-case labels")]
    Name,
}

impl Role {
    /// All roles, in the order of their rights towards citizens' data.
    pub const ALL: [Self; 7] = [
        Self::Portal,
        Self::OfficialClient,
        Self::Operator,
        Self::Auditor,
        Self::CitizenService,
        Self::Peer,
        Self::Node,
    ];

    /// The role as it stands in a certificate.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::OfficialClient => "official-client",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::CitizenService => "citizen-service",
            Self::Peer => "peer",
            Self::Node => "node",
        }
    }

    fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(IdentityError::Role)
    }
}

impl Identity {
    /// Puts an identity together from its parts.
    ///
    /// # Errors
    /// [`IdentityError::Cluster`] or [`IdentityError::Name`].
    pub fn new(cluster: &str, role: Role, name: &str) -> Result<Self, IdentityError> {
        if !is_label(cluster) {
            return Err(IdentityError::Cluster);
        }
        let name_is_valid = match role {
            Role::Portal => parse_decimal(name).is_some_and(|id| u32::try_from(id).is_ok()),
            Role::Peer | Role::Node => parse_decimal(name).is_some(),
            Role::OfficialClient | Role::Operator | Role::Auditor | Role::CitizenService => is_label(name),
        };
        if !name_is_valid {
            return Err(IdentityError::Name);
        }
        Ok(Self { cluster: cluster.to_owned(), role, name: name.to_owned() })
    }

    /// Reads the URI of a certificate.
    ///
    /// # Errors
    /// [`IdentityError`] says which part is wrong.
    pub fn parse(uri: &str) -> Result<Self, IdentityError> {
        let rest = uri.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix("://")).ok_or(IdentityError::Shape)?;
        let mut parts = rest.split('/');
        let (Some(cluster), Some(role), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdentityError::Shape);
        };
        Self::new(cluster, Role::parse(role)?, name)
    }

    /// The cluster the certificate was issued for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What the holder may be.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The holder's name within its role.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The portal's number, if a portal it is.
    #[must_use]
    pub fn portal_id(&self) -> Option<u32> {
        match self.role {
            Role::Portal => self.name.parse().ok(),
            _ => None,
        }
    }

    /// The node's number, if a node it is, to its peers or to its callers.
    #[must_use]
    pub fn node_id(&self) -> Option<u64> {
        match self.role {
            Role::Peer | Role::Node => self.name.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{}/{}/{}", self.cluster, self.role, self.name)
    }
}

/// A decimal number as only one spelling writes it: no sign, no leading zero.
fn parse_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    bytes.len() <= LABEL_BYTES_MAX
        && *first != b'-'
        && *last != b'-'
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_role_reads_back_as_written() {
        for role in Role::ALL {
            let name = match role {
                Role::Portal | Role::Peer | Role::Node => "7",
                _ => "tran-thi-b",
            };
            let identity = Identity::new("yen-bai", role, name).unwrap();
            assert_eq!(Identity::parse(&identity.to_string()), Ok(identity));
        }
    }

    #[test]
    fn numbers_belong_to_their_roles() {
        let portal = Identity::parse("xacminh://dev/portal/4294967295").unwrap();
        assert_eq!(portal.portal_id(), Some(u32::MAX));
        assert_eq!(portal.node_id(), None);
        let peer = Identity::parse("xacminh://dev/peer/18446744073709551615").unwrap();
        assert_eq!(peer.node_id(), Some(u64::MAX));
        assert_eq!(peer.portal_id(), None);
    }

    #[test]
    fn other_spellings_are_refused() {
        let table = [
            ("", IdentityError::Shape),
            ("spiffe://dev/peer/1", IdentityError::Shape),
            ("XACMINH://dev/peer/1", IdentityError::Shape),
            ("xacminh:/dev/peer/1", IdentityError::Shape),
            ("xacminh://dev/peer", IdentityError::Shape),
            ("xacminh://dev/peer/1/", IdentityError::Shape),
            ("xacminh://dev/peer/1/2", IdentityError::Shape),
            ("xacminh:///peer/1", IdentityError::Cluster),
            ("xacminh://Dev/peer/1", IdentityError::Cluster),
            ("xacminh://-dev/peer/1", IdentityError::Cluster),
            ("xacminh://dev:4433/peer/1", IdentityError::Cluster),
            ("xacminh://d%65v/peer/1", IdentityError::Cluster),
            ("xacminh://dev/root/1", IdentityError::Role),
            ("xacminh://dev/Peer/1", IdentityError::Role),
            ("xacminh://dev/peer/", IdentityError::Name),
            ("xacminh://dev/peer/01", IdentityError::Name),
            ("xacminh://dev/peer/+1", IdentityError::Name),
            ("xacminh://dev/peer/one", IdentityError::Name),
            ("xacminh://dev/peer/18446744073709551616", IdentityError::Name),
            ("xacminh://dev/portal/4294967296", IdentityError::Name),
            ("xacminh://dev/portal/1?x", IdentityError::Name),
            ("xacminh://dev/auditor/nguyễn", IdentityError::Name),
            ("xacminh://dev/auditor/a b", IdentityError::Name),
        ];
        for (text, error) in table {
            assert_eq!(Identity::parse(text), Err(error), "{text}");
        }
        let long = "a".repeat(LABEL_BYTES_MAX + 1);
        assert_eq!(Identity::new(&long, Role::Operator, "a"), Err(IdentityError::Cluster));
        assert_eq!(Identity::new("dev", Role::Operator, &long), Err(IdentityError::Name));
    }

    proptest! {
        #[test]
        fn whatever_parses_is_its_own_only_spelling(text in "(xacminh://)?[a-zA-Z0-9%./:-]{0,40}") {
            if let Ok(identity) = Identity::parse(&text) {
                prop_assert_eq!(identity.to_string(), text);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = Identity::parse(&text);
        }
    }
}
