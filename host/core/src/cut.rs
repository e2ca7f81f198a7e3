//! Cuts long texts.

/// Returns at most `most` bytes of the text, cut at a character boundary and marked.
pub fn cut(mut text: String, most: usize) -> String {
    const MARK: &str = "… (cut)";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
    text
}
