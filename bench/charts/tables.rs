//! The figures as Markdown tables.

use crate::axis::{short, size};
use crate::result::{Outcome, Throughput};

/// One row a target: what is, what is wanted.
pub fn ratios(outcome: &Outcome) -> String {
    let rows = outcome.ratios.iter().map(|row| {
        let wanted = format!("{} {}", row.kind.replace('_', " "), short(row.bound));
        let verdict = if row.met { "reached" } else { "**missed**" };
        vec![row.figure.clone(), row.against.clone(), number(row.value), wanted, verdict.to_owned()]
    });
    table(&["rustls' figure", "against", "is", "wanted", ""], rows)
}

/// One row a message size and a column a carrier, in the situation that carriers are compared in.
pub fn main_situation(outcome: &Outcome, figure: fn(&Throughput) -> f64) -> String {
    by_carrier(outcome, |point| point.is_main(), |point| size(point.size), "payload", figure)
}

/// The same for several senders and peers, and for both directions.
pub fn other_situations(outcome: &Outcome, figure: fn(&Throughput) -> f64) -> String {
    let label = |point: &Throughput| {
        let ways = if point.directions == 2 { ", both ways" } else { "" };
        format!("{}, {} senders, {} peers{ways}", size(point.size), point.senders, point.peers)
    };
    by_carrier(outcome, |point| !point.is_main(), label, "situation", figure)
}

fn by_carrier(
    outcome: &Outcome,
    chosen: impl Fn(&Throughput) -> bool,
    label: impl Fn(&Throughput) -> String,
    head: &str,
    figure: fn(&Throughput) -> f64,
) -> String {
    let points: Vec<&Throughput> = outcome.throughput.iter().filter(|point| chosen(point)).collect();
    let mut carriers: Vec<&str> = Vec::new();
    let mut rows: Vec<(String, Vec<(&str, f64)>)> = Vec::new();
    for point in points {
        if !carriers.contains(&point.carrier.as_str()) {
            carriers.push(&point.carrier);
        }
        let cell = (point.carrier.as_str(), figure(point));
        let label = label(point);
        match rows.last_mut() {
            Some((last, cells)) if *last == label => cells.push(cell),
            _ => rows.push((label, vec![cell])),
        }
    }
    let lines = rows.into_iter().map(|(label, cells)| {
        let values = carriers.iter().map(|carrier| cells.iter().find(|(name, _)| name == carrier));
        let values = values.map(|cell| cell.map_or_else(|| "-".to_owned(), |(_, value)| number(*value)));
        [label].into_iter().chain(values).collect()
    });
    table(&[&[head], carriers.as_slice()].concat(), lines)
}

/// Round trips in microseconds.
pub fn round_trips(outcome: &Outcome) -> String {
    let rows = outcome.round_trip.iter().map(|trip| {
        let load = match trip.load.as_str() {
            "same_link" => "bulk on the same link",
            "other_link" => "bulk on another link",
            other => other,
        };
        let figures =
            [trip.p50_us, trip.p99_us, trip.p99_worst_us, trip.p999_us, f64::from(trip.runs), trip.samples];
        let figures = figures.map(number);
        [size(trip.size), load.to_owned(), trip.carrier.clone()].into_iter().chain(figures).collect()
    });
    let head = ["payload", "link", "carrier", "p50 us", "p99 us", "p99 of the worst run", "p99.9 us", "runs"];
    table(&[&head[..], &["round trips a run"]].concat(), rows)
}

/// Set-up one by one and at once.
pub fn setup(outcome: &Outcome) -> String {
    let rows = outcome.setup.iter().map(|setup| {
        let crowd = outcome.at_once.iter().find(|crowd| crowd.carrier == setup.carrier);
        let figures = match crowd {
            Some(crowd) => [crowd.p50_ms, crowd.all_ms, crowd.refused].map(number),
            None => ["-"; 3].map(str::to_owned),
        };
        [setup.carrier.clone(), number(setup.p50_us / 1000.0), number(setup.p99_us / 1000.0)]
            .into_iter()
            .chain(figures)
            .collect()
    });
    let head = ["carrier", "p50 ms", "p99 ms", "at once: p50 ms", "until all are up, ms", "refused"];
    table(&head, rows)
}

/// What an idle link takes.
pub fn idle_links(outcome: &Outcome) -> String {
    let rows = outcome.idle_link.iter().map(|link| {
        let figures = [link.vm_bytes / 1000.0, link.rss_bytes / 1000.0, link.processes].map(number);
        [link.carrier.clone()].into_iter().chain(figures).collect()
    });
    table(&["carrier", "VM memory, kB", "resident, kB", "processes"], rows)
}

/// How long it takes until all are connected to all.
pub fn meshes(outcome: &Outcome) -> String {
    let rows = outcome.mesh.iter().map(|mesh| {
        let figures = [f64::from(mesh.nodes), mesh.p50_ms, mesh.all_ms, f64::from(mesh.runs)].map(number);
        [mesh.carrier.clone()].into_iter().chain(figures).collect()
    });
    table(&["carrier", "nodes", "the middle node is done, ms", "all are connected, ms", "runs"], rows)
}

/// What waits for a slow receiver, and what that holds.
pub fn slow_receivers(outcome: &Outcome) -> String {
    let rows = outcome.slow.iter().map(|slow| {
        let figures = [
            slow.receiver_per_byte,
            slow.sender_per_byte,
            slow.taken_bytes / 1000.0,
            slow.held_bytes / 1000.0,
        ];
        [size(slow.size), slow.carrier.clone()].into_iter().chain(figures.map(number)).collect()
    });
    let head = [
        "payload",
        "carrier",
        "bytes held for a byte that waits, receiver",
        "sender",
        "sent before the sender is suspended, kB",
        "held by the sender then, kB",
    ];
    table(&head, rows)
}

/// How late processes run.
pub fn lateness(outcome: &Outcome) -> String {
    let rows = outcome.scheduler.iter().map(|late| {
        let figures = [late.p50_us, late.p99_us, late.p999_us, late.max_us].map(number);
        [late.carrier.clone(), late.node.clone()].into_iter().chain(figures).collect()
    });
    table(&["carrier", "node", "p50 us", "p99 us", "p99.9 us", "longest us"], rows)
}

/// How long calls into Rust take.
pub fn nif_calls(outcome: &Outcome) -> String {
    let rows = outcome.nif_calls.iter().map(|call| {
        let figures = [call.p50_us, call.p99_us, call.max_us, call.samples].map(number);
        [call.call.clone(), call.cipher.clone()].into_iter().chain(figures).collect()
    });
    table(&["call", "cipher suite", "p50 us", "p99 us", "longest us", "calls"], rows)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows: String = rows.map(|cells| line(&cells)).collect();
    line(&head) + &rule + &rows
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
