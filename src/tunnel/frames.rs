//! Where the frames of a WebSocket end, counted from its first byte on (RFC 6455 §5.2). Pure.

/// Opcodes from this one on are control frames, which are never fragmented (RFC 6455 §5.5).
const CONTROL: u8 = 0x8;

/// The opcode of a close.
const CLOSE: u8 = 0x8;

/// Follows the frames of one direction: it counts, and copies nothing. Its cost is that of the heads,
/// however long the frames are and wherever reads cut them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frames {
    /// How much of the frame is still to come; in its head, what has come of its length.
    left: u64,
    first: u8,
    second: u8,
    place: Place,
}

/// Where in a frame the bytes so far have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Nothing has come yet.
    #[default]
    Start,
    /// Between two frames.
    Border,
    /// Behind the first byte of a frame.
    Second,
    /// In a length of several bytes, of which so many are missing.
    Length(u8),
    /// Behind the length.
    Payload,
    /// Behind a close, after which comes no other frame (RFC 6455 §5.5.1).
    Closed,
    /// Behind a frame, where what came next was none.
    Broken,
    /// Anywhere: the very first byte was none of a frame.
    Unframed,
}

impl Frames {
    /// Follows the next `bytes`; returns how many of them are frames: all, or those up to the end of a
    /// close, or up to what is no frame.
    pub fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Unframed => return bytes.len(),
                Place::Closed | Place::Broken => return at,
                Place::Start | Place::Border => {
                    self.begin(byte);
                    at += usize::from(self.place == Place::Second);
                }
                Place::Second => {
                    (self.second, self.left) = (byte, 0);
                    at += 1;
                    match byte & 0x7f {
                        126 => self.place = Place::Length(2),
                        127 => self.place = Place::Length(8),
                        length => self.head_ended(length.into()),
                    }
                }
                Place::Length(missing) => {
                    self.left = (self.left << 8) | u64::from(byte);
                    at += 1;
                    match missing {
                        0 | 1 => self.head_ended(self.left),
                        more => self.place = Place::Length(more - 1),
                    }
                }
                Place::Payload => {
                    let rest = (bytes.len() - at) as u64;
                    let taken = rest.min(self.left);
                    self.left -= taken;
                    // Not more than the rest of a slice.
                    at += taken as usize;
                    self.end_if_over();
                }
            }
        }
        at
    }

    /// How many bytes may come without passing the next border; none at a border, or where none will
    /// be found.
    pub fn missing(&self) -> u64 {
        match self.place {
            Place::Second => 1,
            Place::Length(missing) => missing.into(),
            Place::Payload => self.left,
            _ => 0,
        }
    }

    /// May another frame begin here?
    pub fn is_at_border(&self) -> bool {
        matches!(self.place, Place::Start | Place::Border | Place::Broken)
    }

    /// Will no other frame come: behind a close, or where what came was none?
    pub fn is_over(&self) -> bool {
        matches!(self.place, Place::Closed | Place::Broken)
    }

    /// Was the last frame a close?
    pub fn is_closed(&self) -> bool {
        self.place == Place::Closed
    }

    /// Was the last frame a close without a code and without a mask, of two bytes?
    pub fn is_closed_without_code(&self) -> bool {
        self.is_closed() && self.second == 0
    }

    /// Has it been no WebSocket from its first byte on?
    pub fn is_unframed(&self) -> bool {
        self.place == Place::Unframed
    }

    fn begin(&mut self, byte: u8) {
        self.place = match (begins_frame(byte), self.place) {
            (true, _) => Place::Second,
            // t3's raw HTTP response (contract §7), which may come before any frame.
            (false, Place::Start) if byte != b'H' => Place::Unframed,
            (false, _) => Place::Broken,
        };
        self.first = byte;
    }

    fn head_ended(&mut self, length: u64) {
        let is_masked = self.second & 0x80 != 0;
        self.left = length.saturating_add(if is_masked { 4 } else { 0 });
        self.place = Place::Payload;
        self.end_if_over();
    }

    fn end_if_over(&mut self) {
        if self.left == 0 {
            self.place = match self.first & 0x0f {
                CLOSE => Place::Closed,
                _ => Place::Border,
            };
        }
    }
}

