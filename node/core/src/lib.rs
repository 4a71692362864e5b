//! The rules of Xác Minh: pure and deterministic; knows no clock, disk, socket or thread.
//!
//! ```text
//! question ─┐
//! register ─┴─ permit ─┐                      may this be asked, and how strictly is it compared?
//! record ──── matching ┴─ decide ── draft     what is answered, and the leaf that will say so
//!        └─── lineage                         numbers cancelled and issued anew
//! command ─── apply ───── invariant           what nodes agree on, how it changes the state, what must stay true
//! ```
//!
//! Architecture invariant: time, chance and stored bytes come in as arguments, and what is to be written goes out as a
//! value. Nothing here reads a clock, draws a random number, or names a wire type.

pub mod apply;
pub mod command;
pub mod decide;
pub mod draft;
pub mod invariant;
pub mod lineage;
pub mod matching;
pub mod question;
pub mod record;
pub mod register;
