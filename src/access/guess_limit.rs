//! How often a client may show a code or a token that nothing is known of, and all clients together.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::process::cell_rate::CellRate;
use crate::process::lru_cache::lru_cache;

/// How many one address may show at once: after a restart nothing is known of any app behind it.
const BURST: u32 = 60;

/// How long it takes until one more may be shown.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same of all addresses together, each of which may cost t3 one look at its database.
const BURST_OF_ALL: u32 = 500;
const INTERVAL_OF_ALL: Duration = Duration::from_millis(50);

/// The maximum of addresses that are remembered; of more, the one that was seen longest ago is forgotten.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// What is left to clients that show what is not known.
#[derive(Debug)]
pub struct GuessLimit(Mutex<Left>);

#[derive(Debug)]
struct Left {
    addresses: LruCache<IpAddr, CellRate>,
    all: CellRate,
}

impl Default for GuessLimit {
    /// All is left to everybody.
    fn default() -> Self {
        Self(Mutex::new(Left {
            addresses: lru_cache(MAX_ADDRESSES),
            all: CellRate::new(Instant::now()),
        }))
    }
}

impl GuessLimit {
    /// Takes one of what is left to the client at `address`. False if nothing is.
    pub fn take(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut left = self.0.lock();
        let network = network_of(address);
        let of_address = left
            .addresses
            .get_or_insert_mut(network, || CellRate::new(now));
        of_address.take(now, BURST, INTERVAL) && left.all.take(now, BURST_OF_ALL, INTERVAL_OF_ALL)
    }
}

/// What one client has of addresses: one of IPv4, 64 bits of IPv6 (RFC 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limit: &GuessLimit, address: &str, times: u32) -> u32 {
        let address = address.parse().expect("an address");
        (0..times).filter(|_| limit.take(address)).count() as u32
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_burst_and_all_addresses_another() {
        let limit = GuessLimit::default();
        assert_eq!(taken(&limit, "192.0.2.1", 1000), BURST);
        assert_eq!(taken(&limit, "::ffff:192.0.2.1", 1), 0, "the same address");
        assert_eq!(taken(&limit, "2001:db8::1", 30), 30);
        assert_eq!(taken(&limit, "2001:db8::2:0:0:1", 1000), BURST - 30);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(taken(&limit, "192.0.2.1", 1000), 1);
        let others = (0..=255).map(|last| taken(&limit, &format!("198.51.100.{last}"), 10));
        let all = others.sum::<u32>();
        assert!(all < BURST_OF_ALL, "{all}");
        assert_eq!(taken(&limit, "203.0.113.1", 10), 0);
    }
}
