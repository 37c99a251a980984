//! The table, in Markdown.

use super::Row;
use crate::figures::Figures;
use crate::peers::Peer;

/// A line a row, a column a name: the median, and the dispatcher's divided by it.
pub(super) fn of<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    names: &[&str],
    figures: &Figures,
) -> String {
    let head = format!("| | {} |", names.join(" | "));
    let rule = format!("|---|{}", "---:|".repeat(names.len()));
    let mut lines = vec![head, rule];
    for row in rows {
        let own = Peer::Dispatcher.name();
        let cells = names
            .iter()
            .map(|name| match figures.median(row.key, name) {
                Some(value) if *name == own => {
                    format!("**{}**", number(value, row.decimals))
                }
                Some(value) => {
                    let ratio = ratio(figures.ratio(row.key, own, name));
                    number(value, row.decimals) + &ratio
                }
                None => "–".to_owned(),
            });
        let cells: Vec<String> = cells.collect();
        lines.push(format!("| {} | {} |", row.title, cells.join(" | ")));
    }
    lines.join("\n")
}

/// With a comma between thousands.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// Nothing where there is nothing to divide by; small ones with more digits.
fn ratio(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio > 0.0 && ratio < 0.001 => format!(" (1/{:.0}×)", 1.0 / ratio),
        Some(ratio) if ratio > 0.0 && ratio < 0.1 => format!(" ({ratio:.3}×)"),
        Some(ratio) => format!(" ({ratio:.2}×)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0.0, 0), "0");
        assert_eq!(number(999.96, 1), "1,000.0");
        assert_eq!(number(5_753_952.4, 0), "5,753,952");
    }

    #[test]
    fn a_line_has_each_median_and_the_dispatchers_share_of_it() {
        let mut figures = Figures::default();
        for (name, value) in [("nginx", 20.0), ("t3-dispatcher", 15.0), ("old way", 600.0)] {
            figures.add("a", name, value);
        }
        let rows = [row("a", "title", 1)];
        let table = of(
            &rows,
            &["nginx", "relay", "old way", "t3-dispatcher"],
            &figures,
        );
        let line = table.lines().nth(2);
        assert_eq!(
            line,
            Some("| title | 20.0 (0.75×) | – | 600.0 (0.025×) | **15.0** |")
        );
    }
}
