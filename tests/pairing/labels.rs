//! What t3's client list calls a session: the person for whom it was made.

use sha2::{Digest, Sha256};

use crate::common::{Client, PAGE, World};

/// Loads a page as the person whose name has these bytes.
async fn load_as(world: &World, name: &[u8]) -> u16 {
    let page = PAGE.replace('\n', "\r\n");
    let head = format!("GET / HTTP/1.1\r\nHost: t3.test\r\n{page}\r\n");
    let field = [b"X-User: ", name, b"\r\n\r\n"].concat();
    let mut client = Client::connect(world.addr()).await;
    client.send(&[head.as_bytes(), &field].concat()).await;
    client.response(false).await.status
}

#[tokio::test]
async fn a_session_is_called_by_the_whole_name_by_either_way_of_minting() {
    let long = format!("{}@h.test", "x".repeat(100));
    let too_long = "y".repeat(300);
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&too_long));
    for mint in ["api", "cli"] {
        let world = World::with(&["--identity-header", "X-User", "--mint", mint]).await;
        for (name, expected) in [
            (&b"alice"[..], "alice"),
            (b"alice@h.test", "alice@h.test"),
            (long.as_bytes(), &long),
            (b"--ttl", "%2D-ttl"),
            (b"-h", "%2Dh"),
            (b"Zo\xc3\xab", "Zo%C3%AB"),
            (b"Zo\xeb", "Zo%EB"),
            (b"50%", "50%25"),
            (b"Ada \"x\" $(id)", "Ada \"x\" $(id)"),
            (too_long.as_bytes(), &hash),
        ] {
            assert_eq!(load_as(&world, name).await, 302, "{mint}: {expected}");
            let expected = format!("{expected}@sso");
            let mut sessions = world.standin.sessions().into_iter();
            let is_there = sessions.any(|row| row.label.as_deref() == Some(&*expected));
            assert!(is_there, "{mint}: {expected}");
        }
    }
}
