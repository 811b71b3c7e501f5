//! A chart of what nodes held in the course of a soak: a line for the VM's memory and one for the resident memory of each.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::axis::{FONT, PIXELS, framed};

/// Minutes and megabytes.
type Points = Vec<(f64, f64)>;

/// Draws `figures`, lines of "second,node,bytes of the VM,resident bytes", into `file`.
///
/// # Errors
/// When there is nothing to draw, a line is not as it should be, or a file cannot be read or written.
pub fn draw(figures: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let nodes = read(&fs::read_to_string(figures)?)?;
    let points = || nodes.values().flat_map(|(vm, resident)| vm.iter().chain(resident));
    let minutes = points().map(|point| point.0).fold(0.0, f64::max);
    let megabytes = points().map(|point| point.1).fold(0.0, f64::max);
    if minutes <= 0.0 {
        return Err(format!("{}: nothing to draw", figures.display()).into());
    }
    let root = SVGBackend::new(file, PIXELS).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    framed(&mut builder, "What nodes hold after each round (thick: resident, thin: the VM's memory)");
    let mut chart = builder.build_cartesian_2d(0.0..minutes, 0.0..megabytes * 1.3)?;
    chart
        .configure_mesh()
        .x_desc("minutes")
        .y_desc("MB")
        .label_style((FONT, 13))
        .light_line_style(RGBColor(245, 245, 245))
        .draw()?;
    for (nth, (node, (vm, resident))) in nodes.iter().enumerate() {
        let colour = Palette99::pick(nth).to_rgba();
        let style = colour.stroke_width(3);
        chart
            .draw_series(LineSeries::new(resident.iter().copied(), style))?
            .label(node)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(LineSeries::new(vm.iter().copied(), colour.stroke_width(1)))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font((FONT, 13))
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    root.present()?;
    Ok(())
}

fn read(text: &str) -> Result<BTreeMap<String, (Points, Points)>, Box<dyn Error>> {
    let mut nodes: BTreeMap<String, (Points, Points)> = BTreeMap::new();
    for line in text.lines() {
        let [second, node, vm, resident] =
            line.split(',').collect::<Vec<_>>().try_into().map_err(|_| format!("not four fields: {line}"))?;
        let minute = second.parse::<f64>()? / 60.0;
        let (vms, residents) = nodes.entry(node.to_owned()).or_default();
        vms.push((minute, vm.parse::<f64>()? / 1e6));
        residents.push((minute, resident.parse::<f64>()? / 1e6));
    }
    Ok(nodes)
}
