//! Each gate that one option names, by a request as its own documentation says that it leaves it: row 79.

use clap::ValueEnum;
use t3_dispatcher::config::gate_options::Gate;
use t3_standin::server::Standin;

use crate::common::http::HOST;
use crate::common::process::{Process, command, output, standin_and_command};
use crate::common::request;
use crate::harness::{assert_paired, each, load};

/// What a gate leaves on a request. No value that is not the gate's has `gate's` in it.
struct Left {
    name: &'static str,
    /// The field that names ada, and what she is called.
    identity: &'static str,
    person: &'static str,
    /// The field that puts her into `staff` and `Home Server Admins`, if the gate has one.
    groups: Option<&'static str>,
    /// The fields that say of a person who it is, or that she has signed in, besides.
    others: &'static [&'static str],
    /// Its cookies.
    cookies: &'static str,
    /// Its own `Authorization`, and other fields that name nobody.
    credentials: &'static [&'static str],
}

/// A token of three parts; its claims are those of the gate's documentation in no point.
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnYXRlJ3MifQ.c2lnbmVk";

const GATES: [Left; 7] = [
    // https://docs.goauthentik.io/add-secure-apps/providers/proxy/, by Traefik with the outpost's
    // `Set-Cookie` among `authResponseHeaders`; Basic if the provider sets it.
    Left {
        name: "authentik",
        identity: "X-authentik-username: ada@example.org",
        person: "ada@example.org",
        groups: Some("X-authentik-groups: staff|Home Server Admins"),
        others: &[
            "X-authentik-email: gate's@example.org",
            "X-authentik-name: gate's",
            "X-authentik-uid: gate's",
            "X-authentik-entitlements: gate's|b",
            "X-authentik-jwt: gate's.a.b",
        ],
        cookies: "authentik_proxy_b1e55ed=gate's; authentik_session=gate's",
        credentials: &[
            "X-authentik-meta-jwks: https://auth.test/gate's",
            "X-authentik-meta-outpost: gate's",
            "X-authentik-meta-app: gate's",
            "Set-Cookie: authentik_proxy_b1e55ed=gate's; Path=/; HttpOnly",
            "Authorization: Basic dTpw",
        ],
    },
    // https://www.authelia.com/integration/trusted-header-sso/introduction/#response-headers
    Left {
        name: "authelia",
        identity: "Remote-User: ada",
        person: "ada",
        groups: Some("Remote-Groups: staff,Home Server Admins"),
        others: &["Remote-Name: gate's", "Remote-Email: gate's@example.org"],
        cookies: "authelia_session=gate's",
        credentials: &["Authorization: Basic dTpw"],
    },
    // https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview/#header-options; a client's
    // `X-Auth-Request-*` goes through.
    Left {
        name: "oauth2-proxy",
        identity: "X-Forwarded-User: 11223344",
        person: "11223344",
        groups: Some("X-Forwarded-Groups: staff,Home Server Admins"),
        others: &[
            "X-Forwarded-Email: gate's@example.org",
            "X-Forwarded-Preferred-Username: gate's",
            "X-Auth-Request-User: gate's",
            "X-Auth-Request-Email: gate's@example.org",
            "X-Auth-Request-Preferred-Username: gate's",
        ],
        cookies: "_oauth2_proxy_0=gate's; _oauth2_proxy_1=gate's",
        credentials: &[
            "X-Forwarded-Access-Token: gate's",
            "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnYXRlJ3MifQ.c2lnbmVk",
        ],
    },
    // https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
    Left {
        name: "cloudflare-access",
        identity: "Cf-Access-Authenticated-User-Email: ada@example.org",
        person: "ada@example.org",
        groups: None,
        others: &["Cf-Access-Jwt-Assertion: gate's.a.b"],
        cookies: "CF_Authorization=gate's; CF_AppSession=gate's",
        credentials: &[
            "Cf-Access-Client-Id: gate's",
            "Cf-Access-Client-Secret: gate's",
        ],
    },
    // https://www.pomerium.com/docs/reference/jwt-claim-headers, with email, groups, name and user
    Left {
        name: "pomerium",
        identity: "X-Pomerium-Claim-Email: ada@example.org",
        person: "ada@example.org",
        groups: Some("X-Pomerium-Claim-Groups: staff,Home Server Admins"),
        others: &[
            "X-Pomerium-Claim-Name: gate's",
            "X-Pomerium-Claim-User: gate's",
            "X-Pomerium-Jwt-Assertion: gate's.a.b",
        ],
        cookies: "_pomerium=gate's",
        credentials: &[],
    },
    // https://cloud.google.com/iap/docs/identity-howto
    Left {
        name: "iap",
        identity: "X-Goog-Authenticated-User-Email: accounts.google.com:ada@example.org",
        person: "ada@example.org",
        groups: None,
        others: &[
            "X-Goog-Authenticated-User-Id: accounts.google.com:gate's",
            "X-Goog-IAP-JWT-Assertion: gate's.a.b",
            // Not Google's own people.
            "X-Goog-Authenticated-User-Email: securetoken.google.com/project:gate's@example.org",
            "X-Goog-Authenticated-User-Email: gate's@example.org",
        ],
        cookies: "GCP_IAP_UID=gate's; __Host-GCP_IAP_AUTH_TOKEN_1=gate's",
        credentials: &[],
    },
    // https://tailscale.com/kb/1312/serve#identity-headers
    Left {
        name: "tailscale",
        identity: "Tailscale-User-Login: ada@example.org",
        person: "ada@example.org",
        groups: None,
        others: &[
            "Tailscale-User-Name: gate's",
            "Tailscale-User-Profile-Pic: https://example.org/gate's",
        ],
        cookies: "a=1",
        credentials: &["Tailscale-Headers-Info: https://tailscale.com/gate's"],
    },
];

