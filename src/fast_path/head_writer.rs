//! Writes a head: copies runs of unchanged lines in one piece, and writes changed lines between them. Pure.

use std::ops::Range;

use crate::fast_path::header_lines::HeaderLine;
use crate::http_rules::grammar::write_line;

/// A copy of a head under way.
#[derive(Debug)]
pub(super) struct HeadWriter<'a> {
    message: &'a [u8],
    /// The part of the message that goes on unchanged and has not been copied yet.
    run: Range<usize>,
    to: &'a mut Vec<u8>,
}

impl<'a> HeadWriter<'a> {
    /// Copies from `message` to the end of `to`, beginning with the bytes at `run` as they are.
    pub(super) fn new(message: &'a [u8], run: Range<usize>, to: &'a mut Vec<u8>) -> Self {
        Self { message, run, to }
    }

    /// Copies a line of the message.
    pub(super) fn keep(&mut self, line: &HeaderLine<'_>) {
        let line = line.range();
        if line.start == self.run.end {
            self.run.end = line.end;
        } else {
            self.flush();
            self.run = line;
        }
    }

    /// Writes a line with another value.
    pub(super) fn write_line(&mut self, name: &[u8], value: &[u8]) {
        write_line(name, value, self.end());
    }

    /// The end of what was written so far, to write more to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.to
    }

    fn flush(&mut self) {
        self.to.extend_from_slice(&self.message[self.run.clone()]);
        self.run = 0..0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fast_path::header_lines::{HeaderLines, LineSpace};

    /// A copy of a head without the lines of `dropped`, where those of `changed` have another value.
    fn copied(dropped: &str, changed: &str) -> String {
        let message = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n";
        let first = message.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        let mut to = b"before ".to_vec();
        let mut writer = HeadWriter::new(message, 0..first, &mut to);
        let mut space = <LineSpace>::default();
        for line in HeaderLines::read(message, first, &mut space)
            .expect("lines")
            .iter()
        {
            let name = char::from(line.name[0]);
            if changed.contains(name) {
                writer.write_line(line.name, b"x");
            } else if !dropped.contains(name) {
                writer.keep(&line);
            }
        }
        writer.end().extend_from_slice(b"behind");
        String::from_utf8(to).expect("text")
    }

    #[test]
    fn a_dropped_or_changed_line_separates_two_runs() {
        for (dropped, changed, expected) in [
            ("", "", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
            ("A", "", "B: 2\r\nC: 3\r\nD: 4\r\n"),
            ("BC", "", "A: 1\r\nD: 4\r\n"),
            ("AD", "", "B: 2\r\nC: 3\r\n"),
            ("ABCD", "", ""),
            ("A", "BD", "B: x\r\nC: 3\r\nD: x\r\n"),
        ] {
            let expected = format!("before GET / HTTP/1.1\r\n{expected}behind");
            assert_eq!(copied(dropped, changed), expected, "{dropped} {changed}");
        }
    }
}
