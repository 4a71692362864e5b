//! Tests of the node as a whole.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod net;
