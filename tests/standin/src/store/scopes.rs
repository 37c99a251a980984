//! Names of scopes, and what they are called elsewhere.

use crate::edition::Facts;

/// Those that t3 had before it divided them, which alone `scopes` shows where `permissions` has all (contract §2).
const COARSE: [&str; 6] = [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "access:read",
    "access:write",
];

/// What `scopes` shows of a grant.
pub(crate) fn shown<'a>(granted: &'a [String], facts: &Facts) -> Vec<&'a str> {
    let names = granted.iter().map(String::as_str);
    names
        .filter(|name| !facts.shows_permissions || COARSE.contains(name))
        .collect()
}

/// What `permissions` shows of it, where there is that field.
pub(crate) fn permissions<'a>(granted: &'a [String], facts: &Facts) -> Option<&'a [String]> {
    facts.shows_permissions.then_some(granted)
}

pub(crate) fn owned(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|&scope| scope.to_owned()).collect()
}

/// The v0.0.24 name for a set of scopes (contract §8).
pub(crate) fn role(scopes: &[String]) -> &'static str {
    if scopes.iter().any(|scope| scope == "access:write") {
        "owner"
    } else {
        "client"
    }
}
