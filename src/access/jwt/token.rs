//! One token (RFC 7519): whom it names, if its signature and its claims count. Pure, but for the clock.

use jsonwebtoken::{Algorithm, Validation};

use crate::access::jwt::claims::{CLOCK_SKEW_SECONDS, ClaimRules, Verified};
use crate::access::jwt::keys::Keys;
use crate::access::jwt::refusal::Refusal;
use crate::access::jwt::signatures;
use crate::access::jwt::strict_json::StrictObject;
use crate::access::jwt::token_header::{admitted, header};
use crate::config::gate_options::SignatureAlgorithm;

/// The maximum length of a token, in bytes: those of gates have 500 to 3,000, with many groups more.
pub(super) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a token must be like to name somebody.
#[derive(Debug)]
pub(super) struct TokenRules {
    /// What is validated, for each algorithm that counts.
    validations: Vec<Validation>,
    claims: ClaimRules,
}

impl TokenRules {
    /// Tokens of `issuer` for one of `audiences`, by one of `algorithms`.
    pub(super) fn new(
        algorithms: &[Algorithm],
        issuer: &str,
        audiences: &[String],
        claims: ClaimRules,
    ) -> Self {
        signatures::install();
        let validation = |algorithm: &Algorithm| {
            let mut validation = Validation::new(*algorithm);
            validation.leeway = CLOCK_SKEW_SECONDS;
            validation.validate_nbf = true;
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[issuer]);
            validation.set_audience(audiences);
            validation
        };
        Self {
            validations: algorithms.iter().map(validation).collect(),
            claims,
        }
    }

    /// Whom `token` names, if one of `keys` has signed it, and until when.
    ///
    /// # Errors
    /// Where it names nobody.
    pub(super) fn verify(&self, token: &[u8], keys: &Keys) -> Result<Verified, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let header = header(token).ok_or(Refusal::Malformed)?;
        let (algorithm, key_id) = admitted(&header)?;
        let is_named = |validation: &&Validation| validation.algorithms == [algorithm];
        let validation = self.validations.iter().find(is_named);
        let validation = validation.ok_or(Refusal::Algorithm)?;
        let key = keys.find(key_id, algorithm).map_err(Refusal::Key)?;
        let decoded = jsonwebtoken::decode::<StrictObject>(token, key, validation);
        let claims = decoded.map_err(|error| Refusal::of(error.kind()))?.claims.0;
        self.claims.read(&claims)
    }
}

