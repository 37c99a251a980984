//! A QR code as an SVG element. Pure.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// The free border around a code, in modules (ISO/IEC 18004).
const QUIET_ZONE: i32 = 4;

/// The QR code of `text`, called `name` for those who do not see it; none where it is too long for one. It is black on
/// white in the dark, too: not every reader reads it otherwise.
pub(super) fn svg(text: &str, name: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let (size, mut path) = (code.size(), String::new());
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let length = (x..size).take_while(|x| code.get_module(*x, y)).count() as i32;
            if length > 0 {
                let (left, top) = (x + QUIET_ZONE, y + QUIET_ZONE);
                // Nothing that is written to a text fails.
                let _ = write!(path, "M{left} {top}h{length}v1h-{length}z");
            }
            x += length + 1;
        }
    }
    let side = size + 2 * QUIET_ZONE;
    Some(format!(
        "<svg role=\"img\" aria-label=\"{name}\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
        <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_module_is_drawn_and_no_other() {
        let text = "https://ada.t3.test/pair#token=CRL2XSSPZDD4";
        let svg = svg(text, "a code").expect("a short text");
        assert!(
            svg.starts_with("<svg role=\"img\" aria-label=\"a code\""),
            "{svg}"
        );
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).expect("the same");
        let (_, path) = svg.rsplit_once(" d=\"").expect("a path");
        let mut dark = Vec::new();
        for run in path.split('M').skip(1) {
            let numbers = run.split(|character: char| !character.is_ascii_digit());
            let numbers: Vec<i32> = numbers.filter_map(|number| number.parse().ok()).collect();
            let [x, y, length, 1, back] = numbers[..] else {
                panic!("{run}");
            };
            assert_eq!(length, back);
            dark.extend((x..x + length).map(|x| (x - QUIET_ZONE, y - QUIET_ZONE)));
        }
        let all = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let expected: Vec<_> = all.filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert_eq!(dark, expected);
        assert_eq!(super::svg(&"x".repeat(3000), "too long"), None);
    }
}
