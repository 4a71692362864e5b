//! Real endpoints on 127.0.0.1: who gets in, what frames may do, and a cluster over them.

mod callers;
mod certs;
mod cluster;
mod frames;
mod memory;
mod parsing;
mod peers;
mod publishing;
mod relay;
mod serving;
