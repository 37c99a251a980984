//! Waits for the head of t3's answer, and passes on what t3 says before it.

use tokio::time::Instant;

use crate::fast_path::buffers;
use crate::fast_path::exchange::Exchange;
use crate::fast_path::io::{Broken, Heard};
use crate::fast_path::request::Plain;
use crate::fast_path::response::{self, Asked, Head, Reply};
use crate::upstream::error::Failure;

/// How much of an answer is read at first: all of a small one.
const FIRST_BYTES: usize = 8 * 1024;

/// The longest head of an answer.
const HEAD_LIMIT: usize = 128 * 1024;

impl Exchange<'_> {
    /// Waits for the head of the answer, and passes on what t3 says before it.
    pub(super) async fn head(
        &mut self,
        plain: Plain,
        said: &mut Vec<u8>,
        homeward: &mut Vec<u8>,
    ) -> Result<Head, Broken> {
        self.asked = Instant::now();
        let head = loop {
            let heard = self.ends.hear(said, FIRST_BYTES).await?;
            buffers::make_room(homeward, 0);
            let secured = plain
                .is_https
                .then(|| self.services.readiness.cookie_name());
            let asked = Asked {
                is_head: plain.is_head,
                secured: secured.as_deref(),
                is_last: self.tasks.is_draining(),
            };
            match self.understand(&asked, said, homeward).await? {
                Some(head) => break head,
                None if heard == Heard::End && said.is_empty() => return Err(Broken::Silent),
                None if heard == Heard::End || said.len() > HEAD_LIMIT => {
                    return Err(Broken::Failed(Failure::Unclear));
                }
                None => {}
            }
        };
        self.ends.due = None;
        Ok(head)
    }

    /// Reads the heads that `said` begins with, up to that of the answer.
    async fn understand(
        &mut self,
        asked: &Asked<'_>,
        said: &mut Vec<u8>,
        homeward: &mut Vec<u8>,
    ) -> Result<Option<Head>, Broken> {
        loop {
            match response::rewrite(said, asked, homeward) {
                Reply::Partial => return Ok(None),
                Reply::Final(head) => return Ok(Some(head)),
                Reply::Unclear => return Err(Broken::Failed(Failure::Unclear)),
                Reply::Interim(length) => {
                    said.drain(..length);
                    self.ends.tell(homeward).await?;
                }
            }
        }
    }
}
