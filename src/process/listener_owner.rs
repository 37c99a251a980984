//! Whose process listens at a port of this machine: another user may have taken one that was left free.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::unistd::User;

use crate::process::own_thread::on_own_thread;

/// The tables of this network's TCP sockets, those that listen first (proc_pid_net(5)).
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// The sockets that listen at one port, in order: equal if the same ones did at both times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners(Vec<Listener>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    inode: u64,
    uid: u32,
    at: IpAddr,
}

/// The number of the user called `name`.
///
/// # Errors
/// If this system knows no such user, or cannot tell.
pub async fn uid_of(name: &str) -> io::Result<u32> {
    let name = name.to_owned();
    // The list of users may be a network's.
    let found = on_own_thread(move || User::from_name(&name)).await?;
    let user = found.map_err(io::Error::from)?;
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such user");
    user.map(|user| user.uid.as_raw()).ok_or_else(unknown)
}

impl Listeners {
    /// Those that a connection to `port` of `host` may reach, which is the loopback address or a name of it.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn at(host: &str, port: u16) -> io::Result<Self> {
        let host = host.parse().ok();
        let mut found = Vec::new();
        for table in TABLES {
            let lines = match File::open(table) {
                Ok(file) => BufReader::new(file).lines(),
                // A system without IPv6.
                Err(error) if error.kind() == io::ErrorKind::NotFound && table != TABLES[0] => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for line in lines.skip(1) {
                let line = line?;
                let fields: Vec<_> = line.split_ascii_whitespace().take(10).collect();
                if fields.get(3) != Some(&LISTENS) {
                    break;
                }
                found.extend(listener(&fields, port));
            }
        }
        found.retain(|listener| may_take(listener.at, host));
        found.sort();
        Ok(Self(found))
    }

    /// Those of them that a connection to `address` may reach.
    pub fn reached_at(&self, address: IpAddr) -> Self {
        let listeners = self.0.iter();
        let reached = listeners.filter(|listener| may_take(listener.at, Some(address)));
        Self(reached.cloned().collect())
    }

    /// Does nobody listen?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is none of them another user's than the one numbered `uid`?
    pub fn are_of(&self, uid: u32) -> bool {
        self.0.iter().all(|listener| listener.uid == uid)
    }
}

/// The listener of a line of the table, if it is at `port`.
fn listener(fields: &[&str], port: u16) -> Option<Listener> {
    let (at, listens_at) = fields.get(1)?.split_once(':')?;
    if u16::from_str_radix(listens_at, 16) != Ok(port) {
        return None;
    }
    Some(Listener {
        inode: fields.get(9)?.parse().ok()?,
        uid: fields.get(7)?.parse().ok()?,
        at: address(at)?,
    })
}

/// An address as the table has it: words of 32 bits in the machine's own order.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

/// May a listener at `at` take a connection to `host`, or to a name of the loopback address? One for every
/// address of IPv6 takes those of IPv4 too.
fn may_take(at: IpAddr, host: Option<IpAddr>) -> bool {
    match host {
        _ if at.is_unspecified() => true,
        Some(host) => at == host,
        None => at.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use socket2::SockRef;

    use super::*;

    #[test]
    fn what_listens_here_is_found_with_its_user() {
        let uid = nix::unistd::getuid().as_raw();
        for (bound, host, is_found) in [
            ("127.0.0.1:0", "127.0.0.1", true),
            ("127.0.0.1:0", "localhost", true),
            ("0.0.0.0:0", "127.0.0.1", true),
            ("[::]:0", "127.0.0.1", true),
            ("[::1]:0", "::1", true),
            ("[::1]:0", "localhost", true),
            ("127.0.0.2:0", "127.0.0.1", false),
            ("[::1]:0", "127.0.0.1", false),
        ] {
            let Ok(listener) = TcpListener::bind(bound) else {
                assert!(bound.starts_with('['), "a system with IPv4");
                continue;
            };
            let port = listener.local_addr().expect("bound").port();
            let found = || Listeners::at(host, port).expect("a table");
            let before = found();
            assert_eq!(!before.is_empty(), is_found, "{bound} {host}");
            assert_eq!(before, found());
            let elsewhere = before.reached_at("127.0.0.9".parse().expect("an address"));
            let takes_all =
                is_found && bound.starts_with(['0', '[']) && !bound.starts_with("[::1]");
            assert_eq!(!elsewhere.is_empty(), takes_all, "{bound} {host}");
            assert!(before.are_of(uid));
            assert_eq!(before.are_of(uid + 1), !is_found);
            // Closed alone it would go on listening for a program that another test is just starting.
            let ended = SockRef::from(&listener).shutdown(Shutdown::Both);
            ended.expect("it listens");
            drop(listener);
            assert_eq!(found() != before, is_found, "{bound} {host}");
        }
    }

    #[tokio::test]
    async fn users_are_known_by_their_names() {
        assert_eq!(uid_of("root").await.expect("there is one"), 0);
        let unknown = uid_of("no-such-user-here").await.expect_err("none");
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
    }
}
