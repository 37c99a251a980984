//! A PNG of t3's size: padded with one more chunk, of noise, that decoders ignore.

use super::text::Noise;

/// The end of every PNG: the chunk `IEND`, which is empty (PNG, third edition, §11.2.5).
const END_BYTES: usize = 12;

/// Length, type and check of a chunk (§5.3).
const FRAME_BYTES: usize = 12;

/// Ancillary, private, safe to copy (§5.4).
const KIND: &[u8; 4] = b"noIs";

/// `png`, padded with noise to a length.
pub(super) fn grown(png: &[u8], bytes: usize, noise: &mut Noise) -> Vec<u8> {
    let room = bytes.saturating_sub(png.len() + FRAME_BYTES);
    let (body, end) = png.split_at(png.len() - END_BYTES);
    let mut chunk = KIND.to_vec();
    chunk.extend((0..room).map(|_| noise.next() as u8));
    let length = u32::try_from(room).expect("a picture of less than 4 GiB");
    let check = crc(&chunk).to_be_bytes();
    [body, &length.to_be_bytes(), &chunk, &check, end].concat()
}

/// The CRC of a chunk, bit by bit (annex D).
fn crc(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_that_of_the_chunk_that_ends_every_picture() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
    }
}
