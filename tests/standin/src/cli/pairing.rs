//! `auth pairing create`, `list` and `revoke`.

use serde::Serialize;

use super::failure::Failure;
use super::options::Options;
use super::print;
use crate::clock;
use crate::faults::Faults;
use crate::store::Store;
use crate::store::pairing::Pairing;

/// In the order of contract §1; `role` stands in for `scopes` in v0.0.24 (contract §8).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: &'a str,
    credential: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<&'a [String]>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair_url: Option<String>,
}

pub(super) fn create(store: &Store, options: &Options, faults: &Faults) -> Result<(), Failure> {
    let ttl_ms = options.ttl_ms.unwrap_or(clock::PAIRING_TTL_MS);
    let scopes = options.scopes_or(store.facts().standard_scopes);
    let label = options.label.clone().filter(|label| !label.is_empty());
    let mut pairing = store.create_pairing(label, scopes, ttl_ms)?;
    if faults.cli_empty_credential {
        pairing.credential.clear();
    }
    let pair_url = match &options.base_url {
        Some(base_url) => Some(pair_url(base_url, &pairing.credential)?),
        None => None,
    };
    if options.json {
        print::json(&Created {
            id: &pairing.id,
            credential: &pairing.credential,
            label: pairing.label.as_deref(),
            role: faults.old_endpoint.then_some("client"),
            scopes: (!faults.old_endpoint).then_some(&pairing.scopes),
            expires_at: clock::iso(pairing.expires_ms),
            pair_url,
        });
    } else {
        print::text(&lines(&pairing, pair_url.as_deref()));
    }
    Ok(())
}

pub(super) fn list(store: &Store, options: &Options) -> Result<(), Failure> {
    let pairings = store.pairings();
    if options.json {
        let listed: Vec<_> = pairings
            .iter()
            .rev()
            .map(|pairing| pairing.listed(store.facts(), false))
            .collect();
        print::json(&listed);
    } else if pairings.is_empty() {
        print::text("No active pairing credentials.");
    } else {
        let blocks: Vec<String> = pairings.iter().map(block).collect();
        print::text(&blocks.join("\n\n"));
    }
    Ok(())
}

/// The exit status is 0 even if nothing matched (contract §4).
pub(super) fn revoke(store: &Store, id: &str) -> Result<(), Failure> {
    print::text(&if store.revoke_pairing(id) {
        format!("Revoked pairing credential {id}.")
    } else {
        format!("No active pairing credential found for {id}.")
    });
    Ok(())
}

fn lines(pairing: &Pairing, pair_url: Option<&str>) -> String {
    let mut lines = vec![
        format!("Issued client pairing token {}.", pairing.id),
        format!("Token: {}", pairing.credential),
    ];
    lines.extend(pair_url.map(|url| format!("Pair URL: {url}")));
    lines.push(format!("Expires at: {}", clock::iso(pairing.expires_ms)));
    lines.join("\n")
}

fn block(pairing: &Pairing) -> String {
    let label = pairing
        .label
        .as_ref()
        .map_or(String::new(), |label| format!(" ({label})"));
    format!(
        "{}{label}\n  scopes: {}\n  created: {}\n  expires: {}",
        pairing.id,
        pairing.scopes.join(", "),
        clock::iso(pairing.created_ms),
        clock::iso(pairing.expires_ms),
    )
}

/// The base URL's path is replaced by /pair (contract §1).
fn pair_url(base_url: &str, credential: &str) -> Result<String, Failure> {
    let invalid = || Failure::Run(format!("TypeError: Invalid URL: {base_url}"));
    let (scheme, rest) = base_url.split_once("://").ok_or_else(invalid)?;
    let authority = rest
        .split(['/', '?', '#'])
        .next()
        .filter(|host| !host.is_empty());
    let authority = authority.ok_or_else(invalid)?;
    Ok(format!("{scheme}://{authority}/pair#token={credential}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_url_keeps_the_origin_only() {
        for base in ["https://h.example:8443", "https://h.example:8443/x/y?z#w"] {
            let url = pair_url(base, "63ZRCHFUYSNW").expect("a URL");
            assert_eq!(url, "https://h.example:8443/pair#token=63ZRCHFUYSNW");
        }
        assert!(pair_url("h.example", "X").is_err());
    }
}
