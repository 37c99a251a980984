//! Whoever is sent back after pairing stays on this origin, whatever the target was.

#![no_main]

use http::Uri;
use http::header::LOCATION;
use libfuzzer_sys::fuzz_target;
use t3_dispatcher::responses;

fuzz_target!(|data: &[u8]| {
    let Ok(target) = Uri::try_from(data) else {
        return;
    };
    let answer = responses::paired(&target, Vec::new());
    let lines: Vec<_> = answer.headers().get_all(LOCATION).iter().collect();
    let [line] = &*lines else {
        panic!("{} of them", lines.len());
    };
    let bytes = line.as_bytes();
    // As a browser reads it (URL standard): tabs and line ends are nothing, a backslash is a slash.
    let read: Vec<u8> = bytes
        .iter()
        .filter(|byte| !b"\t\r\n".contains(byte))
        .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
        .collect();
    assert_eq!(read.first(), Some(&b'/'), "{line:?}");
    assert_ne!(read.get(1), Some(&b'/'), "{line:?}");
    assert!(
        bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f),
        "{line:?}"
    );
});
