#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sealmq_testkit::fuzz::kept_keys(data);
});
