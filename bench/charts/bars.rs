//! A chart of grouped bars on a logarithmic axis: one group a situation, one bar a carrier.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::{FONT, PIXELS, colour, decades, framed, short};

/// A situation and each carrier's figure in it.
pub type Group<'a> = (String, Vec<(&'a str, f64)>);

/// A group is 1 wide; this much of it is left free.
const GAP: f64 = 0.2;

/// Draws the chart into `file`.
///
/// # Errors
/// When there is nothing to draw or the file cannot be written.
pub fn draw(file: &Path, title: &str, unit: &str, groups: &[Group<'_>]) -> Result<(), Box<dyn Error>> {
    let values = groups.iter().flat_map(|(_, bars)| bars.iter().map(|(_, value)| *value));
    let (low, high) = decades(values).ok_or("nothing to draw")?;
    let root = SVGBackend::new(file, PIXELS).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    framed(&mut builder, title);
    let mut chart = builder.build_cartesian_2d(0.0..groups.len() as f64, (low..high * 3.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_desc(unit)
        .y_label_formatter(&|value| short(*value))
        .label_style((FONT, 13))
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for bar in laid_out(groups) {
        let style = colour(bar.carrier).filled();
        chart.draw_series([Rectangle::new([(bar.left, low), (bar.right, bar.value)], style)])?;
        let above = (FONT, 11).into_font().into_text_style(&root).pos(Pos::new(HPos::Center, VPos::Bottom));
        let middle = f64::midpoint(bar.left, bar.right);
        chart.draw_series([Text::new(short(bar.value), (middle, bar.value * 1.04), above)])?;
    }
    let below = (FONT, 13).into_font().into_text_style(&root).pos(Pos::new(HPos::Center, VPos::Top));
    for (nth, (label, _)) in groups.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(nth as f64 + 0.5, low));
        root.draw(&Text::new(label.clone(), (x, y + 10), below.clone()))?;
    }
    legend(&root, groups)?;
    root.present()?;
    Ok(())
}

struct Bar<'a> {
    carrier: &'a str,
    value: f64,
    left: f64,
    right: f64,
}

fn laid_out<'a>(groups: &[Group<'a>]) -> Vec<Bar<'a>> {
    let mut laid = Vec::new();
    for (nth, (_, bars)) in groups.iter().enumerate() {
        let width = (1.0 - GAP) / bars.len() as f64;
        for (place, (carrier, value)) in bars.iter().enumerate().filter(|(_, (_, value))| *value > 0.0) {
            let left = nth as f64 + GAP / 2.0 + place as f64 * width;
            laid.push(Bar { carrier, value: *value, left, right: left + width * 0.92 });
        }
    }
    laid
}

/// One row under the title; plotters' own legend would cover bars.
fn legend(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    groups: &[Group<'_>],
) -> Result<(), Box<dyn Error>> {
    let mut names: Vec<&str> = Vec::new();
    for (carrier, _) in groups.iter().flat_map(|(_, bars)| bars) {
        if !names.contains(carrier) {
            names.push(carrier);
        }
    }
    let text = (FONT, 13).into_font().into_text_style(root).pos(Pos::new(HPos::Left, VPos::Center));
    for (nth, name) in names.iter().enumerate() {
        let x = 90 + 125 * nth as i32;
        root.draw(&Rectangle::new([(x, 44), (x + 12, 56)], colour(name).filled()))?;
        root.draw(&Text::new((*name).to_owned(), (x + 17, 50), text.clone()))?;
    }
    Ok(())
}
