//! How statements are compared with a record.
