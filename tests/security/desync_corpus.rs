//! The desync corpus: severe cases are refused, ambiguous ones refused or made unambiguous.

use serde_json::Value;

use crate::common::{Client, Dispatcher};
use crate::harness::{CLOSES, shown};
use crate::recorder::Recorder;

const CASES: &str = include_str!("desync_corpus/cases.json");

#[derive(Debug, PartialEq)]
enum Outcome {
    /// A 4xx or 5xx of the dispatcher's, then the end of the connection; t3 has received nothing.
    Refused,
    /// It was forwarded in an unambiguous form.
    Clean,
    /// Anything else.
    Wrong(String),
}

#[tokio::test]
async fn severe_cases_are_refused() {
    let (refused, wrong) = judge("Severe", |outcome| *outcome == Outcome::Refused).await;
    println!("{refused} severe cases refused, {} not", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, 58);
}

#[tokio::test]
async fn ambiguous_cases_are_refused_or_made_unambiguous() {
    let fits = |outcome: &Outcome| matches!(outcome, Outcome::Refused | Outcome::Clean);
    let (fitting, wrong) = judge("Ambiguous", fits).await;
    println!(
        "{fitting} ambiguous cases refused or made plain, {} not",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The number of cases of `tier` with an outcome that `fits`, and the others.
async fn judge(tier: &str, fits: impl Fn(&Outcome) -> bool) -> (usize, Vec<String>) {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("JSON");
    let (mut fitting, mut wrong) = (0, Vec::new());
    for case in cases.iter().filter(|case| case["tier"] == tier) {
        let bytes = on_the_wire(case);
        let outcome = send(&bytes).await;
        match fits(&outcome) {
            true => fitting += 1,
            false => wrong.push(format!(
                "{}: {outcome:?} of {}",
                case["name"],
                shown(&bytes)
            )),
        }
    }
    (fitting, wrong)
}

/// The case's head, with a `Host` added if it has none, as its absence alone is a reason to refuse.
fn on_the_wire(case: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let (method, uri) = (text(&case["method"]), text(&case["uri"]));
    let mut head = format!("{method} {uri} {}\r\n", text(&case["version"]));
    let fields = case["headers"].as_array().expect("an array");
    let names_host = |field: &Value| text(&field[0]).eq_ignore_ascii_case("host");
    if !fields.iter().any(names_host) {
        head.push_str("Host: t3.test\r\n");
    }
    for field in fields {
        head.push_str(&format!("{}:{}\r\n", text(&field[0]), text(&field[1])));
    }
    head.push_str("\r\n");
    let bytes = |character: char| match u8::try_from(character) {
        Ok(byte) => vec![byte],
        Err(_) => character.to_string().into_bytes(),
    };
    head.chars().flat_map(bytes).collect()
}

async fn send(bytes: &[u8]) -> Outcome {
    let recorder = Recorder::start().await;
    let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send(bytes).await;
    let Ok(head) = tokio::time::timeout(CLOSES, client.head()).await else {
        return Outcome::Wrong("no response".to_owned());
    };
    let status = head.map_or(0, |response| response.status);
    let brought = recorder.connections();
    if let Some(why) = brought.iter().find_map(|bytes| ambiguity(bytes)) {
        return Outcome::Wrong(why);
    }
    if !brought.is_empty() {
        return Outcome::Clean;
    }
    let closed = tokio::time::timeout(CLOSES, client.rest()).await.is_ok();
    match (status, closed) {
        (400..=599, true) => Outcome::Refused,
        _ => Outcome::Wrong(format!("{status}, closed: {closed}")),
    }
}

/// The part of a request's head that is ambiguous, if any.
fn ambiguity(bytes: &[u8]) -> Option<String> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let Some(end) = end else {
        return Some(format!("half a head: {}", shown(bytes)));
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let odd = |character: char| character.is_ascii_control() && !"\r\n\t".contains(character);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    for line in lines.clone() {
        let Some((name, value)) = line
            .split_once(": ")
            .or(line.strip_suffix(':').map(|name| (name, "")))
        else {
            return Some(format!("no field: {line:?}"));
        };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Some(format!("a name: {line:?}"));
        }
        match &*name.to_ascii_lowercase() {
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value),
            _ => {}
        }
    }
    let digits = |length: &&str| !length.is_empty() && length.bytes().all(|c| c.is_ascii_digit());
    let framed = match (&*lengths, &*codings) {
        ([], []) | ([], ["chunked"]) => true,
        ([length], []) => digits(length),
        _ => false,
    };
    let plain = !head.replace("\r\n", "").contains(['\r', '\n']) && !head.contains(odd);
    let request_line = first.split(' ').count() == 3 && first.ends_with(" HTTP/1.1");
    (!framed || !plain || !request_line).then(|| format!("arrives as {}", shown(bytes)))
}
