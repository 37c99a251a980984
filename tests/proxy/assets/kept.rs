//! What was compressed is kept over a restart; of what else lies there nothing is used.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::assets::files::{decoded, file, script};
use crate::assets::site::Site;
use crate::common::process::{Process, WARM_UP, binary, command};
use crate::common::raw_upstream::RawUpstream;
use crate::common::{PATIENCE, Scrape, cli_in, request};

const PAGE: &[u8] = b"<script src=\"/assets/a.js\"></script>";

/// A t3 with a script of that length, whose page names it if the warm-up is to fetch it.
async fn t3(length: usize, page: &[u8]) -> RawUpstream {
    RawUpstream::serving(vec![
        ("/", file("text/html", page)),
        ("/assets/a.js", file("text/javascript", &script(length))),
    ])
    .await
}

/// A dispatcher that keeps its files in `cache`, in front of a t3 that has just been started.
async fn site(cache: &Path, page: &[u8], args: &[&str]) -> Site {
    let cache = ["--cache-dir", cache.to_str().expect("a UTF-8 path")];
    Site::of(t3(50_000, page).await, &[&cache[..], args].concat()).await
}

/// Waits until so many files met that `outcome`. They are compressed at the lowest priority, beside other tests.
async fn until(site: &Site, outcome: &str, count: u32) -> Scrape {
    request(site.addr(), "GET /api/x").await;
    let series = format!("asset_cache_files_total{{outcome=\"{outcome}\"}}");
    let has = |scrape: &Scrape| scrape.get(&series) >= f64::from(count);
    Scrape::until_within(WARM_UP, site.dispatcher.metrics, has).await
}

fn count(scrape: &Scrape, outcome: &str) -> f64 {
    scrape.get(&format!("asset_cache_files_total{{outcome=\"{outcome}\"}}"))
}

/// The files of `dir`, in the order of their names.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("one").path()).collect();
    paths.sort();
    paths
}

/// The script's files of a first start, brotli's first: their paths and bodies.
async fn kept(cache: &Path) -> [(PathBuf, Vec<u8>); 2] {
    let first = site(cache, PAGE, &[]).await;
    until(&first, "written", 2).await;
    let paths = files(cache);
    let paths: [_; 2] = paths.try_into().expect("one for each coding");
    paths.map(|path| {
        let body = fs::read(&path).expect("a file");
        (path, body)
    })
}

