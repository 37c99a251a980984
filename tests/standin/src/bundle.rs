//! The page's files: the stand-in's own few KiB, or as large and as compressible as t3's.

mod png;
mod script;
mod style;
mod text;

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use text::Noise;

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/app.js");
const STYLE: &str = include_str!("page/app.css");
const ICON: &[u8] = include_bytes!("page/apple-touch-icon.png");

/// What makes the page an app, as in v0.0.42.
const HEAD_OF_APP: &str = "    <meta name=\"theme-color\" content=\"#0a0a0a\" />\n    <link rel=\"manifest\" href=\"/manifest.webmanifest\" />\n";

/// The sizes of t3's files (contract §6).
const HTML_BYTES: usize = 3_391;
/// The page's in v0.0.42 (contract §11).
const PAGE_BYTES: usize = 20_143;
const SCRIPT_BYTES: usize = 5_390_126;
const STYLE_BYTES: usize = 283_248;
const ICON_BYTES: usize = 75_497;

static SMALL: LazyLock<Files> = LazyLock::new(|| Files {
    icon: Bytes::from_static(ICON),
    ..Files::named(SCRIPT, STYLE)
});

static REAL: LazyLock<Files> = LazyLock::new(|| {
    // A seed for each, so that no file's content repeats in another.
    let script = script::grown(SCRIPT, SCRIPT_BYTES, &mut Noise::new(1));
    let style = style::grown(STYLE, STYLE_BYTES, &mut Noise::new(2));
    let icon = png::grown(ICON, ICON_BYTES, &mut Noise::new(3));
    let files = Files::named(&script, &style);
    Files {
        index: html_of(&files.index, HTML_BYTES),
        page: html_of(&files.page, PAGE_BYTES),
        icon: icon.into(),
        ..files
    }
});

/// The files of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bundle {
    /// The stand-in's own: a few KiB.
    #[default]
    Small,
    /// The same page, its files as large and as compressible as t3's; reproducible.
    Real,
}

/// The page's files by the names under which they are requested.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) index: Bytes,
    /// The page of a t3 that has a manifest.
    pub(crate) page: Bytes,
    pub(crate) script_path: String,
    pub(crate) script: Bytes,
    pub(crate) style_path: String,
    pub(crate) style: Bytes,
    pub(crate) icon: Bytes,
}

impl Bundle {
    /// The files; generated on first use.
    pub(crate) fn files(self) -> &'static Files {
        match self {
            Bundle::Small => &SMALL,
            Bundle::Real => &REAL,
        }
    }
}

impl Files {
    /// Names contain a hash of the content, as a bundler's do; the icon is left to the caller.
    fn named(script: &str, style: &str) -> Files {
        let script_path = format!("/assets/app-{}.js", short_hash(script));
        let style_path = format!("/assets/app-{}.css", short_hash(style));
        let index = HTML
            .replace("/assets/app.js", &script_path)
            .replace("/assets/app.css", &style_path);
        let page = index.replace("  </head>", &format!("{HEAD_OF_APP}  </head>"));
        Files {
            index: index.into(),
            page: page.into(),
            script_path,
            script: script.to_owned().into(),
            style_path,
            style: style.to_owned().into(),
            icon: Bytes::new(),
        }
    }
}

/// The page, padded to a length by a comment at its end.
fn html_of(html: &[u8], bytes: usize) -> Bytes {
    let (open, close) = ("<!-- ", " -->\n");
    let room = bytes.saturating_sub(html.len() + open.len() + close.len());
    let mut page = html.to_vec();
    page.extend_from_slice(open.as_bytes());
    page.resize(page.len() + room, b'.');
    page.extend_from_slice(close.as_bytes());
    page.into()
}

fn short_hash(text: &str) -> String {
    let mut hash = BASE64URL_NOPAD.encode(&Sha256::digest(text));
    hash.truncate(8);
    hash
}
