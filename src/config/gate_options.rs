//! The single sign-on gates that one option names: what each states on a request, by its own documentation.

use clap::ValueEnum;
use http::HeaderName;

/// A gate whose fields are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gate {
    /// Authentik's outpost: X-authentik-username, groups in X-authentik-groups.
    Authentik,
    /// Remote-User, groups in Remote-Groups.
    Authelia,
    /// X-Forwarded-User, groups in X-Forwarded-Groups.
    Oauth2Proxy,
    /// Cf-Access-Authenticated-User-Email.
    CloudflareAccess,
    /// X-Pomerium-Claim-Email, groups in X-Pomerium-Claim-Groups.
    Pomerium,
    /// Google's Identity-Aware Proxy: X-Goog-Authenticated-User-Email, without `accounts.google.com:`.
    Iap,
    /// Tailscale Serve: Tailscale-User-Login.
    Tailscale,
}

/// What a gate states about a person. What it leaves on a request besides is withheld from t3 whatever
/// the gate is (`http_rules/gates.rs`), and states nothing.
#[derive(Debug)]
pub struct Preset {
    /// The one field that names the person. A proxy in front must not let a client's through.
    pub identity_header: HeaderName,
    /// What stands before the name in that field; a value without it names nobody.
    pub identity_prefix: &'static str,
    /// Where the person's groups are, if the gate states them.
    pub groups: Option<GroupsField>,
    /// Where the gate signs who the person is, if it does.
    pub signature: Option<Signature>,
    /// Where a person signs out of it, at this very host: on the page of its documentation that is named, or at
    /// oauth2-proxy <https://oauth2-proxy.github.io/oauth2-proxy/features/endpoints/>, at Pomerium
    /// <https://www.pomerium.com/docs/internals/special-routes>, at IAP
    /// <https://cloud.google.com/iap/docs/query-parameters-and-headers-howto>.
    pub sign_out: Option<&'static str>,
}

/// The field in which a gate states a person's groups.
#[derive(Debug)]
pub struct GroupsField {
    /// Its name.
    pub header: HeaderName,
    /// The character between two groups.
    pub separator: u8,
}

/// The token (RFC 7519) by which a gate proves who the person is.
#[derive(Debug)]
pub struct Signature {
    /// The field with the token: alone, or in `Authorization` behind `Bearer`.
    pub header: HeaderName,
    /// The claim that has the same name as the identity header has.
    pub claim: &'static str,
    /// The algorithms that the gate signs with.
    pub algorithms: &'static [SignatureAlgorithm],
    /// The address of its keys, where it is the same for everybody.
    pub jwks: Option<&'static str>,
    /// Its `iss`, where it is the same for everybody.
    pub issuer: Option<&'static str>,
}

/// An algorithm of a signature (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignatureAlgorithm {
    /// RSA with SHA-256.
    #[value(name = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[value(name = "ES256")]
    Es256,
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256, by a secret that both sides have.
    #[value(name = "HS256")]
    Hs256,
}

/// <https://docs.goauthentik.io/add-secure-apps/providers/proxy/>: the fields, groups "separated by a
/// pipe". `X-authentik-jwt` is the provider's ID token. A proxy provider has no signing key, so it is
/// signed by the client's secret (<https://github.com/goauthentik/authentik/issues/3909>,
/// `set_oauth_defaults` in `authentik/providers/proxy/models.py`).
static AUTHENTIK: Preset = Preset {
    identity_header: HeaderName::from_static("x-authentik-username"),
    identity_prefix: "",
    groups: Some(GroupsField {
        header: HeaderName::from_static("x-authentik-groups"),
        separator: b'|',
    }),
    signature: Some(Signature {
        header: HeaderName::from_static("x-authentik-jwt"),
        claim: "preferred_username",
        algorithms: &[SignatureAlgorithm::Hs256],
        jwks: None,
        issuer: None,
    }),
    sign_out: Some("/outpost.goauthentik.io/sign_out"),
};

/// <https://www.authelia.com/integration/trusted-header-sso/introduction/#response-headers>: groups "comma
/// separated". It signs nothing.
static AUTHELIA: Preset = Preset {
    identity_header: HeaderName::from_static("remote-user"),
    identity_prefix: "",
    groups: Some(GroupsField {
        header: HeaderName::from_static("remote-groups"),
        separator: b',',
    }),
    signature: None,
    sign_out: None,
};

