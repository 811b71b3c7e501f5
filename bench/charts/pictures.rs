//! Which charts there are, and from which figures.

use std::error::Error;
use std::path::Path;

use crate::bars::{self, Group};
use crate::lines::{self, Series};
use crate::result::{Outcome, RoundTrip, Throughput};

/// A chart: its file's name and what it shows.
pub struct Picture {
    pub file: String,
    pub caption: String,
}

/// Draws everything there are figures for into `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(outcome: &Outcome, folder: &Path) -> Result<Vec<Picture>, Box<dyn Error>> {
    let (machine, otp) = (&outcome.machine.name, &outcome.machine.otp);
    let mut pictures = Vec::new();
    let mut add = |kind: &str, caption: &str| {
        let file = format!("{kind}-{machine}-otp{otp}.svg");
        let title = format!("{caption}, OTP {otp}, {machine}");
        let path = folder.join(&file);
        pictures.push(Picture { file, caption: title.clone() });
        (path, title)
    };
    let (file, title) = add("throughput", "Throughput, one sender");
    lines::draw(&file, &title, "MB/s", &by_size(outcome, |point| point.mb_per_s))?;
    let (file, title) = add("cpu", "CPU time of both nodes, one sender");
    lines::draw(&file, &title, "CPU seconds per GB", &by_size(outcome, |point| point.cpu_s_per_gb))?;
    let (file, title) = add("round-trip", "Round trip of an empty message");
    bars::draw(&file, &title, "microseconds", &round_trips(&outcome.round_trip))?;
    let (file, title) = add("set-up", "Set-up of links");
    bars::draw(&file, &title, "milliseconds", &setup(outcome))?;
    if !outcome.idle_link.is_empty() {
        let (file, title) = add("memory", "An idle link");
        let bars =
            outcome.idle_link.iter().map(|link| (link.carrier.as_str(), link.vm_bytes / 1000.0)).collect();
        let resident =
            outcome.idle_link.iter().map(|link| (link.carrier.as_str(), link.rss_bytes / 1000.0)).collect();
        let groups = [("the VM's memory".to_owned(), bars), ("resident".to_owned(), resident)];
        bars::draw(&file, &title, "kB", &groups)?;
    }
    Ok(pictures)
}

fn by_size(outcome: &Outcome, figure: impl Fn(&Throughput) -> f64) -> Vec<Series<'_>> {
    let mut series: Vec<Series<'_>> = Vec::new();
    for point in outcome.throughput.iter().filter(|point| point.is_main() && point.size > 0) {
        let value = (point.size, figure(point));
        match series.iter_mut().find(|(carrier, _)| *carrier == point.carrier) {
            Some((_, points)) => points.push(value),
            None => series.push((&point.carrier, vec![value])),
        }
    }
    series
}

fn round_trips(trips: &[RoundTrip]) -> Vec<Group<'_>> {
    let group = |load: &str, label: &str, figure: fn(&RoundTrip) -> f64| {
        let chosen = trips.iter().filter(|trip| trip.load == load && trip.size == 0);
        (label.to_owned(), chosen.map(|trip| (trip.carrier.as_str(), figure(trip))).collect::<Vec<_>>())
    };
    let mut groups = vec![
        group("idle", "idle, p50", |trip| trip.p50_us),
        group("idle", "idle, p99", |trip| trip.p99_us),
        group("other_link", "bulk on another link, p99", |trip| trip.p99_us),
        group("same_link", "bulk on the same link, p99", |trip| trip.p99_us),
        group("same_link", "of the worst run", |trip| trip.p99_worst_us),
    ];
    groups.retain(|(_, bars)| !bars.is_empty());
    groups
}

fn setup(outcome: &Outcome) -> Vec<Group<'_>> {
    let single = outcome.setup.iter().map(|setup| (setup.carrier.as_str(), setup.p50_us / 1000.0)).collect();
    let mut groups = vec![("one by one, p50".to_owned(), single)];
    if let Some(first) = outcome.at_once.first() {
        let all = outcome.at_once.iter().map(|crowd| (crowd.carrier.as_str(), crowd.all_ms)).collect();
        groups.push((format!("{} at once, until all are up", first.nodes), all));
    }
    groups
}
