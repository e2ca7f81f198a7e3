#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postdate_fuzz::manifest(bytes));
