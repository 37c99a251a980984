//! One body coded at the best setting, in memory that is given back as soon as others need it.

use std::time::Duration;
use std::{fmt, io, thread};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::assets::coding::Coding;
use crate::assets::encoder::{Encoder, PIECE_BYTES, Setting};

/// After how many bytes what is coded so far is written down: brotli keeps its notes until then.
const FLUSH_BYTES: usize = 1024 * 1024;

/// How often to ask whether the memory is still needed elsewhere: for seconds, and seldom.
const YIELD_PAUSE: Duration = Duration::from_millis(200);

/// Does something run that needs the memory?
pub type Needed = Box<dyn Fn() -> bool + Send + Sync>;

/// Codes at the best setting.
pub(super) struct Best {
    drain: CancellationToken,
    is_needed: Needed,
}

/// What came of an attempt.
enum Attempt {
    Coded(Bytes),
    /// The memory is needed elsewhere.
    Yielded,
    /// The drain has begun.
    Over,
}

impl Best {
    /// Ends with `drain`, and makes way while `is_needed` says so.
    pub(super) fn new(drain: CancellationToken, is_needed: Needed) -> Self {
        Self { drain, is_needed }
    }

    /// Has the drain begun?
    pub(super) fn is_over(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// The body in `parts`, coded; blocks for as long as it takes. Nothing where the drain comes
    /// first.
    pub(super) fn coded(&self, parts: &[Bytes], coding: Coding) -> Option<Bytes> {
        loop {
            match self.attempt(parts, coding).ok()? {
                Attempt::Coded(body) => return Some(body),
                Attempt::Over => return None,
                Attempt::Yielded => thread::sleep(YIELD_PAUSE),
            }
        }
    }

    fn attempt(&self, parts: &[Bytes], coding: Coding) -> io::Result<Attempt> {
        let length = parts.iter().map(Bytes::len).sum::<usize>();
        let mut encoder = Encoder::new(coding, Setting::Best, length as u64)?;
        let (mut out, mut unflushed) = (Vec::new(), 0);
        for piece in parts.iter().flat_map(|part| part.chunks(PIECE_BYTES)) {
            if self.is_over() {
                return Ok(Attempt::Over);
            }
            if (self.is_needed)() {
                return Ok(Attempt::Yielded);
            }
            encoder.write(piece)?;
            unflushed += piece.len();
            if unflushed >= FLUSH_BYTES {
                encoder.flush()?;
                unflushed = 0;
            }
            out.extend_from_slice(&encoder.take());
        }
        out.extend_from_slice(&encoder.finish()?);
        // Without the room that it grew by.
        Ok(Attempt::Coded(out.into_boxed_slice().into()))
    }
}

impl fmt::Debug for Best {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Best").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_makes_way_while_the_memory_is_needed_and_begins_anew() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Needed at the second and the third piece that is begun.
        let is_needed = move || matches!(counted.fetch_add(1, Ordering::SeqCst), 1 | 2);
        let best = Best::new(CancellationToken::new(), Box::new(is_needed));
        let parts = [vec![7; 2 * PIECE_BYTES].into(), vec![8; 10].into()];
        let body = best.coded(&parts, Coding::Gzip).expect("coded");
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut decoder, &mut plain).expect("a whole body");
        assert_eq!(plain, parts.concat());
        // One piece, none, and then all three.
        assert_eq!(asked.load(Ordering::SeqCst), 2 + 1 + 3);
    }

    #[test]
    fn it_ends_with_the_drain() {
        let drain = CancellationToken::new();
        drain.cancel();
        let best = Best::new(drain, Box::new(|| true));
        assert!(best.coded(&[vec![7; 10].into()], Coding::Br).is_none());
    }
}
