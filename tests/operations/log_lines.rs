//! Every line of the log that clients can cause has a bound: row 70.

use std::path::Path;

/// The lines that are written without a bound, by their file: how many there are, and why no client can
/// cause as many as it wants.
const OTHERS: [(&str, usize, &str); 27] = [
    ("access/allow_list.rs", 1, "once, at the start"),
    ("access/jwt/key_source.rs", 1, "once, at the start"),
    (
        "access/jwt/published_keys.rs",
        1,
        "for each change of the keys, fetched once a minute at most",
    ),
    ("access/looked_at.rs", 2, "for each change of the file"),
    ("access/warnings.rs", 3, "once each"),
    ("assets/compressor.rs", 1, "once, at the start"),
    ("assets/warmup.rs", 1, "each time that t3 comes up"),
    (
        "main.rs",
        12,
        "at the start and the end, and for each signal",
    ),
    ("pairing/admin_upkeep.rs", 5, "once, after the start"),
    (
        "pairing/attempt.rs",
        2,
        "30 sessions a minute for a person: told in full",
    ),
    (
        "pairing/devices.rs",
        1,
        "30 codes a minute for a person: told in full",
    ),
    (
        "pairing/issued_session.rs",
        2,
        "a run of the t3 CLI each, and a pause of 60 s",
    ),
    (
        "pairing/offboarding.rs",
        2,
        "once for each person, and each device, who loses what was had",
    ),
    (
        "pairing/session_owners.rs",
        2,
        "at a change, 30 s after another",
    ),
    ("pairing/t3_cli.rs", 4, "once, at the start"),
    ("pairing/token_file.rs", 4, "for each change of the file"),
    (
        "process/log_limit.rs",
        2,
        "tell what was left out, once a minute",
    ),
    (
        "router/device/token.rs",
        1,
        "for a code that was minted here: 30 a minute for a person",
    ),
    ("routes/file.rs", 2, "for each change of the file"),
    ("server/mod.rs", 1, "at the end"),
    ("state/instances.rs", 1, "once, at the start"),
    ("state/mod.rs", 1, "three at most, at the start"),
    (
        "state/table_changes.rs",
        1,
        "for each change of the table of people",
    ),
    ("tunnel/upstream_watch.rs", 1, "when t3 stops"),
    ("upstream/connect.rs", 1, "at a change of who listens"),
    ("upstream/descriptor.rs", 2, "each time that t3 comes up"),
    ("upstream/health.rs", 4, "at a change of t3's"),
];

/// A new line is either written by `limited!`, or gets a reason here.
#[test]
fn row_70_a_line_that_clients_can_cause_is_bounded() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let lines = text.lines().map(str::trim);
            let code = lines.filter(|line| !line.starts_with("//"));
            let writes = |line: &&str| {
                ["warn!(", "info!(", "error!("]
                    .iter()
                    .any(|call| line.contains(call))
            };
            let count = code.filter(writes).count();
            let name = path.strip_prefix(&src).expect("below").to_string_lossy();
            if count > 0 {
                found.push((name.into_owned(), count));
            }
        }
    }
    found.sort();
    let listed = OTHERS.map(|(name, count, _)| (name.to_owned(), count));
    assert_eq!(
        found, listed,
        "a line without a bound, or a reason that is not needed"
    );
}
