//! Is the last that one side said a WebSocket's own close? Pure.

/// The byte that a close begins with: a whole control frame of opcode 8 (RFC 6455 §5.2).
const CLOSE: u8 = 0x88;

/// How many bytes of payload a control frame has at most (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// Is the last frame of `chunk`, what one read gave, a close? Its frames are counted off from its
/// start: in a read that begins in the middle of a frame none is found.
pub(super) fn ends_with_close(chunk: &[u8]) -> bool {
    let mut rest = chunk;
    loop {
        let Some(length) = frame_length(rest) else {
            return false;
        };
        if length >= rest.len() {
            let is_control = usize::from(rest[1] & 0x7f) <= CONTROL_BYTES;
            return length == rest.len() && rest[0] == CLOSE && is_control;
        }
        rest = &rest[length..];
    }
}

/// How many bytes the frame at the start of `bytes` has, its head included (RFC 6455 §5.2).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let masked = match bytes.get(1)? & 0x80 {
        0 => 0,
        _ => 4,
    };
    let (head, payload) = match bytes[1] & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        length => (2, length.into()),
    };
    usize::checked_add(head + masked, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_found_at_the_end_and_only_there() {
        let text = [0x81, 0x02, b'h', b'i'];
        let masked = [0x81, 0x82, 1, 2, 3, 4, b'h', b'i'];
        let long = [&[0x82, 126, 0x01, 0x00][..], &[0x88; 256]].concat();
        let huge = [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for (chunk, expected) in [
            (&[][..], false),
            (&[0x88], false),
            (&[0x88, 0x00], true),
            (&[0x88, 0x02, 0x03, 0xe8], true),
            (&[0x88, 0x82, 1, 2, 3, 4, 5, 6], true),
            (&[0x88, 0x82, 1, 2, 3, 4, 5], false),
            (&text, false),
            (&[&text[..], &[0x88, 0x00]].concat(), true),
            (&[&masked[..], &[0x88, 0x80, 1, 2, 3, 4]].concat(), true),
            (&[&long[..], &[0x88, 0x00]].concat(), true),
            (&long, false),
            (&[&[0x88, 0x00][..], &text].concat(), false),
            (&[&[0x88, 0x00][..], b"HTTP/1.1 503"].concat(), false),
            (&huge, false),
            (&[&[0x88, 126, 0, 1][..], b"x"].concat(), false),
        ] {
            assert_eq!(ends_with_close(chunk), expected, "{chunk:02x?}");
        }
    }
}
