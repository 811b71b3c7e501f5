//! The part of the page that a run writes.

use std::error::Error;

use crate::pictures::Picture;
use crate::result::{Machine, Outcome, Throughput};
use crate::tables;

/// `page` with everything between the marks of the machine and its release replaced by `section`; at the end, under a
/// heading, where the page has no such marks yet.
///
/// # Errors
/// When the page has the first of the marks and not the second.
pub fn replaced(page: &str, machine: &Machine, section: &str) -> Result<String, Box<dyn Error>> {
    let (name, otp) = (&machine.name, &machine.otp);
    let (opening, closing) =
        (format!("<!-- bench {name} otp{otp} -->"), format!("<!-- /bench {name} otp{otp} -->"));
    let Some((before, rest)) = page.split_once(&opening) else {
        let page = page.trim_end();
        return Ok(format!("{page}\n\n## OTP {otp} on {name}\n\n{opening}\n{section}{closing}\n"));
    };
    let (_, after) = rest.split_once(&closing).ok_or_else(|| format!("the page has no mark {closing}"))?;
    Ok(format!("{before}{opening}\n{section}{closing}{after}"))
}

/// Everything that is shown of one run.
pub fn section(outcome: &Outcome, pictures: &[Picture]) -> String {
    let charts = pictures
        .iter()
        .map(|picture| format!("![{}](performance/{})\n\n", picture.caption, picture.file))
        .collect::<String>();
    [
        machine(outcome),
        part("What is wanted", &tables::ratios(outcome)),
        charts,
        part("MB/s, one sender", &tables::main_situation(outcome, |point| point.mb_per_s)),
        part(
            "Messages per second, one sender",
            &tables::main_situation(outcome, |point| point.messages_per_s),
        ),
        part("CPU seconds per GB, both nodes", &tables::main_situation(outcome, |point| point.cpu_s_per_gb)),
        part(
            "CPU seconds per million messages, both nodes",
            &tables::main_situation(outcome, |p| p.cpu_s_per_million),
        ),
        part("Round trips", &tables::round_trips(outcome)),
        part("Set-up of links", &tables::setup(outcome)),
        part("A mesh: every node has a link to every other", &tables::meshes(outcome)),
        part("An idle link", &tables::idle_links(outcome)),
        part("A receiver that is slow", &tables::slow_receivers(outcome)),
        part("How late a process runs on a node whose link is saturated", &tables::lateness(outcome)),
        part("Calls into Rust on a normal scheduler", &tables::nif_calls(outcome)),
        folded("Several senders and peers, and both directions: MB/s", outcome, |point| point.mb_per_s),
        folded("The same: messages per second", outcome, |point| point.messages_per_s),
        folded("The same: CPU seconds per GB", outcome, |point| point.cpu_s_per_gb),
    ]
    .concat()
}

fn machine(outcome: &Outcome) -> String {
    let it = &outcome.machine;
    format!(
        "\n{}, {} cores, {} GiB; {}, Linux {}; OTP {} (erts {}, ssl {}), {}; {}; commit {}; {}. Medians of {} runs; widest \
         spread between the runs of a figure in the main table {:.0} %; load of the machine before the start {:.2}.\n\n",
        it.cpu,
        it.cores,
        it.memory_gib,
        it.system,
        it.kernel,
        it.otp,
        it.erts,
        it.ssl,
        it.openssl,
        it.rustc,
        it.commit,
        it.date,
        outcome.rounds,
        spread(&outcome.throughput) * 100.0,
        it.load
    )
}

/// The largest difference between two runs of one figure, in parts of its median.
fn spread(points: &[Throughput]) -> f64 {
    points.iter().filter(|point| point.is_main()).fold(0.0, |widest, point| {
        let low = point.runs.iter().copied().fold(f64::MAX, f64::min);
        let high = point.runs.iter().copied().fold(f64::MIN, f64::max);
        f64::max(widest, (high - low) / point.messages_per_s)
    })
}

/// Nothing when the table has no rows.
fn part(title: &str, table: &str) -> String {
    if table.lines().count() > 2 { format!("**{title}**\n\n{table}\n") } else { String::new() }
}

fn folded(title: &str, outcome: &Outcome, figure: fn(&Throughput) -> f64) -> String {
    let table = tables::other_situations(outcome, figure);
    if table.lines().count() > 2 {
        format!("<details><summary>{title}</summary>\n\n{table}\n</details>\n\n")
    } else {
        String::new()
    }
}
