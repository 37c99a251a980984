//! A link to t3's `/pair` with a credential in its fragment is spent by t3's page, and not lost to a pairing.

use crate::common::{PAGE, World, request};
use crate::harness::{ADA, HEADER, assert_paired, assert_untouched};

/// The fields of a fetch by the page's own script.
const FETCH: &str = "Sec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty\nAccept: */*";

#[tokio::test]
async fn nobody_is_paired_before_the_fragment_has_been_looked_at() {
    let world = World::with(&HEADER).await;
    for target in ["/pair", "/pair/", "/pair?label=x"] {
        let page = request(world.addr(), &format!("GET {target}\n{ADA}{PAGE}")).await;
        assert_eq!(page.status, 200, "{target}");
        assert_eq!(page.header("set-cookie"), "");
        assert_eq!(page.header("cache-control"), "no-store");
        let policy = page.all("content-security-policy").join(", ");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
        assert!(page.text().contains("href=\"/\""), "a way without a script");
        assert!(page.text().contains("color-scheme:light dark"));
    }
    assert_untouched(&world, "the page that looks");
    for target in ["/pair?unpaired", "/pair?label=x&unpaired", "/pair?token=X"] {
        let page = request(world.addr(), &format!("GET {target}\n{ADA}{PAGE}")).await;
        assert_paired(&page, false, target);
        assert!(!page.text().contains("One moment"), "t3's own: {target}");
    }
    assert_eq!(world.exchanges(), 0);
    let nobody = request(world.addr(), &format!("GET /pair\n{PAGE}")).await;
    assert_eq!(nobody.status, 403);
    // Another page of that person's is paired, and with that session `/pair` is t3's.
    let paired = request(world.addr(), &format!("GET /pairs\n{ADA}{PAGE}")).await;
    assert_paired(&paired, true, "another page");
    let cookie = paired.cookie();
    let page = request(
        world.addr(),
        &format!("GET /pair\n{ADA}Cookie: {cookie}\n{PAGE}"),
    )
    .await;
    assert_paired(&page, false, "with a session");
    assert!(!page.text().contains("One moment"), "{}", page.text());
}

#[tokio::test]
async fn the_session_query_of_t3_s_page_for_a_link_is_not_healed() {
    let world = World::with(&HEADER).await;
    let to = world.addr();
    for (page, is_healed) in [
        ("/pair?unpaired", false),
        ("/pair?unpaired=", false),
        ("/pair?token=X", false),
        ("/pair", true),
        ("/t/1?unpaired", true),
    ] {
        let own = format!("Host: {to}\nReferer: http://{to}{page}\nUser-Agent: {page}\n{ADA}");
        let state = request(to, &format!("GET /api/auth/session\n{own}{FETCH}")).await;
        assert_eq!(state.json()["authenticated"], is_healed, "{page}");
        assert_eq!(state.header("set-cookie").is_empty(), !is_healed, "{page}");
    }
}