/// The algorithm, as the crate calls it.
pub(super) fn algorithm(algorithm: &SignatureAlgorithm) -> Algorithm {
    match algorithm {
        SignatureAlgorithm::Rs256 => Algorithm::RS256,
        SignatureAlgorithm::Es256 => Algorithm::ES256,
        SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
        SignatureAlgorithm::Hs256 => Algorithm::HS256,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use ring::signature::KeyPair;
    use serde_json::{Value, json};

    use super::*;
    use crate::access::jwt::keys::NoKey;
    use crate::access::jwt::test_signer::Signer;

    fn rules(algorithms: &[Algorithm]) -> TokenRules {
        let audiences = ["t3".to_owned(), "t3-other".to_owned()];
        let claims = ClaimRules {
            claim: "email".to_owned(),
            groups_claim: None,
            domains: Vec::new(),
        };
        TokenRules::new(algorithms, "https://gate.test", &audiences, claims)
    }

    fn now() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("after 1970").as_secs()
    }

    fn claims() -> Value {
        let expires = now() + 300;
        json!({"iss": "https://gate.test", "aud": "t3", "exp": expires, "email": "ada@h.test"})
    }

    /// The claims of a token that counts, with `more`; null takes one away.
    fn claims_with(more: Value) -> String {
        let mut claims = claims();
        for (name, value) in more.as_object().expect("members") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims.to_string()
    }

    const EC: &str = r#"{"alg":"ES256","kid":"e","typ":"JWT"}"#;

    fn set(keys: &[Value]) -> Keys {
        Keys::of_set(json!({ "keys": keys }).to_string().as_bytes()).expect("keys")
    }

    #[test]
    fn a_claim_counts_in_a_token_of_this_issuer_for_this_audience_at_this_time() {
        let signer = Signer::ec();
        let keys = set(&[signer.jwk("e")]);
        let rules = rules(&[Algorithm::ES256]);
        let now = now();
        let several = json!(["x", "t3-other"]);
        let (claims, audience) = (Err(Refusal::Claims), Err(Refusal::Audience));
        for (more, expected) in [
            (json!({}), Ok("ada@h.test")),
            (json!({"aud": several, "nbf": now - 5}), Ok("ada@h.test")),
            (json!({"exp": now - 55}), Ok("ada@h.test")),
            (json!({"exp": now as f64 + 0.5}), Ok("ada@h.test")),
            (json!({"nbf": now + 55}), Ok("ada@h.test")),
            (json!({"exp": now - 65}), Err(Refusal::Expired)),
            (json!({"exp": 0}), Err(Refusal::Expired)),
            (json!({"exp": null}), claims),
            (json!({"exp": "9999999999"}), claims),
            (json!({"exp": -1}), claims),
            (json!({"exp": []}), claims),
            (json!({"nbf": now + 65}), Err(Refusal::NotYetValid)),
            (json!({"nbf": "soon"}), claims),
            (json!({"iss": "https://gate.test/"}), Err(Refusal::Issuer)),
            (json!({"iss": ["https://gate.test"]}), Err(Refusal::Issuer)),
            (json!({"iss": null}), claims),
            (json!({"iss": 7}), claims),
            (json!({"aud": "T3"}), audience),
            (json!({"aud": ["x", "y"]}), audience),
            (json!({"aud": []}), audience),
            (json!({"aud": null}), claims),
            (json!({"aud": {"t3": true}}), claims),
            (json!({"email": null}), Err(Refusal::Name)),
        ] {
            let token = signer.sign(EC, &claims_with(more.clone()));
            let found = rules.verify(token.as_bytes(), &keys);
            let name = found.as_ref().map(|verified| &*verified.person.name);
            assert_eq!(name.map_err(|refusal| *refusal), expected, "{more}");
        }
    }

    #[test]
    fn a_token_counts_by_a_key_of_the_set_and_none_that_it_brings() {
        let [ec, other] = [Signer::ec(), Signer::ec()];
        let keys = set(&[ec.jwk("e"), Signer::ed().jwk("o")]);
        let rules = rules(&[Algorithm::ES256]);
        let [unknown, known] = ["x", "e"].map(|id| {
            let jwk = other.jwk(id);
            json!({"alg": "ES256", "kid": id, "jwk": jwk, "jku": "https://evil.test"}).to_string()
        });
        let no_key = |why| Err(Refusal::Key(why));
        for (header, signer, expected) in [
            (EC, &ec, Ok(())),
            (r#"{"alg":"ES256"}"#, &ec, Ok(())),
            (r#"{"alg":"EdDSA","kid":"o"}"#, &ec, Err(Refusal::Algorithm)),
            (r#"{"alg":"HS256","kid":"e"}"#, &ec, Err(Refusal::Algorithm)),
            (
                r#"{"alg":"ES256","kid":"o"}"#,
                &ec,
                no_key(NoKey::OfAnotherType),
            ),
            (r#"{"alg":"ES256","kid":"x"}"#, &ec, no_key(NoKey::Unknown)),
            (EC, &other, Err(Refusal::Signature)),
            (&unknown, &other, no_key(NoKey::Unknown)),
            (&known, &other, Err(Refusal::Signature)),
        ] {
            let token = signer.sign(header, &claims().to_string());
            let found = rules.verify(token.as_bytes(), &keys).map(|_| ());
            assert_eq!(found, expected, "{header}");
        }
    }

    #[test]
    fn a_secret_signs_nothing_but_hs256_and_a_public_key_is_no_secret() {
        let ec = Signer::ec();
        let keys = set(&[ec.jwk("e")]);
        let Signer::Ec(pair) = &ec else {
            unreachable!()
        };
        let public = Signer::Secret(pair.public_key().as_ref().to_vec());
        let forged = public.sign(r#"{"alg":"HS256","kid":"e"}"#, &claims().to_string());
        for algorithms in [
            &[Algorithm::ES256][..],
            &[Algorithm::ES256, Algorithm::HS256],
        ] {
            let found = rules(algorithms).verify(forged.as_bytes(), &keys);
            assert!(found.is_err(), "{algorithms:?}");
        }
        let secret = Signer::Secret(vec![b's'; 32]);
        let keys = Keys::of_secret(&[b's'; 32]).expect("a secret");
        let hs256 = rules(&[Algorithm::HS256]);
        let verify = |header: &str, signer: &Signer| {
            let token = signer.sign(header, &claims().to_string());
            hs256.verify(token.as_bytes(), &keys).map(|_| ())
        };
        assert_eq!(verify(r#"{"alg":"HS256"}"#, &secret), Ok(()));
        assert_eq!(verify(r#"{"alg":"HS256","kid":"any"}"#, &secret), Ok(()));
        let other = Signer::Secret(vec![b't'; 32]);
        assert_eq!(
            verify(r#"{"alg":"HS256"}"#, &other),
            Err(Refusal::Signature)
        );
        assert_eq!(verify(EC, &ec), Err(Refusal::Algorithm));
    }

    #[test]
    fn what_is_not_exactly_one_token_is_nobody_s() {
        let signer = Signer::ed();
        let keys = set(&[signer.jwk("o")]);
        let rules = rules(&[Algorithm::EdDSA]);
        let header = r#"{"alg":"EdDSA","kid":"o"}"#;
        let token = signer.sign(header, &claims().to_string());
        let verify = |token: &str| rules.verify(token.as_bytes(), &keys).map(|_| ());
        assert_eq!(verify(&token), Ok(()));
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (first, second) = signed.split_once('.').expect("three parts");
        for other in [
            "",
            ".",
            "..",
            signed,
            &format!("{signed}."),
            &format!("{token}."),
            &format!("{token}.x"),
            &format!("{token}="),
            &format!("{token} "),
            &format!(" {token}"),
            &format!("Bearer {token}"),
            &format!("{token}A"),
            &format!("{first}.{second}A.{signature}"),
            &format!("{second}.{second}.{signature}"),
            &format!("{first}..{signature}"),
            &token
                .replace('_', "/")
                .replace('-', "+")
                .replacen('e', "+", 1),
            &format!("{token},{token}"),
        ] {
            assert!(verify(other).is_err(), "{other}");
        }
        for twice in [
            r#"{"iss":"https://gate.test","iss":"https://gate.test""#,
            r#"{"iss":"https://gate.test","x":{"a":1,"a":1}"#,
            r#"{"iss":"https://gate.test","email":"eve@h.test""#,
        ] {
            let rest = format!(
                r#","aud":"t3","exp":{},"email":"ada@h.test"}}"#,
                now() + 300
            );
            let token = signer.sign(header, &format!("{twice}{rest}"));
            assert_eq!(verify(&token), Err(Refusal::Malformed), "{twice}");
        }
        for no_claims in ["[]", "7", "null", "\"ada@h.test\"", ""] {
            assert!(
                verify(&signer.sign(header, no_claims)).is_err(),
                "{no_claims}"
            );
        }
        let long = claims_with(json!({"pad": "x".repeat(MAX_TOKEN_BYTES)}));
        assert_eq!(verify(&signer.sign(header, &long)), Err(Refusal::TooLong));
        let fits = claims_with(json!({"pad": "x".repeat(11_000)}));
        assert_eq!(verify(&signer.sign(header, &fits)), Ok(()));
    }
}
