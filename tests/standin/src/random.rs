//! Random names: ids, credentials, trace ids.

use data_encoding::HEXLOWER;

/// The credential's alphabet (contract §1): 32 characters, so a byte modulo its length is unbiased.
const CREDENTIAL_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

const CREDENTIAL_CHARS: usize = 12;

/// `N` bytes from the system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// 32 hexadecimal digits, as in an error's `traceId`.
pub(crate) fn trace_id() -> String {
    HEXLOWER.encode(&bytes::<16>())
}

/// A random (version 4) UUID.
pub(crate) fn uuid() -> String {
    let mut bytes = bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let groups = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    groups.join("-")
}

/// A one-time pairing credential.
pub(crate) fn credential() -> String {
    let pick = |byte: u8| char::from(CREDENTIAL_ALPHABET[usize::from(byte % 32)]);
    bytes::<CREDENTIAL_CHARS>().into_iter().map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }

    #[test]
    fn a_credential_is_twelve_signs_of_its_alphabet() {
        let credential = credential();
        assert_eq!(credential.len(), 12);
        assert!(credential.bytes().all(|c| CREDENTIAL_ALPHABET.contains(&c)));
    }
}
