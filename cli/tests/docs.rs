//! The documentation says what the program says: marked blocks are compared with the commands and tables that
//! they come from, and every page and link exists.
//!
//! A block is a line `<!-- checked: SOURCE -->`, then a fenced block or a table. With `RELSIM_UPDATE_DOCS=1`
//! in the environment, blocks that differ are rewritten instead, and the test fails once to say so.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use relsim_core::csr::{self, CsrDef};
use relsim_core::insn::InsnDef;
use relsim_core::isa::{Ext, Need};
use relsim_core::rows;
use relsim_core::timing::CycleCause;
use relsim_machine::{TIMING_MODELS, platform};
use relsim_markers::{Kind, word};
use relsim_uintr::UINTR;

/// It begins a line: pages may speak of it.
const MARK: &str = "\n<!-- checked: ";
const MARK_END: &str = " -->";
const UPDATE: &str = "RELSIM_UPDATE_DOCS";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every page of the book, and the pages that stand beside it.
fn pages() -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let mut found = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|n| repository().join(n)).to_vec();
    below(&repository().join("docs/src"), &mut found);
    found.sort();
    found
}

/// What `relsim ARGUMENTS` writes to standard output.
fn relsim(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(arguments.split_whitespace())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "relsim {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a row needs, as a page shows it.
fn need(need: Need) -> String {
    let name = |ext: Ext| {
        let name = if ext == UINTR.slot { UINTR.name } else { ext.name() };
        name[..1].to_uppercase() + &name[1..]
    };
    let sets = need.0.iter().map(|set| set.iter().map(name).collect::<Vec<_>>().join(" and "));
    sets.collect::<Vec<_>>().join(" or ")
}

/// Instructions by what they need, in the order of the files.
fn instructions() -> String {
    let rows: Vec<&InsnDef> = rows::BASE.iter().copied().flatten().chain(UINTR.insns).collect();
    let mut text = String::from("| extension | instructions |\n|---|---|\n");
    let mut done = BTreeSet::new();
    for row in &rows {
        let needs = need(row.need);
        if done.insert(needs.clone()) {
            let names = rows.iter().filter(|r| need(r.need) == needs).map(|r| format!("`{}`", r.name));
            let _ = writeln!(text, "| {needs} | {} |", names.collect::<Vec<_>>().join(" "));
        }
    }
    text
}

/// CSRs by number. Rows with consecutive numbers that differ in their last digits only are one line.
fn csrs() -> String {
    let mut rows: Vec<&CsrDef> = csr::BASE.iter().copied().flatten().chain(UINTR.csrs).collect();
    rows.sort_by_key(|row| row.num);
    let stem = |row: &CsrDef| row.name.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
    let mut text = String::from("| number | CSR | with | specification |\n|---|---|---|---|\n");
    let mut rest = rows.as_slice();
    while let Some(first) = rest.first() {
        let numbered = stem(first) != first.name;
        let alike = |(number, row): &(u16, &&CsrDef)| {
            row.num == *number && stem(row) == stem(first) && need(row.need) == need(first.need)
        };
        let count = if numbered { (first.num..).zip(rest).take_while(alike).count() } else { 1 };
        let (run, behind) = rest.split_at(count);
        let last = run[count - 1];
        let (numbers, names) = if count > 1 {
            (format!("{:#05x}-{:#05x}", first.num, last.num), format!("`{}`-`{}`", first.name, last.name))
        } else {
            (format!("{:#05x}", first.num), format!("`{}`", first.name))
        };
        let _ = writeln!(text, "| {numbers} | {names} | {} | {} |", need(first.need), first.spec);
        rest = behind;
    }
    text
}

/// Why cycles pass.
fn causes() -> String {
    let row = |cause: &CycleCause| format!("| `{}` | {} |\n", cause.name(), cause.meaning());
    let rows: String = CycleCause::ALL.iter().map(row).collect();
    format!("| cause | why a cycle passed |\n|---|---|\n{rows}")
}

/// What a mark stands for.
fn expected(source: &str) -> String {
    match source {
        "instructions" => instructions(),
        "csrs" => csrs(),
        "causes" => causes(),
        command => match command.strip_prefix("relsim ") {
            Some(arguments) => relsim(arguments),
            None => panic!("a block claims to come from {source:?}, which this test does not know"),
        },
    }
}

/// Where the block behind a mark begins and ends: inside of its fence, or the whole table.
fn block(page: &str, from: usize) -> Option<(usize, usize)> {
    let rest = page[from..].trim_start_matches('\n');
    let at = page.len() - rest.len();
    if rest.starts_with("```") {
        let start = at + rest.find('\n')? + 1;
        return Some((start, start + page[start..].find("```")?));
    }
    let len =
        rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum::<usize>();
    (len > 0).then_some((at, at + len))
}

#[test]
fn blocks_are_what_the_program_says() {
    let update = std::env::var_os(UPDATE).is_some();
    let mut wrong = Vec::new();
    for path in pages() {
        let mut page = fs::read_to_string(&path).unwrap();
        let mut from = 0;
        while let Some(at) = page[from..].find(MARK).map(|n| from + n + MARK.len()) {
            let end = at + page[at..].find(MARK_END).expect("a mark ends in its line");
            let source = page[at..end].to_string();
            from = end + MARK_END.len();
            let (start, stop) = block(&page, from)
                .unwrap_or_else(|| panic!("{}: no block behind the mark of {source}", path.display()));
            // Lines do not end in blanks in our pages.
            let text: String =
                expected(&source).lines().map(|line| line.trim_end().to_string() + "\n").collect();
            if page[start..stop] != text {
                wrong.push(format!("{}: {source}", path.display()));
                page.replace_range(start..stop, &text);
            }
        }
        if update {
            fs::write(&path, page).unwrap();
        }
    }
    let advice = if update { "they are rewritten now" } else { "RELSIM_UPDATE_DOCS=1 rewrites them" };
    assert!(wrong.is_empty(), "blocks that are not what relsim says ({advice}):\n{}", wrong.join("\n"));
}

/// A platform in the list is in the book, and what it says can be parsed and described to a guest.
#[test]
fn every_platform_is_described_and_can_be_made() {
    let page = fs::read_to_string(repository().join("docs/src/reference/platforms.md")).unwrap();
    for platform in platform::ALL {
        let mark = format!("{MARK}relsim platform show {}{MARK_END}", platform.name);
        assert!(page.contains(&mark), "the page of platforms lacks {}", mark.trim());
        for harts in [platform.default_harts, platform.max_harts] {
            let arguments =
                ["dtb", "--platform", platform.name, "--harts", &harts.to_string()].map(String::from);
            let output = Command::new(env!("CARGO_BIN_EXE_relsim")).args(arguments).output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                platform.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn every_timing_model_is_described() {
    let page = fs::read_to_string(repository().join("docs/src/reference/timing.md")).unwrap();
    for model in TIMING_MODELS {
        assert!(page.contains(&format!("\n## {}\n", model.name)), "the page lacks {}", model.name);
        let mark = format!("{MARK}relsim timing show {}{MARK_END}", model.name);
        let shown = model.parameters.is_empty() && model.fixed.is_empty() || page.contains(&mark);
        assert!(shown, "the page of timing models lacks {}", mark.trim());
    }
}

/// The targets of a page's links.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn links_lead_to_files() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&page).filter(|l| !l.contains("://") && !l.starts_with('#')) {
            let file = link.split('#').next().unwrap_or(link);
            let target = path.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
        }
    }
}

#[test]
fn the_summary_names_every_page_once() {
    let book = repository().join("docs/src");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    let mut named: Vec<PathBuf> = links(&summary).map(|link| book.join(link)).collect();
    named.push(book.join("SUMMARY.md"));
    named.sort();
    let there: Vec<PathBuf> = pages().into_iter().filter(|path| path.starts_with(&book)).collect();
    assert_eq!(named, there);
}

/// Every field of `--stats` is explained, and nothing else is.
#[test]
fn the_statistics_are_explained() {
    fn fields(value: &serde_json::Value, prefix: &str, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                // Causes and parameters are listed elsewhere, and sums with their extremes are explained once.
                if !["traps", "cycles_by_cause", "timing_parameters"].contains(&key.as_str())
                    && value.get("mean").is_none()
                {
                    fields(value, &name, found);
                }
                found.insert(name);
            }),
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| fields(item, &format!("{prefix}[]"), found));
            }
            _ => {}
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let (disk, stats) = (directory.path().join("disk"), directory.path().join("stats"));
    fs::write(&disk, [0; 512]).unwrap();
    // A dead guest has a detail, and limits are shown where they were given. Markers have values and names.
    let wfi = directory.path().join("wfi");
    let markers = [(Kind::Begin, 1), (Kind::End, 1), (Kind::Instant, 2)].map(|(kind, id)| word(kind, id, 10));
    let code = markers.into_iter().chain([0x1050_0073]).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    fs::write(&wfi, code).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["run", "-q", "--max-cycles", "1e6", "--max-instructions", "1e6", "--stdin", "none", "--raw"])
        .args(["--timing", "rocket", "--region-name", "1=region", "--region-name", "2=event"])
        .args(["--disk".as_ref(), disk.as_os_str(), "--stats".as_ref(), stats.as_os_str(), wfi.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(121), "{output:?}");
    let mut found = BTreeSet::new();
    fields(&serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap(), "", &mut found);
    let page = fs::read_to_string(repository().join("docs/src/reference/stats.md")).unwrap();
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_string());
    let explained: BTreeSet<String> = page.lines().filter_map(cell).collect();
    assert_eq!(explained, found);
}
