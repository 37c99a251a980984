//! Who a request is from, and what that one may have, as its fields say: for both ways through.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::access::groups::Membership;
use crate::access::rights::Rights;
use crate::access::visitor::{Assessment, Claimed, Name, Standing};
use crate::access::{AccessPolicy, identity};
use crate::http_rules::forwarded::Scheme;
use crate::http_rules::gates::GateCredentials;
use crate::http_rules::header_policy::SECRET_HEADER;
use crate::http_rules::{HeaderView, forwarded};

impl AccessPolicy {
    /// Looks at who sent `fields` from `peer`.
    pub fn assess<'a>(
        &'a self,
        fields: &'a (impl HeaderView + ?Sized),
        peer: IpAddr,
    ) -> Assessment<'a> {
        let is_trusted = self.trusts(fields, peer);
        let mut rights = Rights::Standard;
        let (standing, identity, is_unverified) = match self.claimed(fields, is_trusted) {
            Claimed::Stated(stated) => {
                let membership = Membership::Fields(fields);
                rights = self.rights_of(&membership);
                let (standing, name) = self.known(stated, &membership);
                (standing, Some(Name::Stated(name)), false)
            }
            Claimed::Known(person) => {
                let membership = Membership::<HeaderMap>::Token(person.groups.as_deref());
                rights = self.rights_of(&membership);
                let standing = self.standing(&person.stated, &person.name, &membership);
                (standing, Some(Name::Verified(person)), false)
            }
            nobody => {
                let standing = self.standing_of_nobody(peer);
                (standing, None, matches!(nobody, Claimed::Unverified))
            }
        };
        Assessment {
            is_trusted,
            gate_credentials: self.gate_credentials(identity.is_some()),
            identity,
            is_unverified,
            standing,
            rights,
            is_https: is_trusted && forwarded::scheme(fields) == Some(Scheme::Https),
        }
    }

    /// Is the peer a trusted proxy? It must be one of those configured, or any peer where an identity
    /// header was configured without them, and send the shared secret where there is one.
    pub(super) fn trusts(&self, fields: &(impl HeaderView + ?Sized), peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_proxy = match &self.config.trusted_proxies {
            Some(networks) => networks
                .iter()
                .any(|network: &IpNet| network.contains(&peer)),
            None => self.is_behind_single_sign_on(),
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

    /// Whom `fields` name, whose peer is trusted or is not. Where a signature is needed, a token alone
    /// names somebody.
    fn claimed<'a>(
        &'a self,
        fields: &'a (impl HeaderView + ?Sized),
        is_trusted: bool,
    ) -> Claimed<'a> {
        if !is_trusted {
            return Claimed::Nobody;
        }
        if let Some(signed) = &self.signed {
            return signed.claimed(fields);
        }
        let header = self.config.identity_header.as_ref();
        let prefix = self.config.identity_prefix;
        let stated = header.and_then(|name| identity::stated(fields, name, prefix));
        stated.map_or(Claimed::Nobody, Claimed::Stated)
    }

    /// Which `Authorization` is the gate's in a request that names a person, or nobody.
    fn gate_credentials(&self, is_somebody: bool) -> GateCredentials {
        match &self.signed {
            Some(signed) => GateCredentials::of_signed(signed.header(), is_somebody),
            None => {
                let header = self.config.identity_header.as_ref();
                GateCredentials::of(header.filter(|_| is_somebody), self.config.is_proven())
            }
        }
    }

    /// The standing of somebody whom single sign-on calls `stated`, and who that is.
    fn known<'a>(
        &self,
        stated: Cow<'a, str>,
        membership: &Membership<'_, impl HeaderView + ?Sized>,
    ) -> (Standing, Cow<'a, str>) {
        let domains = self.config.allow.identity_domains.as_deref();
        let name = identity::without_domain(stated.clone(), domains.unwrap_or_default());
        (self.standing(&stated, &name, membership), name)
    }

    /// The rights of somebody of that membership.
    fn rights_of(&self, membership: &Membership<'_, impl HeaderView + ?Sized>) -> Rights {
        let rights = self.rights.as_ref();
        rights.map_or(Rights::Standard, |rights| rights.of_member(membership))
    }

    /// The standing of somebody whom single sign-on calls `stated`, and who is `name` here.
    fn standing(
        &self,
        stated: &str,
        name: &str,
        membership: &Membership<'_, impl HeaderView + ?Sized>,
    ) -> Standing {
        let list = self.allow_list.as_ref();
        match list.is_none_or(|list| list.admits(stated, name, membership)) {
            true => Standing::Allowed,
            false => Standing::Denied,
        }
    }

    /// The standing of somebody without an identity.
    fn standing_of_nobody(&self, peer: IpAddr) -> Standing {
        let is_local = peer.to_canonical().is_loopback();
        match !self.is_behind_single_sign_on() && is_local {
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
    use crate::process::Tasks;

    fn policy(args: &[&str]) -> AccessPolicy {
        let config = Config::parse_from([&["t3-dispatcher"], args].concat());
        AccessPolicy::new(config.access, config.timing, &Tasks::default())
            .expect("a policy without a secret")
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
