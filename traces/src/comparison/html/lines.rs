//! Lines over the axis.

use super::scale::Scale;
use super::svg::{LETTER_WIDTH, Svg, shortened};
use crate::comparison::table::number;
use crate::comparison::{Measure, Panel};

/// How a chart is laid out.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    xs: Vec<f64>,
    x: Scale,
    y: Scale,
}

/// Least distance between labels.
const LABEL_HEIGHT: f64 = 16.0;
/// Labels are not longer than this, in letters.
const LABEL_LETTERS: usize = 30;

impl Frame {
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.part(x) * (self.right - self.left);
        (across, self.bottom - self.y.part(y) * (self.bottom - self.top))
    }
}

/// `measure` of every mechanism over the axis of `panel`, whose values are `xs`. A `large` chart names its lines and
/// shows where they cross.
pub fn chart(panel: &Panel<'_>, measure: &Measure, xs: &[f64], large: bool) -> String {
    let rows = panel.rows();
    let series: Vec<_> = rows.iter().map(|row| panel.series(row, measure)).collect();
    let published: Vec<_> = rows.iter().map(|row| panel.published(row, measure)).collect();
    let all = || series.iter().chain(&published).flatten().flatten().copied();
    let y = if *measure == Measure::Cpu { Scale::linear(100.0) } else { Scale::of(all(), true) };
    let (width, height) = if large { (900.0, 420.0) } else { (440.0, 270.0) };
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(LABEL_LETTERS);
    // Names are bold.
    let right = if large { longest as f64 * (LETTER_WIDTH + 1.0) + 24.0 } else { 18.0 };
    let (least, most) = xs.iter().fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), &x| (a.min(x), b.max(x)));
    let x = Scale::between(least, most);
    let frame =
        Frame { left: 64.0, right: width - right, top: 14.0, bottom: height - 46.0, xs: xs.to_vec(), x, y };
    let mut svg = Svg::new(width, height, &format!("{}: {}", panel.title(), measure.title()));
    axes(&mut svg, panel, &frame, height);
    for (n, row) in rows.iter().enumerate() {
        svg.begin_series(n);
        // One value for all points is not one that somebody measured at each.
        let varies = published[n].iter().flatten().any(|value| Some(*value) != published[n][0]);
        draw(&mut svg, &frame, (n, row.name, " (published)"), &published[n], "published", varies);
        draw(&mut svg, &frame, (n, row.name, ""), &series[n], "", !row.constant);
        svg.end_series();
    }
    if large {
        crossings(&mut svg, &frame, &rows.iter().map(|row| row.name).collect::<Vec<_>>(), &series);
        let names: Vec<_> = rows.iter().map(|row| row.name).collect();
        labels(&mut svg, &frame, &names, &series);
    }
    svg.finish()
}

fn axes(svg: &mut Svg, panel: &Panel<'_>, frame: &Frame, height: f64) {
    for &tick in &frame.y.ticks {
        let (_, y) = frame.place(frame.xs[0], tick);
        svg.line("grid", (frame.left, y), (frame.right, y));
        svg.text("tick end", (frame.left - 8.0, y + 4.0), &number_tick(tick));
    }
    svg.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom));
    let mut free = f64::NEG_INFINITY;
    let mut order: Vec<usize> = (0..frame.xs.len()).collect();
    order.sort_by(|&n, &m| frame.xs[n].total_cmp(&frame.xs[m]));
    for n in order {
        let (x, _) = frame.place(frame.xs[n], frame.y.ticks[0]);
        svg.line("axis", (x, frame.bottom), (x, frame.bottom + 5.0));
        let text = panel.xs()[n];
        let half = text.chars().count() as f64 * LETTER_WIDTH / 2.0 + 3.0;
        if x - half >= free {
            svg.text("tick middle", (x, frame.bottom + 19.0), text);
            free = x + half;
        }
    }
    let middle = f64::midpoint(frame.left, frame.right);
    svg.text("label middle", (middle, height - 6.0), panel.axis().unwrap_or_default());
}

