//! What a peer wrote, as part of a sentence: cut, and without characters that a terminal or a parser of logs obeys.

/// The most characters of one such text.
const MAX_CHARS: usize = 200;

/// At most 200 characters of `text`; controls, and what turns the order of a line around or hides in it, are escaped.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_CHARS).map(escaped).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push_str(&format!("... ({} bytes)", text.len()));
    }
    shown
}

fn escaped(character: char) -> String {
    match character {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            character.escape_unicode().to_string()
        }
        _ if character.is_control() => character.escape_unicode().to_string(),
        _ => character.to_string(),
    }
}
