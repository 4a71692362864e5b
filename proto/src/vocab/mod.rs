//! The words of a question and an answer.
//!
//! Every type here is parsed once, at an edge, and then true: a [`CitizenNumber`] has twelve digits, a [`Date`] exists.
//! Whatever identifies a person prints as `…` in debug output (promise P5).

mod attribute;
mod card;
mod claim;
mod date;
mod display;
mod error_number;
mod ids;
pub mod legacy;
mod number;
mod outcome;
mod person;
mod place;
pub mod syllable;
pub mod text;

pub use attribute::{Attribute, AttributeClass, AttributeSet, Value};
pub use card::{CARD_QR_BYTES_MAX, CardAddress, CardField, CardFieldError, CardQr, CardQrError};
pub use claim::{CLAIMS_DECODED_MAX, CLAIMS_MAX, Claim, ClaimKind, ResidenceKind};
pub use date::{BirthDate, BirthYear, Date, DateError};
pub use error_number::{ErrorNumber, Fault};
pub use ids::{DossierId, IdError, OfficialId, PortalId, ProcedureCode, RequestId};
pub use number::{CitizenNumber, NumberError, NumberStructure, OldNumber, PersonNumber};
pub use outcome::{Cause, ClaimVerdict, Outcome, Reason, Verdict};
pub use person::{FullName, Living, Marital, NameError, Sex};
pub use place::{Address, AsOf, Place, PlaceError};
