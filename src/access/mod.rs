//! The access policy: who a request is from, whether that one may be paired, and which of its fields
//! t3 sees.

pub mod allow_list;
mod files;
pub mod identity;
mod reread_file;
mod secret_file;
pub mod visitor;
mod warnings;

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{HeaderMap, HeaderName, StatusCode};
use ipnet::IpNet;

use crate::access::allow_list::AllowList;
use crate::access::identity::Browser;
use crate::access::secret_file::SecretFile;
use crate::access::visitor::{Assessment, Standing, Visitor};
use crate::config::access_options::AccessConfig;
use crate::config::timing::Timing;
use crate::http_rules::forwarded::Scheme;
use crate::http_rules::gates::GateCredentials;
use crate::http_rules::header_policy::{HeaderPolicy, SECRET_HEADER};
use crate::http_rules::this_machine::is_asked_straight;
use crate::http_rules::{HeaderView, browser_request, forwarded, withhold};

/// Decides who a request is from and what that one may have.
#[derive(Debug)]
pub struct AccessPolicy {
    config: AccessConfig,
    allow_list: Option<AllowList>,
    header_policy: Arc<HeaderPolicy>,
    secret: Option<SecretFile>,
    has_warned: AtomicBool,
}

impl AccessPolicy {
    /// The policy that `config` states.
    ///
    /// # Errors
    /// Where the shared secret's file cannot be read.
    pub fn new(config: AccessConfig, timing: Timing) -> io::Result<Self> {
        let config = config.with_gate();
        let secret = config.secret_file.as_deref();
        let secret = secret
            .map(|path| SecretFile::open(path, timing.file_reread))
            .transpose()?;
        if config.identity_header.is_some() && !config.is_proven() {
            warnings::unproven_identities();
        }
        let names_persons = [&config.identity_header, &config.allow.groups_header];
        Ok(Self {
            allow_list: AllowList::new(&config.allow, timing),
            header_policy: Arc::new(
                HeaderPolicy::new(names_persons.into_iter().flatten())
                    .withholding(&config.withhold_headers, &config.withhold_cookies),
            ),
            config,
            secret,
            has_warned: AtomicBool::new(false),
        })
    }

