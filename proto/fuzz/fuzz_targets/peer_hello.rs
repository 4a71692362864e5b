#![no_main]
//! See `peer_hello` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::peer_hello(bytes));
