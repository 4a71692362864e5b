#![no_main]
//! See `witness_answer` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::witness_answer(bytes));
