//! How tunnels end: by a close at a border of frames, and with nothing of t3's behind it: row 68.

use std::time::{Duration, Instant};

use t3_standin::seen::Seen;
use t3_standin::server::Standin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, Edition, HANDSHAKE, PATIENCE, World};
use crate::harness::each;
use crate::upgrades::SWITCHED;

/// How long a tunnel may take to end, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// A client's close without a code, whose mask is zero.
pub(crate) const CLIENT_CLOSE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];

/// A frame of t3's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFrame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl ServerFrame {
    /// The code of a close that has all reserved bits 0 and no reason.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = <[u8; 2]>::try_from(&*self.payload).ok()?;
        (self.first == 0x88).then(|| u16::from_be_bytes(code))
    }
}

/// Reads one frame as a strict client does: unmasked, its length in the shortest form; none at the end.
pub(crate) async fn frame(stream: &mut TcpStream) -> Option<ServerFrame> {
    let first = stream.read_u8().await.ok()?;
    let second = stream.read_u8().await.expect("a whole head");
    assert!(second < 0x80, "a server's frame has no mask");
    let length = match second {
        126 => u64::from(stream.read_u16().await.expect("a whole head")),
        127 => stream.read_u64().await.expect("a whole head"),
        short => u64::from(short),
    };
    let mut payload = vec![0; length as usize];
    stream
        .read_exact(&mut payload)
        .await
        .expect("a whole frame");
    assert!(first & 0x0f < 8 || (first & 0x80 != 0 && length <= 125));
    Some(ServerFrame { first, payload })
}

/// The frames that come until the end, which must be there in time.
pub(crate) async fn frames(stream: &mut TcpStream) -> Vec<ServerFrame> {
    let all = async {
        let mut all = Vec::new();
        while let Some(frame) = frame(stream).await {
            all.push(frame);
        }
        all
    };
    tokio::time::timeout(SOON, all)
        .await
        .expect("an end in time")
}

