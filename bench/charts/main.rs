//! `charts RESULTS PAGE CHARTS`: draws the results of full benchmark runs (`RESULTS/result-MACHINE-otpNN.json`) as SVG files
//! in the folder CHARTS, and puts the tables of each machine and release into the file PAGE, between
//! `<!-- bench MACHINE otpNN -->` and `<!-- /bench MACHINE otpNN -->`, which it adds at the end when they are not there. What
//! stands elsewhere in the page, the figures of other machines among it, is left alone.
//!
//! `charts soak FIGURES CHART`: draws what nodes held in a soak (`make soak`).

mod axis;
mod bars;
mod lines;
mod page;
mod pictures;
mod result;
mod soak;
mod tables;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [first, second, third] = arguments.as_slice() else {
        eprintln!("usage: charts RESULTS PAGE CHARTS, or charts soak FIGURES CHART");
        return ExitCode::FAILURE;
    };
    let drawn = match first.as_str() {
        "soak" => soak::draw(Path::new(second), Path::new(third)),
        results => publish(Path::new(results), Path::new(second), Path::new(third)),
    };
    match drawn {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("charts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn publish(results: &Path, page: &Path, charts: &Path) -> Result<(), Box<dyn Error>> {
    let outcomes = result::read_all(results)?;
    if outcomes.is_empty() {
        return Err(format!("{}: no result of a full run; `make bench` makes one", results.display()).into());
    }
    fs::create_dir_all(charts)?;
    let mut text = fs::read_to_string(page)?;
    for outcome in &outcomes {
        let pictures = pictures::draw(outcome, charts)?;
        text = page::replaced(&text, &outcome.machine, &page::section(outcome, &pictures))?;
        println!(
            "{}, OTP {}: {} and {} charts in {}",
            outcome.machine.name,
            outcome.machine.otp,
            page.display(),
            pictures.len(),
            charts.display()
        );
    }
    fs::write(page, text)?;
    Ok(())
}
