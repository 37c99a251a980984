//! The access policy: who a request is from, whether that one may be paired, and which of its fields
//! t3 sees.

pub mod allow_list;
mod assess;
mod files;
mod groups;
pub mod guess_limit;
pub mod identity;
pub mod inner;
mod jwt;
mod looked_at;
pub mod passed_on;
mod reread_file;
pub mod rights;
mod secret_file;
pub mod session_label;
pub mod visitor;
mod warnings;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, StatusCode};

use crate::access::allow_list::AllowList;
use crate::access::identity::Browser;
use crate::access::jwt::SignedIdentity;
use crate::access::rights::{GroupRights, Rights};
use crate::access::secret_file::SecretFile;
use crate::access::visitor::{Assessment, Name, Standing, Visitor};
use crate::config::access_options::AccessConfig;
use crate::config::timing::Timing;
use crate::http_rules::forwarded::Scheme;
use crate::http_rules::header_policy::HeaderPolicy;
use crate::http_rules::this_machine::is_asked_straight;
use crate::http_rules::{browser_request, forwarded, header_map, withhold};
use crate::process::Tasks;

/// Decides who a request is from and what that one may have.
#[derive(Debug)]
pub struct AccessPolicy {
    config: AccessConfig,
    allow_list: Option<AllowList>,
    rights: Option<GroupRights>,
    header_policy: Arc<HeaderPolicy>,
    secret: Option<SecretFile>,
    signed: Option<SignedIdentity>,
    has_warned: AtomicBool,
}

impl AccessPolicy {
    /// The policy that `config` states. `tasks` are those in which keys are fetched.
    ///
    /// # Errors
    /// Where the file of the shared secret or of the tokens' cannot be read, or options contradict each
    /// other.
    pub fn new(config: AccessConfig, timing: Timing, tasks: &Tasks) -> io::Result<Self> {
        let signed = config.signed().map_err(io::Error::other)?;
        let domains = config.allow.identity_domains.clone().unwrap_or_default();
        let signed = signed
            .map(|signed| SignedIdentity::new(signed, domains, timing, tasks))
            .transpose()?;
        let config = config.with_gate();
        let secret = config.secret_file.as_deref();
        let secret = secret
            .map(|path| SecretFile::open(path, timing.file_reread))
            .transpose()?;
        if config.identity_header.is_some() && !config.is_proven() {
            warnings::unproven_identities();
        }
        let names_persons = [&config.identity_header, &config.allow.groups_header];
        let names_persons = names_persons.into_iter().flatten();
        let names_persons = names_persons.chain(signed.as_ref().map(SignedIdentity::header));
        Ok(Self {
            allow_list: AllowList::new(&config.allow, timing),
            rights: GroupRights::of(&config),
            header_policy: Arc::new(
                HeaderPolicy::new(names_persons)
                    .withholding(&config.withhold_headers, &config.withhold_cookies),
            ),
            config,
            secret,
            signed,
            has_warned: AtomicBool::new(false),
        })
    }

    /// Looks at who sent `headers` from `peer`, and leaves in them what may go on to t3.
    pub fn admit(&self, headers: &mut HeaderMap, peer: IpAddr) -> Visitor {
        let Assessment {
            is_trusted,
            identity,
            standing,
            rights,
            is_https,
            gate_credentials,
            is_unverified: _,
        } = self.assess(headers, peer);
        let groups = self.stated_groups(headers, identity.as_ref());
        let trusted = self.config.trusted_proxies.as_deref().unwrap_or_default();
        let is_somebody_s = self.is_behind_single_sign_on() || is_asked_straight(headers);
        let visitor = Visitor {
            standing: match standing {
                // A page of any site can have its name resolve to 127.0.0.1.
                Standing::Allowed if !is_somebody_s => Standing::Unidentified,
                standing => standing,
            },
            is_proxied: is_trusted,
            is_https,
            groups: groups.map(|groups| groups.into()),
            browser: Browser {
                identity: identity.as_ref().map(Name::to_shared),
                rights,
                user_agent: browser_request::user_agent(headers),
                address: match is_trusted {
                    true => forwarded::client(headers, peer, trusted),
                    false => peer,
                },
            },
        };
        withhold::withhold(headers, &self.header_policy, is_trusted);
        withhold::withhold_credentials(headers, gate_credentials);
        forwarded::set(headers, is_trusted, peer);
        visitor
    }

    /// Looks at who sent the `headers` of an app's request from `peer`, and leaves in them what may go on to t3: no
    /// identity counts, no cookie stays, and forwarded fields are those of configured proxies only.
    pub fn admit_app(&self, headers: &mut HeaderMap, peer: IpAddr) -> Visitor {
        let trusted = self.config.trusted_proxies.as_deref().unwrap_or_default();
        let own = peer.to_canonical();
        let is_trusted = trusted.iter().any(|network| network.contains(&own));
        let visitor = Visitor {
            standing: Standing::Unidentified,
            is_proxied: is_trusted,
            is_https: is_trusted && forwarded::scheme(headers) == Some(Scheme::Https),
            groups: None,
            browser: Browser {
                identity: None,
                rights: Rights::Standard,
                user_agent: browser_request::user_agent(headers),
                address: match is_trusted {
                    true => forwarded::client(headers, peer, trusted),
                    false => peer,
                },
            },
        };
        withhold::withhold(headers, &self.header_policy, is_trusted);
        header_map::retain(headers, |name| name != COOKIE);
        forwarded::set(headers, is_trusted, peer);
        visitor
    }

    /// Which fields of a request t3 is to see.
    pub fn header_policy(&self) -> &Arc<HeaderPolicy> {
        &self.header_policy
    }

    /// Does single sign-on in front let a browser's requests through, by a cookie of its own?
    pub fn is_behind_single_sign_on(&self) -> bool {
        self.identity_header().is_some()
    }

    /// The field by which single sign-on names the person, if one is configured: then a request that
    /// does not bring exactly one identity is nobody's. Where it has to sign who that is, the token's.
    pub fn identity_header(&self) -> Option<&HeaderName> {
        let signed = self.signed.as_ref().map(SignedIdentity::header);
        signed.or(self.config.identity_header.as_ref())
    }

    /// The status of the page for a person who waits.
    pub fn waiting_status(&self) -> StatusCode {
        self.config.waiting_status
    }

    /// Have people of some groups other rights than the standard? Then it is said which a guest has, by t3's
    /// names of scopes.
    pub fn guest_scopes(&self) -> Option<&[String]> {
        let scopes = &self.config.rights.guest_scopes;
        self.rights.is_some().then_some(scopes)
    }

    /// Where a person signs out of single sign-on.
    pub fn sign_out_url(&self) -> Option<&str> {
        self.config.sign_out_url.as_deref()
    }
}
