//! What t3's client list calls a session: the person that it was made for, and the device. Pure.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::http_rules::name_text::{bytes_of, push_encoded, text_of};

/// What t3's client list has behind the name of a session that the dispatcher made.
pub const SESSION_MARK: &str = "@sso";

/// The maximum length of a label, in characters.
const MAX_LABEL: usize = 200;

/// That of the device's name in it.
const MAX_DEVICE_NAME: usize = 48;

/// That of the person's part, so that there is room for a space and a device's name behind it.
const MAX_OWNER: usize = MAX_LABEL - MAX_DEVICE_NAME - 1;

/// What a device is called that does not say anything readable of itself.
const NAMELESS: &str = "device";

/// What a label says that the dispatcher gave to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLabel<'a> {
    /// Whose session it is: what [`label_of`] gives for that person.
    pub owner: &'a str,
    /// What the person's device is called; `None` for a browser.
    pub device: Option<&'a str>,
}

impl<'a> SessionLabel<'a> {
    /// What `label` says; `None` if it is none of the dispatcher's.
    ///
    /// The owner is what stands up to and with the last [`SESSION_MARK`], if nothing is behind it (a browser)
    /// or a space and a name (a device). An identity may contain the mark too; a device's name cannot.
    pub fn read(label: &'a str) -> Option<Self> {
        let mark = label.rfind(SESSION_MARK)?;
        let (owner, rest) = label.split_at(mark + SESSION_MARK.len());
        let device = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(' ').filter(|name| !name.is_empty())?),
        };
        Some(Self { owner, device })
    }

    /// The identity of its owner; `None` where only a hash of that is in the label.
    pub fn identity(&self) -> Option<String> {
        let name = self.owner.strip_suffix(SESSION_MARK)?;
        let identity = text_of(&bytes_of(name)).into_owned();
        self.is_of(&identity).then_some(identity)
    }

    /// Is it a session of the person of `identity`?
    pub fn is_of(&self, identity: &str) -> bool {
        self.owner == label_of(identity)
    }
}

/// The label of a person's sessions in t3's client list, by which they are told from another person's.
///
/// It is the `identity` that a `Browser` has, percent-encoded where it is not printable ASCII, with
/// [`SESSION_MARK`] behind it. It goes on a command line too, so that a `-` at its start is encoded.
/// Where it would be too long, the SHA-256 of the identity stands for it, in hexadecimal digits; and
/// where it looks like one, so that nobody can choose the name that is another's hash. No two
/// identities have one label.
pub fn label_of(identity: &str) -> String {
    let mut label = String::new();
    for (at, byte) in identity.bytes().enumerate() {
        match byte {
            b'-' if at == 0 => push_encoded(&mut label, &[byte]),
            // A percent sign is encoded already.
            b' '..=b'~' => label.push(char::from(byte)),
            _ => push_encoded(&mut label, &[byte]),
        }
    }
    if label.len() + SESSION_MARK.len() > MAX_OWNER || is_hash(&label) {
        label = HEXLOWER.encode(&Sha256::digest(identity));
    }
    label + SESSION_MARK
}

/// The label of the session of a device that calls itself `name`, of the person of `identity`: that person's
/// label, a space, and the [`device_name`]. It is no label of another person's, nor of a browser's, whatever
/// identity and name are.
pub fn device_label(identity: &str, name: &str) -> String {
    format!("{} {}", label_of(identity), device_name(name))
}

/// What a device that calls itself `name` is called in its label: `name` with `_` for each character that is
/// not printable ASCII, and for each `@`; cut to 48 characters, without spaces at its ends.
pub fn device_name(name: &str) -> String {
    let readable = |character| match character {
        // As phones write what is somebody's.
        '\u{2018}' | '\u{2019}' => '\'',
        '@' => '_',
        ' '..='~' => character,
        _ => '_',
    };
    let name = name.trim().chars().take(MAX_DEVICE_NAME).map(readable);
    let name: String = name.collect();
    match name.trim() {
        name if name.contains(|character: char| character.is_ascii_alphanumeric()) => name.into(),
        _ => NAMELESS.to_owned(),
    }
}

