//! The rules of Xác Minh: pure and deterministic; knows no clock, disk, socket or thread.

pub mod apply;
pub mod command;
pub mod decide;
pub mod invariant;
pub mod matching;
pub mod question;
pub mod record;
pub mod register;
