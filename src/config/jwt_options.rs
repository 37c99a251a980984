//! The options of signed identity: where a gate's token is, whose it must be, and who signs it.

use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, Uri};

use crate::config::gate_options::SignatureAlgorithm;
use crate::http_rules::header_policy::Field;

/// The token by which a gate proves who the person is; any of these options has it required.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Signed identity")]
pub struct JwtConfig {
    /// Keys that sign the gate's tokens: a file with a JSON Web Key Set, or the https address of one.
    /// With this or the secret, only a verified token is an identity [default: the gate's, if it is
    /// the same for everybody].
    #[arg(long, env = "DISPATCHER_JWT_JWKS", hide_short_help = true, value_name = "SOURCE", value_parser = jwks)]
    pub jwt_jwks: Option<Jwks>,

    /// File with the secret that signs the gate's tokens by HS256, instead of keys; it has 32 bytes at
    /// least.
    #[arg(
        long,
        env = "DISPATCHER_JWT_SECRET_FILE",
        hide_short_help = true,
        value_name = "PATH"
    )]
    pub jwt_secret_file: Option<PathBuf>,

    /// Header with the token; in `Authorization` it is the Bearer token [default: the gate's].
    #[arg(long, env = "DISPATCHER_JWT_HEADER", hide_short_help = true, value_name = "NAME", value_parser = token_header)]
    pub jwt_header: Option<HeaderName>,

    /// Issuer of the tokens, `iss`, exactly [default: the gate's, if it is the same for everybody].
    #[arg(long, env = "DISPATCHER_JWT_ISSUER", hide_short_help = true, value_name = "TEXT", value_parser = text)]
    pub jwt_issuer: Option<String>,

    /// Audiences of the tokens, separated by commas; `aud` must have one of them.
    #[arg(long, env = "DISPATCHER_JWT_AUDIENCE", hide_short_help = true, value_name = "TEXTS", value_delimiter = ',', value_parser = text)]
    pub jwt_audience: Option<Vec<String>>,

    /// Claim that names the user [default: the gate's, or `sub`].
    #[arg(long, env = "DISPATCHER_JWT_CLAIM", hide_short_help = true, value_name = "NAME", value_parser = text)]
    pub jwt_claim: Option<String>,

    /// Claim that names the user's groups, one or a list.
    #[arg(long, env = "DISPATCHER_JWT_GROUPS_CLAIM", hide_short_help = true, value_name = "NAME", value_parser = text)]
    pub jwt_groups_claim: Option<String>,

    /// Algorithms that count, separated by commas, whatever a token says [default: the gate's, or all
    /// that the keys can be for].
    #[arg(
        long,
        env = "DISPATCHER_JWT_ALGORITHMS",
        hide_short_help = true,
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub jwt_algorithms: Option<Vec<SignatureAlgorithm>>,

    /// File with the authorities, in PEM, that vouch for the server of the keys [default: those of
    /// this system].
    #[arg(
        long,
        env = "DISPATCHER_JWT_CA_FILE",
        hide_short_help = true,
        value_name = "PATH"
    )]
    pub jwt_ca_file: Option<PathBuf>,
}

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At an https address.
    Address(Uri),
}

impl JwtConfig {
    /// Is any of these options set? Then only a verified token is an identity.
    pub fn is_any_set(&self) -> bool {
        let Self {
            jwt_jwks,
            jwt_secret_file,
            jwt_header,
            jwt_issuer,
            jwt_audience,
            jwt_claim,
            jwt_groups_claim,
            jwt_algorithms,
            jwt_ca_file,
        } = self;
        jwt_jwks.is_some()
            || jwt_secret_file.is_some()
            || jwt_header.is_some()
            || jwt_issuer.is_some()
            || jwt_audience.is_some()
            || jwt_claim.is_some()
            || jwt_groups_claim.is_some()
            || jwt_algorithms.is_some()
            || jwt_ca_file.is_some()
    }
}

fn jwks(text: &str) -> Result<Jwks, String> {
    if !text.contains("://") {
        let path = Some(text).filter(|text| !text.is_empty());
        return path
            .map(|path| Jwks::File(path.into()))
            .ok_or_else(|| "a path is needed".to_owned());
    }
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|uri| {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        uri.scheme_str() == Some("https") && !authority.is_empty() && !authority.contains('@')
    });
    uri.map(Jwks::Address).ok_or_else(|| {
        "an https address, without a user, or the path of a file is needed".to_owned()
    })
}

/// Not a field that says something else to this program.
fn token_header(text: &str) -> Result<HeaderName, String> {
    let name = text.parse::<HeaderName>();
    let name = name.map_err(|_| "a header's name is needed".to_owned())?;
    match Field::of(name.as_str().as_bytes()) {
        Field::Authorization | Field::Withheld | Field::Forwarded | Field::Other => Ok(name),
        _ => Err("it has another meaning".to_owned()),
    }
}

fn text(text: &str) -> Result<String, String> {
    match text.trim_matches([' ', '\t']) {
        "" => Err("a text is needed".to_owned()),
        text => Ok(text.to_owned()),
    }
}
