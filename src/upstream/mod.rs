//! t3 as the next hop, and the connections to it.

pub mod api_call;
pub mod client;
pub mod connection;
pub mod error;
pub mod forward;
pub mod health;
pub mod pool;
pub mod request_body;
pub mod response_body;
pub mod session;
