//! A head copied line by line, where lines that follow each other and stay as they are go in one run. Pure.

use std::ops::Range;

use crate::fast_path::header_lines::Line;

/// A copy of a head under way.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    message: &'a [u8],
    /// What of the message stays as it is and has not been copied yet.
    run: Range<usize>,
    to: &'a mut Vec<u8>,
}

impl<'a> Runs<'a> {
    /// Copies from `message` to the end of `to`, beginning with the bytes at `run` as they are.
    pub(super) fn of(message: &'a [u8], run: Range<usize>, to: &'a mut Vec<u8>) -> Self {
        Self { message, run, to }
    }

    /// Copies a line of the message.
    pub(super) fn keep(&mut self, line: &Line<'_>) {
        let place = line.place();
        if place.start == self.run.end {
            self.run.end = place.end;
        } else {
            self.flush();
            self.run = place;
        }
    }

    /// Writes a line of another value.
    pub(super) fn write_line(&mut self, name: &[u8], value: &[u8]) {
        write_line(name, value, self.behind());
    }

    /// Where the next thing is written: behind everything so far.
    pub(super) fn behind(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.to
    }

    fn flush(&mut self) {
        self.to.extend_from_slice(&self.message[self.run.clone()]);
        self.run = 0..0;
    }
}

pub(super) fn write_line(name: &[u8], value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fast_path::header_lines::{Lines, Room};

    /// What becomes of a head without the lines of `dropped`, where those of `changed` have
    /// another value.
    fn copied(dropped: &str, changed: &str) -> String {
        let message = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n";
        let first = message.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        let mut to = b"before ".to_vec();
        let mut runs = Runs::of(message, 0..first, &mut to);
        let mut room = Room::default();
        for line in Lines::read(message, first, &mut room)
            .expect("lines")
            .iter()
        {
            let name = char::from(line.name[0]);
            if changed.contains(name) {
                runs.write_line(line.name, b"x");
            } else if !dropped.contains(name) {
                runs.keep(&line);
            }
        }
        runs.behind().extend_from_slice(b"behind");
        String::from_utf8(to).expect("text")
    }

    #[test]
    fn what_is_left_out_or_changed_parts_two_runs() {
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
