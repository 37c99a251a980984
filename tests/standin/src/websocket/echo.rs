//! A probe's WebSocket: echoes every message.

use std::pin::pin;

use tokio_tungstenite::tungstenite::Message;

use super::socket::Socket;
use crate::state::{Phase, State};

pub(super) async fn serve(mut socket: Socket, state: &State) {
    let mut cut_off = pin!(state.reached(Phase::Cut));
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut cut_off => return socket.cut().await,
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // The library replies to pings and the close by itself.
            Some(Ok(_)) => {}
            Some(Err(error)) => return socket.fail(&error).await,
            None => return,
        }
    }
}
