//! SVG text. Colours and fonts are the page's style sheet's, by class.

use std::fmt::Write;

/// `text` as it stands between tags and in attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in XML.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Series that are told apart by colour and shape; others begin anew.
pub const SERIES: usize = 7;

/// What a letter is wide, about.
pub const LETTER_WIDTH: f64 = 7.0;

/// `name` in no more than `letters`.
pub fn shortened(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.into();
    }
    name.chars().take(letters.saturating_sub(1)).chain(['\u{2026}']).collect()
}

/// A drawing.
pub struct Svg {
    text: String,
}

impl Svg {
    /// An empty one of this size, which says `title` to those who cannot see it.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let title = escape(title);
        let text = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n"
        );
        Self { text }
    }

    // Writing to a string does not fail.

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.text,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// Text, which the class aligns.
    pub fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        let (x, y) = at;
        let _ =
            writeln!(self.text, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text));
    }

    /// A box with a tooltip.
    pub fn bar(&mut self, class: &str, at: (f64, f64), size: (f64, f64), tip: &str) {
        let ((x, y), (width, height)) = (at, size);
        let _ = writeln!(
            self.text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
             <title>{}</title></rect>",
            escape(tip)
        );
    }

    /// Lines from point to point; a new one behind each gap.
    pub fn path(&mut self, class: &str, points: &[Option<(f64, f64)>], tip: &str) {
        let mut path = String::new();
        let mut joined = false;
        for point in points {
            if let Some((x, y)) = point {
                let _ = write!(path, "{}{x:.1} {y:.1}", if joined { 'L' } else { 'M' });
            }
            joined = point.is_some();
        }
        let _ =
            writeln!(self.text, "<path class=\"{class}\" d=\"{path}\"><title>{}</title></path>", escape(tip));
    }

    /// The mark of series number `series`, with a tooltip.
    pub fn mark(&mut self, class: &str, series: usize, at: (f64, f64), tip: &str) {
        let _ = writeln!(
            self.text,
            "<path class=\"{class}\" d=\"{}\"><title>{}</title></path>",
            shape(series, at),
            escape(tip)
        );
    }

    /// A ring with a tooltip.
    pub fn ring(&mut self, at: (f64, f64), tip: &str) {
        let (x, y) = at;
        let tip = escape(tip);
        let _ = writeln!(
            self.text,
            "<circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"9\"><title>{tip}</title></circle>"
        );
    }

    /// What of the drawing belongs to series number `series`, up to [`Svg::end_series`].
    pub fn begin_series(&mut self, series: usize) {
        let _ = writeln!(self.text, "<g class=\"s{}\">", series % SERIES);
    }

    /// See [`Svg::begin_series`].
    pub fn end_series(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// The drawing.
    pub fn finish(self) -> String {
        self.text + "</svg>\n"
    }
}

/// The outline of the mark of series number `series`: a shape for each, so that colours are not needed.
fn shape(series: usize, at: (f64, f64)) -> String {
    let (x, y) = at;
    let polygon = |points: &[(f64, f64)]| {
        let points: Vec<_> = points.iter().map(|(dx, dy)| format!("{:.1} {:.1}", x + dx, y + dy)).collect();
        format!("M{}Z", points.join("L"))
    };
    match series % SERIES {
        0 => format!("M{:.1} {y:.1}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z", x - 4.5),
        1 => polygon(&[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)]),
        2 => polygon(&[(0.0, -5.0), (5.0, 4.0), (-5.0, 4.0)]),
        3 => polygon(&[(0.0, -5.5), (5.5, 0.0), (0.0, 5.5), (-5.5, 0.0)]),
        4 => polygon(&[(0.0, 5.0), (5.0, -4.0), (-5.0, -4.0)]),
        5 => polygon(&[(-4.0, -2.0), (0.0, -5.0), (4.0, -2.0), (4.0, 4.0), (-4.0, 4.0)]),
        _ => polygon(&[(-5.0, -2.0), (5.0, -2.0), (5.0, 2.0), (-5.0, 2.0)]),
    }
}

/// A small drawing for a legend: of the line of series number `series`, or of published ones.
pub fn swatch(series: Option<usize>) -> String {
    let of = series.map_or(String::new(), |n| format!(" s{}", n % SERIES));
    let published = if series.is_none() { " published" } else { "" };
    format!(
        "<svg class=\"swatch{of}\" viewBox=\"0 0 32 14\" aria-hidden=\"true\"><path class=\"line{published}\" \
         d=\"M1 7L31 7\"/><path class=\"mark{published}\" d=\"{}\"/></svg>",
        shape(series.unwrap_or(0), (16.0, 7.0))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(
            escape("<b a=\"1\" c='2'>&\u{1b}"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\u{fffd}"
        );
    }

    #[test]
    fn gaps_break_lines() {
        let mut svg = Svg::new(10.0, 10.0, "x");
        svg.path("line", &[Some((0.0, 0.0)), Some((1.0, 1.0)), None, Some((2.0, 2.0))], "tip");
        assert!(svg.finish().contains("d=\"M0.0 0.0L1.0 1.0M2.0 2.0\""));
    }
}
