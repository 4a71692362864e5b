//! What a node remembers: the Raft log and the state.
