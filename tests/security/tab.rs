//! The paths of the script that asks whether a tab was signed out: they pair nobody and tell no other origin anything.

use crate::common::{PAGE, World, request};
use crate::harness::{ADA, HEADER, assert_untouched, each};

const PARTS: [&str; 3] = [
    "/dispatcher/alive",
    "/dispatcher/tab.js",
    "/dispatcher/signed-in",
];

#[tokio::test]
async fn nobody_is_paired_at_them_and_they_stay_with_their_origin() {
    each(PARTS, |path| async move {
        let world = World::with(&HEADER).await;
        let own = "Sec-Fetch-Site: same-origin";
        for fields in [
            PAGE,
            own,
            "Origin: http://evil.test",
            "Cookie: t3_session=x",
        ] {
            for method in ["GET", "HEAD"] {
                let response =
                    request(world.addr(), &format!("{method} {path}\n{ADA}{fields}")).await;
                assert!(matches!(response.status, 200 | 204), "{}", response.status);
                assert_eq!(response.all("set-cookie"), [""; 0]);
                assert_eq!(
                    response.header("cross-origin-resource-policy"),
                    "same-origin"
                );
                assert_eq!(response.header("x-content-type-options"), "nosniff");
                let is_open = |(name, _): &(String, Vec<u8>)| name.starts_with("access-control-");
                assert!(!response.headers.iter().any(is_open), "{response:?}");
            }
        }
        assert_eq!(world.exchanges(), 0, "{path}");
        assert_untouched(&world, path);
    })
    .await;
}

#[tokio::test]
async fn another_origin_is_told_nothing_and_nobody_is_somebody() {
    let world = World::with(&[&HEADER[..], &["--allowed-users", "ada"]].concat()).await;
    for site in ["cross-site", "same-site"] {
        for path in &PARTS[..2] {
            let head = format!("GET {path}\n{ADA}Sec-Fetch-Site: {site}");
            assert_eq!(request(world.addr(), &head).await.status, 403, "{head}");
        }
    }
    let own = "Sec-Fetch-Site: same-origin";
    for (who, error) in [
        ("", "not_signed_in"),
        ("X-authentik-username: eve\n", "forbidden"),
    ] {
        let head = format!("GET /dispatcher/alive\n{who}{own}");
        let response = request(world.addr(), &head).await;
        assert_eq!(
            (response.status, &response.json()["error"]),
            (403, &error.into()),
            "{who}"
        );
        assert_eq!(response.header("cache-control"), "no-store");
        let head = format!("GET /dispatcher/signed-in\n{who}{PAGE}");
        let response = request(world.addr(), &head).await;
        assert_eq!(response.status, 403, "{who}");
        assert!(response.text().contains("<html"), "{}", response.text());
    }
    assert_untouched(&world, "them");
}