/// Can a frame begin with `byte`, whatever extensions were negotiated? Not with an opcode that no
/// extension has, nor as a fragment of a control frame, which the `H` of `HTTP/1.1` would be.
fn begins_frame(byte: u8) -> bool {
    let (is_final, opcode) = (byte & 0x80 != 0, byte & 0x0f);
    match opcode {
        0..=2 => true,
        CONTROL..=10 => is_final,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of every form of head, and where they end.
    fn stream() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut borders = Vec::new();
        for (first, length, form, mask) in [
            (0x81, 5, 7, false),
            (0x00, 0, 7, false),
            // Compressed, in fragments.
            (0x42, 125, 7, false),
            (0x00, 126, 16, true),
            (0x89, 0, 7, true),
            (0x80, 700, 16, false),
            (0x82, 3, 64, false),
            (0x8a, 125, 7, false),
            (0xc1, 66_000, 64, true),
            (0x81, 0, 16, false),
        ] {
            let masked = if mask { 0x80 } else { 0 };
            bytes.push(first);
            match form {
                7 => bytes.push(masked | length as u8),
                16 => {
                    bytes.push(masked | 126);
                    bytes.extend((length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(masked | 127);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            // What would be a close, were it not payload.
            bytes.extend(vec![0x88; length + if mask { 4 } else { 0 }]);
            borders.push(bytes.len());
        }
        (bytes, borders)
    }

    #[test]
    fn the_borders_are_the_same_however_the_bytes_are_cut() {
        let (bytes, borders) = stream();
        for step in (1..40).chain([125, 126, 127, 4096, 65_535, 65_536, bytes.len()]) {
            for offset in [0, step / 2] {
                let mut frames = Frames::default();
                let mut at = 0;
                while at < bytes.len() {
                    let end = if at == 0 && offset > 0 {
                        offset
                    } else {
                        at + step
                    };
                    let end = end.min(bytes.len());
                    assert_eq!(frames.follow(&bytes[at..end]), end - at, "{step} {at}");
                    at = end;
                    assert_eq!(frames.is_at_border(), borders.contains(&at), "{step} {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_missing_leads_from_any_place_to_the_next_border() {
        let (bytes, borders) = stream();
        for from in 0..2_000 {
            let mut frames = Frames::default();
            frames.follow(&bytes[..from]);
            let mut at = from;
            while frames.missing() > 0 {
                let end = at + frames.missing() as usize;
                frames.follow(&bytes[at..end]);
                at = end;
            }
            let next = borders.iter().find(|border| **border >= from);
            assert_eq!(
                at,
                next.copied().filter(|_| from > 0).unwrap_or(0),
                "{from}"
            );
        }
    }

    #[test]
    fn nothing_follows_a_close_and_nothing_that_is_no_frame_is_one() {
        let text = [0x81, 0x02, b'h', b'i'];
        let http = b"HTTP/1.1 503 Service Unavailable\r\n";
        let long = [&[0x82, 126, 0x01, 0x00][..], &[0x88; 256]].concat();
        let huge = [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for (bytes, frames, is_closed, is_at_border) in [
            (&[][..], 0, false, true),
            (&[0x88], 1, false, false),
            (&[0x88, 0x00], 2, true, false),
            (&[0x88, 0x02, 0x03, 0xe8], 4, true, false),
            (&[0x88, 0x82, 1, 2, 3, 4, 5, 6], 8, true, false),
            (&[0x88, 0x82, 1, 2, 3, 4, 5], 7, false, false),
            (&text, 4, false, true),
            (&[&text[..], &[0x88, 0x00]].concat(), 6, true, false),
            (&[&long[..], &[0x88, 0x00]].concat(), 262, true, false),
            (&long, 260, false, true),
            (&[&[0x88, 0x00][..], &text].concat(), 2, true, false),
            (&[&[0x88, 0x00][..], http].concat(), 2, true, false),
            (&[&text[..], http].concat(), 4, false, true),
            (http, 0, false, true),
            (&[&text[..], b"error"].concat(), 4, false, true),
            // Never a WebSocket.
            (b"error", 5, false, false),
            (&huge, 10, false, false),
        ] {
            let mut followed = Frames::default();
            assert_eq!(followed.follow(bytes), frames, "{bytes:02x?}");
            assert_eq!(followed.is_closed(), is_closed, "{bytes:02x?}");
            assert_eq!(followed.is_at_border(), is_at_border, "{bytes:02x?}");
            let mut by_byte = Frames::default();
            let counts = bytes.iter().map(|byte| by_byte.follow(&[*byte]));
            assert_eq!(counts.sum::<usize>(), frames, "{bytes:02x?}");
        }
        assert!(size_of::<Frames>() <= 16);
    }
}
