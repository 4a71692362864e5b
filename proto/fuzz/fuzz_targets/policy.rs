#![no_main]
//! See `policy` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::policy(bytes));
