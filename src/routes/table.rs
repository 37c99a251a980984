//! The table of people: which identity belongs to which t3. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::http_rules::name_text::text_of;
use crate::routes::address::Address;
use crate::routes::row::Row;

/// Every person who has a t3, by the identity that single sign-on states.
///
/// Of people who share an address, and across tables of which one was made
/// [from](Table::keeping_rows_of) the other, equal rows are one: [`Arc::ptr_eq`] tells whether a person
/// is where he was.
#[derive(Debug, Default)]
pub struct Table {
    rows: HashMap<Box<str>, Arc<Row>>,
    addresses: HashMap<Address, Arc<Row>>,
}

/// Numbers of people, by what a new table does to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Who was not in the earlier table.
    pub new: usize,
    /// Whose row is another one.
    pub moved: usize,
    /// Who is not in it any more.
    pub gone: usize,
}

impl Changes {
    /// Is everybody where he was?
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Table {
    /// The row of the person whom single sign-on calls `identity`: exactly that name, and no other
    /// spelling of it.
    pub fn row(&self, identity: &str) -> Option<&Arc<Row>> {
        self.rows.get(identity)
    }

    /// Is `row` that of somebody in this table, as it is?
    pub fn contains(&self, row: &Arc<Row>) -> bool {
        let here = self.addresses.get(row.address());
        here.is_some_and(|here| Arc::ptr_eq(here, row))
    }

    /// Everybody in it, in no order.
    pub fn people(&self) -> impl Iterator<Item = (&str, &Arc<Row>)> {
        self.rows.iter().map(|(identity, row)| (&**identity, row))
    }

    /// The number of people.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is nobody in it?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The same table, in which every row is that of `earlier` which is equal to it, if there is one.
    #[must_use]
    pub fn keeping_rows_of(mut self, earlier: &Self) -> Self {
        for row in self.rows.values_mut().chain(self.addresses.values_mut()) {
            if let Some(held) = earlier.addresses.get(row.address())
                && held == row
            {
                *row = Arc::clone(held);
            }
        }
        self
    }

    /// How many people are not where `earlier` has them, by what has become of them.
    pub fn changes_since(&self, earlier: &Self) -> Changes {
        let mut changes = Changes::default();
        for (identity, row) in &self.rows {
            match earlier.rows.get(identity) {
                None => changes.new += 1,
                Some(held) if Arc::ptr_eq(held, row) || held == row => {}
                Some(_) => changes.moved += 1,
            }
        }
        // Whoever of the earlier table is not in this one, too.
        changes.gone = earlier.len() - (self.len() - changes.new);
        changes
    }

    /// Adds the person whom single sign-on calls `name`.
    ///
    /// # Errors
    /// Where nobody can be called that, it is there already, or the row contradicts another one.
    pub(super) fn insert(&mut self, name: &str, row: Row) -> Result<(), &'static str> {
        if name.is_empty() || name.starts_with([' ', '\t']) || name.ends_with([' ', '\t']) {
            return Err("nobody is called that: it is empty, or has white space around it");
        }
        let row = match self.addresses.entry(row.address().clone()) {
            Entry::Vacant(free) => Arc::clone(free.insert(Arc::new(row))),
            Entry::Occupied(held) if **held.get() == row => Arc::clone(held.get()),
            Entry::Occupied(_) => {
                return Err("another row says something else of the same address");
            }
        };
        // As single sign-on's own value becomes an identity.
        let identity = text_of(name.as_bytes());
        match self.rows.insert(identity.into(), row) {
            Some(_) => Err("it is there twice"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn two_names_share_an_address_only_as_one_t3() {
        let shared =
            table(r#"{"a": {"port": 1, "os_user": "x"}, "b": {"os_user": "x", "port": 1}}"#);
        let [a, b] = ["a", "b"].map(|name| shared.row(name).expect("a row"));
        assert!(Arc::ptr_eq(a, b));
        for other in [
            r#"{"port": 1}"#,
            r#"{"port": 1, "os_user": "y"}"#,
            r#"{"port": 1, "os_user": "x", "host": "localhost"}"#,
            r#"{"port": 1, "os_user": "x", "host": "::1"}"#,
            r#"{"port": 1, "os_user": "x", "base_dir": "/b"}"#,
            r#"{"port": 1, "os_user": "x", "t3_bin": "/b"}"#,
            r#"{"port": 1, "os_user": "x", "mint": ["b"]}"#,
            r#"{"port": 1, "os_user": "x", "mint": []}"#,
            r#"{"port": 1, "os_user": "x", "token_file": "/b"}"#,
            r#"{"port": 1, "os_user": "x", "via": "dispatcher"}"#,
            r#"{"port": 1, "os_user": "x", "via": "dispatcher", "secret_file": "/b"}"#,
        ] {
            let text = format!(r#"{{"a": {{"port": 1, "os_user": "x"}}, "b": {other}}}"#);
            let error = Table::parse(text.as_bytes()).expect_err(other).to_string();
            assert!(error.contains("`b`: another row"), "{other}: {error}");
        }
        let apart =
            table(r#"{"a": {"port": 1}, "b": {"port": 1, "host": "127.0.0.2", "os_user": "b"}}"#);
        assert_eq!(apart.len(), 2);
    }

    #[test]
    fn who_is_unchanged_keeps_his_row() {
        let earlier = table(r#"{"a": {"port": 1}, "b": {"port": 2}, "c": {"port": 3}}"#);
        let read =
            table(r#"{"a": {"port": 1}, "b": {"port": 4}, "d": {"port": 3}, "e": {"port": 1}}"#);
        let changes = Changes {
            new: 2,
            moved: 1,
            gone: 1,
        };
        assert_eq!(read.changes_since(&earlier), changes);
        let later = read.keeping_rows_of(&earlier);
        let is_kept = |before, now| {
            let [before, now] = [earlier.row(before), later.row(now)];
            Arc::ptr_eq(before.expect("a row"), now.expect("a row"))
        };
        assert!(is_kept("a", "a") && is_kept("a", "e") && is_kept("c", "d"));
        assert!(!is_kept("b", "b"));
        assert!(later.row("c").is_none());
        for (name, is_held) in [("a", true), ("b", false), ("c", true)] {
            let row = earlier.row(name).expect("a row");
            assert_eq!(later.contains(row), is_held, "{name}");
        }
        let again = table(r#"{"c": {"port": 3}, "b": {"port": 2}, "a": {"port": 1}}"#);
        assert!(again.changes_since(&earlier).is_none());
    }

    /// The bytes of names that somebody may try, and what makes one name look like another.
    const PARTS: [&str; 24] = [
        "bob",
        "Bob",
        "BOB",
        "b",
        "o",
        "\u{f6}",
        "o\u{308}",
        "\u{43e}",
        "\u{ff42}",
        "\u{200b}",
        " ",
        "\t",
        "\0",
        "\n",
        "%",
        "%25",
        "%62",
        "{user}",
        "{os_user}",
        "@h.test",
        "/",
        "..",
        "\"",
        "\\",
    ];

    /// Numbers that look random and are the same at each run (xorshift).
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        }
    }

    /// A person's identity is what the access policy makes of a field's bytes: [`text_of`].
    #[test]
    fn no_identity_however_spelt_reaches_another_s_t3() {
        let mut number = numbers();
        let mut found = 0;
        for _ in 0..300 {
            let name = |number: &mut dyn FnMut(usize) -> usize| -> String {
                let length = 1 + number(4);
                (0..length).map(|_| PARTS[number(PARTS.len())]).collect()
            };
            let mut held: Vec<String> = (0..20).map(|_| name(&mut number)).collect();
            held.retain(|name| name.trim_matches([' ', '\t']) == name);
            held.sort();
            held.dedup();
            let rows = held.iter().enumerate().map(|(at, name)| {
                let row = serde_json::json!({ "port": at + 1 });
                (name.clone(), row)
            });
            let rows = serde_json::Value::Object(rows.collect());
            let table = table(&rows.to_string());
            assert_eq!(table.len(), held.len());
            let mut tried = held.clone();
            tried.extend((0..200).map(|_| name(&mut number)));
            tried.extend(held.iter().map(|name| name.to_uppercase()));
            tried.extend(held.iter().map(|name| format!("{name} ")));
            for name in tried {
                let port = table.row(&text_of(name.as_bytes())).map(|row| row.port());
                let expected = held
                    .iter()
                    .position(|held| held.as_bytes() == name.as_bytes());
                assert_eq!(port.map(usize::from), expected.map(|at| at + 1), "{name:?}");
                found += usize::from(port.is_some());
            }
        }
        assert!(found > 3000, "{found}");
        // Bytes that are no UTF-8 are nobody's in a table, which is UTF-8.
        let table =
            table(r#"{"Zo%EB": {"port": 1}, "Zo\u00eb": {"port": 2}, "Zo\ufffd": {"port": 3}}"#);
        assert!(table.row(&text_of(b"Zo\xeb")).is_none());
        let port = |name: &[u8]| table.row(&text_of(name)).map(|row| row.port());
        assert_eq!(
            [port(b"Zo%EB"), port("Zo\u{eb}".as_bytes())],
            [Some(1), Some(2)]
        );
    }

    /// In an optimised build some 10 ms.
    #[test]
    fn ten_thousand_rows_are_read_and_compared() {
        let rows = (0..10_000).map(|at| {
            format!(
                r#""person{at}": {{"port": {}, "host": "10.0.{}.{}", "os_user": "p{at}"}}"#,
                3773,
                at / 250,
                at % 250
            )
        });
        let text = format!("{{{}}}", rows.collect::<Vec<_>>().join(","));
        let earlier = table(&text);
        let start = std::time::Instant::now();
        let later = table(&text);
        assert!(later.changes_since(&earlier).is_none());
        let later = later.keeping_rows_of(&earlier);
        println!("{:?}", start.elapsed());
        assert_eq!(later.len(), 10_000);
        assert!(later.contains(earlier.row("person9999").expect("a row")));
    }
}
