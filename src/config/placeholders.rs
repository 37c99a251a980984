//! The placeholders of options, `{user}` and `{os_user}`, and which names may stand for them. Pure.

use thiserror::Error;

/// Something that stands for a name of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `{user}`: the identity that single sign-on states.
    User,
    /// `{os_user}`: the person's user on this machine, as the table of people has it.
    OsUser,
}

/// The names of one person that placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The identity that single sign-on states.
    pub user: &'a str,
    /// The person's user on this machine, if the table of people names one.
    pub os_user: Option<&'a str>,
}

/// Why a placeholder cannot be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unfilled {
    /// The person's name is none that may stand for it, so that there is no such person.
    #[error("the name is not of the letters a to z, digits and inner hyphens")]
    NoSuchName,
    /// The person has no user on this machine.
    #[error("there is no `os_user` for {{os_user}}")]
    NoOsUser,
}

/// A piece of a text that has placeholders in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Name(Placeholder),
}

impl Placeholder {
    /// Every placeholder, as it is written.
    const ALL: [(&'static str, Self); 2] = [("{user}", Self::User), ("{os_user}", Self::OsUser)];
}

impl<'a> Names<'a> {
    /// The name that stands for `placeholder`.
    ///
    /// # Errors
    /// Where there is none, or it is none that [`is_plain`].
    pub fn fill(&self, placeholder: Placeholder) -> Result<&'a str, Unfilled> {
        let name = match placeholder {
            Placeholder::User => self.user,
            Placeholder::OsUser => self.os_user.ok_or(Unfilled::NoOsUser)?,
        };
        is_plain(name).then_some(name).ok_or(Unfilled::NoSuchName)
    }
}

/// May `name` be a word of a command, or a label of a host name (RFC 1123 §2.1)? It matches
/// `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, so that it is no option, no path and no other spelling of another name.
pub fn is_plain(name: &str) -> bool {
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !name.is_empty() && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// The pieces of `text`. Braces with anything but a word between them are text, as those of JSON are.
///
/// # Errors
/// Where a word in braces is no placeholder.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = vec![];
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        kept.push_str(before);
        let known = Placeholder::ALL.iter();
        let known = known
            .copied()
            .find(|(written, _)| from.starts_with(written));
        if let Some((written, placeholder)) = known {
            if !kept.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut kept)));
            }
            pieces.push(Piece::Name(placeholder));
            rest = &from[written.len()..];
        } else if is_word_in_braces(from) {
            return Err("a word in braces is none of {user} and {os_user}".to_owned());
        } else {
            kept.push('{');
            rest = &from[1..];
        }
    }
    kept.push_str(rest);
    if !kept.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(kept));
    }
    Ok(pieces)
}

/// Does `text` begin with `{`, a word and `}`?
fn is_word_in_braces(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    inner.is_some_and(|(word, _)| !word.is_empty() && word.bytes().all(is_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_of_letters_digits_and_inner_hyphens() {
        for name in ["a", "7", "bob", "a-b", "a--b", "0a", "x-1"] {
            assert!(is_plain(name), "{name}");
        }
        let others =
            "- -a a- -- A Bob a_b a.b a/b .. a@h.test \u{e9} \u{430} a\u{301} {user} $(id) ;";
        for name in others
            .split(' ')
            .chain(["", " ", "a b", "a\n", "a\0", "\ta"])
        {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    /// Of all names of up to three characters out of those that mean something somewhere.
    #[test]
    fn every_plain_name_is_what_its_pattern_says() {
        let letters: Vec<char> = "az09-_.AZ {}/\\\u{e9}\0\n'\"$@".chars().collect();
        let mut names = vec![String::new()];
        for _ in 0..3 {
            let longer = names.iter().flat_map(|name| {
                let longer = letters.iter().map(move |letter| format!("{name}{letter}"));
                longer.collect::<Vec<_>>()
            });
            names = [vec![String::new()], longer.collect()].concat();
        }
        let is_end = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        for name in names {
            let letters: Vec<char> = name.chars().collect();
            let expected = match &letters[..] {
                [] => false,
                [only] => is_end(*only),
                [first, inner @ .., last] => {
                    let is_inner = |letter: &char| is_end(*letter) || *letter == '-';
                    is_end(*first) && is_end(*last) && inner.iter().all(is_inner)
                }
            };
            assert_eq!(is_plain(&name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_text_is_cut_at_its_placeholders() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let [user, os_user] = [Placeholder::User, Placeholder::OsUser].map(Piece::Name);
        for (written, expected) in [
            ("", vec![text("")]),
            ("bob", vec![text("bob")]),
            ("{user}", vec![user.clone()]),
            (
                "t3-{os_user}.service",
                vec![text("t3-"), os_user.clone(), text(".service")],
            ),
            ("{user}{os_user}", vec![user.clone(), os_user]),
            ("{{user}}", vec![text("{"), user, text("}")]),
            (
                r#"{"spec":{"replicas":1}}"#,
                vec![text(r#"{"spec":{"replicas":1}}"#)],
            ),
            ("{} { x } {{ .State }}", vec![text("{} { x } {{ .State }}")]),
            ("{user", vec![text("{user")]),
        ] {
            assert_eq!(pieces(written), Ok(expected), "{written}");
        }
        for wrong in ["{name}", "a{USER}b", "{os-user}", "{user }{x}", "{user}{y}"] {
            assert!(pieces(wrong).is_err(), "{wrong}");
        }
    }
}
