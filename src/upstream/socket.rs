//! A connection to t3 as it goes from one exchange to the next.

use tokio::net::TcpStream;

use crate::upstream::receive_window::ReceiveWindow;

/// A connection to t3, without a parser's state.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub stream: TcpStream,
    /// How much of what t3 sends may wait in it.
    pub window: ReceiveWindow,
}

impl From<TcpStream> for Socket {
    /// A new one.
    fn from(stream: TcpStream) -> Self {
        let window = ReceiveWindow::default();
        Self { stream, window }
    }
}
