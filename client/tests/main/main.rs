//! The client against a fake node over real QUIC on loopback: the library, and the program as a user runs it.
//! The witness at a real socket, and receipts that it makes worth more.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

mod asking;
mod auditing;
mod batch;
mod commands;
mod corpus;
mod export;
mod fake;
mod log;
mod newcomer;
mod page;
mod paper;
mod receipts;
mod registers;
mod sessions;
mod trails;
mod trust;
mod upgrade;
mod witness;
