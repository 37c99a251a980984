//! The scopes of browser sessions and of administrative ones.

/// The scopes of every pairing by `auth pairing create` (contract §1).
pub(crate) const STANDARD: [&str; 5] = [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "relay:read",
];

/// The scopes of `auth session issue` and of the startup token (contract §4, §7).
pub(crate) const ADMINISTRATIVE: [&str; 8] = [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "relay:read",
    "access:read",
    "access:write",
    "relay:write",
];

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
