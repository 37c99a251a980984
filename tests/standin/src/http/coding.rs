//! Content codings: what t3 does to the body of every response since September (contract §6, §11).

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::head::Head;

/// Shorter bodies are sent as they are.
const MIN_BYTES: usize = 1024;

const BROTLI_QUALITY: i32 = 4;
const DEFLATE_LEVEL: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
    Deflate,
}

/// In the order of t3's preference, whatever the client's is.
const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Deflate];

/// Whether a body of that type may be coded, and so depends on `Accept-Encoding`.
pub(crate) fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.starts_with("text/")
        || ["+json", "+xml"].iter().any(|end| essence.ends_with(end))
        || essence
            .strip_prefix("application/")
            .is_some_and(|kind| matches!(kind, "json" | "javascript" | "xml" | "wasm"))
}

/// The coding of the response to a request, for a body of so many bytes.
pub(crate) fn of(request: &Head, bytes: usize) -> Option<Coding> {
    let accepted: Vec<&str> = request
        .all("accept-encoding")
        .flat_map(|line| line.split(','))
        .collect();
    (bytes >= MIN_BYTES).then(|| preferred(&accepted))?
}

fn preferred(accepted: &[&str]) -> Option<Coding> {
    let quality = |wanted: &str| {
        accepted.iter().find_map(|offer| {
            let (name, parameter) = offer.split_once(';').unwrap_or((offer, ""));
            let quality = parameter.trim().strip_prefix("q=");
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0)))
        })
    };
    let is_accepted = |coding: &Coding| {
        let own: Option<f64> = quality(coding.name());
        own.or_else(|| quality("*")).is_some_and(|q| q > 0.0)
    };
    CODINGS.into_iter().find(is_accepted)
}

impl Coding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    pub(crate) fn encode(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let level = Compression::new(DEFLATE_LEVEL);
        match self {
            Coding::Brotli => {
                let mut coded = Vec::new();
                let params = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut &body[..], &mut coded, &params)?;
                Ok(coded)
            }
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_accepted_counts() {
        for (accepted, expected) in [
            ("", None),
            ("identity", None),
            ("zstd, deflate", Some(Coding::Deflate)),
            ("gzip;q=1, br;q=0.1", Some(Coding::Brotli)),
            ("br;q=0, GZIP;q=0.1", Some(Coding::Gzip)),
            ("*", Some(Coding::Brotli)),
        ] {
            let accepted: Vec<&str> = accepted.split(',').collect();
            assert_eq!(preferred(&accepted), expected, "{accepted:?}");
        }
    }

    #[test]
    fn types_that_are_compressed_already_are_left() {
        for kind in [
            "text/html; charset=utf-8",
            "application/manifest+json",
            "image/svg+xml",
        ] {
            assert!(is_compressible(kind), "{kind}");
        }
        for kind in [
            "image/png",
            "application/octet-stream",
            "image/vnd.microsoft.icon",
        ] {
            assert!(!is_compressible(kind), "{kind}");
        }
    }
}