/// A label of an axis: without digits that say nothing.
fn number_tick(tick: f64) -> String {
    let text = number(tick);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A line with its marks; of one that is the same everywhere, only those at its ends.
fn draw(
    svg: &mut Svg,
    frame: &Frame,
    (series, name, more): (usize, &str, &str),
    values: &[Option<f64>],
    class: &str,
    every_mark: bool,
) {
    let mut points: Vec<_> = frame.xs.iter().zip(values).map(|(&x, value)| (x, *value)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    let places: Vec<_> = points.iter().map(|&(x, value)| Some(frame.place(x, value?))).collect();
    // Published values may have gaps that nobody means anything by.
    let known: Vec<_> = places.iter().copied().filter(|place| class.is_empty() || place.is_some()).collect();
    svg.path(&format!("line {class}"), &known, &format!("{name}{more}"));
    for (n, ((x, value), place)) in points.iter().zip(&places).enumerate() {
        let end = n == 0 || n + 1 == points.len();
        if let (Some(value), Some(place)) = (value, place)
            && (every_mark || end)
        {
            let tip = format!("{name}{more}, {x}: {}", number(*value));
            svg.mark(&format!("mark {class}"), series, *place, &tip);
        }
    }
}

/// Rings around the points where lines cross.
fn crossings(svg: &mut Svg, frame: &Frame, names: &[&str], series: &[Vec<Option<f64>>]) {
    for (n, a) in series.iter().enumerate() {
        for (m, b) in series.iter().enumerate().skip(n + 1) {
            for crossing in crate::comparison::crossing::find(&frame.xs, a, b) {
                let Some(y) = interpolated(&frame.xs, a, crossing.at) else { continue };
                let tip = format!("{} and {} cross at about {}", names[n], names[m], number(crossing.at));
                svg.ring(frame.place(crossing.at, y), &tip);
            }
        }
    }
}

/// The height of a line at `x`, as it is drawn.
fn interpolated(xs: &[f64], values: &[Option<f64>], x: f64) -> Option<f64> {
    let known = xs.iter().zip(values).filter_map(|(&x, value)| Some((x, (*value)?)));
    type Point = Option<(f64, f64)>;
    let (mut below, mut above): (Point, Point) = (None, None);
    for point in known {
        if point.0 <= x && below.is_none_or(|b| point.0 > b.0) {
            below = Some(point);
        }
        if point.0 >= x && above.is_none_or(|a| point.0 < a.0) {
            above = Some(point);
        }
    }
    let (below, above) = (below?, above?);
    if below.0 == above.0 {
        return Some(below.1);
    }
    let part = (x / below.0).ln() / (above.0 / below.0).ln();
    let positive = below.1 > 0.0 && above.1 > 0.0;
    Some(if positive {
        below.1 * (above.1 / below.1).powf(part)
    } else {
        below.1 + (above.1 - below.1) * part
    })
}

/// Names at the ends of lines, moved apart.
fn labels(svg: &mut Svg, frame: &Frame, names: &[&str], series: &[Vec<Option<f64>>]) {
    let mut order: Vec<usize> = (0..frame.xs.len()).collect();
    order.sort_by(|&n, &m| frame.xs[n].total_cmp(&frame.xs[m]));
    let end = |values: &Vec<Option<f64>>| order.iter().rev().find_map(|&n| Some((frame.xs[n], values[n]?)));
    let ends = series
        .iter()
        .enumerate()
        .filter_map(|(n, values)| end(values).map(|(x, y)| (n, frame.place(x, y).1)));
    let mut ends: Vec<(usize, f64)> = ends.collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut below = frame.top - LABEL_HEIGHT + 8.0;
    for (_, y) in &mut ends {
        *y = y.max(below + LABEL_HEIGHT);
        below = *y;
    }
    // And up again from the bottom.
    let mut above = frame.bottom + LABEL_HEIGHT;
    for (_, y) in ends.iter_mut().rev() {
        *y = y.min(above - LABEL_HEIGHT);
        above = *y;
    }
    for (n, y) in ends {
        svg.begin_series(n);
        svg.text("name", (frame.right + 12.0, y + 4.0), &shortened(names[n], LABEL_LETTERS));
        svg.end_series();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_between_points_are_those_that_are_drawn() {
        let values = [Some(100.0), None, Some(400.0)];
        assert_eq!(interpolated(&[1.0, 2.0, 4.0], &values, 4.0), Some(400.0));
        let middle = interpolated(&[1.0, 2.0, 4.0], &values, 2.0).unwrap();
        assert!((middle - 200.0).abs() < 1e-9);
        assert_eq!(interpolated(&[1.0, 2.0, 4.0], &values, 8.0), None);
    }

    #[test]
    fn ticks_have_no_idle_digits() {
        assert_eq!([0.0, 0.5, 2.0, 12.5, 1000.0].map(number_tick), ["0", "0.5", "2", "12.5", "1,000"]);
    }
}
