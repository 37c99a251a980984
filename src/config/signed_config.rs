//! What a token must be like to be an identity: the options of it, and what the gate states besides. Pure.

use std::path::PathBuf;

use http::{HeaderName, Uri};

use crate::config::gate_options::{Signature, SignatureAlgorithm};
use crate::config::jwt_options::{Jwks, JwtConfig};

/// The algorithms by which a published key may sign, where neither an option nor a gate says others.
const OF_PUBLISHED_KEYS: [SignatureAlgorithm; 3] = [
    SignatureAlgorithm::Rs256,
    SignatureAlgorithm::Es256,
    SignatureAlgorithm::EdDsa,
];

/// The claim that names the person, where neither an option nor a gate says another (RFC 7519 §4.1.2).
const CLAIM: &str = "sub";

/// What a token must be like, and who signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedConfig {
    /// The field with the token.
    pub header: HeaderName,
    /// The keys.
    pub keys: KeysFrom,
    /// `iss`.
    pub issuer: String,
    /// `aud` must have one of these.
    pub audiences: Vec<String>,
    /// The claim that names the person.
    pub claim: String,
    /// The claim that names the person's groups.
    pub groups_claim: Option<String>,
    /// The algorithms that count.
    pub algorithms: Vec<SignatureAlgorithm>,
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// A file with the secret of HS256.
    SecretFile(PathBuf),
    /// A file with a key set.
    SetFile(PathBuf),
    /// A key set at an https address.
    Address {
        /// The address.
        uri: Uri,
        /// The authorities that vouch for its server; none are those of the system.
        ca_file: Option<PathBuf>,
    },
}

impl JwtConfig {
    /// What the options and, where they say nothing, `gate` state of tokens; none where no option is set.
    ///
    /// # Errors
    /// Where something is missing, or two of them contradict each other.
    pub fn signed(&self, gate: Option<&Signature>) -> Result<Option<SignedConfig>, String> {
        if !self.is_any_set() {
            return Ok(None);
        }
        let keys = self.keys(gate.and_then(|gate| gate.jwks))?;
        let algorithms = self.algorithms(&keys, gate.map_or(&[], |gate| gate.algorithms))?;
        let header = self.jwt_header.clone();
        let header = header.or_else(|| gate.map(|gate| gate.header.clone()));
        let issuer = self
            .jwt_issuer
            .as_deref()
            .or(gate.and_then(|gate| gate.issuer));
        let claim = self.jwt_claim.as_deref().or(gate.map(|gate| gate.claim));
        let needs = |option: &str| format!("signed identity needs {option}");
        Ok(Some(SignedConfig {
            header: header.ok_or_else(|| needs("DISPATCHER_JWT_HEADER"))?,
            issuer: issuer
                .ok_or_else(|| needs("DISPATCHER_JWT_ISSUER"))?
                .to_owned(),
            audiences: self
                .jwt_audience
                .clone()
                .ok_or_else(|| needs("DISPATCHER_JWT_AUDIENCE"))?,
            claim: claim.unwrap_or(CLAIM).to_owned(),
            groups_claim: self.jwt_groups_claim.clone(),
            algorithms,
            keys,
        }))
    }

    fn keys(&self, published: Option<&'static str>) -> Result<KeysFrom, String> {
        let published = || published.map(|address| Jwks::Address(Uri::from_static(address)));
        let keys = match (&self.jwt_jwks, &self.jwt_secret_file) {
            (Some(_), Some(_)) => {
                return Err(
                    "DISPATCHER_JWT_SECRET_FILE is instead of DISPATCHER_JWT_JWKS".to_owned(),
                );
            }
            (None, Some(path)) => KeysFrom::SecretFile(path.clone()),
            (jwks, None) => match jwks.clone().or_else(published) {
                Some(Jwks::File(path)) => KeysFrom::SetFile(path),
                Some(Jwks::Address(uri)) => KeysFrom::Address {
                    uri,
                    ca_file: self.jwt_ca_file.clone(),
                },
                None => {
                    let why =
                        "signed identity needs DISPATCHER_JWT_JWKS or DISPATCHER_JWT_SECRET_FILE";
                    return Err(why.to_owned());
                }
            },
        };
        let has_address = matches!(keys, KeysFrom::Address { .. });
        match self.jwt_ca_file.is_some() && !has_address {
            true => Err("DISPATCHER_JWT_CA_FILE is for a DISPATCHER_JWT_JWKS by https".to_owned()),
            false => Ok(keys),
        }
    }

