//! The plot, in SVG: a panel a row, a bar a name.

use std::fmt::Write as _;

use super::{Row, table};
use crate::figures::{Figures, median};
use crate::peers::Peer;

const COLUMNS: usize = 2;
const PANEL_WIDTH: f64 = 450.0;
const NAME_WIDTH: f64 = 100.0;
const BAR_WIDTH: f64 = 260.0;
const BAR_HEIGHT: f64 = 18.0;
const HEAD_HEIGHT: f64 = 40.0;

/// Whoever is further out than so many times the median is shown cut off, or the others would be dots.
const FAR_OUT: f64 = 3.0;

/// One row's bars, best first where less is better: names and values.
#[derive(Debug)]
pub(super) struct Panel {
    title: &'static str,
    decimals: usize,
    bars: Vec<(&'static str, f64)>,
}

/// The panels of the rows that are to be plotted and have figures.
pub(super) fn panels<'a>(
    rows: &'a [Row],
    names: &'a [&'static str],
    figures: &'a Figures,
) -> impl Iterator<Item = Panel> + 'a {
    rows.iter().filter_map(|row| {
        let bar = |name: &&'static str| Some((*name, figures.median(row.key, name)?));
        let mut bars: Vec<_> = names.iter().filter_map(bar).collect();
        bars.sort_by(|one, other| one.1.total_cmp(&other.1));
        Some(Panel {
            title: row.plotted?,
            decimals: row.decimals,
            bars,
        })
    })
}

/// The picture of all panels, in columns.
pub(super) fn svg(panels: &[Panel]) -> String {
    let most = panels.iter().map(|panel| panel.bars.len()).max();
    let mut y = 0.0;
    let mut drawn = String::new();
    for line in panels.chunks(COLUMNS) {
        let tallest = line.iter().map(|panel| panel.bars.len()).max();
        for (column, panel) in line.iter().enumerate() {
            draw(panel, column as f64 * PANEL_WIDTH, y, &mut drawn);
        }
        y += HEAD_HEIGHT + BAR_HEIGHT * tallest.or(most).unwrap_or_default() as f64;
    }
    let (width, height) = (PANEL_WIDTH * COLUMNS as f64, y + 16.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{drawn}</svg>\n"
    )
}

fn draw(panel: &Panel, x: f64, y: f64, out: &mut String) {
    let title_y = y + 26.0;
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{title_y}\" font-weight=\"bold\" fill=\"#222\">{}</text>",
        x + 12.0,
        panel.title
    );
    let values: Vec<f64> = panel.bars.iter().map(|(_, value)| *value).collect();
    let scale = scale(&values);
    for (number, (name, value)) in panel.bars.iter().enumerate() {
        let y = y + HEAD_HEIGHT + number as f64 * BAR_HEIGHT;
        let color = match *name == Peer::Dispatcher.name() {
            true => "#d9480f",
            false => "#adb5bd",
        };
        let width = (value / scale).min(1.0) * BAR_WIDTH;
        let far = if *value > scale { "» " } else { "" };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#222\">{name}</text>\
             <rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#222\">{far}{}</text>",
            x + NAME_WIDTH,
            y + 12.0,
            x + NAME_WIDTH + 6.0,
            BAR_HEIGHT - 4.0,
            x + NAME_WIDTH + width + 12.0,
            y + 12.0,
            table::number(*value, panel.decimals)
        );
    }
}

/// The value whose bar is as long as there is room.
fn scale(values: &[f64]) -> f64 {
    let limit = median(values).unwrap_or_default() * FAR_OUT;
    let near = values.iter().copied().filter(|value| *value <= limit);
    near.fold(f64::MIN_POSITIVE, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_the_last_that_is_not_far_out() {
        assert_eq!(scale(&[10.0, 20.0, 25.0, 400.0]), 25.0);
        assert_eq!(scale(&[10.0, 20.0]), 20.0);
        assert!(scale(&[]) > 0.0);
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_and_none_leaves_its_panel() {
        let panel = Panel {
            title: "a row",
            decimals: 1,
            bars: vec![("t3-dispatcher", 10.0), ("nginx", 20.0), ("old way", 900.0)],
        };
        let svg = svg(&[panel]);
        assert_eq!(svg.matches("<rect ").count(), 4, "{svg}");
        assert!(svg.contains("width=\"130.0\""), "{svg}");
        assert_eq!(svg.matches("width=\"260.0\"").count(), 2, "{svg}");
        assert!(svg.contains("» 900.0"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
