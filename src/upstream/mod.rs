//! t3 as the next hop, and the connections to it.

mod call;
mod failure;
mod hop;
mod inbound;
mod link;
mod outbound;
mod pool;

pub use self::call::Call;
pub use self::failure::Failure;
pub use self::hop::{Upgrade, Upstream};
pub use self::inbound::Inbound;
pub use self::link::Inform;
pub use self::outbound::Outbound;
