//! libFuzzer's door to [`evenkeel_fuzz::token`], where the target is.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_fuzz::token(data));
