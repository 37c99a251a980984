//! Who comes without a cookie, over and over, has no more sessions than one person needs.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::common::{PAGE, PATIENCE, World, request};

/// How many of a person's sessions stay, and after how many new ones that is looked at.
const STAY: usize = 50;
const LOOKED_AT_AFTER: usize = 25;

#[tokio::test]
async fn the_oldest_sessions_of_a_person_make_way() {
    let world = World::with(&["--identity-header", "X-User"]).await;
    let issued = |label: &str| world.standin.issue_browser_session(label);
    for label in ["bob@sso", "ada", "ada@sso phone"] {
        issued(label).expect("it writes");
    }
    for _ in 0..STAY {
        issued("ada@sso").expect("it writes");
    }
    let oldest = world.standin.sessions();
    let mut latest = String::new();
    for number in 0..LOOKED_AT_AFTER {
        // A browser of its own each time, so that none is in a loop.
        let agent = PAGE.replace("(test)", &format!("(browser {number})"));
        let page = request(world.addr(), &format!("GET /\nX-User: ada\n{agent}")).await;
        assert_eq!(page.status, 302, "{number}");
        latest = page.cookie();
    }
    let alive = |label: &str| {
        let rows = world.standin.sessions().into_iter();
        let of_label = rows.filter(|row| row.label.as_deref() == Some(label));
        of_label.filter(|row| !row.revoked).count()
    };
    let is_bounded = async {
        while alive("ada@sso") > STAY {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, is_bounded)
        .await
        .expect("they are revoked");
    assert_eq!(alive("ada@sso"), STAY);
    for label in ["bob@sso", "ada", "ada@sso phone"] {
        assert_eq!(alive(label), 1, "{label}");
    }
    let rows = world.standin.sessions().into_iter();
    let is_old = |id: &str| oldest.iter().any(|row| row.id == id);
    assert!(rows.filter(|row| row.revoked).all(|row| is_old(&row.id)));
    let state = format!("GET /api/auth/session\nCookie: {latest}");
    let state = request(world.standin.addr(), &state).await;
    assert_eq!(state.json()["authenticated"], true);
}