fn is_hash(label: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    label.len() == 2 * Sha256::output_size() && label.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// What names may be made of to look like other people's labels.
    const PARTS: [&str; 14] = [
        "",
        "ada",
        "@sso",
        "@",
        "sso",
        " ",
        "-",
        "%",
        "\u{eb}",
        "\u{ff20}sso",
        "\n",
        "@sso ",
        "\0@SSO",
        "a name of sixty characters, more than a label leaves a device",
    ];

    /// Every name of so many parts.
    fn names(parts: u32) -> Vec<String> {
        match parts {
            0 => vec![String::new()],
            _ => {
                let shorter = names(parts - 1);
                let longer = |part| shorter.iter().map(move |rest| format!("{part}{rest}"));
                PARTS.iter().flat_map(longer).collect()
            }
        }
    }

    #[test]
    fn a_label_is_the_whole_identity_encoded_and_marked() {
        let long = "x".repeat(MAX_OWNER - SESSION_MARK.len());
        for (name, expected) in [
            (&b"alice"[..], "alice"),
            (b"alice@example.org", "alice@example.org"),
            (b"alice@sso", "alice@sso"),
            (b"Ada Lovelace", "Ada Lovelace"),
            (b"--ttl", "%2D-ttl"),
            (b"-", "%2D"),
            (b"a-b", "a-b"),
            (b"%2D", "%252D"),
            (b"50%", "50%25"),
            (b"Zo\xc3\xab", "Zo%C3%AB"),
            (b"Zo\xeb", "Zo%EB"),
            (b"Zo%EB", "Zo%25EB"),
            (b"a\tb", "a%09b"),
            (b"a\x1b[31mb\n", "a%1B[31mb%0A"),
            (b"\xc2\xa0alice", "%C2%A0alice"),
            (long.as_bytes(), &long),
        ] {
            let expected = format!("{expected}@sso");
            assert_eq!(label_of(&text_of(name)), expected);
        }
    }

    #[test]
    fn a_label_that_would_be_too_long_is_a_hash_that_nobody_can_have_as_a_name() {
        let long = "x".repeat(MAX_OWNER - SESSION_MARK.len() + 1);
        let longer = "\u{eb}".repeat(100) + "1";
        let mut labels = [long.clone(), longer.clone(), longer.replace('1', "2")].map(|long| {
            let label = label_of(&long);
            let hash = HEXLOWER.encode(&Sha256::digest(&long));
            assert_eq!(label, format!("{hash}@sso"));
            assert_ne!(label_of(&hash), label, "somebody's name is another's hash");
            assert_eq!(label_of(&hash.to_uppercase()), hash.to_uppercase() + "@sso");
            label
        });
        labels.sort();
        assert!(labels.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn no_identity_and_no_device_makes_a_label_that_is_another_person_s() {
        let hash = HEXLOWER.encode(&Sha256::digest("ada"));
        let whole = |name: &str| "x".repeat(MAX_OWNER - SESSION_MARK.len() - name.len()) + name;
        let further = [
            hash,
            whole(""),
            whole("@sso"),
            whole("x@sso "),
            "y".repeat(999),
        ];
        let devices: Vec<_> = names(2)
            .into_iter()
            .chain(further.clone())
            .map(|name| device_name(&name))
            .collect();
        let mut people = HashMap::new();
        for name in names(3).into_iter().chain(further) {
            let identity = text_of(name.as_bytes()).into_owned();
            let owner = label_of(&identity);
            let before = people.insert(owner.clone(), name.clone());
            assert!(before.is_none_or(|before| before == name), "{owner}");
            let own = SessionLabel {
                owner: &owner,
                device: None,
            };
            assert_eq!(SessionLabel::read(&owner), Some(own), "{identity:?}");
            assert!(own.is_of(&identity));
            let is_hash = is_hash(&owner[..owner.len() - SESSION_MARK.len()]);
            let expected = (!is_hash).then(|| identity.clone());
            assert_eq!(own.identity(), expected, "{owner}");
            for name in &devices {
                let label = format!("{owner} {name}");
                let read = SessionLabel::read(&label).expect("a device's");
                assert_eq!(read.owner, owner, "{identity:?}: {name:?}");
                assert_eq!(read.device, Some(&**name));
                assert!(label.len() <= MAX_LABEL && !label.ends_with(SESSION_MARK));
                assert!(label.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }

    #[test]
    fn a_device_is_called_by_its_name_as_far_as_it_is_readable() {
        let long = "n".repeat(MAX_DEVICE_NAME);
        for (name, expected) in [
            ("Pixel 9", "Pixel 9"),
            (" \tada's phone\r\n", "ada's phone"),
            ("Ada\u{2019}s iPhone", "Ada's iPhone"),
            ("Zo\u{eb}", "Zo_"),
            ("bob@sso", "bob_sso"),
            ("x@sso phone", "x_sso phone"),
            ("a\nb\0c\x1b[31m", "a_b_c_[31m"),
            ("", NAMELESS),
            (" ", NAMELESS),
            ("\u{442}\u{435}\u{43b}", NAMELESS),
            ("@", NAMELESS),
            (&format!("{long}more"), &long),
            (&format!("{} x", &long[1..]), &long[1..]),
        ] {
            assert_eq!(device_name(name), expected, "{name:?}");
            let label = device_label("ada", name);
            assert_eq!(label, format!("ada@sso {expected}"));
        }
    }

    #[test]
    fn a_label_that_is_none_of_the_dispatcher_s_has_no_owner() {
        for label in [
            "",
            "ada",
            "sso",
            "ada@SSO",
            "ada@sso.test",
            "ada@ssophone",
            "ada@sso\tphone",
            "ada@sso ",
            "ada@sso-phone",
            "t3-dispatcher h:8080",
        ] {
            assert_eq!(SessionLabel::read(label), None, "{label}");
        }
        let read = SessionLabel::read("ada@sso x@sso my phone").expect("a device's");
        assert_eq!(
            (read.owner, read.device),
            ("ada@sso x@sso", Some("my phone"))
        );
        assert!(read.is_of("ada@sso x") && !read.is_of("ada"));
    }
}