/// <https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview/#header-options>: `pass-user-headers`
/// (on) overwrites these and takes a client's off; several groups are joined by commas
/// (`pkg/middleware/headers.go`). With `pass-authorization-header` the OpenID provider's own ID token is
/// beside them, which that provider has signed, by RS256 unless it says otherwise (OpenID Connect Core 1.0
/// §3.1.3.7). `X-Auth-Request-*` are its response's, and a client's on a request.
static OAUTH2_PROXY: Preset = Preset {
    identity_header: HeaderName::from_static("x-forwarded-user"),
    identity_prefix: "",
    groups: Some(GroupsField {
        header: HeaderName::from_static("x-forwarded-groups"),
        separator: b',',
    }),
    signature: Some(Signature {
        header: http::header::AUTHORIZATION,
        claim: "sub",
        algorithms: &[SignatureAlgorithm::Rs256],
        jwks: None,
        issuer: None,
    }),
    sign_out: Some("/oauth2/sign_out"),
};

/// <https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/>
/// and `…/validating-json/`: the token, its `email`, and the keys and `iss` of each team's own domain.
static CLOUDFLARE_ACCESS: Preset = Preset {
    identity_header: HeaderName::from_static("cf-access-authenticated-user-email"),
    identity_prefix: "",
    groups: None,
    signature: Some(Signature {
        header: HeaderName::from_static("cf-access-jwt-assertion"),
        claim: "email",
        algorithms: &[SignatureAlgorithm::Rs256],
        jwks: None,
        issuer: None,
    }),
    sign_out: Some("/cdn-cgi/access/logout"),
};

/// <https://www.pomerium.com/docs/reference/jwt-claim-headers> (`jwt_claims_headers: [email, groups]`,
/// values "comma-separated") and <https://www.pomerium.com/docs/capabilities/getting-users-identity>: the
/// token, ES256, with the keys at `/.well-known/pomerium/jwks.json` of the route's own host, which is `iss`.
static POMERIUM: Preset = Preset {
    identity_header: HeaderName::from_static("x-pomerium-claim-email"),
    identity_prefix: "",
    groups: Some(GroupsField {
        header: HeaderName::from_static("x-pomerium-claim-groups"),
        separator: b',',
    }),
    signature: Some(Signature {
        header: HeaderName::from_static("x-pomerium-jwt-assertion"),
        claim: "email",
        algorithms: &[SignatureAlgorithm::Es256],
        jwks: None,
        issuer: None,
    }),
    sign_out: Some("/.pomerium/sign_out"),
};

/// <https://cloud.google.com/iap/docs/identity-howto>: the field with its prefix.
/// <https://cloud.google.com/iap/docs/signed-headers-howto>: the token.
static IAP: Preset = Preset {
    identity_header: HeaderName::from_static("x-goog-authenticated-user-email"),
    identity_prefix: "accounts.google.com:",
    groups: None,
    signature: Some(Signature {
        header: HeaderName::from_static("x-goog-iap-jwt-assertion"),
        claim: "email",
        algorithms: &[SignatureAlgorithm::Es256],
        jwks: Some("https://www.gstatic.com/iap/verify/public_key-jwk"),
        issuer: Some("https://cloud.google.com/iap"),
    }),
    sign_out: Some("/?gcp-iap-mode=CLEAR_LOGIN_COOKIE"),
};

/// <https://tailscale.com/kb/1312/serve#identity-headers>: set for people of the tailnet, taken off what
/// anybody else sends; nothing is signed.
static TAILSCALE: Preset = Preset {
    identity_header: HeaderName::from_static("tailscale-user-login"),
    identity_prefix: "",
    groups: None,
    signature: None,
    sign_out: None,
};

impl Gate {
    /// What it states.
    pub fn preset(self) -> &'static Preset {
        match self {
            Self::Authentik => &AUTHENTIK,
            Self::Authelia => &AUTHELIA,
            Self::Oauth2Proxy => &OAUTH2_PROXY,
            Self::CloudflareAccess => &CLOUDFLARE_ACCESS,
            Self::Pomerium => &POMERIUM,
            Self::Iap => &IAP,
            Self::Tailscale => &TAILSCALE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_policy::Field;

    #[test]
    fn whatever_a_gate_states_is_withheld_from_t3_and_told_by_the_help() {
        for gate in Gate::value_variants() {
            let preset = gate.preset();
            let groups = preset.groups.as_ref().map(|groups| &groups.header);
            let signed = preset.signature.as_ref().map(|signed| &signed.header);
            // A gate's own `Authorization` is told from t3's by its value.
            let signed = signed.filter(|header| *header != http::header::AUTHORIZATION);
            let stated = [Some(&preset.identity_header), groups, signed];
            let help = gate
                .to_possible_value()
                .and_then(|value| value.get_help().cloned());
            let help = help
                .map(|help| help.to_string().to_lowercase())
                .unwrap_or_default();
            for name in [Some(&preset.identity_header), groups]
                .into_iter()
                .flatten()
            {
                assert!(help.contains(name.as_str()), "{name} is not in the help");
            }
            for name in stated.into_iter().flatten() {
                assert_eq!(
                    Field::of(name.as_str().as_bytes()),
                    Field::Withheld,
                    "{name}"
                );
            }
        }
    }
}
