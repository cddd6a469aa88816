//! The comparison as a page with charts, for a browser: one file that loads nothing, for light and dark.

mod bars;
mod lines;
mod scale;
mod svg;

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Measure, Outcome, Panel, Results, table};
use svg::{escape, swatch};

/// Runs that failed, of which the page tells.
const FAILURES: usize = 8;
const STYLE: &str = include_str!("html/page.css");

// Writing to a string does not fail.

/// The page.
pub fn html(results: &Results<'_>) -> String {
    let title = escape(&results.comparison.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let runs = results.runs().count();
    let _ = writeln!(
        page,
        "<p class=\"quiet\">{runs} runs by relsim {}. The same on every host: <code>{}</code></p>",
        escape(&results.version),
        escape(&results.command)
    );
    failures(&mut page, results);
    for panel in results.panels() {
        self::panel(&mut page, &panel);
    }
    provenance(&mut page, results);
    page.push_str("</body>\n</html>\n");
    page
}

fn failures(page: &mut String, results: &Results<'_>) {
    let failures = results.failures();
    if failures.is_empty() {
        return;
    }
    page.push_str("<div class=\"failed\"><p>Runs that failed, and are missing below:</p><ul>\n");
    let more = failures.len().saturating_sub(FAILURES);
    for (run, why) in failures.into_iter().take(FAILURES) {
        let why = why.lines().next().unwrap_or_default();
        let _ = writeln!(page, "<li>{}: {}</li>", escape(&run), escape(why));
    }
    if more > 0 {
        let _ = writeln!(page, "<li>and {more} more</li>");
    }
    page.push_str("</ul></div>\n");
}

fn panel(page: &mut String, panel: &Panel<'_>) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>", escape(&panel.title()));
    if let Some(note) = &panel.experiment.note {
        let _ = writeln!(page, "<p>{}</p>", escape(note));
    }
    findings(page, panel);
    let measures = panel.measures();
    if let Some((first, others)) = measures.split_first() {
        legend(page, panel);
        match panel.numbers() {
            Some(xs) => {
                figure(page, &first.title(), &lines::chart(panel, first, &xs, true));
                page.push_str("<div class=\"small\">\n");
                for measure in others {
                    figure(page, &measure.title(), &lines::chart(panel, measure, &xs, false));
                }
                page.push_str("</div>\n");
            }
            None => measures
                .iter()
                .for_each(|measure| figure(page, &measure.title(), &bars::chart(panel, measure))),
        }
    }
    causes(page, panel);
    page.push_str("<h3>The numbers</h3>\n<div class=\"numbers\">\n");
    measures.iter().for_each(|measure| numbers(page, panel, measure));
    page.push_str("</div>\n</section>\n");
}

/// Where one mechanism passes another, in words.
fn findings(page: &mut String, panel: &Panel<'_>) {
    if panel.numbers().is_none() || panel.experiment.mechanisms.len() < 2 {
        return;
    }
    let crossings = panel.crossings();
    page.push_str("<ul class=\"findings\">\n");
    if crossings.is_empty() {
        page.push_str("<li>No mechanism passes another: their order is the same at every point.</li>\n");
    }
    for crossing in crossings {
        let _ = writeln!(page, "<li>{}</li>", escape(&crossing));
    }
    for crossing in panel.published_crossings() {
        let _ = writeln!(page, "<li class=\"quiet\">Published: {}</li>", escape(&crossing));
    }
    page.push_str("</ul>\n");
}

fn legend(page: &mut String, panel: &Panel<'_>) {
    page.push_str("<ul class=\"legend\">\n");
    for (n, row) in panel.rows().iter().enumerate() {
        let _ = writeln!(page, "<li>{}{}</li>", swatch(Some(n)), escape(row.name));
    }
    let rows = panel.rows();
    let sources: BTreeSet<_> = rows.iter().filter_map(|row| row.source).collect();
    if !sources.is_empty() {
        let sources = sources.into_iter().map(escape).collect::<Vec<_>>().join("; ");
        let _ = writeln!(page, "<li>{}dashed: published ({sources})</li>", swatch(None));
    }
    page.push_str("</ul>\n");
}

fn figure(page: &mut String, caption: &str, drawing: &str) {
    let _ = writeln!(page, "<figure>\n<figcaption>{}</figcaption>\n{drawing}</figure>", escape(caption));
}

fn causes(page: &mut String, panel: &Panel<'_>) {
    let main = bars::main_causes(panel);
    let Some(drawing) = bars::causes(panel, &main) else { return };
    figure(page, "Where the cycles of all harts went, cycles per operation", &drawing);
    page.push_str("<ul class=\"legend\">\n");
    for cause in main.iter().copied().chain(["other", "wait"]) {
        let _ = writeln!(page, "<li><span class=\"box {}\"></span>{cause}</li>", bars::class(&main, cause));
    }
    page.push_str("</ul>\n");
}

fn numbers(page: &mut String, panel: &Panel<'_>, measure: &Measure) {
    let lines = table::cells(panel, &panel.rows(), measure);
    let Some((head, lines)) = lines.split_first() else { return };
    let _ = writeln!(page, "<div class=\"scroll\"><table>\n<caption>{}</caption>", escape(&head[0]));
    if panel.axis().is_some() {
        let cells = head[1..].iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell)));
        let _ = writeln!(page, "<thead><tr><th></th>{}</tr></thead>", cells.collect::<String>());
    }
    page.push_str("<tbody>\n");
    for line in lines {
        let theirs = if line[0].starts_with(' ') { " class=\"theirs\"" } else { "" };
        let cells = line[1..].iter().map(|cell| format!("<td>{}</td>", escape(cell)));
        let _ = writeln!(
            page,
            "<tr{theirs}><th scope=\"row\">{}</th>{}</tr>",
            escape(line[0].trim()),
            cells.collect::<String>()
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// What the results belong to: the file, the machines, the images, and every run by its hash.
fn provenance(page: &mut String, results: &Results<'_>) {
    let _ = writeln!(
        page,
        "<footer>\n<h2>How to get these numbers again</h2>\n<p><code>{}</code> with relsim {}; the file has the SHA-256 \
         <span class=\"hash\">{}</span>.</p>",
        escape(&results.command),
        escape(&results.version),
        escape(&results.file_sha256)
    );
    let mut machines: Vec<(&str, &str)> = Vec::new();
    for (_, _, outcome) in results.runs() {
        if let Outcome::Measured(m) = outcome {
            let pair = (m.image_sha256.as_str(), m.machine.as_str());
            if !machines.contains(&pair) {
                machines.push(pair);
            }
        }
    }
    page.push_str("<details><summary>Machines and images</summary>\n<ul>\n");
    for (image, machine) in machines {
        let _ = writeln!(page, "<li class=\"hash\">image {}; {}</li>", escape(image), escape(machine));
    }
    page.push_str(
        "</ul></details>\n<details><summary>Every run, with the hash of all that went in</summary>\n<ul>\n",
    );
    for (experiment, run, outcome) in results.runs() {
        if let Outcome::Measured(measured) = outcome {
            let _ = writeln!(
                page,
                "<li>{} <span class=\"hash\">{}</span></li>",
                escape(&experiment.describe(run)),
                escape(&measured.hash)
            );
        }
    }
    page.push_str("</ul></details>\n</footer>\n");
}
