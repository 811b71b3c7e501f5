//! What all charts share: size, colours, the range of a logarithmic axis, and how numbers on it are written.

use plotters::prelude::*;

/// Width and height in pixels.
pub const PIXELS: (u32, u32) = (860, 480);
/// The font that SVG viewers choose from.
pub const FONT: &str = "sans-serif";

/// A colour for each carrier, the same in all charts.
pub fn colour(carrier: &str) -> RGBColor {
    match carrier {
        "rustls" => RGBColor(200, 60, 20),
        "inet_tls" => RGBColor(140, 180, 220),
        "inet_tls tuned" => RGBColor(30, 100, 180),
        "inet_tcp" => RGBColor(150, 200, 150),
        "inet_tcp tuned" => RGBColor(40, 130, 60),
        _ => RGBColor(110, 110, 110),
    }
}

/// Gives a chart its title and the room for both axes' labels.
pub fn framed(chart: &mut ChartBuilder<'_, '_, SVGBackend<'_>>, title: &str) {
    chart.caption(title, (FONT, 20)).margin(12).x_label_area_size(44).y_label_area_size(64);
}

/// The powers of ten around all values above zero. None when there is no such value.
pub fn decades(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    (low <= high).then(|| {
        let (from, to) = (low.log10().floor(), high.log10().ceil());
        (10f64.powf(from), 10f64.powf(to.max(from + 1.0)))
    })
}

/// Three digits at most, and a letter for thousands and millions.
pub fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => trimmed(v / 1e6) + "M",
        v if v >= 1e4 => trimmed(v / 1e3) + "k",
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}").trim_end_matches(".0").to_owned(),
        v => format!("{v:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// A message size in bytes.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 20 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}
