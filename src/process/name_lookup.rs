//! The addresses of a host name by the system's resolver, and whether there is no such name at all.

use std::io;
use std::net::SocketAddr;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::process::own_thread::on_own_thread;

/// How many names are looked up at a time: each has a thread, for as long as the resolver takes.
const MAX_LOOKUPS: usize = 64;

/// Held by the threads that look a name up.
static LOOKUPS: Semaphore = Semaphore::const_new(MAX_LOOKUPS);

/// The resolver says that there is no such name (NXDOMAIN), which a name without an address, a resolver that
/// fails and one that is silent do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such name")]
pub struct NoSuchName;

/// The addresses of `host`, each with `port`, in the resolver's order. The caller bounds how long it may
/// take.
///
/// # Errors
/// Of an error [`is_no_such_name`] tells whether it is certain. Where the look-up fails, it is not.
pub async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let turn = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let found = on_own_thread(move || {
        let _turn = turn;
        addresses(&host, port)
    });
    found.await?
}

/// Does `error`, of [`look_up`], say that there is no such name?
pub fn is_no_such_name(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<NoSuchName>())
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(error_of)?;
    let with_port = found.map(|found| {
        let mut address = found?.sockaddr;
        address.set_port(port);
        Ok(address)
    });
    with_port.collect()
}

fn error_of(error: LookupError) -> io::Error {
    match error.kind() {
        LookupErrorKind::NoName => io::Error::new(io::ErrorKind::NotFound, NoSuchName),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of glibc's netdb.h.
    #[test]
    fn only_nxdomain_says_that_there_is_no_such_name() {
        for (number, is_certain) in [
            (-2, true),   // EAI_NONAME
            (-3, false),  // EAI_AGAIN
            (-4, false),  // EAI_FAIL
            (-5, false),  // EAI_NODATA
            (-10, false), // EAI_MEMORY
            (-11, false), // EAI_SYSTEM
        ] {
            let error = error_of(LookupError::new(number));
            assert_eq!(is_no_such_name(&error), is_certain, "{number}: {error}");
        }
        assert!(!is_no_such_name(&io::ErrorKind::NotFound.into()));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_has_its_addresses() {
        let found = look_up("localhost", 3773).await.expect("addresses");
        let is_own = |address: &SocketAddr| address.ip().is_loopback() && address.port() == 3773;
        assert!(!found.is_empty() && found.iter().all(is_own), "{found:?}");
        assert!(look_up("a\0b", 1).await.is_err());
        assert_eq!(LOOKUPS.available_permits(), MAX_LOOKUPS);
    }
}
