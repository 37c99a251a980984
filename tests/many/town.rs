//! Several people, each with a t3 of his own, and one dispatcher in front of all.

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};
use t3_dispatcher::config::timing::Timing;
use t3_standin::edition::Edition;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::common::http::Response;
use crate::common::{Client, Config, Dispatcher, PAGE, cli_in, request};

/// The field that names the person.
pub(crate) const USER: &str = "X-User";

/// Several people, each with a t3 of his own, and one dispatcher in front of all.
pub(crate) struct Town {
    pub(crate) dispatcher: Dispatcher,
    homes: Vec<(String, Standin)>,
    table: PathBuf,
    dir: TempDir,
}

impl Town {
    /// A t3 for each of `people`, and a table that names them.
    pub(crate) async fn of(people: &[&str]) -> Self {
        Self::timed(people, &[], |_| {}).await
    }

    /// The same with further options, and the times as `set` leaves them.
    pub(crate) async fn timed(
        people: &[&str],
        args: &[&str],
        set: impl FnOnce(&mut Timing),
    ) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut homes = Vec::new();
        for (number, name) in people.iter().enumerate() {
            let editions = [Edition::June, Edition::September, Edition::Protocol2];
            let edition = editions[number % editions.len()];
            let options = StandinOptions::of(edition, dir.path().join(name));
            let standin = Standin::start(options).await.expect("a free port");
            homes.push(((*name).to_owned(), standin));
        }
        let table = dir.path().join("routes.json");
        let path = table.to_str().expect("a UTF-8 path");
        let own = ["t3-dispatcher", "--identity-header", USER, "--routes", path];
        let mut config =
            Config::try_parse_from(own.iter().chain(args)).expect("options that parse");
        set(&mut config.timing);
        let rows = homes
            .iter()
            .map(|(name, home)| (name.clone(), Self::row_in(&dir, home)));
        write_table(&table, &Value::Object(rows.collect()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self {
            dispatcher: Dispatcher::on(listener, config).await,
            homes,
            table,
            dir,
        }
    }

    fn row_in(dir: &TempDir, home: &Standin) -> Value {
        json!({
            "port": home.addr().port(),
            "base_dir": home.base_dir(),
            "t3_bin": cli_in(dir.path()),
        })
    }

    /// The row that leads to the t3 of `name`.
    pub(crate) fn row(&self, name: &str) -> Value {
        Self::row_in(&self.dir, self.home(name))
    }

    /// The t3 of `name`.
    pub(crate) fn home(&self, name: &str) -> &Standin {
        let home = self.homes.iter().find(|(held, _)| held == name);
        &home.expect("somebody with a t3").1
    }

    /// Puts another table in the place of the one that is there.
    pub(crate) fn set_table(&self, table: &Value) {
        write_table(&self.table, table);
    }

    /// Puts what is no table in its place.
    pub(crate) fn spoil_table(&self, text: &str) {
        write(&self.table, text);
    }

    /// The response to a page load of `name`.
    pub(crate) async fn page(&self, name: &str, target: &str, cookie: &str) -> Response {
        let cookie = match cookie {
            "" => String::new(),
            cookie => format!("\nCookie: {cookie}"),
        };
        let head = format!("GET {target}\n{PAGE}\n{USER}: {name}{cookie}");
        request(self.dispatcher.addr, &head).await
    }

    /// The response to a script's request of `name`.
    pub(crate) async fn fetch(&self, name: &str, target: &str, cookie: &str) -> Response {
        let head = format!("GET {target}\n{USER}: {name}\nCookie: {cookie}");
        request(self.dispatcher.addr, &head).await
    }

    /// Signs `name` in; returns the session cookie.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let response = self.page(name, "/", "").await;
        assert_eq!(response.status, 302, "{name}: {}", response.text());
        response.cookie()
    }

    /// Opens a WebSocket of `name`.
    pub(crate) async fn websocket(&self, name: &str, cookie: &str) -> (Client, Response) {
        let mut client = Client::connect(self.dispatcher.addr).await;
        let head = format!(
            "GET /ws?orchestrationProtocol=2\n{}\n{USER}: {name}\nCookie: {cookie}",
            crate::common::HANDSHAKE
        );
        let response = client.exchange(&head).await;
        (client, response)
    }
}

fn write_table(path: &std::path::Path, table: &Value) {
    write(path, &table.to_string());
}

/// Whole or not at all, as an operator's tools do it.
fn write(path: &std::path::Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a writable directory");
    std::fs::rename(&new, path).expect("a writable directory");
}
