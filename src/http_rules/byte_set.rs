//! Sets of bytes, as the grammars of the RFCs name them: asked with one look a byte. Pure.

/// A set of bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByteSet([bool; 256]);

impl ByteSet {
    /// The ASCII letters and digits, and `further` ones.
    pub const fn alphanumeric_and(further: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        Self(set).with(further, true)
    }

    /// The visible ASCII characters but `left_out`.
    pub const fn visible_but(left_out: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_graphic();
            byte += 1;
        }
        Self(set).with(left_out, false)
    }

    /// It and `further` ones, and every byte that is none of ASCII.
    pub const fn and_not_ascii(self, further: &[u8]) -> Self {
        let Self(mut set) = self.with(further, true);
        let mut byte = 0x80;
        while byte < set.len() {
            set[byte] = true;
            byte += 1;
        }
        Self(set)
    }

    /// Are all of `bytes` in it?
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.span(bytes) == bytes.len()
    }

    /// How many at the start of `bytes` are in it?
    pub fn span(&self, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| !self.0[usize::from(*byte)]);
        end.unwrap_or(bytes.len())
    }

    const fn with(self, bytes: &[u8], is_in: bool) -> Self {
        let Self(mut set) = self;
        let mut at = 0;
        while at < bytes.len() {
            set[bytes[at] as usize] = is_in;
            at += 1;
        }
        Self(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let every = || 0..=u8::MAX;
        let named = ByteSet::alphanumeric_and(b"-.");
        let visible = ByteSet::visible_but(b"#\"");
        for byte in every() {
            let expected = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            assert_eq!(named.holds(&[b'a', byte]), expected, "{byte}");
            let expected = byte.is_ascii_graphic() && byte != b'#' && byte != b'"';
            assert_eq!(visible.holds(&[byte]), expected, "{byte}");
        }
        assert!(named.holds(b""));
        assert_eq!(named.span(b"a-b_c"), 3);
        let text = visible.and_not_ascii(b" ");
        assert_eq!(text.span(b"a b\xff\x80c#"), 6);
    }
}
