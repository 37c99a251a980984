//! Upgraded connections: RPC, echo and raw bytes.

pub(crate) mod deflate;
mod echo;
mod extensions;
pub(crate) mod handshake;
mod message;
mod raw;
mod rpc;
mod socket;

use std::sync::Arc;

use crate::http::wire::Wire;
use crate::state::open::Counted;
use crate::state::{Phase, State};
use crate::store::sessions::SessionRow;
use deflate::Deflate;
use socket::Socket;

/// The protocol after a 101.
#[derive(Debug)]
pub(crate) enum Upgrade {
    /// t3's RPC, on behalf of a session.
    Rpc { session: Box<SessionRow> },
    /// WebSocket messages, echoed.
    Echo,
    /// Bytes, echoed.
    Raw,
}

/// Serves an upgraded connection to its end.
pub(crate) async fn serve(
    wire: Wire,
    upgrade: Upgrade,
    deflate: Option<Deflate>,
    state: &Arc<State>,
) {
    let _counted = Counted::websocket(&state.open);
    match upgrade {
        Upgrade::Rpc { session } => {
            let SessionRow { id, scopes, .. } = *session;
            state.connect(&id, 1);
            let _connected = Connected {
                state,
                session_id: id,
            };
            rpc::serve(Socket::framed(wire, deflate).await, scopes, state).await;
        }
        Upgrade::Echo => echo::serve(Socket::framed(wire, deflate).await, state).await,
        Upgrade::Raw => {
            tokio::select! {
                () = raw::serve(wire) => {}
                () = state.reached(Phase::Cut) => {}
            }
        }
    }
}

/// Counts the session as connected for as long as it lives.
struct Connected<'a> {
    state: &'a State,
    session_id: String,
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.state.connect(&self.session_id, -1);
    }
}