impl Left {
    /// A person's request: `who` names her, the rest is left by the gate; each line is ended.
    fn fields(&self, who: &[&str]) -> String {
        let cookies = format!("Cookie: b=2; {}", self.cookies);
        let lines = who.iter().chain(self.credentials).copied();
        let lines = lines.chain([cookies.as_str()]);
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Everything that it states of a person it has let in. One line a name: with another it would be
    /// nobody's.
    fn signed_in(&self) -> Vec<&'static str> {
        let name = |line: &str| line.split(':').next().map(str::to_owned);
        let is_other = |line: &&str| name(line) != name(self.identity);
        let others = self.others.iter().copied().filter(is_other);
        [self.identity]
            .into_iter()
            .chain(self.groups)
            .chain(others)
            .collect()
    }
}

/// No request of a client's that t3 has received says anything that the gate did. The dispatcher's own, which
/// name the session after the person, carry t3's address as `Host`.
fn assert_nothing_left(standin: &Standin, gate: &Left, of: &str) {
    let mut asked = standin.requests();
    asked.retain(|seen| seen.header("host") == Some(HOST.as_bytes()));
    let last = asked.last().expect("a request at t3");
    assert_eq!(last.header("x-kept"), Some(&b"1"[..]), "{of}");
    for (name, value) in asked.iter().flat_map(|seen| &seen.headers) {
        let line = format!("{name}: {}", String::from_utf8_lossy(value));
        let said = ["gate's", gate.person, "staff", JWT, "dTpw"];
        assert!(!said.iter().any(|said| line.contains(said)), "{line}: {of}");
    }
}

#[tokio::test]
async fn row_79_each_gate_is_one_option() {
    each(GATES, |gate| async move {
        for switch in ["on", "off"] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let (standin, mut command) = standin_and_command(dir.path()).await;
            // Beside the secret or a trusted proxy a gate's own token goes no further.
            let process = Process::start(command.envs([
                ("DISPATCHER_GATE", gate.name),
                ("DISPATCHER_TRUSTED_PROXIES", "127.0.0.1"),
                ("DISPATCHER_FAST_PATH", switch),
            ]));
            let of = format!("{}, fast path {switch}", gate.name);
            // What says the same beside the one field that counts, alone.
            for other in gate.others {
                // A credential would keep it from being paired, too.
                let page = load(process.addr, &format!("{other}\n")).await;
                assert_paired(&page, false, &format!("{other}, {of}"));
            }
            let twice = format!("{0}\n{0}\n", gate.identity);
            assert_paired(&load(process.addr, &twice).await, false, &of);
            let fields = gate.fields(&gate.signed_in());
            let paired = load(process.addr, &fields).await;
            assert_paired(&paired, true, &of);
            let label = format!("{}@sso", gate.person);
            let sessions = standin.sessions();
            let mut labels = sessions.iter().filter_map(|row| row.label.as_deref());
            assert!(labels.any(|held| held == label), "{label}, {of}");
            // With the session, twice: the second one is served by the fast path.
            for _ in 0..2 {
                let head = format!(
                    "GET /standin/head\n{fields}Cookie: {}\nX-Kept: 1",
                    paired.cookie()
                );
                assert_eq!(request(process.addr, &head).await.status, 200, "{of}");
            }
            assert_nothing_left(&standin, &gate, &of);
        }
    })
    .await;
}

