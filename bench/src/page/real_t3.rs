//! What a person waits for on the real t3: on a desk, on a phone, behind Traefik, and with ten tabs at once.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::{TAIL, until_quiet};
use crate::figures::Figures;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::{RealT3, Setup, Variable};
use crate::tests::browser::{Begin, Browser, Load, Page};
use crate::tests::line::{DESK, Line};

/// 3 Mbit/s and 80 ms.
const PHONE: Line = Line {
    round_trip: Duration::from_millis(80),
    bytes_a_second: 3e6 / 8.0,
};

/// In front of t3: the dispatcher as a mere hop, which leaves the page as it is, and the dispatcher.
const COMPARED: [(&str, &[Variable]); 2] = [
    (
        "as is",
        &[
            ("DISPATCHER_ASSETS", "off"),
            ("DISPATCHER_PWA", "off"),
            ("DISPATCHER_TAB_HELPER", "off"),
        ],
    ),
    ("t3-dispatcher", &[]),
];

const TABS: usize = 10;
const LIMIT: Duration = Duration::from_secs(90);

/// The names under which the figures are kept.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COMPARED.iter().map(|(name, _)| *name)
}

/// One of the compared, with what stands in front of it.
struct Side {
    name: &'static str,
    dispatcher: Running,
    desk: Running,
    phone: Running,
    /// Traefik, and the line to its https.
    traefik: Option<(Running, Running)>,
}

impl Side {
    async fn start(
        setup: &Setup,
        t3: &RealT3,
        gate: &Running,
        (name, more): (&'static str, &[Variable]),
    ) -> Result<Self, Failure> {
        let dispatcher = setup.before_real(t3, more).await?;
        let port = dispatcher.addr.port();
        let traefik = match setup.traefik(gate.addr.port(), port).await? {
            Some((traefik, secure)) => Some((traefik, setup.line(DESK, secure).await?)),
            None => None,
        };
        Ok(Self {
            name,
            desk: setup.line(DESK, port).await?,
            phone: setup.line(PHONE, port).await?,
            dispatcher,
            traefik,
        })
    }

    /// All that is measured, once.
    async fn round(&self, browser: &Browser, round: usize, figures: &mut Figures) {
        let floor = format!("http://{}/", self.dispatcher.addr);
        let desk = format!("http://{}/", self.desk.addr);
        let phone = format!("http://{}/", self.phone.addr);
        let secure = self.traefik.as_ref();
        let secure = secure.map(|(_, line)| format!("https://localhost:{}/", line.addr.port()));
        for (row, url) in [
            ("desk", Some(desk)),
            ("phone", Some(phone)),
            ("h2", secure),
            ("near", Some(floor)),
        ] {
            let Some(url) = url else { continue };
            let page = browser.page().await;
            // One person who came so often without a session would not be paired for ever.
            let person = format!("person-{row}-{round}@example.org");
            let who = [("X-authentik-username", person.as_str())];
            page.set_extra_headers(&who).await;
            let cold = load(&page, Begin::Navigate(&url), &url).await;
            let again = load(&page, Begin::Reload, &url).await;
            for (load, what) in [(cold, "cold"), (again, "again")] {
                let mut add = |unit: &str, value: f64| {
                    figures.add(&format!("real_{row}_{what}_{unit}"), self.name, value);
                };
                // What takes too long has no figure, and fails the check.
                let Some(load) = load else { continue };
                add("ms", load.ms());
                add("bytes", load.bytes as f64);
                add("requests", load.asked.len() as f64);
            }
            if row == "desk" {
                let took = tabs(&page, &url, &who).await;
                figures.add("real_tabs_ms", self.name, took);
            }
            page.close().await;
        }
    }
}

/// Until the last of ten tabs is live that are restored at once.
async fn tabs(first: &Page, url: &str, who: &[(&str, &str)]) -> f64 {
    let mut pages = Vec::new();
    for _ in 0..TABS {
        let page = first.sibling().await;
        page.set_extra_headers(who).await;
        pages.push(page);
    }
    let loads = pages
        .iter()
        .map(|page| load(page, Begin::Navigate(url), url));
    let loads: Vec<Option<Load>> = join_all(loads).await;
    for page in pages {
        page.close().await;
    }
    let loads: Option<Vec<Load>> = loads.into_iter().collect();
    let loads = loads.unwrap_or_default();
    let begun = loads.iter().map(|load| load.begun).reduce(f64::min);
    let live = loads.iter().map(|load| load.live).reduce(f64::max);
    live.zip(begun)
        .map_or(f64::NAN, |(live, begun)| live - begun)
}

async fn load(page: &Page, begin: Begin<'_>, url: &str) -> Option<Load> {
    let host = url.split('/').nth(2).unwrap_or_default();
    page.load(begin, host, LIMIT, TAIL).await
}

/// Writes the figures to `file`; none where there is no real t3.
pub(crate) async fn run(file: &Path, is_smoke: bool) -> Result<(), Failure> {
    let rounds = if is_smoke { 1 } else { 5 };
    let setup = Setup::from_environment(None)?;
    let mut figures = Figures::default();
    match setup.real_t3().await? {
        Some(t3) => measure(&setup, &t3, rounds, &mut figures).await?,
        None => eprintln!("skipped: the real t3, as BENCH_T3 names none"),
    }
    figures.save(file)
}

async fn measure(
    setup: &Setup,
    t3: &RealT3,
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let gate = setup.upstream().await?;
    let mut sides = Vec::new();
    for compared in COMPARED {
        let side = Side::start(setup, t3, &gate, compared).await?;
        until_quiet(&side.dispatcher).await?;
        sides.push(side);
    }
    let pin = std::env::var("BENCH_CERTIFICATE_PIN").unwrap_or_default();
    for round in 1..=rounds {
        sides.rotate_left(1);
        for side in &sides {
            eprintln!(
                "page, the real t3, {}: round {round} of {rounds}",
                side.name
            );
            let browser = Browser::launch_with(|command, _| {
                command.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
            });
            let browser = browser.await.ok_or("no browser to measure with")?;
            side.round(&browser, round, figures).await;
        }
    }
    Ok(())
}
