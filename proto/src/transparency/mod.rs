//! The leaf of the transparency log, its commitments and the sealed addendum.
