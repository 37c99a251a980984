//! t3's WebSocket: RPC messages until either side ends it.

use std::pin::pin;

use tokio_tungstenite::tungstenite::Message;

use super::message::Streams;
use super::socket::Socket;
use crate::state::{Phase, State};

/// Revocation and expiry do not end an open socket (contract §4), whose session has these scopes.
pub(super) async fn serve(mut socket: Socket, scopes: Vec<String>, state: &State) {
    let mut cut_off = pin!(state.reached(Phase::Cut));
    let mut streams = Streams::of(scopes);
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut cut_off => return socket.cut().await,
        };
        let reply = match message {
            Some(Ok(Message::Text(text))) => streams.respond(&text),
            // Text in a binary frame is as good.
            Some(Ok(Message::Binary(bytes))) => streams.respond(&String::from_utf8_lossy(&bytes)),
            // The library replies to pings and the close by itself.
            Some(Ok(_)) => None,
            Some(Err(error)) => return socket.fail(&error).await,
            None => return,
        };
        if let Some(reply) = reply
            && socket.send(Message::text(reply)).await.is_err()
        {
            return;
        }
    }
}
