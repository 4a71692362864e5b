//! Tests of the node as a whole.

#[cfg(test)]
mod net;
