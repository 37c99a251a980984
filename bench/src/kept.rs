//! What a file costs that the dispatcher keeps, beside nginx, which serves the same bytes from disk with the same fields.

use std::cell::Cell;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep};

use crate::figures::Figures;
use crate::load::http::{KIBIBYTE, fetch};
use crate::machine::Cores;
use crate::peers::Peer;
use crate::proc;
use crate::roles::Failure;
use crate::roles::upstream::KEPT;
use crate::running::Running;
use crate::setup::Setup;

/// The names in the figures: nginx opens the file for each request unless it is told otherwise.
const CACHED: &str = "nginx, open_file_cache";
pub(crate) const NAMES: [&str; 3] = ["nginx", CACHED, "t3-dispatcher"];

/// Kept connections.
const CLIENTS: usize = 32;

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
    let mut before = ask(addr, &request(None)).await?;
    loop {
        sleep(COMPRESSION).await;
        let answer = ask(addr, &request(None)).await?;
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

fn request(held: Option<&str>) -> String {
    let condition = held.map(|tag| format!("If-None-Match: {tag}\r\n"));
    let fields =
        fetch(KEPT, 0, "keep-alive").replace("Sec-Fetch-Dest: empty", "Sec-Fetch-Dest: script");
    format!("{fields}{}\r\n", condition.unwrap_or_default())
}

impl Served {
    /// By `running`, which must send what `expected` is.
    async fn by(name: &'static str, running: Running, expected: &Answer) -> Result<Self, Failure> {
        let answer = ask(running.addr, &request(None)).await?;
        if answer.body != expected.body {
            return Err(format!("{name} sends another file: {}", answer.head).into());
        }
        let mut lines = answer.head.split("\r\n");
        let tag = lines.find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("etag: ")
                .map(|_| &line[6..])
        });
        let held = request(Some(tag.ok_or("no ETag")?));
        let unchanged = ask(running.addr, &held).await?;
        if !unchanged.head.starts_with("HTTP/1.1 304 ") {
            return Err(format!("{name} does not know its tag: {}", unchanged.head).into());
        }
        Ok(Self {
            name,
            running,
            whole: request(None).into(),
            held: held.into(),
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
    let tree = served.running.tree()?;
    let (done, is_over) = (Rc::<Cell<u64>>::default(), Rc::<Cell<bool>>::default());
    let loading = async {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (done, is_over) = (Rc::clone(&done), Rc::clone(&is_over));
            clients.spawn_local(client(
                served.running.addr,
                Rc::clone(request),
                done,
                is_over,
            ));
        }
        sleep(warm).await;
        let (before, start, first) = (proc::cpu(&tree)?, Instant::now(), done.get());
        sleep(measured).await;
        let (after, elapsed, last) = (proc::cpu(&tree)?, start.elapsed(), done.get());
        is_over.set(true);
        while let Some(client) = clients.join_next().await {
            client??;
        }
        let (cpu, answers) = (after.since(before), (last - first) as f64);
        let each_us = cpu.total.as_secs_f64() * 1e6 / answers;
        let user = each_us * cpu.user_share();
        for (key, value) in [
            ("cpu_us", each_us),
            ("user_us", user),
            ("system_us", each_us - user),
            ("per_second", answers / elapsed.as_secs_f64()),
        ] {
            figures.add(&format!("{row}_{key}"), served.name, value);
        }
        Ok(())
    };
    LocalSet::new().run_until(loading).await
}

async fn client(
    addr: SocketAddr,
    request: Rc<str>,
    done: Rc<Cell<u64>>,
    is_over: Rc<Cell<bool>>,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    while !is_over.get() {
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        whole(&mut stream, &mut buffer).await?;
        done.set(done.get() + 1);
    }
    Ok(())
}

/// Asks once, on a connection of its own.
async fn ask(addr: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::new();
    let end = whole(&mut stream, &mut buffer).await?;
    Ok(Answer {
        head: String::from_utf8_lossy(&buffer[..end]).into_owned(),
        body: buffer.split_off(end),
    })
}

/// Reads one response with a length to its end; returns where its body begins.
async fn whole(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut total = None;
    loop {
        if total.is_none() {
            total =
                memmem::find(buffer, b"\r\n\r\n").map(|end| (end + 4, length_of(&buffer[..end])));
        }
        if let Some((end, length)) = total
            && buffer.len() >= end + length
        {
            return Ok(end);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of the body behind `head`: none of a 304.
fn length_of(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length: ";
    let mut places = head.windows(name.len()).enumerate();
    let at = places.find(|(_, window)| window.eq_ignore_ascii_case(name));
    let digits = at.map_or(&b""[..], |(at, _)| &head[at + name.len()..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_whatever_its_case() {
        assert_eq!(
            length_of(b"HTTP/1.1 200 OK\r\nA: b\r\nContent-LENGTH: 1024\r\nC: d"),
            1024
        );
        assert_eq!(length_of(b"HTTP/1.1 304 Not Modified\r\nA: b"), 0);
    }
}
