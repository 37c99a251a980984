//! What a file costs that the dispatcher keeps, beside nginx, which serves the same bytes from disk with the same fields.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::load::Load;
use crate::load::http::{self, KIBIBYTE, fetch};
use crate::machine::Cores;
use crate::peers::Peer;
use crate::roles::Failure;
use crate::roles::upstream::KEPT;
use crate::running::Running;
use crate::setup::Setup;

/// The names in the figures: nginx opens the file for each request unless it is told otherwise.
const CACHED: &str = "nginx, open_file_cache";
pub(crate) const NAMES: [&str; 3] = ["nginx", CACHED, "t3-dispatcher"];

/// How long the dispatcher may take to compress the file as well as it can, on a thread of the lowest priority.
const COMPRESSION: Duration = Duration::from_secs(3);

/// The fields that a server makes for each response itself.
const OF_THE_SERVER: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "server",
];

/// Who serves the file, and what it is asked.
struct Served {
    name: &'static str,
    running: Running,
    /// The whole file.
    whole: Rc<str>,
    /// By a client that has it.
    held: Rc<str>,
}

/// A response: its head, and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

/// Writes the figures to `file`.
pub(crate) async fn run(file: &Path, is_smoke: bool) -> Result<(), Failure> {
    let ms = Duration::from_millis;
    let (rounds, warm, measured) = match is_smoke {
        true => (1, ms(100), ms(300)),
        false => (5, ms(300), ms(1500)),
    };
    let setup = Setup::from_environment(Some(Cores::take()?))?;
    let upstream = setup.upstream().await?;
    let own = setup.start(Peer::Dispatcher, upstream.addr.port()).await?;
    let own = own.ok_or("nothing was started")?;
    let answer = compressed(own.addr).await?;
    for (path, body) in [(KEPT, &answer.body), (KIBIBYTE, &vec![b'"'; 1024])] {
        let file = setup.dir().join("files").join(&path[1..]);
        fs::create_dir_all(file.parent().unwrap_or(setup.dir()))?;
        fs::write(file, body)?;
    }
    let fields = fields_of(&answer);
    let cache = "open_file_cache max=1000 inactive=60s;";
    let mut all = Vec::new();
    for (name, cache) in [("nginx", ""), (CACHED, cache)] {
        let running = setup.nginx_with_files(&fields, cache).await?;
        all.push(Served::by(name, running, &answer).await?);
    }
    all.push(Served::by(Peer::Dispatcher.name(), own, &answer).await?);
    let mut figures = Figures::default();
    for round in 0..rounds {
        eprintln!("kept file: round {} of {rounds}", round + 1);
        for served in &all {
            for (row, request) in [("kept_304", &served.held), ("kept", &served.whole)] {
                let times = (warm, measured);
                measure(row, served, request, times, &mut figures).await?;
            }
        }
        all.rotate_left(1);
        figures.save(file)?;
    }
    Ok(())
}

/// The file as the dispatcher sends it once it is compressed as well as it can be.
async fn compressed(addr: SocketAddr) -> Result<Answer, Failure> {
    let mut before = ask(addr, None).await?;
    loop {
        sleep(COMPRESSION).await;
        let answer = ask(addr, None).await?;
        if answer.body == before.body {
            return Ok(answer);
        }
        before = answer;
    }
}

/// What nginx is to add, so that both send the same.
fn fields_of(answer: &Answer) -> String {
    let lines = answer.head.split("\r\n").skip(1);
    let fields = lines.filter_map(|line| line.split_once(": "));
    let own = fields.filter(|(name, _)| !OF_THE_SERVER.contains(name));
    own.map(|(name, value)| format!("    add_header {name} \"{value}\";\n"))
        .collect()
}

/// A request for the file, by a client that has it under the tag `held`, if it has.
fn request(held: Option<&str>, connection: &str) -> String {
    let condition = held.map(|tag| format!("If-None-Match: {tag}\r\n"));
    let fields =
        fetch(KEPT, 0, connection).replace("Sec-Fetch-Dest: empty", "Sec-Fetch-Dest: script");
    format!("{fields}{}\r\n", condition.unwrap_or_default())
}

impl Served {
    /// By `running`, which must send what `expected` is.
    async fn by(name: &'static str, running: Running, expected: &Answer) -> Result<Self, Failure> {
        let answer = ask(running.addr, None).await?;
        if answer.body != expected.body {
            return Err(format!("{name} sends another file: {}", answer.head).into());
        }
        let mut lines = answer.head.split("\r\n");
        let tag = lines.find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("etag: ")
                .map(|_| &line[6..])
        });
        let held = Some(tag.ok_or("no ETag")?);
        let unchanged = ask(running.addr, held).await?;
        if !unchanged.head.starts_with("HTTP/1.1 304 ") {
            return Err(format!("{name} does not know its tag: {}", unchanged.head).into());
        }
        Ok(Self {
            name,
            running,
            whole: request(None, http::KEPT).into(),
            held: request(held, http::KEPT).into(),
        })
    }
}

/// Loads what is `served` with `request`, and notes what its processes spend.
async fn measure(
    row: &str,
    served: &Served,
    request: &Rc<str>,
    (warm, measured): (Duration, Duration),
    figures: &mut Figures,
) -> Result<(), Failure> {
    let (load, tree) = (Load::Request(Rc::clone(request)), served.running.tree()?);
    let window = load
        .measure(served.running.addr, &tree, warm, measured)
        .await?;
    let (each_us, user_us) = (window.each_us(), window.each_user_us());
    for (key, value) in [
        ("cpu_us", each_us),
        ("user_us", user_us),
        ("system_us", each_us - user_us),
        ("per_second", window.per_second()),
    ] {
        figures.add(&format!("{row}_{key}"), served.name, value);
    }
    Ok(())
}

/// Asks once, on a connection of its own that ends with the response.
async fn ask(addr: SocketAddr, held: Option<&str>) -> Result<Answer, Failure> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request(held, "close").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = memmem::find(&answer, b"\r\n\r\n").ok_or("no response")? + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer)?;
    Ok(Answer { head, body })
}
