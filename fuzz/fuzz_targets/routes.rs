//! Whatever a person is called, and whatever a table says, a person has the t3 of exactly that name, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use t3_dispatcher::config::command_template::CommandTemplate;
use t3_dispatcher::config::placeholders::{Names, is_plain};
use t3_dispatcher::http_rules::name_text::text_of;
use t3_dispatcher::routes::table::Table;

/// Each line is a key of a table, and the name that somebody has.
fn names_of_a_table(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').take(64).collect();
    let keys = lines.iter().filter_map(|line| str::from_utf8(line).ok());
    let keys: Vec<_> = keys
        .filter(|key| !key.is_empty() && key.trim_matches([' ', '\t']) == *key)
        .collect();
    let mut rows = Map::new();
    for key in &keys {
        let port = rows.len() + 1;
        rows.entry(*key).or_insert_with(|| json!({ "port": port }));
    }
    let written = Value::Object(rows.clone()).to_string();
    let table = Table::parse(written.as_bytes()).expect("a table");
    assert_eq!(table.len(), rows.len());
    for line in lines {
        let folded = [
            line.to_ascii_lowercase(),
            line.to_ascii_uppercase(),
            line.trim_ascii().to_vec(),
        ];
        for name in folded.iter().map(Vec::as_slice).chain([line]) {
            let port = table.row(&text_of(name)).map(|row| u64::from(row.port()));
            let held = rows.iter().find(|(key, _)| key.as_bytes() == name);
            assert_eq!(port, held.and_then(|(_, row)| row["port"].as_u64()));
        }
    }
}

/// All of it is a table, as other readers of JSON have it, or it is none.
fn a_whole_table(data: &[u8]) {
    let Ok(table) = Table::parse(data) else {
        return;
    };
    let plain: Map<String, Value> = serde_json::from_slice(data).expect("an object");
    assert_eq!(table.len(), plain.len());
    for (key, row) in plain {
        let found = table.row(&text_of(key.as_bytes())).expect("a row");
        assert_eq!(Some(u64::from(found.port())), row["port"].as_u64());
        assert!(table.contains(found));
        assert!(found.os_user.as_deref().is_none_or(is_plain));
    }
    let again = Table::parse(data)
        .expect("the same")
        .keeping_rows_of(&table);
    assert!(again.changes_since(&table).is_none());
    assert!(table.people().all(|(_, row)| again.contains(row)));
}

/// A name is one argument, and never more than a plain word.
fn words_of_a_command(data: &[u8]) {
    let name = text_of(data);
    let names = Names {
        user: &name,
        os_user: None,
    };
    let command = CommandTemplate::parse("run x-{user}.service {user}").expect("a command");
    match command.fill(names) {
        Ok(words) => {
            assert!(is_plain(&name));
            assert_eq!(words, ["run", &format!("x-{name}.service"), &name]);
        }
        Err(_) => assert!(!is_plain(&name)),
    }
    if let Ok(command) = CommandTemplate::parse(&name) {
        let filled = |user, os_user| {
            command
                .fill(Names {
                    user,
                    os_user: Some(os_user),
                })
                .expect("plain")
        };
        let (bob, eve) = (filled("bob", "bob"), filled("eve", "e-v-e"));
        assert_eq!(bob.len(), eve.len());
        assert_eq!(
            bob.first(),
            eve.first(),
            "the program is nobody's to choose"
        );
    }
}

fuzz_target!(|data: &[u8]| {
    names_of_a_table(data);
    a_whole_table(data);
    words_of_a_command(data);
});
