#![no_main]
//! See `bundle` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::bundle(bytes));
