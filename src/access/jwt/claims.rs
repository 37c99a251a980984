//! The claims of a token whose signature was verified: whom they name, and until when. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::access::identity::{trimmed, without_domain};
use crate::access::jwt::refusal::Refusal;
use crate::access::visitor::Person;
use crate::http_rules::name_text::text_of;

/// By how much the gate's clock may differ from this one's, in seconds.
pub(super) const CLOCK_SKEW_SECONDS: u64 = 60;

/// Which claims name a person, and how.
#[derive(Debug)]
pub(super) struct ClaimRules {
    /// The claim that names the person.
    pub(super) claim: String,
    /// The claim that names the person's groups.
    pub(super) groups_claim: Option<String>,
    /// The domains that are taken off a name.
    pub(super) domains: Vec<String>,
}

/// A token that counts.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) person: Arc<Person>,
    /// Until when it counts, in seconds since 1970: its `exp` and the clock's skew.
    pub(super) until: u64,
}

impl ClaimRules {
    /// Whom `claims` name that have been verified.
    ///
    /// # Errors
    /// Where they name nobody.
    pub(super) fn read(&self, claims: &Map<String, Value>) -> Result<Verified, Refusal> {
        // One issuer, though the crate would take several of which one is right.
        if !claims.get("iss").is_some_and(Value::is_string) {
            return Err(Refusal::Issuer);
        }
        // A time may have a fraction (RFC 7519 §2); the crate has read one that is not negative.
        let expires = claims.get("exp").and_then(Value::as_f64);
        let until = expires.ok_or(Refusal::Claims)? as u64;
        let is_unverified = |verified: &Value| verified != true && verified != "true";
        if self.claim == "email" && claims.get("email_verified").is_some_and(is_unverified) {
            return Err(Refusal::EmailNotVerified);
        }
        let stated = claims
            .get(&self.claim)
            .and_then(name)
            .ok_or(Refusal::Name)?;
        let person = Person {
            name: without_domain(Cow::Borrowed(&stated), &self.domains)
                .as_ref()
                .into(),
            stated,
            groups: self.groups(claims),
        };
        Ok(Verified {
            person: Arc::new(person),
            until: until.saturating_add(CLOCK_SKEW_SECONDS),
        })
    }

    /// The groups that `claims` state, one or a list. A gate may leave the claim out, as Entra ID does for whoever is
    /// in more than 200.
    fn groups(&self, claims: &Map<String, Value>) -> Option<Vec<Box<str>>> {
        let stated = match claims.get(self.groups_claim.as_ref()?)? {
            Value::Array(several) => several,
            one @ Value::String(_) => std::slice::from_ref(one),
            _ => return None,
        };
        Some(stated.iter().filter_map(name).collect())
    }
}

/// The name that a claim states: text, without anything that a line of a log or a field could not hold.
fn name(claim: &Value) -> Option<Box<str>> {
    let stated = claim.as_str()?;
    let value = trimmed(stated.as_bytes());
    let text = text_of(value);
    let is_name = !text.is_empty() && !text.chars().any(char::is_control);
    is_name.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(more: Value) -> Result<Verified, Refusal> {
        let rules = ClaimRules {
            claim: "email".to_owned(),
            groups_claim: Some("groups".to_owned()),
            domains: vec!["own.test".to_owned()],
        };
        let claims = json!({"iss": "https://gate.test", "exp": 1000, "email": "ada@h.test"});
        let Value::Object(mut claims) = claims else {
            unreachable!()
        };
        for (name, value) in more.as_object().expect("members") {
            claims.insert(name.clone(), value.clone());
        }
        rules.read(&claims)
    }

    #[test]
    fn a_name_is_one_text_of_one_claim() {
        let not_verified = Err(Refusal::EmailNotVerified);
        for (more, expected) in [
            (json!({}), Ok("ada@h.test")),
            (json!({"email_verified": true}), Ok("ada@h.test")),
            (json!({"email_verified": "true"}), Ok("ada@h.test")),
            (json!({"email": "bob@own.test"}), Ok("bob")),
            (json!({"email": " \tZo\u{eb} 50%\t"}), Ok("Zo\u{eb} 50%25")),
            (json!({"email": null}), Err(Refusal::Name)),
            (json!({"email": ""}), Err(Refusal::Name)),
            (json!({"email": " \t"}), Err(Refusal::Name)),
            (json!({"email": 7}), Err(Refusal::Name)),
            (json!({"email": ["ada@h.test"]}), Err(Refusal::Name)),
            (json!({"email": "ada\nbob"}), Err(Refusal::Name)),
            (json!({"email": "ada\u{0}"}), Err(Refusal::Name)),
            (json!({"email": "ada\u{85}"}), Err(Refusal::Name)),
            (json!({"email_verified": false}), not_verified),
            (json!({"email_verified": "false"}), not_verified),
            (json!({"email_verified": 0}), not_verified),
            (json!({"iss": ["https://gate.test"]}), Err(Refusal::Issuer)),
            (json!({"exp": "1000"}), Err(Refusal::Claims)),
        ] {
            let found = read(more.clone());
            let name = found.as_ref().map(|verified| &*verified.person.name);
            assert_eq!(name.map_err(|refusal| *refusal), expected, "{more}");
        }
        let person = read(json!({"email": "bob@own.test"})).expect("bob").person;
        assert_eq!(&*person.stated, "bob@own.test");
    }

    #[test]
    fn it_counts_until_it_expires_and_states_its_groups() {
        for (groups, expected) in [
            (
                json!(["dev", " ops ", "", 7, "a|b"]),
                Some(&["dev", "ops", "a|b"][..]),
            ),
            (json!("dev"), Some(&["dev"])),
            (json!("dev,ops"), Some(&["dev,ops"])),
            (json!([["dev"]]), Some(&[])),
            (json!([]), Some(&[])),
            (json!(""), Some(&[])),
            (json!({"dev": true}), None),
            (json!(7), None),
            (json!(null), None),
        ] {
            let found = read(json!({ "groups": groups })).expect("it counts");
            let expected = expected.map(|names| names.iter().map(|name| Box::from(*name)));
            let expected = expected.map(Iterator::collect::<Vec<_>>);
            assert_eq!(found.person.groups, expected, "{groups}");
        }
        let without = read(json!({})).expect("it counts");
        assert_eq!(without.person.groups, None);
        for (expires, until) in [
            (json!(1000), 1060),
            (json!(1000.9), 1060),
            (json!(1e30), u64::MAX),
        ] {
            let found = read(json!({ "exp": expires })).expect("it counts");
            assert_eq!(found.until, until, "{expires}");
        }
    }
}
