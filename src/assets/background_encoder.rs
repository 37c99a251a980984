//! Encodes one body at the best setting, and makes way for who needs the memory.

use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::assets::encoder::{Encoder, Form, PIECE_BYTES};

/// After how many bytes the encoder is flushed: brotli keeps its notes until then.
const FLUSH_BYTES: usize = 1024 * 1024;

/// How long the thread sleeps before it tries again after it has yielded.
const YIELD_PAUSE: Duration = Duration::from_millis(200);

/// Does something run that needs the memory?
pub(super) type ShouldYield = Box<dyn Fn() -> bool + Send + Sync>;

/// Encodes at the best setting, and makes way for who needs the memory.
pub(super) struct BackgroundEncoder {
    drain: CancellationToken,
    should_yield: ShouldYield,
}

/// How one run over a body ended.
enum EncodeAttempt {
    Encoded(Bytes),
    /// The memory is needed elsewhere: what was encoded has been dropped.
    Yielded,
    /// The drain has begun.
    Draining,
}

impl BackgroundEncoder {
    /// Ends with `drain`; starts over after a pause while `should_yield`.
    pub(super) fn new(drain: CancellationToken, should_yield: ShouldYield) -> Self {
        Self {
            drain,
            should_yield,
        }
    }

    /// `body`, encoded. Blocks for as long as it takes; `None` if the drain begins
    /// or the encoder fails.
    pub(super) fn encode(&self, body: &[u8], form: Form) -> Option<Bytes> {
        loop {
            match self.attempt(body, form).ok()? {
                EncodeAttempt::Encoded(body) => return Some(body),
                EncodeAttempt::Draining => return None,
                EncodeAttempt::Yielded => thread::sleep(YIELD_PAUSE),
            }
        }
    }

    fn attempt(&self, body: &[u8], form: Form) -> io::Result<EncodeAttempt> {
        let mut encoder = Encoder::new(form, body.len() as u64)?;
        let (mut out, mut unflushed) = (Vec::new(), 0);
        for piece in body.chunks(PIECE_BYTES) {
            if self.drain.is_cancelled() {
                return Ok(EncodeAttempt::Draining);
            }
            if (self.should_yield)() {
                return Ok(EncodeAttempt::Yielded);
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
        // Without its spare capacity.
        Ok(EncodeAttempt::Encoded(out.into_boxed_slice().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_yields_while_the_memory_is_needed_and_starts_over() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Needed at the second and the third piece that is begun.
        let should_yield = move || matches!(counted.fetch_add(1, Ordering::SeqCst), 1 | 2);
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(should_yield));
        let original = [vec![7; 2 * PIECE_BYTES], vec![8; 10]].concat();
        let body = encoder.encode(&original, Form::GZIP).expect("encoded");
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut decoder, &mut plain).expect("a whole body");
        assert_eq!(plain, original);
        // One piece, none, and then all three.
        assert_eq!(asked.load(Ordering::SeqCst), 2 + 1 + 3);
    }

    #[test]
    fn it_ends_with_the_drain() {
        let drain = CancellationToken::new();
        drain.cancel();
        let encoder = BackgroundEncoder::new(drain, Box::new(|| true));
        assert!(encoder.encode(&[7; 10], Form::BEST_BR).is_none());
    }
}
