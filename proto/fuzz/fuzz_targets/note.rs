#![no_main]
//! See `note` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::note(bytes));
