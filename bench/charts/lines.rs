//! A chart of one line a carrier over message sizes, both axes logarithmic.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::axis::{FONT, PIXELS, colour, decades, framed, short, size};

/// A carrier's figure by message size in bytes.
pub type Series<'a> = (&'a str, Vec<(u64, f64)>);

/// Draws the chart into `file`. Values that are not above zero are left out.
///
/// # Errors
/// When there is nothing to draw or the file cannot be written.
pub fn draw(file: &Path, title: &str, unit: &str, series: &[Series<'_>]) -> Result<(), Box<dyn Error>> {
    let points = || series.iter().flat_map(|(_, points)| points.iter());
    let (low, high) = decades(points().map(|(_, value)| *value)).ok_or("nothing to draw")?;
    let sizes: Vec<f64> =
        points().filter(|(_, value)| *value > 0.0).map(|(bytes, _)| *bytes as f64).collect();
    let first = sizes.iter().copied().fold(f64::MAX, f64::min);
    let last = sizes.iter().copied().fold(first * 2.0, f64::max);
    let root = SVGBackend::new(file, PIXELS).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    framed(&mut builder, title);
    let mut chart =
        builder.build_cartesian_2d((first..last * 1.1).log_scale().base(4.0), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("bytes of payload in a message")
        .y_desc(unit)
        .x_label_formatter(&|bytes| size(*bytes as u64))
        .y_label_formatter(&|value| short(*value))
        .label_style((FONT, 13))
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for (carrier, points) in series {
        let points: Vec<(f64, f64)> = points
            .iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(bytes, value)| (*bytes as f64, *value))
            .collect();
        let style = colour(carrier).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(*carrier)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour(carrier).filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font((FONT, 13))
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    root.present()?;
    Ok(())
}