    /// The algorithms that count with `keys`, `of_gate` being those that the gate signs with.
    fn algorithms(
        &self,
        keys: &KeysFrom,
        of_gate: &[SignatureAlgorithm],
    ) -> Result<Vec<SignatureAlgorithm>, String> {
        let is_secret = matches!(keys, KeysFrom::SecretFile(_));
        let fits =
            |algorithm: &SignatureAlgorithm| (*algorithm == SignatureAlgorithm::Hs256) == is_secret;
        if let Some(set) = &self.jwt_algorithms {
            return match set.iter().all(fits) {
                true => Ok(set.clone()),
                false => Err(
                    "DISPATCHER_JWT_ALGORITHMS: HS256 is for DISPATCHER_JWT_SECRET_FILE, all others are \
                     for DISPATCHER_JWT_JWKS"
                        .to_owned(),
                ),
            };
        }
        let of_gate: Vec<_> = of_gate.iter().copied().filter(fits).collect();
        Ok(match (of_gate.is_empty(), is_secret) {
            (false, _) => of_gate,
            (true, true) => vec![SignatureAlgorithm::Hs256],
            (true, false) => OF_PUBLISHED_KEYS.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;
    use crate::config::gate_options::Gate;

    /// What is signed by the options `args`, or why they are unusable.
    fn signed(args: &str) -> Result<Option<SignedConfig>, String> {
        let args = ["t3-dispatcher"].into_iter().chain(args.split_whitespace());
        let config = Config::try_parse_from(args).map_err(|error| error.to_string())?;
        let gate = config.access.gate.map(Gate::preset);
        let gate = gate.and_then(|preset| preset.signature.as_ref());
        config.access.jwt.signed(gate)
    }

    const REST: &str = "--jwt-header X-Token --jwt-issuer i --jwt-audience a";

    #[test]
    fn without_an_option_nothing_is_signed() {
        for args in ["", "--gate iap", "--gate authentik --allowed-users ada"] {
            assert_eq!(signed(args), Ok(None), "{args}");
        }
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        for (args, named) in [
            ("--jwt-header x-token", "DISPATCHER_JWT_JWKS"),
            ("--jwt-jwks /k", "DISPATCHER_JWT_HEADER"),
            (
                "--jwt-jwks /k --jwt-header x-token",
                "DISPATCHER_JWT_ISSUER",
            ),
            (
                "--jwt-jwks /k --jwt-header x-token --jwt-issuer i",
                "DISPATCHER_JWT_AUDIENCE",
            ),
            (
                &format!("{REST} --jwt-jwks /k --jwt-secret-file /s"),
                "instead of",
            ),
            (
                &format!("{REST} --jwt-jwks /k --jwt-ca-file /c"),
                "DISPATCHER_JWT_CA_FILE",
            ),
            (
                &format!("{REST} --jwt-secret-file /s --jwt-ca-file /c"),
                "DISPATCHER_JWT_CA_FILE",
            ),
            (
                &format!("{REST} --jwt-jwks /k --jwt-algorithms HS256"),
                "HS256 is for",
            ),
            (
                &format!("{REST} --jwt-jwks /k --jwt-algorithms RS256,HS256"),
                "HS256 is for",
            ),
            (
                &format!("{REST} --jwt-secret-file /s --jwt-algorithms ES256"),
                "HS256 is for",
            ),
            (&format!("{REST} --jwt-jwks http://h.test/k"), "https"),
            (&format!("{REST} --jwt-jwks https://u@h.test/k"), "https"),
            (&format!("{REST} --jwt-jwks https:///k"), "https"),
            (&format!("{REST} --jwt-jwks file:///k"), "https"),
            ("--jwt-algorithms none", "none"),
            ("--jwt-algorithms rs256", "rs256"),
            ("--jwt-header Cookie", "another meaning"),
            ("--jwt-header Host", "another meaning"),
            ("--jwt-header X-Forwarded-For", "another meaning"),
            ("--gate iap --jwt-claim sub", "DISPATCHER_JWT_AUDIENCE"),
            (
                "--gate cloudflare-access --jwt-audience a",
                "DISPATCHER_JWT_JWKS",
            ),
            ("--gate authelia --jwt-jwks /k", "DISPATCHER_JWT_HEADER"),
        ] {
            let error = signed(args).expect_err(args);
            assert!(error.contains(named), "{args}: {error}");
        }
    }

    #[test]
    fn a_gate_says_what_no_option_does() {
        use SignatureAlgorithm::{EdDsa, Es256, Hs256, Rs256};
        let all = vec![Rs256, Es256, EdDsa];
        for (args, header, issuer, claim, algorithms) in [
            (format!("{REST} --jwt-jwks /k"), "x-token", "i", "sub", all.clone()),
            (format!("{REST} --jwt-jwks /k --jwt-algorithms ES256 --jwt-claim email"), "x-token", "i", "email", vec![Es256]),
            (format!("{REST} --jwt-secret-file /s"), "x-token", "i", "sub", vec![Hs256]),
            ("--gate iap --jwt-audience a".to_owned(), "x-goog-iap-jwt-assertion", "https://cloud.google.com/iap", "email", vec![Es256]),
            (format!("--gate iap --jwt-claim sub --jwt-algorithms RS256 {REST}"), "x-token", "i", "sub", vec![Rs256]),
            ("--gate cloudflare-access --jwt-jwks https://h.test/k --jwt-issuer i --jwt-audience a".to_owned(), "cf-access-jwt-assertion", "i", "email", vec![Rs256]),
            ("--gate pomerium --jwt-jwks /k --jwt-issuer i --jwt-audience a".to_owned(), "x-pomerium-jwt-assertion", "i", "email", vec![Es256]),
            ("--gate authentik --jwt-secret-file /s --jwt-issuer i --jwt-audience a".to_owned(), "x-authentik-jwt", "i", "preferred_username", vec![Hs256]),
            ("--gate authentik --jwt-jwks /k --jwt-issuer i --jwt-audience a".to_owned(), "x-authentik-jwt", "i", "preferred_username", all),
            ("--gate oauth2-proxy --jwt-jwks /k --jwt-issuer i --jwt-audience a --jwt-claim email".to_owned(), "authorization", "i", "email", vec![Rs256]),
        ] {
            let found = signed(&args).expect(&args).expect(&args);
            assert_eq!(found.header, header, "{args}");
            assert_eq!((&*found.issuer, &*found.claim), (issuer, claim), "{args}");
            assert_eq!((found.algorithms, &*found.audiences), (algorithms, &["a".to_owned()][..]), "{args}");
        }
        let iap = signed("--gate iap --jwt-audience a,b --jwt-ca-file /c");
        let iap = iap.expect("usable").expect("signed");
        let KeysFrom::Address { uri, ca_file } = iap.keys else {
            panic!("{:?}", iap.keys);
        };
        assert_eq!(uri.host(), Some("www.gstatic.com"));
        assert_eq!((ca_file, iap.audiences.len()), (Some("/c".into()), 2));
    }
}