    /// Looks at who sent `fields` from `peer`.
    pub fn assess<'a>(
        &'a self,
        fields: &'a (impl HeaderView + ?Sized),
        peer: IpAddr,
    ) -> Assessment<'a> {
        let is_trusted = self.trusts(fields, peer);
        let header = self.config.identity_header.as_ref();
        let stated = header
            .filter(|_| is_trusted)
            .and_then(|name| identity::stated(fields, name, self.config.identity_prefix));
        let (standing, identity) = match stated {
            Some(stated) => self.known(stated, fields),
            None => (self.standing_of_nobody(peer), None),
        };
        Assessment {
            is_trusted,
            gate_credentials: GateCredentials::of(
                header.filter(|_| identity.is_some()),
                self.config.is_proven(),
            ),
            identity,
            standing,
            is_https: is_trusted && forwarded::scheme(fields) == Some(Scheme::Https),
        }
    }

    /// Looks at who sent `headers` from `peer`, and leaves in them what may go on to t3.
    pub fn admit(&self, headers: &mut HeaderMap, peer: IpAddr) -> Visitor {
        let Assessment {
            is_trusted,
            identity,
            standing,
            is_https,
            gate_credentials,
        } = self.assess(headers, peer);
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
            browser: Browser {
                identity: identity.as_deref().map(Arc::from),
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

    /// Which fields of a request t3 is to see.
    pub fn header_policy(&self) -> &Arc<HeaderPolicy> {
        &self.header_policy
    }

    /// Does single sign-on in front let a browser's requests through, by a cookie of its own?
    pub fn is_behind_single_sign_on(&self) -> bool {
        self.config.identity_header.is_some()
    }

    /// The field by which single sign-on names the person, if one is configured: then a request that
    /// does not bring exactly one identity is nobody's.
    pub fn identity_header(&self) -> Option<&HeaderName> {
        self.config.identity_header.as_ref()
    }

    /// The status of the page for a person who waits.
    pub fn waiting_status(&self) -> StatusCode {
        self.config.waiting_status
    }

    /// Where a person signs out of single sign-on.
    pub fn sign_out_url(&self) -> Option<&str> {
        self.config.sign_out_url.as_deref()
    }

    /// Is the peer a trusted proxy? It must be one of those configured, or any peer where an identity
    /// header was configured without them, and send the shared secret where there is one.
    fn trusts(&self, fields: &(impl HeaderView + ?Sized), peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_proxy = match &self.config.trusted_proxies {
            Some(networks) => networks
                .iter()
                .any(|network: &IpNet| network.contains(&peer)),
            None => self.config.identity_header.is_some(),
        };
        is_proxy && self.brings_secret(fields)
    }

    fn brings_secret(&self, fields: &(impl HeaderView + ?Sized)) -> bool {
        let Some(secret) = &self.secret else {
            return true;
        };
        let offered = fields.single(&SECRET_HEADER);
        offered.is_some_and(|offered| secret.contains(offered))
    }

    /// The standing of somebody whom single sign-on calls `stated`, and who that is.
    fn known<'a>(
        &self,
        stated: Cow<'a, str>,
        fields: &(impl HeaderView + ?Sized),
    ) -> (Standing, Option<Cow<'a, str>>) {
        let domains = self.config.allow.identity_domains.as_deref();
        let name = identity::without_domain(stated.clone(), domains.unwrap_or_default());
        let list = self.allow_list.as_ref();
        let standing = match list.is_none_or(|list| list.admits(&stated, &name, fields)) {
            true => Standing::Allowed,
            false => Standing::Denied,
        };
        (standing, Some(name))
    }

    /// The standing of somebody without an identity.
    fn standing_of_nobody(&self, peer: IpAddr) -> Standing {
        let is_local = peer.to_canonical().is_loopback();
        match self.config.identity_header.is_none() && is_local {
            true => Standing::Allowed,
            false => Standing::Unidentified,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;
    use crate::http_rules::header_map::from_lines;

    fn policy(args: &[&str]) -> AccessPolicy {
        let config = Config::parse_from([&["t3-dispatcher"], args].concat());
        AccessPolicy::new(config.access, config.timing).expect("a policy without a secret")
    }

    #[test]
    fn exactly_one_identity_of_a_trusted_peer_is_somebody() {
        use Standing::{Allowed, Denied, Unidentified};
        let header = ["--identity-header", "x-user"];
        let open = policy(&header);
        let listed = policy(&[&header[..], &["--allowed-users", "ada"]].concat());
        let proxied = policy(&[&header[..], &["--trusted-proxies", "10.0.0.0/8"]].concat());
        let local = policy(&[]);
        let (ada, eve) = (("x-user", "ada"), ("x-user", "eve"));
        let [here, elsewhere] = [[127, 0, 0, 1], [192, 0, 2, 7]].map(IpAddr::from);
        for (policy, lines, peer, standing, identity) in [
            (&open, &[ada][..], elsewhere, Allowed, Some("ada")),
            (&open, &[ada, ada], elsewhere, Unidentified, None),
            (&open, &[ada, eve], here, Unidentified, None),
            (&open, &[], here, Unidentified, None),
            (&listed, &[ada], elsewhere, Allowed, Some("ada")),
            (&listed, &[eve], elsewhere, Denied, Some("eve")),
            (&listed, &[ada, ada], elsewhere, Unidentified, None),
            (&proxied, &[ada], [10, 0, 0, 1].into(), Allowed, Some("ada")),
            (&proxied, &[ada], elsewhere, Unidentified, None),
            (&proxied, &[ada], here, Unidentified, None),
            (&local, &[ada], here, Allowed, None),
            (&local, &[ada], elsewhere, Unidentified, None),
        ] {
            let headers = from_lines(lines);
            let found = policy.assess(&headers, peer);
            let found = (found.standing, found.identity.as_deref());
            assert_eq!(found, (standing, identity), "{lines:?} from {peer}");
        }
    }
}
