//! One connection: requests one after another, until it ends or is upgraded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock;
use crate::http::body::Body;
use crate::http::head::{self, Head, Parsed};
use crate::http::response::{self, Response};
use crate::http::target;
use crate::http::wire::{Peer, Wire};
use crate::routes;
use crate::routes::exchange::{After, Exchange};
use crate::seen::Outcome;
use crate::state::{Phase, State};
use crate::websocket::deflate::Deflate;
use crate::websocket::{self, Upgrade};

/// Node's headersTimeout (contract §7).
const HEAD_DEADLINE: Duration = Duration::from_secs(60);

const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n";

/// How a connection ends.
enum End {
    /// Close from this side, gently.
    Finish,
    /// Close at once.
    Drop,
    Upgraded(Upgrade, Option<Deflate>),
}

pub(crate) async fn serve(stream: TcpStream, peer: Peer, state: &Arc<State>) {
    let mut wire = Wire::new(stream);
    let end = tokio::select! {
        end = requests(&mut wire, peer, state) => end,
        () = state.reached(Phase::Cut) => End::Drop,
    };
    match end {
        End::Finish => wire.finish().await,
        End::Drop => {}
        End::Upgraded(upgrade, deflate) => {
            websocket::serve(wire, upgrade, deflate, state).await;
        }
    }
}

async fn requests(wire: &mut Wire, peer: Peer, state: &Arc<State>) -> End {
    let mut phase = state.phase.subscribe();
    for number in 0.. {
        let head = match next_head(wire, number, state, &mut phase).await {
            Ok(head) => head,
            Err(end) => return end,
        };
        let in_flight = state.record.begin(&head, peer.serial);
        let responded = respond(wire, &head, number, peer, state).await;
        in_flight.ended(match &responded {
            Ok(After::Drop) => Outcome::Dropped,
            Ok(_) => Outcome::Completed,
            Err(_) => Outcome::ClientGone,
        });
        match responded {
            Ok(After::Keep) => {}
            Ok(After::Close) => return End::Finish,
            Ok(After::Upgrade(upgrade, deflate)) => return End::Upgraded(upgrade, deflate),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return refuse(wire, BAD_REQUEST).await;
            }
            Ok(After::Drop) | Err(_) => return End::Drop,
        }
    }
    End::Drop
}

async fn next_head(
    wire: &mut Wire,
    number: u64,
    state: &State,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Head, End> {
    loop {
        let idle = wire.buffer.is_empty();
        if !idle {
            match head::parse(&mut wire.buffer) {
                Parsed::Complete(head) => return Ok(head),
                Parsed::TooLarge => return Err(refuse(wire, HEAD_TOO_LARGE).await),
                Parsed::Malformed => return Err(refuse(wire, BAD_REQUEST).await),
                Parsed::Partial => {}
            }
        }
        let limit = match number {
            1.. if idle => Duration::from_millis(state.faults().keepalive_ms),
            _ => HEAD_DEADLINE,
        };
        tokio::select! {
            filled = wire.fill() => filled.map_err(|_gone| End::Drop)?,
            () = sleep(limit) => return Err(End::Finish),
            () = told_to_drain(phase, number), if idle => return Err(End::Drop),
        }
    }
}

/// Idle connections end at the stop; one with a request under way has its idle time after it (contract §7).
async fn told_to_drain(phase: &mut watch::Receiver<Phase>, number: u64) {
    let draining = *phase.borrow_and_update() != Phase::Running;
    if draining && number > 0 {
        std::future::pending::<()>().await;
    }
    if !draining {
        let _sender_lives_in_state = phase.changed().await;
    }
}

/// Node's own response to HTTP/1.1 without a Host.
fn without_host() -> Vec<u8> {
    let mut refusal = Vec::new();
    let date = clock::imf_fixdate(clock::now_ms());
    let lines = format!("Connection: close\r\nDate: {date}\r\nTransfer-Encoding: chunked\r\n");
    response::start(&mut refusal, 400, lines.as_bytes());
    refusal.extend_from_slice(b"\r\n0\r\n\r\n");
    refusal
}

async fn refuse(wire: &mut Wire, with: &[u8]) -> End {
    match wire.write(with).await {
        Ok(()) => End::Finish,
        Err(_gone) => End::Drop,
    }
}

async fn respond(
    wire: &mut Wire,
    head: &Head,
    number: u64,
    peer: Peer,
    state: &Arc<State>,
) -> io::Result<After> {
    let faults = state.faults();
    if faults.hang_all || state.is_silent(&faults) {
        wire.gone().await;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // A body beside an Upgrade header is lost (contract §5).
    let body = if head.wants_upgrade() {
        Some(Body::lost())
    } else {
        Body::of(head)
    };
    let body = body.ok_or(io::ErrorKind::InvalidData)?;
    wire.pause(state.held_for(&faults)).await?;
    wire.pause(Duration::from_millis(faults.answer_delay_ms))
        .await?;
    let mut exchange = Exchange {
        wire,
        head,
        body,
        number,
        peer,
        state,
        faults: &faults,
    };
    match head.get("host") {
        None if !head.is_http_1_0() => {
            exchange.wire.write(&without_host()).await?;
            Ok(After::Close)
        }
        Some(host) if !target::is_host(host) => {
            exchange.send(&Response::text(400, "Bad Request")).await
        }
        _ => routes::respond(&mut exchange).await,
    }
}
