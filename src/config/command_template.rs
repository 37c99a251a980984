//! A command whose words may have placeholders in them, which is never given to a shell. Pure.

use std::sync::Arc;

use crate::config::placeholders::{Names, Piece, Placeholder, Unfilled, pieces};

/// The words of a command, or none.
///
/// It is cut into words first, at white space and by quotes as a shell does it, but with nothing expanded;
/// each word with placeholders in it is one argument, whatever is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTemplate(Arc<[Vec<Piece>]>);

impl CommandTemplate {
    /// Reads `text`; an empty one is no command.
    ///
    /// # Errors
    /// What is wrong: a quote is not closed, a word in braces is no placeholder, or the program is not
    /// fixed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = shell_words::split(text).map_err(|_| "a quote is not closed".to_owned())?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err("a word contains a NUL".to_owned());
        }
        let words: Result<Vec<_>, _> = words.iter().map(|word| pieces(word)).collect();
        let words = words?;
        match words.first().map(Vec::as_slice) {
            None => {}
            Some([Piece::Text(program)]) if !program.is_empty() => {}
            Some([Piece::Text(_)]) => return Err("the program has no name".to_owned()),
            // The program of a name would be that person's to choose.
            Some(_) => return Err("the program cannot have a placeholder".to_owned()),
        }
        Ok(Self(words.into()))
    }

    /// The command of exactly `words`, in which nothing is filled in.
    pub fn literal(words: &[String]) -> Self {
        let words = words.iter().map(|word| vec![Piece::Text(word.clone())]);
        Self(words.collect())
    }

    /// Is there no command?
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The program; empty where there is no command.
    pub fn program(&self) -> &str {
        match self.0.first().map(Vec::as_slice) {
            Some([Piece::Text(program)]) => program,
            _ => "",
        }
    }

    /// Does it contain `placeholder`?
    pub fn contains(&self, placeholder: Placeholder) -> bool {
        let mut pieces = self.0.iter().flatten();
        pieces.any(|piece| *piece == Piece::Name(placeholder))
    }

    /// The program and its arguments for the person of `names`.
    ///
    /// # Errors
    /// Where a placeholder cannot be filled.
    pub fn fill(&self, names: Names<'_>) -> Result<Vec<String>, Unfilled> {
        let word = |word: &Vec<Piece>| -> Result<String, Unfilled> {
            let pieces = word.iter().map(|piece| match piece {
                Piece::Text(text) => Ok(text.as_str()),
                Piece::Name(placeholder) => names.fill(*placeholder),
            });
            pieces.collect()
        };
        self.0.iter().map(word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Names<'_> = Names {
        user: "bob",
        os_user: Some("bob-1"),
    };

    fn filled(text: &str, names: Names<'_>) -> Result<Vec<String>, Unfilled> {
        CommandTemplate::parse(text).expect(text).fill(names)
    }

    #[test]
    fn it_is_cut_into_words_and_then_filled() {
        for (text, expected) in [
            (
                "sudo -n /usr/local/bin/t3-mint {os_user}",
                &["sudo", "-n", "/usr/local/bin/t3-mint", "bob-1"][..],
            ),
            ("  a\tb\n c ", &["a", "b", "c"]),
            ("a 'b c' \"d 'e'\" f\\ g", &["a", "b c", "d 'e'", "f g"]),
            ("a '' x", &["a", "", "x"]),
            ("a t3-serve@{user}.service", &["a", "t3-serve@bob.service"]),
            ("a '{user} {os_user}'", &["a", "bob bob-1"]),
            (
                "a $HOME `id` $(id) * ~ ; | > &&",
                &["a", "$HOME", "`id`", "$(id)", "*", "~", ";", "|", ">", "&&"],
            ),
            (
                "kubectl patch -p '{\"spec\":1}'",
                &["kubectl", "patch", "-p", "{\"spec\":1}"],
            ),
            ("", &[]),
            (" \t", &[]),
        ] {
            assert_eq!(filled(text, BOB).expect("filled"), expected, "{text}");
            let is_none = CommandTemplate::parse(text).expect(text).is_none();
            assert_eq!(is_none, expected.is_empty(), "{text}");
        }
        for wrong in [
            "'a",
            "\"a b",
            "a {name}",
            "{os_user} x",
            "/home/{user}/t3",
            "'' x",
            "a b\0c",
        ] {
            assert!(CommandTemplate::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_is_filled_in_by_a_name_that_is_not_plain() {
        let odd = [
            "",
            "-n",
            "Bob",
            "a b",
            "a;id",
            "{os_user}",
            "../x",
            "b\u{f6}b",
            "bob\n",
            "a@h.test",
        ];
        for user in odd {
            let names = Names { user, ..BOB };
            assert_eq!(
                filled("a {user}", names),
                Err(Unfilled::NoSuchName),
                "{user:?}"
            );
            // A command that does not use the name does not mind it.
            assert_eq!(
                filled("a {os_user}", names).expect("filled"),
                ["a", "bob-1"]
            );
        }
        let nobody = Names {
            os_user: None,
            ..BOB
        };
        assert_eq!(filled("a {os_user}", nobody), Err(Unfilled::NoOsUser));
    }

    #[test]
    fn words_of_a_list_are_taken_as_they_are() {
        let words = ["sudo", "{user}", "a b", ""].map(str::to_owned);
        let command = CommandTemplate::literal(&words);
        assert_eq!(command.fill(BOB).expect("nothing to fill"), words);
        assert!(!command.contains(Placeholder::User));
        assert!(CommandTemplate::literal(&[]).is_none());
    }
}
