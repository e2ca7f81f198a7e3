//! Texts that are shown or stored: cut to a length, and without control characters.

/// Returns at most `most` bytes of the text, cut at a character boundary and marked.
pub fn cut(mut text: String, most: usize) -> String {
    const MARK: &str = "… (cut)";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
    text
}

/// Escapes control characters except line ends and tabs, so that a text of foreign origin cannot steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, c| {
        if c.is_control() && c != '\n' && c != '\t' {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
        printable
    })
}
