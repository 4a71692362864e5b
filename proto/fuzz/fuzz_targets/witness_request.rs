#![no_main]
//! See `witness_request` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::witness_request(bytes));