/// The bytes of a frame of `length` times `x`.
pub(crate) fn bytes_of(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = match length {
        0..=125 => vec![first, length as u8],
        126..=0xffff => [&[first, 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, 127][..], &(length as u64).to_be_bytes()].concat(),
    };
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

pub(crate) async fn open(to: std::net::SocketAddr, target: &str) -> TcpStream {
    let mut client = Client::connect(to).await;
    client
        .send_head(&format!("GET {target}\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    let behind = client.read_at_least(0).await;
    assert!(behind.is_empty(), "nothing is behind the 101 yet");
    client.stream
}

/// A t3 that sends what `send` gives, and reports what the client sends until its end.
async fn scripted(
    send: Vec<Vec<u8>>,
) -> (
    RawUpstream,
    mpsc::UnboundedSender<()>,
    mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let (go_on, may_go_on) = mpsc::unbounded_channel();
    let (tell, told) = mpsc::unbounded_channel();
    let may_go_on = std::sync::Arc::new(tokio::sync::Mutex::new(may_go_on));
    let upstream = RawUpstream::start(move |mut stream, _, _| {
        let (send, tell) = (send.clone(), tell.clone());
        let may_go_on = std::sync::Arc::clone(&may_go_on);
        async move {
            let _ = stream.write_all(SWITCHED).await;
            for part in send {
                may_go_on.lock().await.recv().await;
                let _ = stream.write_all(&part).await;
            }
            let mut received = Vec::new();
            let _ = stream.read_to_end(&mut received).await;
            let _ = tell.send(received);
        }
    })
    .await;
    (upstream, go_on, told)
}

async fn refuses(to: std::net::SocketAddr) {
    // Just before it stops, nothing responds to who begins to connect.
    let accepts = async || {
        let attempt = TcpStream::connect(to);
        let attempt = tokio::time::timeout(Duration::from_millis(100), attempt);
        matches!(attempt.await, Ok(Ok(_)))
    };
    let refused = async { while accepts().await {} };
    let refused = tokio::time::timeout(PATIENCE, refused).await;
    refused.expect("it stops accepting");
}

#[tokio::test]
async fn row_68_a_drain_closes_at_the_border_behind_the_frame_under_way() {
    const MEBIBYTE: usize = 1 << 20;
    // What t3 has sent when the drain begins, and what it sends then.
    let whole = bytes_of(0x82, MEBIBYTE);
    let fragment = bytes_of(0x01, 300);
    let compressed = [bytes_of(0x41, 5000), bytes_of(0x00, 5000)].concat();
    let cases = [
        (
            whole[..MEBIBYTE / 2].to_vec(),
            whole[MEBIBYTE / 2..].to_vec(),
            1,
        ),
        // In its head.
        (whole[..1].to_vec(), whole[1..].to_vec(), 1),
        (whole[..5].to_vec(), whole[5..].to_vec(), 1),
        // Between the fragments of a message.
        (fragment.clone(), Vec::new(), 1),
        (fragment[..100].to_vec(), fragment[100..].to_vec(), 1),
        (
            compressed[..3000].to_vec(),
            compressed[3000..5004].to_vec(),
            1,
        ),
        (compressed[..6000].to_vec(), compressed[6000..].to_vec(), 2),
        (Vec::new(), Vec::new(), 0),
    ];
    let ways = ["on", "off"];
    let cases = cases
        .into_iter()
        .flat_map(|case| ways.map(|way| (case.clone(), way)));
    each(cases, |((before, rest, count), way)| async move {
        let sent = [before.clone(), rest.clone()].concat();
        let length = before.len();
        let more = [rest, bytes_of(0x81, 7), bytes_of(0x80, 9)].concat();
        let (upstream, go_on, mut told) = scripted(vec![before, more]).await;
        let mut dispatcher = Dispatcher::in_front_of(upstream.addr, &["--fast-path", way]).await;
        let mut client = open(dispatcher.addr, "/ws").await;
        go_on.send(()).expect("it waits");
        let mut arrived = vec![0; length];
        client.read_exact(&mut arrived).await.expect("it goes on");
        dispatcher.begin_drain();
        refuses(dispatcher.addr).await;
        go_on.send(()).expect("it waits");
        arrived.resize(sent.len(), 0);
        let rest = client.read_exact(&mut arrived[length..]).await;
        rest.expect("the rest of the frame");
        assert!(arrived == sent, "{count} whole frames");
        let close = frame(&mut client).await.expect("a close");
        assert_eq!(close.close_code(), Some(1001), "{close:?}");
        client.write_all(&CLIENT_CLOSE).await.expect("open");
        assert_eq!(frames(&mut client).await, [], "nothing is behind it");
        drop(client);
        let received = tokio::time::timeout(SOON, told.recv())
            .await
            .expect("in time");
        assert_eq!(received.expect("sent"), CLIENT_CLOSE, "it goes on to t3");
        dispatcher.drain().await;
    })
    .await;
}

#[tokio::test]
async fn row_68_a_frame_that_stands_still_is_cut_at_the_deadline_and_a_silent_client_after_a_second()
 {
    for (sent, least, most, is_cut) in [
        (bytes_of(0x82, 100)[..50].to_vec(), 1400, 3000, true),
        (bytes_of(0x82, 100), 900, 1400, false),
    ] {
        let (upstream, go_on, mut told) = scripted(vec![sent.clone()]).await;
        let options = ["--drain-timeout", "1500ms"];
        let mut dispatcher = Dispatcher::in_front_of(upstream.addr, &options).await;
        let mut client = open(dispatcher.addr, "/ws").await;
        go_on.send(()).expect("it waits");
        let mut arrived = vec![0; sent.len()];
        client.read_exact(&mut arrived).await.expect("it goes on");
        let start = Instant::now();
        dispatcher.begin_drain();
        if !is_cut {
            let close = frame(&mut client).await.expect("a close");
            assert_eq!(close.close_code(), Some(1001));
            assert!(start.elapsed() < Duration::from_millis(500), "at once");
        }
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
        told.recv().await.expect("t3's side ends too");
        dispatcher.drain().await;
        let took = start.elapsed().as_millis();
        assert!((least..most).contains(&took), "{took} ms");
    }
}

/// What t3 sends at its end, on an open WebSocket, and what a client may see of it.
#[tokio::test]
async fn row_68_what_t3_sends_at_its_end_is_a_restart_to_the_client() {
    const HTTP: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\naccess-control-allow-origin: *\r\n\
        Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let text = bytes_of(0x81, 5);
    let normal: &[u8] = &[0x88, 2, 0x03, 0xe8];
    let coded: &[u8] = &[0x88, 2, 0x11, 0x34];
    let ends = [
        // The parts that it sends, each in a segment of its own, and the last close's code.
        (vec![[&[0x88, 0][..], HTTP].concat()], Some(1012)),
        (vec![vec![0x88, 0], HTTP.to_vec()], Some(1012)),
        (vec![vec![0x88], vec![0], HTTP.to_vec()], Some(1012)),
        (vec![[&text[..], &[0x88, 0], HTTP].concat()], Some(1012)),
        (vec![text.clone(), HTTP.to_vec()], Some(1012)),
        (vec![HTTP.to_vec()], Some(1012)),
        (vec![HTTP[..1].to_vec(), HTTP[1..].to_vec()], Some(1012)),
        (vec![], Some(1012)),
        (vec![text.clone()], Some(1012)),
        // Its own close.
        (vec![normal.to_vec()], Some(1000)),
        (vec![[coded, HTTP].concat()], Some(4404)),
        (vec![text.clone(), vec![0x88, 0]], None),
    ];
    each(ends, |(parts, code)| async move {
        let frames_before = usize::from(parts.first().is_some_and(|part| part[0] == 0x81));
        let count = parts.len();
        let (end, may_end) = mpsc::unbounded_channel::<()>();
        let may_end = std::sync::Arc::new(tokio::sync::Mutex::new(may_end));
        let upstream = RawUpstream::start(move |mut stream, _, _| {
            let (parts, may_end) = (parts.clone(), std::sync::Arc::clone(&may_end));
            async move {
                let _ = stream.set_nodelay(true);
                let _ = stream.write_all(SWITCHED).await;
                may_end.lock().await.recv().await;
                for part in parts {
                    let _ = stream.write_all(&part).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let _ = stream.shutdown().await;
                read_until_closed(&mut stream).await;
            }
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        let mut client = open(dispatcher.addr, "/ws").await;
        end.send(()).expect("it waits");
        let start = Instant::now();
        let seen = frames(&mut client).await;
        assert_eq!(seen.len(), frames_before + 1, "{count} parts: {seen:?}");
        let last = seen.last().expect("a close");
        assert_eq!(
            (last.first, last.close_code()),
            (0x88, code),
            "{count} parts"
        );
        assert!(start.elapsed() < SOON);
    })
    .await;
}

/// A reset is the end of the client's side too, with a close if a border is reached.
#[tokio::test]
async fn row_68_a_t3_that_is_lost_is_a_restart_at_a_border_and_a_cut_within_a_frame() {
    for (sent, is_whole) in [
        (bytes_of(0x81, 50), true),
        (bytes_of(0x81, 50)[..20].to_vec(), false),
    ] {
        let (end, may_end) = mpsc::unbounded_channel::<()>();
        let may_end = std::sync::Arc::new(tokio::sync::Mutex::new(may_end));
        let bytes = sent.clone();
        let upstream = RawUpstream::start(move |mut stream, _, _| {
            let (sent, may_end) = (bytes.clone(), std::sync::Arc::clone(&may_end));
            async move {
                let _ = stream.write_all(&[SWITCHED, &sent].concat()).await;
                may_end.lock().await.recv().await;
                stream.set_zero_linger().expect("a TCP socket");
            }
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        assert_eq!(client.read_at_least(sent.len()).await, sent);
        end.send(()).expect("it waits");
        let rest = tokio::time::timeout(SOON, client.rest()).await;
        let expected: &[u8] = if is_whole {
            &[0x88, 2, 0x03, 0xf4]
        } else {
            &[]
        };
        assert_eq!(rest.expect("in time"), expected);
    }
}

/// t3 may end a WebSocket for what its client said, which is no restart: it takes connections then.
#[tokio::test]
async fn row_68_an_end_without_a_close_behind_what_a_client_said_is_a_restart_only_if_t3_is_gone() {
    for is_gone in [false, true] {
        let World {
            standin,
            dispatcher,
            dir: _dir,
        } = World::start().await;
        let mut client = open(dispatcher.addr, "/standin/ws").await;
        if is_gone {
            // Text, whose echo is on its way when t3 is killed, or was.
            client
                .write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x'])
                .await
                .expect("open");
            assert_eq!(frame(&mut client).await.expect("an echo").payload, b"x");
            client
                .write_all(&[0x01, 0x81, 0, 0, 0, 0, b'x'])
                .await
                .expect("open");
            standin.kill();
            let codes: Vec<_> = frames(&mut client)
                .await
                .iter()
                .map(ServerFrame::close_code)
                .collect();
            assert_eq!(codes, [Some(1012)]);
        } else {
            // No UTF-8: the stand-in ends without a word.
            client
                .write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff])
                .await
                .expect("open");
            let start = Instant::now();
            assert_eq!(frames(&mut client).await, []);
            assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        }
    }
}

/// Whatever t3 does, a client that closes first gets t3's own close.
#[tokio::test]
async fn the_reply_to_a_client_s_close_is_t3_s_own() {
    let world = World::start().await;
    let mut client = open(world.addr(), "/standin/ws").await;
    client.write_all(&CLIENT_CLOSE).await.expect("open");
    let start = Instant::now();
    let seen = frames(&mut client).await;
    assert_eq!((seen.len(), seen[0].first), (1, 0x88), "{seen:?}");
    assert_eq!(seen[0].payload, b"");
    assert!(start.elapsed() < Duration::from_millis(500), "at once");
}

/// The stand-in stops as each edition of t3 does (contract §7, §11).
#[tokio::test]
async fn row_68_a_t3_that_is_told_to_end_ends_within_seconds_and_its_clients_are_told() {
    for edition in [Edition::September, Edition::Protocol2] {
        let World {
            standin,
            dispatcher,
            dir: _dir,
        } = World::of(edition, &[]).await;
        let mut client = open(dispatcher.addr, "/standin/ws").await;
        let mut silent = open(dispatcher.addr, "/standin/ws").await;
        let start = Instant::now();
        let stopping = tokio::spawn(Standin::stop(standin));
        let seen = frames(&mut client).await;
        let codes: Vec<_> = seen.iter().map(ServerFrame::close_code).collect();
        assert_eq!(codes, [Some(1012)], "{edition:?}");
        stopping.await.expect("no panic");
        assert!(start.elapsed() < SOON, "{edition:?}: {:?}", start.elapsed());
        assert_eq!(frames(&mut silent).await.len(), 1);
    }
}

/// A t3 of v0.0.27 closes its listener and waits 20 s for its sockets (contract §7).
#[tokio::test]
async fn row_68_a_t3_that_stops_listening_and_waits_has_its_sockets_closed() {
    for soon in [true, false] {
        let World {
            standin,
            dispatcher,
            dir: _dir,
        } = World::of(Edition::June, &[]).await;
        let mut client = open(dispatcher.addr, "/standin/ws").await;
        let mut silent = open(dispatcher.addr, "/standin/ws").await;
        let is_asked = |seen: &[Seen], times| {
            let described = |seen: &&Seen| seen.target.starts_with(b"/.well-known");
            seen.iter().filter(described).count() >= times
        };
        // The first time t3 was probed.
        let watched = standin.wait_for(PATIENCE, |seen| is_asked(seen, 2));
        assert!(watched.await, "a connection is kept to see its end");
        if !soon {
            // t3 has ended that one, and there is another.
            let again = standin.wait_for(PATIENCE, |seen| is_asked(seen, 3));
            assert!(again.await);
        }
        let start = Instant::now();
        let stopping = tokio::spawn(Standin::stop(standin));
        let close = tokio::time::timeout(SOON, frame(&mut client)).await;
        let close = close.expect("in time").expect("a close");
        assert_eq!(close.close_code(), Some(1012));
        client.write_all(&CLIENT_CLOSE).await.expect("open");
        assert_eq!(frames(&mut client).await, []);
        let codes: Vec<_> = frames(&mut silent)
            .await
            .iter()
            .map(ServerFrame::close_code)
            .collect();
        assert_eq!(codes, [Some(1012)]);
        stopping.await.expect("no panic");
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}
