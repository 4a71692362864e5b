#![no_main]
//! See `tile_path` in `src/targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xacminh_proto_fuzz::tile_path(bytes));
