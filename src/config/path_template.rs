//! The path of a file, with `{user}` in it where each person has another one. Pure.

use std::path::PathBuf;

use crate::config::placeholders::{Piece, Placeholder, is_plain, pieces};

/// The path of a file, with or without `{user}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Vec<Piece>);

impl PathTemplate {
    /// Reads `text`, as `/upstream/t3-{user}`.
    ///
    /// # Errors
    /// What is needed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pieces = pieces(text)?;
        let is_other = |piece: &Piece| *piece == Piece::Name(Placeholder::OsUser);
        match text.is_empty() || text.contains('\0') || pieces.iter().any(is_other) {
            true => Err("a path is needed, with {user} in it or without".to_owned()),
            false => Ok(Self(pieces)),
        }
    }

    /// Has each person another file?
    pub fn has_user(&self) -> bool {
        self.0.contains(&Piece::Name(Placeholder::User))
    }

    /// The path for the person called `user`. What is no plain name is not filled in: a path with `{user}` in
    /// it is nobody's.
    pub fn fill(&self, user: &str) -> PathBuf {
        let user = match is_plain(user) {
            true => user,
            false => "{user}",
        };
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Name(_) => user,
        });
        pieces.collect::<String>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_for_all_or_one_a_person() {
        for (text, user, path) in [
            ("/run/secret", "bob", "/run/secret"),
            ("/upstream/t3-{user}", "bob", "/upstream/t3-bob"),
            ("/upstream/{user}/key", "b-1", "/upstream/b-1/key"),
            ("/upstream/{user}", "../door", "/upstream/{user}"),
            ("/upstream/{user}", "", "/upstream/{user}"),
            ("/run/secret", "../door", "/run/secret"),
        ] {
            let template = PathTemplate::parse(text).expect(text);
            assert_eq!(template.fill(user), PathBuf::from(path), "{text}");
            assert_eq!(template.has_user(), text.contains("{user}"), "{text}");
        }
        for wrong in ["", "/a\0", "/upstream/{os_user}", "/upstream/{name}"] {
            assert!(PathTemplate::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
