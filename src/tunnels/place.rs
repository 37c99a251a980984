//! A tunnel's place among the others, before and after it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::{Ending, Member, Tunnels};
use crate::session::Proof;

/// A place for one tunnel, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) owner: Arc<str>,
}

/// The place of a tunnel that is open, given back when it is dropped.
#[derive(Debug)]
pub struct Membership {
    place: Place,
    number: u64,
    member: Arc<Member>,
}

impl Place {
    /// Its tunnel is open. It ends with the session of `proof`, where it has one.
    pub fn opened(self, proof: Option<Proof>) -> Membership {
        let has_session = proof.is_some();
        let member = Arc::new(Member {
            proof,
            ending: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        });
        let mut open = self.tunnels.lock();
        let number = open.next;
        open.next += 1;
        open.members.insert(number, Arc::clone(&member));
        if open.is_cut {
            member.end(Ending::Cut);
        }
        drop(open);
        if has_session {
            self.tunnels.opened.notify_one();
        }
        Membership {
            place: self,
            number,
            member,
        }
    }
}

impl Membership {
    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.place.owner
    }

    /// Ready once the tunnel is to end.
    pub fn poll_ending(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.member.waker.register(cx.waker());
        match self.member.ending.load(Ordering::Acquire) {
            0 => Poll::Pending,
            ending if ending == Ending::Cut as u8 => Poll::Ready(Ending::Cut),
            _ => Poll::Ready(Ending::SessionDied),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.place.tunnels.lock().members.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.tunnels.lock();
        if let Some(count) = open.owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.owners.remove(&self.owner);
            }
        }
    }
}
