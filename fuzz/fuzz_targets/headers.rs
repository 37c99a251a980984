//! What belongs to one hop goes, what routes and frames stays, the rest keeps its order.

#![no_main]

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use libfuzzer_sys::fuzz_target;
use t3_dispatcher::http_rules::header_map;
use t3_dispatcher::http_rules::header_policy::HeaderPolicy;
use t3_dispatcher_fuzz::{fields, listed};

const OF_ONE_HOP: [&str; 5] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "upgrade",
];

fuzz_target!(|data: &[u8]| {
    let before = fields(data);
    let nominated: Vec<_> = before
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .collect();

    let mut request = before.clone();
    header_map::strip_request(&mut request);
    for name in OF_ONE_HOP {
        assert!(!request.contains_key(name), "{name}");
    }
    for name in [&HOST, &CONTENT_LENGTH] {
        assert!(
            before.get_all(name).iter().eq(request.get_all(name)),
            "{name}"
        );
    }
    // What is left was there before, in the same order, but for what frames the next hop.
    let next_hop = [CONNECTION, TE, TRANSFER_ENCODING];
    let kept: Vec<_> = listed(&request)
        .into_iter()
        .filter(|(name, _)| !next_hop.iter().any(|own| own.as_str() == name))
        .collect();
    let mut rest = listed(&before).into_iter();
    assert!(kept.iter().all(|line| rest.any(|held| held == *line)));
    for (name, _) in &kept {
        let may = ["host", "content-length"].contains(&&**name);
        assert!(
            may || !nominated.contains(&name.as_bytes().to_vec()),
            "{name}"
        );
    }
    let codings: Vec<_> = request.get_all(TRANSFER_ENCODING).iter().collect();
    assert!(codings.is_empty() || codings == ["chunked"]);
    assert_eq!(codings.is_empty(), !before.contains_key(TRANSFER_ENCODING));

    let mut answer = before.clone();
    header_map::strip_response(&mut answer, false);
    for name in OF_ONE_HOP
        .into_iter()
        .chain(["connection", "te", "trailer", "transfer-encoding"])
    {
        assert!(!answer.contains_key(name), "{name}");
    }
    let mut again = answer.clone();
    header_map::strip_response(&mut again, false);
    assert_eq!(listed(&again), listed(&answer));

    let mut trailers = before.clone();
    header_map::strip_trailers(&mut trailers, &HeaderPolicy::default());
    for (name, _) in listed(&trailers) {
        let frames = ["host", "content-length", "transfer-encoding", "connection"];
        assert!(!frames.contains(&&*name), "{name}");
        let plain = name.replace(['_', '.'], "-");
        let of_somebody = [
            "cookie",
            "authorization",
            "x-authentik-",
            "x-forwarded-",
            "tailscale-",
        ];
        assert!(
            !of_somebody.iter().any(|begin| plain.starts_with(begin)),
            "{name}"
        );
    }

    if header_map::is_clearly_framed(&before) && before.contains_key(TRANSFER_ENCODING) {
        let codings: Vec<_> = before.get_all(TRANSFER_ENCODING).iter().collect();
        assert_eq!(codings.len(), 1);
        assert!(codings[0].as_bytes().eq_ignore_ascii_case(b"chunked"));
    }
});
