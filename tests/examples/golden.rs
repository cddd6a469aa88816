//! Runs the golden ELF files under the Rocket model: errors in total, and the rows that are furthest off.

use relsim_tests::golden::{Compared, MULTI_RUNS, RUNS, compare, compare_multi, share_in_range, statistics};

/// Rows listed where nobody says how many.
const WORST: usize = 20;

fn main() {
    let worst = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(WORST);
    let mut all: Vec<Compared> = Vec::new();
    println!("run          rows  mean error  within 1 %  within 5 %  exact");
    let line = |name: &str, rows: &[Compared]| {
        let (mean, one, five) = statistics(rows);
        let exact = rows.iter().filter(|r| r.model.cycles == r.rtl.cycles).count();
        println!("{name:12} {:4}  {mean:8.3} %  {one:8.1} %  {five:8.1} %  {exact:5}", rows.len());
    };
    for &(name, bytes, latency) in RUNS {
        let rows = compare(name, bytes, latency);
        line(&format!("{name} {latency}"), &rows);
        all.extend(rows);
    }
    line("all", &all);
    let mut many: Vec<Compared> = Vec::new();
    println!();
    for &(name, bytes, read, write) in MULTI_RUNS {
        let rows = compare_multi(name, bytes, read, write);
        line(&format!("{name} {read}/{write}"), &rows);
        many.extend(rows);
    }
    line("4 harts", &many);
    println!("in the RTL's range or next to it: {:.1} %", share_in_range(&many));
    all.extend(many);
    all.sort_by(|a, b| b.error_percent().abs().total_cmp(&a.error_percent().abs()));
    println!("\nrun          row                               model        RTL    error");
    for row in all.iter().take(worst) {
        let (model, rtl) = (row.model.cycles, row.rtl.cycles);
        println!("{:12} {:28} {model:10} {rtl:10} {:7.2} %", row.run, row.model.name, row.error_percent());
    }
}
