//! What one client has this process and the kernel hold for it, as a part of the sum over all clients.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::process::client_memory::{ClientMemory, MemoryShare};

/// What is not counted of a request: enough for one without long fields, so that probes are answered
/// whatever others hold.
const FREE_BYTES: usize = 4 * 1024;

/// The most that is counted of a request: what the buffers of its body and the kernel hold, at both sides.
const MOST_BYTES: usize = 512 * 1024;

/// What a client that takes nothing holds of a response of the dispatcher's own: what the kernel keeps
/// unsent, and what it has sent and the client's kernel acknowledges up to 200 ms later.
const OWN_BYTES: usize = 192 * 1024;

/// What the kernel holds of a response of t3, at both sides. What this process holds of it is added.
const RELAYED_BYTES: usize = 320 * 1024;

/// What one client holds.
#[derive(Debug)]
pub struct HeldMemory {
    memory: Arc<ClientMemory>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The bytes that came of the request under way.
    came: usize,
    request: Option<MemoryShare>,
    /// Is its response t3's?
    is_relayed: bool,
    /// The bytes of a response of the dispatcher's own that nobody else has.
    private: usize,
    /// While the client takes nothing.
    response: Option<MemoryShare>,
    is_refused: bool,
}

impl HeldMemory {
    /// Nothing of `memory` is held.
    pub fn new(memory: Arc<ClientMemory>) -> Self {
        let held = Mutex::default();
        Self { memory, held }
    }

    /// What is left of the sum.
    pub fn memory(&self) -> &Arc<ClientMemory> {
        &self.memory
    }

    /// `count` more bytes of a request came. False if that is more than is left.
    #[must_use]
    pub fn came(&self, count: usize) -> bool {
        let mut held = self.held.lock();
        held.came += count;
        let counted = held.came.min(MOST_BYTES).saturating_sub(FREE_BYTES);
        let is_left = counted == 0 || grown(&self.memory, &mut held.request, counted);
        held.is_refused |= !is_left;
        is_left
    }

    /// The response to the request under way is t3's, or the dispatcher's own, of which so many `private` bytes are
    /// this client's alone.
    pub fn response_is(&self, is_relayed: bool, private: usize) {
        let mut held = self.held.lock();
        (held.is_relayed, held.private) = (is_relayed, private);
    }

    /// The client takes nothing at the moment, and this process holds up to `buffered` bytes of a response
    /// of t3. False if what is held for it is more than is left.
    #[must_use]
    pub fn write_blocked(&self, buffered: usize) -> bool {
        let mut held = self.held.lock();
        let counted = match held.is_relayed {
            true => RELAYED_BYTES + buffered,
            false => OWN_BYTES + held.private,
        };
        let is_left = grown(&self.memory, &mut held.response, counted);
        held.is_refused |= !is_left;
        is_left
    }

    /// The client has taken everything.
    pub fn flushed(&self) {
        self.held.lock().response = None;
    }

    /// The request under way is over.
    pub fn exchange_ended(&self) {
        let mut held = self.held.lock();
        held.came = 0;
        held.request = None;
    }

    /// Was more asked for than was left? The connection is over then.
    pub fn is_refused(&self) -> bool {
        self.held.lock().is_refused
    }
}

/// Has `share` grown to `bytes`?
fn grown(memory: &Arc<ClientMemory>, share: &mut Option<MemoryShare>, bytes: usize) -> bool {
    match share {
        Some(share) => share.grow_to(bytes),
        None => {
            *share = memory.take(bytes);
            share.is_some()
        }
    }
}
