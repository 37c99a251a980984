//! Eight bytes looked at together, as one number. Pure.

/// Eight bytes, the first one lowest.
pub(super) fn eight(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

/// Eight times `byte`.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Not 0 where one of the eight is `byte`; its lowest bit that is set is in the first such one.
pub(super) const fn are(eight: u64, byte: u8) -> u64 {
    below(eight ^ each(byte), 1)
}

/// Not 0 where one of the eight is below `limit`, which is 128 at most; its lowest bit that is set
/// is in the first such one.
pub(super) const fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(each(limit)) & !eight & each(0x80)
}

/// 128 in the place of each of the eight that is from `first` to `last`, which are both below 128,
/// and 0 elsewhere.
pub(super) const fn within(eight: u64, first: u8, last: u8) -> u64 {
    let low = eight & each(0x7f);
    let from = low.wrapping_add(each(0x80 - first));
    let behind = low.wrapping_add(each(0x7f - last));
    from & !behind & !eight & each(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_meant_is_found() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = [b'x'; 8];
                bytes[at] = byte;
                bytes[7] = byte;
                let found = below(eight(bytes), b' ');
                assert_eq!(found != 0, byte < b' ', "{byte} at {at}");
                if found != 0 {
                    assert_eq!(found.trailing_zeros() as usize / 8, at, "{byte}");
                }
                let range = (b'a'..=b'x').contains(&byte);
                let found = within(eight(bytes), b'a', b'x');
                assert_eq!(found >> (8 * at) & 0xff != 0, range, "{byte} at {at}");
                assert_eq!(
                    found.count_ones(),
                    if range { 8 } else { 8 - 2 + (at / 7) as u32 }
                );
                let found = are(eight(bytes), b'\x7f');
                assert_eq!(found != 0, byte == b'\x7f', "{byte} at {at}");
            }
        }
    }
}