#[tokio::test]
async fn a_restart_serves_the_best_at_once_and_compresses_nothing() {
    let cache = TempDir::new().expect("a temporary directory");
    let cache = cache.path().join("made");
    let kept = kept(&cache).await;
    for (path, _) in &kept {
        let mode = fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // By the warm-up, and by the first client of a file that it does not fetch.
    for page in [PAGE, b"<p>"] {
        let again = site(&cache, page, &[]).await;
        let scrape = match page == PAGE {
            true => Some(until(&again, "restored", 2).await),
            false => None,
        };
        for (coding, (_, body)) in ["br", "gzip"].into_iter().zip(&kept) {
            let response = again.get("/assets/a.js", coding).await;
            assert_eq!(response.header("content-encoding"), coding);
            assert!(response.body == *body, "{coding}");
            assert!(decoded(&response) == script(50_000));
        }
        assert_eq!(again.t3.count_of("/assets/a.js"), 1);
        let after = until(&again, "restored", 2).await;
        for scrape in scrape.iter().chain([&after]) {
            assert_eq!(
                (count(scrape, "written"), count(scrape, "refused")),
                (0.0, 0.0)
            );
        }
    }
}

/// What lies in the place of a file, whose body is the second.
type Tamper = (&'static str, fn(&Path, &[u8]));

const TAMPERED: [Tamper; 9] = [
    ("one bit", |path, body| {
        let mut body = body.to_vec();
        body[1000] ^= 1;
        fs::write(path, body).expect("written");
    }),
    ("cut short", |path, body| {
        fs::write(path, &body[..body.len() - 1]).expect("written");
    }),
    ("more behind it", |path, body| {
        fs::write(path, [body, b"x"].concat()).expect("written");
    }),
    ("twice", |path, body| {
        fs::write(path, [body, body].concat()).expect("written");
    }),
    ("nothing", |path, _| fs::write(path, "").expect("written")),
    ("other bytes that decode well", |path, _| {
        let mut other = script(50_000);
        other[7] ^= 1;
        fs::write(path, encoded(path, &other)).expect("written");
    }),
    ("a bomb", |path, _| {
        fs::write(path, encoded(path, &vec![0; 8_000_000])).expect("written");
    }),
    ("its first bytes, then a bomb", |path, _| {
        let bomb = [script(50_000), vec![0; 8_000_000]].concat();
        fs::write(path, encoded(path, &bomb)).expect("written");
    }),
    ("a huge file", |path, _| {
        let huge = fs::File::create(path).expect("created");
        huge.set_len(1 << 36).expect("sparse");
    }),
];

/// `content` in the coding that the name of `path` says.
fn encoded(path: &Path, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    match path.extension().is_some_and(|ending| ending == "br") {
        true => {
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: 2,
                lgwin: 18,
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &content[..], &mut body, &parameters).expect("encoded");
        }
        false => {
            let level = flate2::Compression::new(6);
            let mut encoder = flate2::write::GzEncoder::new(&mut body, level);
            std::io::Write::write_all(&mut encoder, content).expect("encoded");
            encoder.finish().expect("a body");
        }
    }
    body
}

#[tokio::test]
async fn row_83_what_does_not_decode_to_t3_s_bytes_is_not_served_and_made_anew() {
    let cache = TempDir::new().expect("a temporary directory");
    let kept = kept(cache.path()).await;
    for (what, tamper) in TAMPERED {
        for (path, body) in &kept {
            tamper(path, body);
        }
        let again = site(cache.path(), b"<p>", &[]).await;
        for coding in ["br", "gzip", "zstd", "identity"] {
            let response = again.get("/assets/a.js", coding).await;
            assert!(decoded(&response) == script(50_000), "{what}: {coding}");
        }
        let scrape = until(&again, "written", 2).await;
        // One that is too long is removed without a look at it.
        let refused = if what == "a huge file" { 0.0 } else { 2.0 };
        let counts = (count(&scrape, "refused"), count(&scrape, "restored"));
        assert_eq!(counts, (refused, 0.0), "{what}");
        for (path, body) in &kept {
            assert!(
                fs::read(path).expect("a file") == *body,
                "{what}: {}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn row_83_what_is_no_file_is_neither_followed_nor_waited_for() {
    let cache = TempDir::new().expect("a temporary directory");
    let kept = kept(cache.path()).await;
    let elsewhere = cache.path().join("elsewhere");
    for what in ["link", "fifo", "directory"] {
        for (path, body) in &kept {
            fs::remove_file(path).expect("it was there");
            match what {
                "link" => {
                    fs::write(&elsewhere, body).expect("written");
                    symlink(&elsewhere, path).expect("a link");
                }
                "fifo" => {
                    let made = Command::new("mkfifo").arg(path).status();
                    assert!(made.expect("mkfifo runs").success());
                }
                _ => fs::create_dir(path).expect("a directory"),
            }
        }
        let again = site(cache.path(), b"<p>", &[]).await;
        let response = again.get("/assets/a.js", "br").await;
        assert!(decoded(&response) == script(50_000), "{what}");
        // A directory's place cannot be taken.
        let outcome = if what == "directory" {
            "failed"
        } else {
            "written"
        };
        let scrape = until(&again, outcome, 2).await;
        assert_eq!(count(&scrape, "restored"), 0.0, "{what}");
        for (path, body) in kept.iter().filter(|_| what != "directory") {
            let metadata = fs::symlink_metadata(path).expect("it is there");
            assert!(
                metadata.is_file() && fs::read(path).expect("a file") == *body,
                "{what}"
            );
        }
        let unfinished = |path: &PathBuf| path.to_string_lossy().contains("t3d-new");
        assert!(!files(cache.path()).iter().any(unfinished), "{what}");
    }
}

#[tokio::test]
async fn the_size_holds_and_the_oldest_goes_first() {
    let cache = TempDir::new().expect("a temporary directory");
    let paths = [
        "/assets/a.js",
        "/assets/b.js",
        "/assets/c.js",
        "/assets/d.js",
    ];
    let scripts = paths.iter().enumerate();
    let served =
        scripts.map(|(number, path)| (*path, file("text/javascript", &script(50_000 + number))));
    let t3 = RawUpstream::serving(served.collect()).await;
    let dir = cache.path().to_str().expect("a UTF-8 path");
    let site = Site::of(t3, &["--cache-dir", dir, "--cache-size", "64KiB"]).await;
    for (number, path) in (1..).zip(paths) {
        site.get(path, "br").await;
        until(&site, "written", 2 * number).await;
        let taken = files(cache.path());
        let taken = taken
            .iter()
            .map(|path| fs::metadata(path).expect("a file").blocks() * 512);
        assert!(taken.sum::<u64>() <= 64 * 1024);
    }
    let names = files(cache.path());
    let of_length = |length: &str| {
        let mut names = names.iter().map(|path| path.to_string_lossy());
        names.any(|name| name.contains(length))
    };
    assert!(of_length("-50003.") && !of_length("-50000."), "{names:?}");
}

#[tokio::test]
async fn what_an_end_or_another_version_left_is_removed_in_time() {
    let cache = TempDir::new().expect("a temporary directory");
    let old = SystemTime::now() - Duration::from_secs(3600);
    let names = ["t3d-new-7-1", "t3d-0-abc.br", "t3d-new-7-2", "notes.txt"];
    for name in names {
        let file = fs::File::create(cache.path().join(name)).expect("created");
        if name != "t3d-new-7-2" {
            file.set_modified(old).expect("dated");
        }
    }
    let _site = site(cache.path(), b"<p>", &[]).await;
    let start = Instant::now();
    let left = ["notes.txt", "t3d-new-7-2"].map(|name| cache.path().join(name));
    while files(cache.path()) != left {
        assert!(start.elapsed() < PATIENCE, "{:?}", files(cache.path()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_costs_nothing_but_what_it_would_save() {
    let dir = TempDir::new().expect("a temporary directory");
    let (a_file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&a_file, "x").expect("written");
    symlink(dir.path(), &link).expect("a link");
    let slash = dir.path().join("link/");
    let parent = dir.path().join("no/parent");
    for path in [a_file, link, slash, parent, "/proc/1".into()] {
        let site = site(&path, PAGE, &[]).await;
        let response = site.get("/assets/a.js", "br").await;
        assert!(decoded(&response) == script(50_000), "{}", path.display());
        until(&site, "failed", 1).await;
    }
}

#[tokio::test]
async fn a_directory_that_is_shared_or_removed_under_it_does_no_harm() {
    let dir = TempDir::new().expect("a temporary directory");
    let cache = dir.path().join("cache");
    let (one, other) = (site(&cache, PAGE, &[]).await, site(&cache, PAGE, &[]).await);
    for site in [&one, &other] {
        request(site.addr(), "GET /api/x").await;
    }
    let start = Instant::now();
    while !cache.exists() || files(&cache).len() != 2 {
        assert!(start.elapsed() < WARM_UP, "{:?}", files(&cache));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The other one may be writing.
    while cache.exists() {
        let _ = fs::remove_dir_all(&cache);
    }
    for site in [&one, &other] {
        let response = site.get("/assets/a.js", "br").await;
        assert!(decoded(&response) == script(50_000));
    }
}

/// As on a full disk: no file may be longer than a few KiB.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_whole_is_not_there_at_all() {
    let dir = TempDir::new().expect("a temporary directory");
    let cache = dir.path().join("cache");
    let t3 = t3(50_000, PAGE).await;
    let plain = command();
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\""])
        .arg(binary())
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("T3_UPSTREAM_PORT", t3.addr.port().to_string())
        .env("T3_BIN", cli_in(dir.path()))
        .env("T3CODE_HOME", dir.path().join("t3"))
        .env("DISPATCHER_CACHE_DIR", &cache);
    let process = Process::start(&mut limited);
    request(process.addr, "GET /api/x").await;
    process.log_until("nothing is written to DISPATCHER_CACHE_DIR");
    let response = request(process.addr, "GET /assets/a.js\nAccept-Encoding: br").await;
    assert!(decoded(&response) == script(50_000));
    assert!(files(&cache).is_empty(), "{:?}", files(&cache));
}