#[tokio::test]
async fn a_gate_s_groups_let_in_their_members() {
    let grouped = GATES.into_iter().filter(|gate| gate.groups.is_some());
    each(grouped, |gate| async move {
        let groups = gate.groups.expect("a field");
        for (allowed, is_in) in [
            ("Home Server Admins", true),
            ("staff", true),
            ("others", false),
            // As it would be if another separator were taken for the gate's.
            ("Home", false),
        ] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let (_standin, mut command) = standin_and_command(dir.path()).await;
            let process = Process::start(command.envs([
                ("DISPATCHER_GATE", gate.name),
                ("DISPATCHER_TRUSTED_PROXIES", "127.0.0.1"),
                ("DISPATCHER_ALLOWED_GROUPS", allowed),
            ]));
            let fields = gate.fields(&[gate.identity, groups]);
            let page = load(process.addr, &fields).await;
            assert_paired(&page, is_in, &format!("{allowed}, {}", gate.name));
            let alone = gate.fields(&[groups]);
            let page = load(process.addr, &alone).await;
            assert_paired(&page, false, &format!("only {groups}"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_gate_is_overridden_by_each_single_option() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(command.args([
        "--gate",
        "authelia",
        "--identity-header",
        "Remote-Email",
        "--allowed-groups",
        "staff",
        "--groups-separator",
        ";",
    ]));
    for (fields, is_paired) in [
        ("Remote-Email: ada@h.test\nRemote-Groups: a;staff\n", true),
        ("Remote-Email: ada@h.test\nRemote-Groups: a,staff\n", false),
        ("Remote-User: ada\nRemote-Groups: a;staff\n", false),
    ] {
        assert_paired(&load(process.addr, fields).await, is_paired, fields);
    }
}

/// docs/gates.md has a row for each gate, with what its preset says.
#[test]
fn the_page_of_gates_says_what_the_presets_do() {
    let page = include_str!("../../docs/gates.md");
    for gate in Gate::value_variants() {
        let value = gate.to_possible_value().expect("none is hidden");
        let row = format!("| `{}` |", value.get_name());
        let row = page.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("no row of {gate:?}"));
        let cells: Vec<_> = row.split(" | ").collect();
        let [_, person, groups, signed] = cells[..] else {
            panic!("{row}");
        };
        let has = |cell: &str, name: &str| cell.to_lowercase().contains(&format!("`{name}`"));
        let preset = gate.preset();
        assert!(has(person, preset.identity_header.as_str()), "{row}");
        assert!(person.contains(preset.identity_prefix), "{row}");
        match &preset.groups {
            Some(field) => {
                let separator = format!("{}`", char::from(field.separator));
                assert!(
                    has(groups, field.header.as_str()) && groups.contains(&separator),
                    "{row}"
                );
            }
            None => assert_eq!(groups, "none"),
        }
        match &preset.signature {
            Some(signature) => {
                assert!(
                    has(signed, signature.header.as_str()) && has(signed, signature.claim),
                    "{row}"
                );
                for algorithm in signature.algorithms {
                    let algorithm = algorithm.to_possible_value().expect("none is hidden");
                    assert!(signed.contains(algorithm.get_name()), "{row}");
                }
            }
            None => assert_eq!(signed, "no |"),
        }
    }
}

#[test]
fn what_a_gate_does_not_state_is_told_at_the_start() {
    for (arguments, said) in [
        (&["--gate", "authentic"][..], "authentik"),
        (
            &["--allowed-users", "ada"],
            "--gate <GATE>|--identity-header <NAME>",
        ),
        (
            &["--secret-file", "/dev/null"],
            "--gate <GATE>|--identity-header <NAME>",
        ),
        (
            &["--identity-header", "X-User", "--allowed-groups", "staff"],
            "--gate <GATE>|--groups-header <NAME>",
        ),
        (
            &["--gate", "tailscale", "--allowed-groups", "staff"],
            "DISPATCHER_GROUPS_HEADER",
        ),
    ] {
        let run = output(command().args(arguments));
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}
