//! A style sheet of t3's size: rules that match nothing, after the page's own.

use super::text::{Noise, Vocabulary};

const WORDS: usize = 50;
const SKEW: i32 = 5;

const DECLARATIONS: [&str; 8] = [
    "padding:calc(var(--spacing)*2)",
    "color:var(--color-@)",
    "width:#px",
    "background-color:color-mix(in oklab,var(--@) 50%,transparent)",
    "display:flex",
    "border-radius:calc(var(--radius) - #px)",
    "margin-inline:.5rem",
    "transition-duration:var(--tw-@,.15s)",
];

/// Rules of a length, with `style` at the start.
pub(super) fn grown(style: &str, bytes: usize, noise: &mut Noise) -> String {
    let vocabulary = Vocabulary::new(WORDS, SKEW, noise);
    let mut sheet = style.to_owned();
    loop {
        let end = sheet.len();
        vocabulary.fill(".@-@-#{", noise, &mut sheet);
        for _ in 0..=noise.below(3) {
            let declaration = DECLARATIONS[noise.below(DECLARATIONS.len())];
            vocabulary.fill(declaration, noise, &mut sheet);
            sheet.push(';');
        }
        sheet.push('}');
        if sheet.len() > bytes {
            sheet.truncate(end);
            sheet.push_str(&"\n".repeat(bytes - end));
            return sheet;
        }
    }
}
